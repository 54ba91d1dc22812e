/* SPDX-License-Identifier: Apache-2.0 */
/* fault.c - errors of the service. */
#include "fault.h"

#include <stdarg.h>

dp_status service_fail(dp_error *err, dp_status status, const char *format, ...)
{
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    g_vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    err->status = status;
    return status;
}
