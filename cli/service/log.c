/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - the service's lines on stderr. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static log_level shown = LOG_LEVEL_INFO;

bool log_level_set(const char *name)
{
    static const struct {
        const char *name;
        log_level level;
    } levels[] = {{"error", LOG_LEVEL_ERROR},
                  {"warning", LOG_LEVEL_WARNING},
                  {"info", LOG_LEVEL_INFO},
                  {"debug", LOG_LEVEL_DEBUG}};
    for (size_t i = 0; i < G_N_ELEMENTS(levels); i++) {
        if (!strcmp(name, levels[i].name)) {
            shown = levels[i].level;
            return true;
        }
    }
    return false;
}

/* A copy in which nothing can pass for another line or a command of the terminal; g_free. */
static char *plain(const char *text)
{
    char *copy = g_utf8_make_valid(text, -1);
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    return copy;
}

void log_line(log_level level, const char *format, ...)
{
    if (level > shown)
        return;
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *line = plain(text);
    const char *word = level == LOG_LEVEL_ERROR ? "error: " : level == LOG_LEVEL_WARNING ? "warning: " : "";
    g_autofree char *command = cli_command();
    if (getenv("JOURNAL_STREAM"))
        fprintf(stderr, "<%d>%s\n", (int)level, line);
    else
        fprintf(stderr, "%s: %s%s\n", command, word, line);
}

void log_from_library(void *user, dp_log_level level, const char *line)
{
    log_line(level == DP_LOG_WARNING ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "%s", line);
}
