/* SPDX-License-Identifier: Apache-2.0 */
/* test.h - cmocka with the headers it needs, and the few helpers that all test programs share. */
#ifndef DP_TESTS_TEST_H
#define DP_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dinopatch/experimental.h"
#include "dinopatch/draw.h"
#include "dinopatch/io.h"

/* Expects status DP_OK; prints the library's message otherwise. */
#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        dp_error err_ = {0};                                                                                           \
        dp_error *err = &err_;                                                                                         \
        if ((call) != DP_OK)                                                                                           \
            fail_msg("%s: %s", #call, err_.message);                                                                   \
    } while (0)

/* Expects this status and a message that contains text. The call names its error `err`. */
#define assert_fails(expected, text, call)                                                                             \
    do {                                                                                                               \
        dp_error err_ = {0};                                                                                           \
        dp_error *err = &err_;                                                                                         \
        dp_status status_ = (call);                                                                                    \
        if (status_ != (expected) || err_.status != (expected) || !strstr(err_.message, (text)))                       \
            fail_msg("%s: status %d, message \"%s\"; expected %d with \"%s\"", #call, (int)status_, err_.message,      \
                     (int)(expected), (text));                                                                         \
    } while (0)

static char temporary_folder[64];

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st, (void)type, (void)walk;
    return remove(path);
}

static inline void remove_temporary_folder(void)
{
    nftw(temporary_folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Returns a path in a new folder of this test process, removed at exit; static storage, overwritten after 8 calls. */
static inline const char *temporary_path(const char *name)
{
    static char paths[8][256];
    static int next;
    if (!temporary_folder[0]) {
        strcpy(temporary_folder, "/tmp/dinopatch-test-XXXXXX");
        if (!mkdtemp(temporary_folder))
            abort();
        atexit(remove_temporary_folder);
    }
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", temporary_folder, name);
    return path;
}

#endif
