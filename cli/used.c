/* SPDX-License-Identifier: Apache-2.0 */
/* used.c - a run that used fewer pictures than it was given is no success. */
#include "used.h"

#include <stdio.h>
#include <string.h>

#define SHOWN 8 /* most reasons shown */

void cli_used_begin(cli_used *used)
{
    used->reasons = g_ptr_array_new_with_free_func(g_free);
}

void cli_used_end(cli_used *used)
{
    if (used->reasons)
        g_ptr_array_unref(used->reasons);
    used->reasons = NULL;
}

/* Returns the message about a picture without its name and without the text after the reason; g_free. */
static char *reason_of(const char *path, const char *message)
{
    char *shown = g_strdup(cli_shown(path)); /* the path as messages show it */
    size_t named = strlen(path);
    if (strncmp(message, path, named) != 0 || strncmp(message + named, ": ", 2) != 0) {
        named = strlen(shown);
        if (strncmp(message, shown, named) != 0 || strncmp(message + named, ": ", 2) != 0)
            named = 0;
    }
    char *reason = g_strdup(message + (named ? named + 2 : 0));
    static const char *const tails[] = {" and is left out", "; "};
    for (size_t i = 0; i < G_N_ELEMENTS(tails); i++) {
        char *tail = strstr(reason, tails[i]);
        if (tail)
            *tail = 0;
    }
    g_free(shown);
    return reason;
}

void cli_used_left_out(cli_used *used, const char *path, const char *message)
{
    g_ptr_array_add(used->reasons, reason_of(path, message));
}

bool cli_used_enough(size_t n, size_t asked)
{
    return 10 * n >= 9 * asked;
}

struct counted {
    const char *reason;
    size_t n;
};

static int by_reason(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int most_first(gconstpointer a, gconstpointer b)
{
    const struct counted *x = a, *y = b;
    return x->n != y->n ? (x->n < y->n ? 1 : -1) : strcmp(x->reason, y->reason);
}

static GArray *count_reasons(const cli_used *used)
{
    GArray *counts = g_array_new(FALSE, FALSE, sizeof(struct counted));
    g_ptr_array_sort(used->reasons, by_reason);
    for (guint i = 0; i < used->reasons->len; i++) {
        struct counted *last = counts->len ? &g_array_index(counts, struct counted, counts->len - 1) : NULL;
        if (last && !strcmp(last->reason, used->reasons->pdata[i])) {
            last->n++;
        } else {
            const struct counted next = {used->reasons->pdata[i], 1};
            g_array_append_val(counts, next);
        }
    }
    g_array_sort(counts, most_first);
    return counts;
}

void cli_used_complain(const cli_used *used, size_t n, size_t asked, const char *not_done)
{
    GArray *counts = count_reasons(used);
    size_t unaligned = 0, left = 0;
    cli_complain("%zu of %zu picture%s could be used%s%s", n, asked, asked == 1 ? "" : "s",
                 not_done ? ", which is less than 90 %: " : "", not_done ? not_done : "");
    for (guint i = 0; i < counts->len; i++) {
        const struct counted *c = &g_array_index(counts, struct counted, i);
        if (g_str_has_prefix(c->reason, "cannot be aligned"))
            unaligned += c->n;
        if (i < SHOWN)
            fprintf(stderr, "  %6zu  %s\n", c->n, cli_shown(c->reason));
        else
            left += c->n;
    }
    if (left)
        fprintf(stderr, "  %6zu  for other reasons\n", left);
    if (not_done && n)
        fprintf(stderr, "%s, or pass --allow-few to use the %zu.\n",
                2 * unaligned > used->reasons->len ? "Pass --align none to use the pictures unaligned"
                                                   : "Repair those pictures or give others",
                n);
    g_array_unref(counts);
}
