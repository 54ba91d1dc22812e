/* progress.c - how far long work has come. */
#include "cli.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct {
    const char *what;
    bool quiet, terminal, drawn;
    gint64 started_us, shown_us;
    char stage[32];
} display;

void cli_progress_begin(const char *what, bool quiet)
{
    display.what = what;
    display.quiet = quiet;
    display.terminal = isatty(STDERR_FILENO);
    display.drawn = false;
    display.started_us = g_get_monotonic_time();
    display.shown_us = 0;
    display.stage[0] = 0;
}

static void format_seconds(double seconds, char *text, size_t bytes)
{
    long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(text, bytes, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, bytes, "%ld:%02ld", s / 60, s % 60);
}

/* Pictures are counted; cells and bytes, which run into the thousands, are told as a share. */
static void format_count(size_t done, size_t total, char *text, size_t bytes)
{
    if (!total)
        snprintf(text, bytes, "%zu", done);
    else if (total < 10000)
        snprintf(text, bytes, "%zu/%zu", done, total);
    else
        snprintf(text, bytes, "%3.0f %%", 100.0 * (double)done / (double)total);
}

static void draw_bar(const char *stage, size_t done, size_t total, const char *count, const char *elapsed, const char *left)
{
    struct winsize size = {0};
    int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    int width = MIN(columns - 50, 40);
    fprintf(stderr, "\r%-10s ", stage);
    if (width >= 8) {
        int filled = total ? (int)((double)done / (double)total * width) : 0;
        fputc('[', stderr);
        for (int i = 0; i < width; i++)
            fputc(i < filled ? '#' : '.', stderr);
        fputs("] ", stderr);
    }
    fprintf(stderr, "%s  %s%s%s\033[K", count, elapsed, *left ? ", left " : "", left);
    fflush(stderr);
    display.drawn = true;
}

int cli_progress(void *user, const char *stage, size_t done, size_t total)
{
    if (cli_interrupted())
        return 1;
    if (display.quiet || !display.what)
        return 0;
    gint64 now = g_get_monotonic_time();
    if (g_strcmp0(display.stage, stage)) {
        cli_progress_end();
        g_strlcpy(display.stage, stage, sizeof display.stage);
        display.started_us = now;
        display.shown_us = 0;
    }
    /* A bar may move ten times a second; a log gets a line every ten seconds, and the last. */
    gint64 pause = display.terminal ? 100000 : 10000000;
    bool last = total && done >= total;
    if (!last && now - display.shown_us < pause)
        return 0;
    display.shown_us = now;
    double elapsed = (double)(now - display.started_us) / 1e6;
    char elapsed_text[32], left_text[32] = "", count[48];
    format_count(done, total, count, sizeof count);
    format_seconds(elapsed, elapsed_text, sizeof elapsed_text);
    if (done && total > done)
        format_seconds(elapsed / (double)done * (double)(total - done), left_text, sizeof left_text);
    if (display.terminal)
        draw_bar(stage, done, total, count, elapsed_text, left_text);
    else
        fprintf(stderr, "%s %s  %s%s%s\n", stage, count, elapsed_text, *left_text ? ", left " : "", left_text);
    return 0;
}

void cli_log(void *user, dp_log_level level, const char *line)
{
    cli_progress_end();
    fprintf(stderr, "%s%s\n", level == DP_LOG_WARNING ? "warning: " : "", cli_shown(line));
}

void cli_log_warning(void *user, dp_log_level level, const char *line)
{
    if (level == DP_LOG_WARNING)
        cli_log(user, level, line);
}

void cli_progress_end(void)
{
    if (display.drawn)
        fputc('\n', stderr);
    display.drawn = false;
}
