/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t dice_roll(dice *d) /* splitmix64 */
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

double dice_share(dice *d)
{
    return (double)(dice_roll(d) >> 11) / 9007199254740992.0;
}

double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void give_up(const char *what)
{
    printf("cannot go on: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- children */

static void to_file(int fd, const char *stem, int number)
{
    char name[32];
    if (number)
        snprintf(name, sizeof name, "%s%d.txt", stem, number);
    else
        snprintf(name, sizeof name, "%s.txt", stem);
    int file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (file < 0 || dup2(file, fd) < 0)
        _exit(126);
    close(file);
}

pid_t child_start(const char *const *argv, const char *const *environment, int number)
{
    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        give_up("fork");
    if (child > 0)
        return child;
    for (size_t i = 0; environment && environment[i]; i++)
        putenv((char *)(uintptr_t)environment[i]);
    to_file(STDOUT_FILENO, "out", number);
    to_file(STDERR_FILENO, "err", number);
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing >= 0)
        dup2(nothing, STDIN_FILENO);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

bool child_ends_within(pid_t child, double seconds)
{
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    if (fd < 0)
        give_up("pidfd_open");
    double until = now_s() + seconds;
    int ready;
    do {
        double left = until - now_s();
        struct timespec t = {0};
        if (left > 0) {
            t.tv_sec = (time_t)left;
            t.tv_nsec = (long)((left - (double)t.tv_sec) * 1e9);
        }
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ready = ppoll(&p, 1, &t, NULL);
    } while (ready < 0 && errno == EINTR);
    close(fd);
    return ready > 0;
}

ended child_wait(pid_t child, double limit_s)
{
    ended e = {0};
    double started = now_s();
    if (!child_ends_within(child, limit_s)) {
        e.hung = true;
        kill(child, SIGKILL);
    }
    int how = 0;
    if (waitpid(child, &how, 0) != child)
        give_up("waitpid");
    e.seconds = now_s() - started;
    e.signalled = WIFSIGNALED(how);
    e.code = e.signalled ? WTERMSIG(how) : WEXITSTATUS(how);
    return e;
}

ended child_run(const char *const *argv, const char *const *environment, double limit_s)
{
    return child_wait(child_start(argv, environment, 0), limit_s);
}

void must_run(const char *const *argv)
{
    ended e = child_run(argv, NULL, 120);
    if (!e.hung && !e.signalled && e.code == 0)
        return;
    printf("cannot go on:");
    for (size_t i = 0; argv[i]; i++)
        printf(" %s", argv[i]);
    printf(": %s: %s\n", ended_text(&e), first_line("err.txt"));
    exit(1);
}

const char *ended_text(const ended *e)
{
    static char text[64];
    if (e->hung)
        return "no end in sight";
    snprintf(text, sizeof text, "%s %d", e->signalled ? "signal" : "exit", e->code);
    return text;
}

/* ---- files */

blob blob_read(const char *path)
{
    blob b = {0};
    FILE *file = fopen(path, "rb");
    if (!file)
        return b;
    size_t room = 1 << 16;
    b.data = malloc(room);
    for (size_t n; b.data && (n = fread(b.data + b.bytes, 1, room - b.bytes, file)) > 0;) {
        b.bytes += n;
        if (b.bytes == room)
            b.data = realloc(b.data, room *= 2);
    }
    if (!b.data)
        give_up(path);
    fclose(file);
    return b;
}

void blob_free(blob *b)
{
    free(b->data);
    *b = (blob){0};
}

bool blob_same(const blob *a, const blob *b)
{
    return a->data && b->data && a->bytes == b->bytes && !memcmp(a->data, b->data, a->bytes);
}

void must_write(const char *path, const blob *b)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(b->data, 1, b->bytes, file) != b->bytes || fclose(file) != 0)
        give_up(path);
}

void must_copy(const char *from, const char *to)
{
    blob b = blob_read(from);
    if (!b.data)
        give_up(from);
    must_write(to, &b);
    blob_free(&b);
}

static const char *wanted_text; /* of the walk under way */
static bool unlink_them;
static size_t n_found;

static int on_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    if (type != FTW_D && type != FTW_DP && strstr(path + at->base, wanted_text)) {
        n_found++;
        if (unlink_them)
            unlink(path);
    }
    return 0;
}

size_t count_named(const char *folder, const char *text)
{
    wanted_text = text;
    n_found = 0;
    nftw(folder, on_entry, 16, FTW_PHYS);
    return n_found;
}

