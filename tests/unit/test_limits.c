/* SPDX-License-Identifier: Apache-2.0 */
/* Tests limits: a file that asks for too much is refused before memory is spent on it. */
#include "test.h"

#include "options/recipe_json.h"
#include "base/memory.h"
#include "format/json_size.h"
#include "format/safetensors.h"

#include <sys/resource.h>
#include <sys/wait.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1          /* the sanitizers reserve address space and keep what is freed */
#elif defined(__has_feature) /* clang's way of saying it */
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

/* ------------------------------------------------------------------------------------------------------------ pictures */

static size_t pages(void)
{
    size_t n = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu", &n), 1);
    fclose(file);
    return n;
}

/* In a process of its own, which may take 96 MiB more than it has once libvips has started. */
static void is_refused(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", HOSTILE_PICTURES, name);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dp_picture *picture = NULL;
        dp_error err;
        float *map = NULL;
        size_t height, width;
        struct rusage before, after;
        dp_picture_load("/dev/null", 0, &picture, &err);
        struct rlimit most = {.rlim_cur = pages() * (size_t)sysconf(_SC_PAGESIZE) + ((size_t)96 << 20),
                              .rlim_max = RLIM_INFINITY};
        if (!SANITIZED)
            setrlimit(RLIMIT_AS, &most);
        getrusage(RUSAGE_SELF, &before);
        dp_status status = dp_picture_load(path, (size_t)1 << 28, &picture, &err);
        dp_status as_map = dp_map_load_tiff(path, &map, &height, &width, NULL);
        getrusage(RUSAGE_SELF, &after);
        long grown_kib = after.ru_maxrss - before.ru_maxrss;
        if (status != DP_E_PICTURE || as_map != DP_E_PICTURE || picture || map || grown_kib > 64 * 1024) {
            fprintf(stderr, "%s: status %d (%s), as a map %d, %ld KiB\n", name, (int)status, status ? err.message : "",
                    (int)as_map, grown_kib);
            _exit(1);
        }
        _exit(0);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    if (!WIFEXITED(how) || WEXITSTATUS(how) != 0)
        fail_msg("%s: not refused as it should be (%s %d)", name, WIFSIGNALED(how) ? "signal" : "exit", how);
}

static void picture_bombs(void **state)
{
    (void)state;
    static const char *const bombs[] = {"png-of-100000x100000",
                                        "png-of-2147483647x2147483647",
                                        "tiff-of-100000x100000",
                                        "tiff-one-strip-of-4-gigabytes",
                                        "tiff-float-of-100000x100000",
                                        "tiff-tile-of-65536x65536",
                                        "jpeg-progressive-65500x65500",
                                        "webp-lossless-16384x16384",
                                        "webp-canvas-16777216x256",
                                        "gif-of-65535x65535",
                                        "ppm-of-100000x100000",
                                        "bmp-of-100000x100000",
                                        "radiance-of-1000000x1000000",
                                        "fits-of-100000x100000",
                                        "svg-is-refused",
                                        "pdf-is-refused"};
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++)
        is_refused(bombs[i]);
}

/* A file of several pages is refused; the limit is that of the one page. */
static void pages_of_a_tiff(void **state)
{
    (void)state;
    dp_picture *picture = NULL;
    assert_fails(DP_E_PICTURE, "holds 3 pages", dp_picture_load(SEEDS "/picture/pages.tif", 24 * 6, &picture, err));
    assert_fails(DP_E_PICTURE, "the limit is 143 pixels",
                 dp_picture_load(SEEDS "/picture/pages.tif", 24 * 6 - 1, &picture, err));
    assert_null(picture);
}

/* --------------------------------------------------------------------------------------------------------- safetensors */

