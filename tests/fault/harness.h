/* SPDX-License-Identifier: Apache-2.0 */
/* harness.h - what the fault tests share: child processes with a time limit, comparison of files byte by byte, results
 * printed like cmocka's. */
#ifndef FAULT_HARNESS_H
#define FAULT_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TEMPORARY ".dinopatch-tmp" /* in the name of every file that is not yet whole */

/* ---- a small generator, so that a seed repeats a run */
typedef struct dice {
    uint64_t state;
} dice;
uint64_t dice_roll(dice *d);
double dice_share(dice *d); /* [0, 1) */

/* ---- children */
typedef struct ended {
    bool hung; /* it was still there at the end of its time, and was killed */
    bool signalled;
    int code; /* exit code, or the signal */
    double seconds;
} ended;

double now_s(void);
/* Starts argv (NULL-ended) with more environment (NAME=VALUE, NULL-ended, may be NULL); stdout and stderr go to out.txt and err.txt
 * of the current folder, with `number` put before the dot where it is not 0. */
pid_t child_start(const char *const *argv, const char *const *environment, int number);
ended child_wait(pid_t child, double limit_s);
/* Waits at most so long; true where it has ended. */
bool child_ends_within(pid_t child, double seconds);
ended child_run(const char *const *argv, const char *const *environment, double limit_s);
/* Ends the test program where it does not exit with 0. */
void must_run(const char *const *argv);
/* "exit 4", "signal 9", "no end in sight"; static storage. */
const char *ended_text(const ended *e);

/* ---- files */
typedef struct blob {
    char *data; /* NULL: no such file */
    size_t bytes;
} blob;
blob blob_read(const char *path);
void blob_free(blob *b);
bool blob_same(const blob *a, const blob *b);
/* Takes figures of time out of JSON text. */
void blob_forget_times(blob *b);
void must_copy(const char *from, const char *to);
void must_write(const char *path, const blob *b);
/* Files below a folder whose name holds the text. */
size_t count_named(const char *folder, const char *text);
void remove_named(const char *folder, const char *text);
size_t count_files(const char *folder);
void remove_tree(const char *folder);
/* The first file below `reference` that is not the same below `folder` (skip: names left out, NULL-ended); NULL where there is none.
 * In JSON files, figures of time (ms, seconds) are left out.  Static storage. */
const char *first_difference(const char *reference, const char *folder, const char *const *skip);
/* The first line of a text file, for a message; static storage. */
const char *first_line(const char *path);

/* ---- results, in the form that scripts/count-tests.awk counts */
void test_begin(const char *name);
void test_fault(const char *format, ...) __attribute__((format(printf, 1, 2)));
void test_end(void);
int test_result(void); /* exit code */

/* The absolute path of a file that must be there. */
const char *must_find(const char *path);
/* A new folder for all that follows, made the current one; removed at the end. */
void work_folder(void);

#endif
