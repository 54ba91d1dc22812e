/* SPDX-License-Identifier: Apache-2.0 */
/* Tests files that appear whole or not at all, the worker pool, names and defaults. */
#include "test.h"

#include "base/border.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/isa.h"
#include "base/memory.h"
#include "base/pool.h"
#include "base/resample.h"
#include "base/beta.h"
#include "base/statistics.h"
#include "base/utf8.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <limits.h>
#include <math.h>
#include <signal.h>

static void read_back(const char *path, const char *expected)
{
    dp_mapping mapping;
    assert_ok(dp_mapping_open(path, &mapping, err));
    assert_int_equal(mapping.bytes, strlen(expected));
    if (mapping.bytes)
        assert_memory_equal(mapping.data, expected, mapping.bytes);
    dp_mapping_close(&mapping);
}

static void write_and_abort(void **state)
{
    (void)state;
    const char *path = temporary_path("file");
    assert_ok(dp_file_write(path, "first", 5, err));
    read_back(path, "first");
    dp_writer *writer = NULL;
    assert_ok(dp_writer_open(path, &writer, err));
    assert_ok(dp_writer_put(writer, "second", 6, err));
    dp_writer_abort(&writer);
    read_back(path, "first");
    assert_ok(dp_file_write(path, "", 0, err));
    read_back(path, "");
}

