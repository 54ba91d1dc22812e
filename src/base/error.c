/* SPDX-License-Identifier: Apache-2.0 */
#define DP_ERROR_C /* the functions of error.h are defined here */
#include "base/error.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Replaces with '?' every character that a terminal or a log could take for a command, and every byte that is not
 * UTF-8 (also a letter that the end of the buffer cut in two). */
static void clean(char *text)
{
    char *out = text;
    while (*text) {
        size_t n = dp_utf8_sequence(text);
        unsigned char first = (unsigned char)text[0];
        bool control = first < 32 || first == 127 || (n == 2 && first == 0xc2 && (unsigned char)text[1] < 0xa0);
        if (n == 0 || control) {
            *out++ = '?';
            text += n ? n : 1;
            continue;
        }
        memmove(out, text, n);
        out += n;
        text += n;
    }
    *out = 0;
}

static void write_message(dp_error *err, dp_status status, const char *format, va_list args)
{
    if (!err)
        return;
    err->status = status;
    vsnprintf(err->message, sizeof err->message, format, args);
    clean(err->message);
}

dp_status dp_fail(dp_error *err, dp_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_message(err, status, format, args);
    va_end(args);
    return status;
}

dp_status dp_fail_errno(dp_error *err, const char *format, ...)
{
    int code = errno;
    dp_status status = code == ENOMEM ? DP_E_MEMORY : DP_E_IO;
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    write_message(err, status, format, args);
    va_end(args);
    size_t used = strlen(err->message);
    char reason[128];
    snprintf(err->message + used, sizeof err->message - used, ": %s", strerror_r(code, reason, sizeof reason));
    clean(err->message);
    return status;
}

dp_status dp_fail_memory(dp_error *err, const char *what, size_t bytes)
{
    return dp_fail(err, DP_E_MEMORY, "not enough memory for %s (%zu bytes)", what, bytes);
}

dp_status dp_error_prefix(dp_error *err, dp_status status, const char *format, ...)
{
    if (!err)
        return status;
    char tail[DP_ERROR_MESSAGE_BYTES];
    memcpy(tail, err->message, sizeof tail);
    va_list args;
    va_start(args, format);
    write_message(err, err->status, format, args);
    va_end(args);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %s", tail);
    clean(err->message);
    return err->status;
}

const char *dp_status_name(dp_status status)
{
    switch (status) {
    case DP_OK: return "ok";
    case DP_E_ARGUMENT: return "wrong argument";
    case DP_E_MEMORY: return "not enough memory";
    case DP_E_IO: return "input or output failed";
    case DP_E_PICTURE: return "not a picture";
    case DP_E_FORMAT: return "broken file";
    case DP_E_CHECKPOINT: return "unknown model";
    case DP_E_MISMATCH: return "inputs do not match";
    case DP_E_CORRUPT: return "checksum is wrong";
    case DP_E_NUMERIC: return "value is not finite";
    case DP_E_UNSUPPORTED: return "not supported here";
    case DP_E_CANCELLED: return "cancelled";
    }
    return "unknown status";
}
