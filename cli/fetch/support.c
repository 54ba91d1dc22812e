/* SPDX-License-Identifier: Apache-2.0 */
#define FETCH_SUPPORT_C /* support.h: defined here */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void say(dp_error *err, dp_status status, const char *format, va_list args)
{
    if (!err)
        return;
    err->status = status;
    vsnprintf(err->message, sizeof err->message, format, args);
}

dp_status fetch_fail(dp_error *err, dp_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(err, status, format, args);
    va_end(args);
    return status;
}

dp_status fetch_fail_errno(dp_error *err, const char *format, ...)
{
    int code = errno;
    dp_status status = code == ENOMEM ? DP_E_MEMORY : DP_E_IO;
    va_list args;
    va_start(args, format);
    say(err, status, format, args);
    va_end(args);
    size_t used = err ? strlen(err->message) : 0;
    char reason[128];
    if (err)
        snprintf(err->message + used, sizeof err->message - used, ": %s", strerror_r(code, reason, sizeof reason));
    return status;
}

dp_status fetch_fail_memory(dp_error *err, const char *what, size_t bytes)
{
    return fetch_fail(err, DP_E_MEMORY, "not enough memory for %s (%zu bytes)", what, bytes);
}

int fetch_open_to_read(const char *path)
{
    int fd;
    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    while (fd < 0 && errno == EINTR);
    return fd;
}
