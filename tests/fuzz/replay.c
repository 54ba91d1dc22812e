/* SPDX-License-Identifier: Apache-2.0 */
/* replay.c - runs a fuzz target over files, and over the files of folders, without libFuzzer.
 *
 *     TARGET FILE_OR_FOLDER...
 *
 * An input that breaks something ends the process; its name is the last one printed. */
#include "fuzz.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature) /* clang's way of saying it */
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return 0;
}

static FILE *list; /* stdout as it was: targets may take it for themselves */
static size_t n_inputs;

static int run_file(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)walk;
    if (type != FTW_F || !S_ISREG(st->st_mode))
        return 0;
    FILE *file = fopen(path, "rb");
    size_t bytes = (size_t)st->st_size;
    uint8_t *data = malloc(bytes + 1); /* the sanitizers see a read past the end */
    if (!file || !data || fread(data, 1, bytes, file) != bytes) {
        fprintf(stderr, "%s: cannot read\n", path);
        return 1;
    }
    fclose(file);
    fprintf(list, "%s\n", path);
    fflush(list);
    uint8_t *exact = realloc(data, bytes ? bytes : 1);
    LLVMFuzzerTestOneInput(exact, bytes);
    free(exact);
    n_inputs++;
    return 0;
}

int main(int argc, char **argv)
{
    /* What a hostile file may cost at most: 2 GiB of address space beyond the start.  The sanitizers reserve more for themselves. */
#if !SANITIZED
    setrlimit(RLIMIT_AS, &(struct rlimit){(rlim_t)3 << 30, (rlim_t)3 << 30});
#endif
    list = stderr;
    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++)
        if (nftw(argv[i], run_file, 16, FTW_PHYS) != 0)
            return 1;
    fprintf(list, "%zu inputs, all well\n", n_inputs);
    return n_inputs == 0;
}