static const char *write_file(const char *name, const char *header, size_t header_bytes, size_t data_bytes)
{
    const char *path = temporary_path(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (int i = 0; i < 8; i++)
        fputc((int)((uint64_t)header_bytes >> 8 * i & 255), file);
    fwrite(header, 1, header_bytes, file);
    for (size_t i = 0; i < data_bytes; i++)
        fputc(0, file);
    assert_int_equal(fclose(file), 0);
    return path;
}

static const char *tensors(size_t n, size_t *bytes)
{
    char *header = malloc(64 * n + 64);
    size_t used = (size_t)sprintf(header, "{");
    for (size_t i = 0; i < n; i++)
        used += (size_t)sprintf(header + used, "%s\"t%zu\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}",
                                i ? "," : "", i, i, i + 1);
    used += (size_t)sprintf(header + used, "}");
    const char *path = write_file("tensors.safetensors", header, used, n);
    *bytes = used;
    free(header);
    return path;
}

static void limits_of_a_file(void **state)
{
    (void)state;
    size_t header;
    const char *path = tensors(20, &header);
    dp_limits limits;
    dp_limits_init(&limits);
    assert_int_equal(limits.max_header_bytes, 100000000);
    assert_int_equal(limits.max_tensors, 16384);
    assert_int_equal(limits.max_file_bytes, 0);
    dp_safetensors *file = NULL;
    limits = (dp_limits){.max_file_bytes = 8 + header + 20, .max_header_bytes = header, .max_tensors = 20};
    assert_ok(dp_safetensors_open_within(path, &limits, &file, err));
    assert_int_equal(dp_safetensors_count(file), 20);
    dp_safetensors_close(&file);
    dp_network *model = NULL;
    dp_bank *bank = NULL;
    dp_limits less = limits;
    less.max_tensors = 19;
    assert_fails(DP_E_FORMAT, "holds 20 tensors; the limit is 19", dp_safetensors_open_within(path, &less, &file, err));
    assert_fails(DP_E_FORMAT, "holds 20 tensors; the limit is 19", dp_network_open_within(path, &less, &model, err));
    assert_fails(DP_E_FORMAT, "holds 20 tensors; the limit is 19", dp_bank_open_within(path, &less, &bank, err));
    less = limits;
    less.max_header_bytes--;
    assert_fails(DP_E_FORMAT, "the limit is", dp_bank_open_within(path, &less, &bank, err));
    less = limits;
    less.max_file_bytes--;
    assert_fails(DP_E_FORMAT, "bytes; the limit is", dp_network_open_within(path, &less, &model, err));
    assert_fails(DP_E_FORMAT, "bytes; the limit is", dp_bank_open_within(path, &less, &bank, err));
    assert_null(file);
    assert_null(model);
    assert_null(bank);
}

/* 30 MB of "[],": ten million lists, which parsed would take more than a gigabyte. */
static void json_bomb(void **state)
{
    (void)state;
    size_t n = 10000000, bytes = 7 + 3 * n;
    char *header = malloc(bytes);
    memcpy(header, "{\"a\":[", 6);
    for (size_t i = 0; i < n; i++)
        memcpy(header + 6 + 3 * i, i + 1 < n ? "[]," : "[]]", 3);
    header[bytes - 1] = '}';
    const char *path = write_file("bomb.safetensors", header, bytes, 0);
    dp_network *model = NULL;
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    assert_fails(DP_E_FORMAT, "longer than 16384 tensors", dp_network_open(path, &model, err));
    getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_maxrss - before.ru_maxrss < 100 * 1024); /* the file's own pages are among them */
    assert_null(model);
    header[bytes - 1] = 0;
    dp_recipe recipe;
    assert_fails(DP_E_FORMAT, "more values than any recipe needs",
                 dp_recipe_from_json(header + 5, "the file", &recipe, err));
    free(header);
}

static void values_are_counted(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t least, most;
    } cases[] = {{"1", 1, 1},         {"[]", 1, 2},
                 {"[1,2,3]", 4, 4},   {"{\"a\":[1,{\"b\":2}],\"c\":3}", 6, 6},
                 {"\"[,,,{\"", 1, 1}, {"[\"\\\"[,\",1]", 3, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = dp_json_values(cases[i].text, strlen(cases[i].text));
        if (n < cases[i].least || n > cases[i].most)
            fail_msg("%s: %zu values", cases[i].text, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picture_bombs), cmocka_unit_test(pages_of_a_tiff),    cmocka_unit_test(limits_of_a_file),
        cmocka_unit_test(json_bomb),     cmocka_unit_test(values_are_counted),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
