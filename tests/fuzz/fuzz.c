/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz.c - see fuzz.h. */
#include "fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef DP_FUZZING
/* The values of the command line live as long as the program (scripts/lsan.supp); whole call stacks, by which that is known. */
const char *__lsan_default_suppressions(void);
const char *__asan_default_options(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:g_option_context_parse\n";
}

const char *__asan_default_options(void)
{
    return "fast_unwind_on_malloc=0:allocator_may_return_null=1";
}
#endif

void fuzz_must(bool holds, const char *promise)
{
    if (holds)
        return;
    fprintf(stderr, "broken promise: %s\n", promise);
    abort();
}

bool fuzz_is_utf8(const char *text, size_t bytes)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + bytes;
    while (p < end) {
        static const unsigned least[] = {0, 0x80, 0x800, 0x10000};
        int more = *p < 0x80 ? 0 : *p >> 5 == 6 ? 1 : *p >> 4 == 14 ? 2 : *p >> 3 == 30 ? 3 : -1;
        if (more < 0 || end - p <= more)
            return false;
        unsigned code = more ? *p & (0x3fu >> more) : *p;
        for (int i = 1; i <= more; i++) {
            if (p[i] >> 6 != 2)
                return false;
            code = code << 6 | (p[i] & 0x3fu);
        }
        if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return false;
        p += 1 + more;
    }
    return true;
}

bool fuzz_ok(dp_status status, const dp_error *err)
{
    if (status == DP_OK)
        return true;
    size_t length = strnlen(err->message, sizeof err->message);
    fuzz_must(status == err->status, "the status returned is that of the error");
    fuzz_must(status > 0 && status <= DP_E_CANCELLED, "the status is a known one");
    fuzz_must(length > 0 && length < sizeof err->message, "an error has a message that ends");
    fuzz_must(fuzz_is_utf8(err->message, length), "a message is UTF-8");
    for (size_t i = 0; i < length; i++)
        fuzz_must((unsigned char)err->message[i] >= 32 && err->message[i] != 127,
                  "a message has no control characters");
    return false;
}

const char *fuzz_file(const uint8_t *data, size_t bytes)
{
    static int fd = -1;
    static char path[64];
    if (fd >= 0)
        close(fd);
    fd = memfd_create("fuzz", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    fuzz_must(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes, "memory for a file");
    return path;
}

static char folder[64];

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st, (void)type, (void)walk;
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static int remove_below(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st, (void)type;
    return walk->level ? remove(path) : 0;
}

void fuzz_empty_folder(void)
{
    nftw(fuzz_folder(), remove_below, 16, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_folder(void)
{
    if (folder[0])
        return folder;
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/dinopatch-fuzz-XXXXXX" : "/tmp/dinopatch-fuzz-XXXXXX");
    fuzz_must(mkdtemp(folder) != NULL, "a folder");
    atexit(remove_folder);
    return folder;
}

void fuzz_put(const char *name, const void *data, size_t bytes)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    fuzz_must(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes, "a file can be written");
    close(fd);
}

static int caught = -1;

void fuzz_catch_stdout(void)
{
    if (caught >= 0)
        return;
    caught = memfd_create("stdout", MFD_CLOEXEC);
    fflush(stdout);
    fuzz_must(caught >= 0 && dup2(caught, STDOUT_FILENO) >= 0, "memory for the output");
}

char *fuzz_caught(size_t *bytes)
{
    fflush(stdout);
    off_t end = lseek(caught, 0, SEEK_CUR);
    char *text = calloc((size_t)end + 1, 1);
    fuzz_must(text && pread(caught, text, (size_t)end, 0) == end, "memory for the output");
    *bytes = (size_t)end;
    fuzz_must(ftruncate(caught, 0) == 0 && lseek(caught, 0, SEEK_SET) == 0, "memory for the output");
    return text;
}
