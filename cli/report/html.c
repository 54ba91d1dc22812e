/* SPDX-License-Identifier: Apache-2.0 */
/* html.c - puts text and pictures into a page. */
#include "report.h"

#include <string.h>

void html_text(GString *html, const char *text)
{
    char *valid = g_utf8_make_valid(text ? text : "", -1);
    for (const char *p = valid; *p; p++) {
        switch (*p) {
        case '&': g_string_append(html, "&amp;"); break;
        case '<': g_string_append(html, "&lt;"); break;
        case '>': g_string_append(html, "&gt;"); break;
        case '"': g_string_append(html, "&quot;"); break;
        case '\'': g_string_append(html, "&#39;"); break;
        default:
            if ((unsigned char)*p < 0x20 || *p == 0x7f)
                g_string_append(html, "\xEF\xBF\xBD");
            else if ((unsigned char)*p == 0xc2 && (unsigned char)p[1] < 0xa0) /* U+0080 to U+009F */
                g_string_append(html, "\xEF\xBF\xBD"), p++;
            else
                g_string_append_c(html, *p);
        }
    }
    g_free(valid);
}

void html_add(GString *html, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_string_append_vprintf(html, format, arguments);
    va_end(arguments);
}

void html_jpeg(GString *html, const char *path, const char *alt)
{
    char *bytes = NULL;
    gsize n = 0;
    if (!path || !g_file_get_contents(path, &bytes, &n, NULL) || n < 3 || memcmp(bytes, "\xFF\xD8\xFF", 3) != 0) {
        g_string_append(html, "<p class=\"missing\">picture not there</p>");
    } else {
        char *text = g_base64_encode((const guchar *)bytes, n);
        g_string_append(html, "<img loading=\"lazy\" alt=\"");
        html_text(html, alt);
        g_string_append(html, "\" src=\"data:image/jpeg;base64,");
        g_string_append(html, text);
        g_string_append(html, "\">");
        g_free(text);
    }
    g_free(bytes);
}
