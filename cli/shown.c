/* SPDX-License-Identifier: Apache-2.0 */
/* shown.c - text of any bytes, made safe for a terminal. */
#include "cli.h"

const char *cli_count(size_t n, const char *noun)
{
    static char texts[8][80];
    static unsigned next;
    char *text = texts[next++ % G_N_ELEMENTS(texts)];
    g_snprintf(text, sizeof texts[0], "%zu %s%s", n, noun, n == 1 ? "" : "s");
    return text;
}

const char *cli_shown(const char *bytes)
{
    static char *kept[4];
    static unsigned next;
    char **place = &kept[next++ % G_N_ELEMENTS(kept)];
    GString *text = g_string_new(NULL);
    for (const char *p = bytes; *p;) {
        gunichar c = g_utf8_get_char_validated(p, -1);
        if (c >= (gunichar)-2 || g_unichar_iscntrl(c)) {
            g_string_append_c(text, '?');
            p += c >= (gunichar)-2 ? 1 : g_utf8_next_char(p) - p;
            continue;
        }
        g_string_append_unichar(text, c);
        p = g_utf8_next_char(p);
    }
    g_free(*place);
    return *place = g_string_free(text, FALSE);
}