static size_t entries_beside(const char *path)
{
    char folder[256];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = 0;
    DIR *dir = opendir(folder);
    size_t n = 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

/* A file-size limit stands for a full disk: the old file stays, no temporary file remains. */
static void full_disk(void **state)
{
    (void)state;
    const char *path = temporary_path("kept");
    assert_ok(dp_file_write(path, "old", 3, err));
    size_t before = entries_beside(path);
    struct rlimit old, small = {4096, RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    char *large = calloc(1, 3 << 20);
    assert_fails(DP_E_IO, "kept: cannot write", dp_file_write(path, large, 3 << 20, err));
    setrlimit(RLIMIT_FSIZE, &old);
    free(large);
    read_back(path, "old");
    assert_int_equal(entries_beside(path), before);
}

/* What a killed writer left is removed by the next; what a running one has under way is not. */
static void dead_and_running_writers(void **state)
{
    (void)state;
    char path[256], slot[300];
    dp_writer *running = NULL, *beside = NULL;
    snprintf(path, sizeof path, "%s", temporary_path("shared"));
    size_t before = entries_beside(path);
    for (int dead = 0; dead < 3; dead++) {
        snprintf(slot, sizeof slot, "%s.dinopatch-tmp%d", path, dead);
        FILE *file = fopen(slot, "w");
        assert_non_null(file);
        fclose(file);
    }
    assert_int_equal(entries_beside(path), before + 3);
    assert_ok(dp_writer_open(path, &running, err));
    assert_int_equal(entries_beside(path), before + 1);
    assert_ok(dp_writer_put(running, "running", 7, err));
    assert_ok(dp_writer_open(path, &beside, err));
    assert_int_equal(entries_beside(path), before + 2);
    assert_ok(dp_writer_put(beside, "beside", 6, err));
    assert_ok(dp_file_write(path, "third", 5, err));
    read_back(path, "third");
    assert_ok(dp_writer_commit(&running, err));
    read_back(path, "running");
    assert_ok(dp_writer_commit(&beside, err));
    read_back(path, "beside");
    assert_int_equal(entries_beside(path), before + 1);
}

/* A process is killed while it writes: whatever it left goes with the next writer. */
static void killed_writer(void **state)
{
    (void)state;
    char path[256];
    dp_writer *writer = NULL;
    snprintf(path, sizeof path, "%s", temporary_path("killed"));
    size_t before = entries_beside(path);
    pid_t child = fork();
    if (child == 0) {
        if (dp_writer_open(path, &writer, NULL) == DP_OK)
            raise(SIGKILL);
        _exit(0);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    assert_int_equal(entries_beside(path), before + 1);
    assert_ok(dp_file_write(path, "new", 3, err));
    read_back(path, "new");
    assert_int_equal(entries_beside(path), before + 1);
}

/* All slots held: an error that says so, and nothing is disturbed. */
static void too_many_writers(void **state)
{
    (void)state;
    enum { N = 16 };
    char path[256];
    dp_writer *writers[N] = {NULL}, *more = NULL;
    snprintf(path, sizeof path, "%s", temporary_path("crowded"));
    for (int i = 0; i < N; i++)
        assert_ok(dp_writer_open(path, &writers[i], err));
    assert_fails(DP_E_IO, "crowded: cannot create: 16 others", dp_writer_open(path, &more, err));
    for (int i = 0; i < N; i++)
        dp_writer_abort(&writers[i]);
    assert_ok(dp_file_write(path, "free again", 10, err));
    read_back(path, "free again");
}

/* The longest name the file system takes, and one byte more. */
static void long_names(void **state)
{
    (void)state;
    char name[NAME_MAX + 2], path[NAME_MAX + 64];
    memset(name, 'x', sizeof name - 1);
    name[NAME_MAX] = 0;
    size_t before = entries_beside(temporary_path("y"));
    for (int i = 0; i < 2; i++) { /* two that differ behind the cut */
        name[NAME_MAX - 1] = (char)('a' + i);
        snprintf(path, sizeof path, "%s/%s", temporary_folder, name);
        assert_ok(dp_file_write(path, name + NAME_MAX - 1, 1, err));
        read_back(path, i ? "b" : "a");
    }
    assert_int_equal(entries_beside(temporary_path("y")), before + 2);
    name[NAME_MAX] = 'x';
    name[NAME_MAX + 1] = 0;
    snprintf(path, sizeof path, "%s/%s", temporary_folder, name);
    assert_fails(DP_E_IO, "File name too long", dp_file_write(path, "x", 1, err));
    assert_int_equal(entries_beside(temporary_path("y")), before + 2);
}

/* A mapping of a file that is replaced stays good; one that is written to, or grows, is found out. */
static void changed_under_a_mapping(void **state)
{
    (void)state;
    char path[256];
    dp_mapping mapping, second;
    snprintf(path, sizeof path, "%s", temporary_path("mapped"));
    assert_ok(dp_file_write(path, "old bytes", 9, err));
    assert_ok(dp_mapping_open(path, &mapping, err));
    assert_ok(dp_mapping_check(&mapping, path, err));
    assert_ok(dp_file_write(path, "new bytes", 9, err));
    assert_ok(dp_mapping_check(&mapping, path, err));
    assert_memory_equal(mapping.data, "old bytes", 9);
    dp_mapping_close(&mapping);
    struct timespec long_ago[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0); /* so that what follows is another time on any clock */
    assert_ok(dp_mapping_open(path, &mapping, err));
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fputs("X", file);
    fclose(file);
    assert_fails(DP_E_CORRUPT, "mapped: was changed while it was in use", dp_mapping_check(&mapping, path, err));
    assert_ok(dp_mapping_open(path, &second, err));
    assert_ok(dp_mapping_check(&second, path, err));
    dp_mapping_close(&second);
    dp_mapping_close(&mapping);
}

static void missing_and_folders(void **state)
{
    (void)state;
    dp_mapping mapping;
    assert_fails(DP_E_IO, "No such file", dp_mapping_open(temporary_path("none"), &mapping, err));
    assert_fails(DP_E_IO, "is a folder", dp_mapping_open("/tmp", &mapping, err));
    assert_fails(DP_E_IO, "is a folder", dp_file_write("/tmp", "x", 1, err));
    const char *pipe_path = temporary_path("pipe");
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    assert_fails(DP_E_IO, "not a regular file", dp_file_write(pipe_path, "x", 1, err));
    struct stat st;
    assert_true(stat(pipe_path, &st) == 0 && S_ISFIFO(st.st_mode));
    assert_fails(DP_E_IO, "cannot create", dp_file_write("/no/such/folder/file", "x", 1, err));
}

struct sums {
    atomic_size_t total;
    size_t seen[1000];
};

static void add(void *context, size_t index, size_t worker)
{
    struct sums *sums = context;
    (void)worker;
    sums->seen[index]++;
    atomic_fetch_add(&sums->total, index);
}

static void pool_runs_each_task_once(void **state)
{
    (void)state;
    for (size_t threads = 1; threads <= 5; threads++) {
        dp_pool *pool = NULL;
        assert_ok(dp_pool_open(threads, &pool, err));
        assert_int_equal(dp_pool_threads(pool), threads);
        struct sums sums = {0};
        for (size_t round = 1; round <= 200; round++) {
            size_t n = round * 5;
            atomic_store(&sums.total, 0);
            memset(sums.seen, 0, sizeof sums.seen);
            dp_pool_run(pool, n, add, &sums);
            assert_int_equal(atomic_load(&sums.total), n * (n - 1) / 2);
            for (size_t i = 0; i < 1000; i++)
                assert_int_equal(sums.seen[i], i < n);
        }
        dp_pool_run(pool, 0, add, &sums);
        dp_pool_close(&pool);
        assert_null(pool);
    }
    dp_pool *pool = NULL, *most = NULL;
    assert_ok(dp_pool_open(0, &pool, err));
    assert_ok(dp_pool_open(1024, &most, err)); /* no more than can work at once, or 16 */
    size_t processors = dp_pool_threads(pool);
    assert_int_equal(dp_pool_threads(most), processors > 16 ? processors : 16);
    dp_pool_close(&pool);
    dp_pool_close(&most);
    assert_fails(DP_E_ARGUMENT, "100000 threads", dp_pool_open(100000, &pool, err));
}

static void sizes(void **state)
{
    (void)state;
    assert_null(dp_malloc(SIZE_MAX / 2, 3));
    assert_null(dp_calloc(SIZE_MAX, 1));
    void *empty = dp_malloc(0, 8);
    assert_non_null(empty);
    dp_memory_free(empty);
}

static void digest(void **state)
{
    (void)state;
    char hex[DP_SHA256_HEX_BYTES];
    const dp_bytes pieces[] = {{"a", 1}, {"bc", 2}};
    assert_ok(dp_sha256(pieces, 2, hex, err));
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void levels(void **state)
{
    (void)state;
    dp_isa isa = DP_ISA_AUTO;
    assert_ok(dp_isa_parse("c", &isa, err));
    assert_ok(dp_isa_resolve(isa, &isa, err));
    assert_int_equal(isa, DP_ISA_C);
    assert_ok(dp_isa_resolve(DP_ISA_AUTO, &isa, err));
    assert_int_equal(isa, dp_isa_detect());
    assert_fails(DP_E_ARGUMENT, "'mmx' is unknown", dp_isa_parse("mmx", &isa, err));
#if defined(__x86_64__)
    assert_fails(DP_E_UNSUPPORTED, "has no neon", dp_isa_resolve(DP_ISA_NEON, &isa, err));
#endif
}

static void messages_are_one_line(void **state)
{
    (void)state;
    dp_error err;
    assert_int_equal(dp_fail(&err, DP_E_PICTURE, "a\nb\tc%s", "\x1b[31m"), DP_E_PICTURE);
    assert_string_equal(err.message, "a?b?c?[31m");
    assert_int_equal(dp_error_prefix(&err, DP_E_PICTURE, "file %d", 3), DP_E_PICTURE);
    assert_string_equal(err.message, "file 3: a?b?c?[31m");
    assert_int_equal(dp_fail(NULL, DP_E_IO, "x"), DP_E_IO);
    /* Whatever a name holds: UTF-8 stays, all else does not; U+009B is an escape sequence of its own. */
    dp_fail(&err, DP_E_IO, "%s", "gr\xc3\xbc\xc3 \xff\xfe \xc2\x9b\x33m \xed\xa0\x80 \xc0\xaf \xf0\x9f\x94\xa9 %n");
    assert_string_equal(err.message, "gr\xc3\xbc? ?? ?3m ??? ?? \xf0\x9f\x94\xa9 %n");
    /* Cut where the room ends, never inside a letter. */
    char name[DP_ERROR_MESSAGE_BYTES + 8];
    for (size_t first = 0; first < 3; first++) {
        memset(name, 'x', sizeof name);
        for (size_t i = first; i + 3 < sizeof name; i += 3)
            memcpy(name + i, "\xe2\x82\xac", 3);
        name[sizeof name - 1] = 0;
        dp_fail(&err, DP_E_IO, "%s", name);
        size_t length = strlen(err.message);
        assert_true(length < sizeof err.message && length >= sizeof err.message - 4);
        for (size_t i = 0, n; i < length; i += n)
            assert_true((n = dp_utf8_sequence(err.message + i)) > 0);
    }
}

/* Every value of an enumeration has a name of its own; what is none has one as well, and nothing is read behind a table. */
static void every_value_has_a_name(void **state)
{
    (void)state;
    const char *seen[64];
    size_t n = 0;
    for (int i = DP_OK; i <= DP_E_CANCELLED; i++)
        seen[n++] = dp_status_name((dp_status)i);
    for (int i = DP_ALIGN_OK; i <= DP_ALIGN_CUT; i++)
        if (i != DP_ALIGN_OK) /* "ok" is the name of a status, too */
            seen[n++] = dp_align_status_name((dp_align_status)i);
    for (int i = DP_LABEL_GOOD; i <= DP_LABEL_NONE; i++)
        seen[n++] = dp_label_name((dp_label)i);
    for (int i = DP_ISA_AUTO; i <= DP_ISA_AVX512_VNNI; i++)
        seen[n++] = dp_isa_name((dp_isa)i);
    for (size_t i = 0; i < n; i++) {
        assert_true(seen[i] && *seen[i]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(seen[i], seen[j]);
    }
    assert_string_equal(dp_status_name(DP_E_PICTURE), "not a picture");
    assert_string_equal(dp_align_status_name(DP_ALIGN_OK), "ok");
    assert_non_null(dp_status_name((dp_status)99));
}

static void statistics(void **state)
{
    (void)state;
    double x[] = {3, -1, 2, 7};
    float y[] = {5, 1, 4, 2, 3};
    assert_true(isnan(dp_median(x, 0)) && isnan(dp_median(NULL, 0)));
    assert_true(dp_median(x, 1) == 3 && dp_median(x, 3) == 2 && dp_median(x, 4) == 2.5);
    assert_true(x[0] == -1 && x[3] == 7);
    assert_true(dp_quantile_f32(y, 5, 0) == 1 && dp_quantile_f32(y, 5, 0.6) == 3 && dp_quantile_f32(y, 5, 1) == 5);
}

/* Against scipy.stats.beta 1.17.1. */
static void beta(void **state)
{
    (void)state;
    static const struct {
        double share, a, b, x;
    } quantiles[] = {{.05, 1, 38, 0.0013489129344880558},      {.95, 1, 38, 0.07580765168296455},
                     {.05, 5, 95, 0.020108755567588756},       {.95, 5, 95, 0.09007355819196766},
                     {.5, 2.5, 7.25, 0.23927737178921268},     {.95, 1, 1, 0.95},
                     {.05, .95, 18.05, 0.002367489915139132},  {.95, .95, 18.05, 0.14852034219580132},
                     {.95, 1, 299, 0.009969146792899269},      {.95, 10001, 90000, 0.10157402777224198},
                     {.05, 50, 999951, 3.896492809647248e-05}, {.95, 50, 999951, 6.217064726978133e-05},
                     {.05, 1, 1e6, 5.1293293072049535e-08}};
    static const struct {
        double x, a, b, share;
    } shares[] = {{.1, 2, 3, .0523},
                  {.5, .5, .5, .5},
                  {.01, 1, 99, 0.6302703623502732},
                  {.99, 99, 1, 0.36972963764972644},
                  {.3, 30.5, 70.5, 0.49416533517326483},
                  {1e-6, 1, 1e6, 0.632120742768355}};
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        double x = dp_beta_quantile(quantiles[i].share, quantiles[i].a, quantiles[i].b);
        assert_float_equal(x / quantiles[i].x, 1, 1e-9);
        assert_float_equal(dp_beta_cdf(x, quantiles[i].a, quantiles[i].b), quantiles[i].share, 1e-9);
    }
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        assert_float_equal(dp_beta_cdf(shares[i].x, shares[i].a, shares[i].b), shares[i].share, 1e-9);
    assert_true(dp_beta_cdf(-1, 2, 3) == 0 && dp_beta_cdf(0, 2, 3) == 0 && dp_beta_cdf(1, 2, 3) == 1);
}

static void borders(void **state)
{
    (void)state;
    static const size_t wrap[] = {1, 2, 0, 1, 2, 0, 1, 2, 0}, reflect[] = {1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0},
                        reflect_101[] = {1, 2, 1, 0, 1, 2, 1, 0};
    for (ptrdiff_t i = 0; i < 9; i++)
        assert_int_equal(dp_border_wrap(i - 2, 3), wrap[i]);
    for (ptrdiff_t i = 0; i < 12; i++)
        assert_int_equal(dp_border_reflect(i - 5, 3), reflect[i]);
    for (ptrdiff_t i = 0; i < 8; i++)
        assert_int_equal(dp_border_reflect_101(i - 3, 3), reflect_101[i]);
    assert_int_equal(dp_border_wrap(-5, 1) + dp_border_reflect(-5, 1) + dp_border_reflect_101(-5, 1), 0);
}

/* The kernel is 1 at 0 and 0 at the other whole numbers; the weights sum to 1 and keep a ramp a ramp inside the border. */
static void cubic_weights(void **state)
{
    (void)state;
    assert_true(dp_cubic(0, -0.5) == 1 && dp_cubic(1, -0.75) == 0 && dp_cubic(-2, -0.75) == 0
                && dp_cubic(2.5, -0.5) == 0);
    assert_float_equal(dp_cubic(-0.5, -0.5), 0.5625, 1e-12);
    assert_float_equal(dp_cubic(1.5, -0.75), -0.09375, 1e-12);
    for (size_t out = 5; out < 200; out += 13) {
        double weights[64], scale = 64.0 / (double)out;
        assert_in_range(dp_cubic_taps(scale), 5, 64);
        for (size_t i = 0; i < out; i++) {
            size_t first, count = dp_cubic_weights(scale, i, 64, weights, &first);
            assert_in_range(count, 1, dp_cubic_taps(scale));
            double sum = 0, ramp = 0;
            for (size_t j = 0; j < count; j++) {
                sum += weights[j];
                ramp += weights[j] * ((double)(first + j) + 0.5);
            }
            assert_float_equal(sum, 1, 1e-12);
            if (first > 0 && first + count < 64)
                assert_float_equal(ramp, scale * ((double)i + 0.5), 0.05 * scale);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_has_a_name),
        cmocka_unit_test(write_and_abort),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(dead_and_running_writers),
        cmocka_unit_test(killed_writer),
        cmocka_unit_test(too_many_writers),
        cmocka_unit_test(long_names),
        cmocka_unit_test(changed_under_a_mapping),
        cmocka_unit_test(missing_and_folders),
        cmocka_unit_test(pool_runs_each_task_once),
        cmocka_unit_test(sizes),
        cmocka_unit_test(digest),
        cmocka_unit_test(levels),
        cmocka_unit_test(statistics),
        cmocka_unit_test(beta),
        cmocka_unit_test(borders),
        cmocka_unit_test(cubic_weights),
        cmocka_unit_test(messages_are_one_line),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
