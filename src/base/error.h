/* SPDX-License-Identifier: Apache-2.0 */
/* error.h - the function that finds a fault writes the message; its callers pass the message on. */
#ifndef DP_BASE_ERROR_H
#define DP_BASE_ERROR_H

#include "dinopatch/experimental.h"

/* Fills err (may be NULL) and returns status, so that a fault takes one line:
 *     return dp_fail(err, DP_E_FORMAT, "%s: header is cut short", path);
 * Line breaks, other control characters and bytes that are not UTF-8 become '?', so a file name can break neither a
 * log nor a terminal. */
dp_status dp_fail(dp_error *err, dp_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Does the same for a failed system call: appends ": " and the text of errno; ENOMEM becomes DP_E_MEMORY. */
dp_status dp_fail_errno(dp_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes "not enough memory for WHAT (N bytes)" and returns DP_E_MEMORY. */
dp_status dp_fail_memory(dp_error *err, const char *what, size_t bytes);

/* Puts "prefix: " in front of err's message. Returns err's status, or status if err is NULL. */
dp_status dp_error_prefix(dp_error *err, dp_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Analyzers see one file at a time and cannot know that a fault is never DP_OK. Only scripts/lint.sh defines
 * DP_ANALYSIS. */
#if defined(DP_ANALYSIS) && !defined(DP_ERROR_C)
static inline dp_status dp_fault(dp_status status)
{
    if (status == DP_OK)
        __builtin_unreachable();
    return status;
}
#define dp_fail(...) dp_fault(dp_fail(__VA_ARGS__))
#define dp_fail_errno(...) dp_fault(dp_fail_errno(__VA_ARGS__))
#define dp_fail_memory(...) dp_fault(dp_fail_memory(__VA_ARGS__))
#define dp_error_prefix(...) dp_fault(dp_error_prefix(__VA_ARGS__))
#endif

/* "%zu picture%s", n, DP_S(n) */
#define DP_S(n) ((n) == 1 ? "" : "s")

#endif
