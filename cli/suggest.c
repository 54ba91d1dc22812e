/* SPDX-License-Identifier: Apache-2.0 */
/* suggest.c - guesses what an unknown word should have been. */
#include "cli.h"

#include <string.h>

#define LONGEST 40

/* The number of letters to insert, drop, replace, or swap with their neighbour, to turn one word into the other
 * (optimal string alignment). Both have at most LONGEST letters. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), row[3][LONGEST + 1];
    size_t *before = row[0], *last = row[1], *now = row[2];
    for (size_t j = 0; j <= m; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= n; i++) {
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t d = MIN(MIN(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d = MIN(d, before[j - 2] + 1);
            now[j] = d;
        }
        size_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[m];
}

/* Returns the name nearest to a word, or NULL if none is near. */
static const char *nearest(const char *word, const char *const *names)
{
    size_t length = strlen(word), best = MAX(1, length / 3) + 1; /* one more than counts as a slip */
    const char *found = NULL;
    if (length < 2 || length > LONGEST)
        return NULL;
    char *lower = g_ascii_strdown(word, -1);
    for (size_t i = 0; names[i]; i++) {
        size_t n = strlen(names[i]);
        if (n > LONGEST)
            continue;
        char *name = g_ascii_strdown(names[i], -1);
        size_t d = distance(lower, name);
        /* The beginning of a word (--thresh) or a longer word (--output) counts as one slip. */
        if (d > 1 && ((length > 2 && g_str_has_prefix(name, lower)) || (n > 2 && g_str_has_prefix(lower, name))))
            d = 1;
        g_free(name);
        if (d < best && (n > d || length > d)) {
            best = d;
            found = names[i];
        }
    }
    g_free(lower);
    return found;
}

int cli_unknown_command(const char *word, const char *const *names)
{
    char *list = g_strjoinv(", ", (char **)names), *meant = cli_did_you_mean(word, "", names);
    int code = *meant ? cli_usage("'%s' is not a command%s", word, meant)
                      : cli_usage("'%s' is not a command; give one of %s", word, list);
    g_free(list);
    g_free(meant);
    return code;
}

char *cli_did_you_mean(const char *word, const char *before, const char *const *names)
{
    const char *name = nearest(word, names);
    return name ? g_strdup_printf("; did you mean %s%s?", before, name) : g_strdup("");
}
