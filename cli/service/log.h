/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - the service's lines on stderr; for the journal each begins with its level (sd-daemon(3)). */
#ifndef DP_CLI_SERVICE_LOG_H
#define DP_CLI_SERVICE_LOG_H

#include "../cli.h"

typedef enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
} log_level;

/* Lines above this level are left out.  "error", "warning", "info", "debug"; false: it is none. */
bool log_level_set(const char *name);
void log_line(log_level level, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A dp_run callback. */
void log_from_library(void *user, dp_log_level level, const char *line);

#endif
