/* SPDX-License-Identifier: Apache-2.0 */
/* support.h - error messages for the files of this folder, like those of the library but on the public header alone. */
#ifndef DP_CLI_FETCH_SUPPORT_H
#define DP_CLI_FETCH_SUPPORT_H

#include "dinopatch/experimental.h"

#define FETCH_HEX_BYTES 65 /* a SHA-256 as text, with the final zero */

/* Fills err (may be NULL) and returns status. Whoever prints the message replaces control characters: cli_shown. */
dp_status fetch_fail(dp_error *err, dp_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same for a failed system call: appends ": " and the text of errno; ENOMEM becomes DP_E_MEMORY. */
dp_status fetch_fail_errno(dp_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "not enough memory for WHAT (N bytes)". */
dp_status fetch_fail_memory(dp_error *err, const char *what, size_t bytes);

/* Tells analyzers that an error is never DP_OK. Only scripts/lint.sh defines DP_ANALYSIS. */
#if defined(DP_ANALYSIS) && !defined(FETCH_SUPPORT_C)
static inline dp_status fetch_fault(dp_status status)
{
    if (status == DP_OK)
        __builtin_unreachable();
    return status;
}
#define fetch_fail(...) fetch_fault(fetch_fail(__VA_ARGS__))
#define fetch_fail_errno(...) fetch_fault(fetch_fail_errno(__VA_ARGS__))
#define fetch_fail_memory(...) fetch_fault(fetch_fail_memory(__VA_ARGS__))
#endif

/* open() for reading. Calls again after an interrupt, and does not wait for the writer of a pipe. -1: errno. */
int fetch_open_to_read(const char *path);

#endif
