/* SPDX-License-Identifier: Apache-2.0 */
/* progress.c - shows how far long work is: a bar on a terminal that can erase it, plain lines anywhere else.
 *
 * The bar never shares a line with other text: whatever is printed to the same terminal erases it first. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct {
    const char *what;
    bool quiet, terminal;
    int drawn;     /* columns of the bar on the screen; 0: none */
    bool complete; /* the bar says that the stage is complete */
    gint64 started_us, shown_us;
    char stage[32];
} display;

/* True for a terminal that can move the cursor. */
static bool is_display(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

void cli_progress_begin(const char *what, bool quiet)
{
    cli_progress_end();
    display.what = what;
    display.quiet = quiet;
    display.terminal = is_display();
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

/* Counts pictures; shows cells and bytes, which run into the thousands, as a percentage. */
static void format_count(size_t done, size_t total, char *text, size_t bytes)
{
    if (!total)
        snprintf(text, bytes, "%zu", done);
    else if (total < 10000)
        snprintf(text, bytes, "%zu/%zu", done, total);
    else
        snprintf(text, bytes, "%3.0f %%", 100.0 * (double)done / (double)total);
}

static int terminal_columns(void)
{
    struct winsize size = {0};
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

/* Moves to the beginning of the bar and erases all after it. On a terminal that became narrower the bar covers several
 * lines. */
static void add_erase(GString *text)
{
    int lines_above = display.drawn ? (display.drawn - 1) / terminal_columns() : 0;
    g_string_append_c(text, '\r');
    if (lines_above > 0)
        g_string_append_printf(text, "\033[%dA", lines_above);
    g_string_append(text, lines_above > 0 ? "\033[J" : "\033[K");
}

static void draw_bar(const char *stage, size_t done, size_t total, const char *count, const char *elapsed,
                     const char *left)
{
    /* The last column stays free: after a full line some terminals go to the next. */
    int columns = MAX(terminal_columns() - 1, 1);
    GString *line = g_string_new(NULL), *text = g_string_new(NULL);
    g_string_printf(line, "%-10s %s  %s%s%s", stage, count, elapsed, *left ? ", left " : "", left);
    int width = MIN(columns - (int)line->len - 3, 40);
    if (width >= 8) {
        int filled = total ? (int)((double)done / (double)total * width) : 0;
        GString *bar = g_string_new("[");
        for (int i = 0; i < width; i++)
            g_string_append_c(bar, i < filled ? '#' : '.');
        g_string_append(bar, "] ");
        g_string_insert(line, (gssize)MAX(strlen(stage), 10) + 1, bar->str);
        g_string_free(bar, TRUE);
    }
    if (line->len > (gsize)columns) /* the text is ASCII, so a byte is a column */
        g_string_truncate(line, (gsize)columns);
    add_erase(text);
    g_string_append(text, line->str);
    fputs(text->str, stderr);
    fflush(stderr);
    display.drawn = (int)line->len;
    display.complete = total && done >= total;
    g_string_free(line, TRUE);
    g_string_free(text, TRUE);
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
    /* The bar moves at most ten times a second. A log gets a line every ten seconds, and the last one. */
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

void cli_progress_hide(void)
{
    if (!display.drawn)
        return;
    if (display.complete) { /* a complete stage stays on the screen */
        fputc('\n', stderr);
    } else {
        GString *text = g_string_new(NULL);
        add_erase(text);
        fputs(text->str, stderr);
        g_string_free(text, TRUE);
    }
    fflush(stderr);
    display.drawn = 0;
}

void cli_progress_end(void)
{
    if (display.drawn && !display.complete) {
        fputc('\n', stderr); /* keep the last state on the screen */
        fflush(stderr);
        display.drawn = 0;
    }
    cli_progress_hide();
}

void cli_progress_abandon(void)
{
    static const char text[] = "\ndinopatch: stopped\n";
    size_t from = display.drawn ? 0 : 1;
    ssize_t said = write(STDERR_FILENO, text + from, sizeof text - 1 - from);
    (void)said; /* there is nobody left to tell */
}