void remove_named(const char *folder, const char *text)
{
    unlink_them = true;
    count_named(folder, text);
    unlink_them = false;
}

size_t count_files(const char *folder)
{
    return count_named(folder, "");
}

static int on_removal(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void remove_tree(const char *folder)
{
    nftw(folder, on_removal, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *compare_root;
static const char *const *compare_skip;
static size_t compare_prefix;
static char compare_found[4096];

/* Takes the digits out of figures of time (what follows ms": and seconds":), and the digest of the bank that eval keeps for going on, which
 * may well be missing. */
void blob_forget_times(blob *b)
{
    size_t to = 0;
    for (size_t from = 0; from < b->bytes; from++) {
        b->data[to++] = b->data[from];
        bool time = (to >= 4 && !memcmp(b->data + to - 4, "ms\":", 4))
                    || (to >= 9 && !memcmp(b->data + to - 9, "seconds\":", 9));
        while (time && from + 1 < b->bytes && strchr(" 0123456789.e-+", b->data[from + 1]))
            from++;
        bool digest = to >= 13 && !memcmp(b->data + to - 13, "bank_sha256\":", 13);
        while (digest && from + 1 < b->bytes && b->data[from + 1] != ',')
            from++;
    }
    b->bytes = to;
}

static int on_comparison(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    if (type != FTW_F)
        return 0;
    for (size_t i = 0; compare_skip && compare_skip[i]; i++)
        if (!strcmp(path + at->base, compare_skip[i]))
            return 0;
    char other[4096];
    snprintf(other, sizeof other, "%s%s", compare_root, path + compare_prefix);
    blob a = blob_read(path), b = blob_read(other);
    if (a.data && b.data && strstr(path + at->base, ".json")) {
        blob_forget_times(&a);
        blob_forget_times(&b);
    }
    bool same = blob_same(&a, &b);
    blob_free(&a);
    blob_free(&b);
    if (!same)
        snprintf(compare_found, sizeof compare_found, "%s", other);
    return !same;
}

const char *first_difference(const char *reference, const char *folder, const char *const *skip)
{
    compare_root = folder;
    compare_skip = skip;
    compare_prefix = strlen(reference);
    compare_found[0] = 0;
    if (nftw(reference, on_comparison, 16, FTW_PHYS) < 0)
        return reference;
    return compare_found[0] ? compare_found : NULL;
}

const char *first_line(const char *path)
{
    static char line[512];
    blob b = blob_read(path);
    snprintf(line, sizeof line, "%.*s", b.data ? (int)(b.bytes < 500 ? b.bytes : 500) : 0, b.data ? b.data : "");
    line[strcspn(line, "\n")] = 0;
    blob_free(&b);
    return line;
}

/* ---- results */

static const char *test_name;
static size_t faults_here, n_failed;

void test_begin(const char *name)
{
    test_name = name;
    faults_here = 0;
    printf("[ RUN      ] %s\n", name);
    fflush(stdout);
}

void test_fault(const char *format, ...)
{
    if (faults_here++ >= 10) /* enough to see what it is */
        return;
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void test_end(void)
{
    if (faults_here)
        printf("%zu faults\n", faults_here);
    printf(faults_here ? "[  FAILED  ] %s\n" : "[       OK ] %s\n", test_name);
    fflush(stdout);
    n_failed += faults_here > 0;
}

int test_result(void)
{
    return n_failed ? 1 : 0;
}

const char *must_find(const char *path)
{
    char *absolute = realpath(path, NULL);
    if (!absolute)
        give_up(path);
    return absolute;
}

static char made_folder[256];
static pid_t made_by;

static void remove_made_folder(void)
{
    if (getpid() == made_by && chdir("/") == 0)
        remove_tree(made_folder);
}

void work_folder(void)
{
    const char *where = getenv("TMPDIR");
    snprintf(made_folder, sizeof made_folder, "%s/dinopatch-fault-XXXXXX", where && *where ? where : "/tmp");
    if (!mkdtemp(made_folder) || chdir(made_folder) != 0)
        give_up(made_folder);
    made_by = getpid();
    atexit(remove_made_folder);
    /* Nothing of the user's own settings reaches the program. */
    unsetenv("DINOPATCH_MODEL");
    unsetenv("DINOPATCH_ISA");
    setenv("HOME", made_folder, 1);
    setenv("XDG_CACHE_HOME", made_folder, 1);
    setenv("LC_ALL", "C.UTF-8", 1);
}
