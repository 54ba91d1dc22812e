/* SPDX-License-Identifier: Apache-2.0 */
/* name_text.c - converts file names to text and back. Metadata of safetensors is JSON and JSON is UTF-8, but a file
 * name on Unix may hold any bytes except '/' and 0. */
#include "bank/name_text.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dinopatch/experimental.h"

#include <stddef.h>
#include <string.h>

char *dp_name_to_text(const char *name)
{
    char *text = dp_malloc(strlen(name) + 1, 4), *out = text;
    if (!text)
        return NULL;
    const unsigned char *p = (const unsigned char *)name;
    while (*p) {
        size_t n = dp_utf8_sequence((const char *)p);
        if (n == 0) {
            *out++ = '\\';
            *out++ = 'x';
            *out++ = "0123456789abcdef"[*p >> 4];
            *out++ = "0123456789abcdef"[*p++ & 15];
            continue;
        }
        if (*p == '\\')
            *out++ = '\\';
        memcpy(out, p, n);
        out += n;
        p += n;
    }
    *out = 0;
    return text;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *dp_name_from_text(const char *text, int *broken)
{
    *broken = 0;
    char *name = dp_malloc(strlen(text) + 1, 1), *out = name;
    if (!name)
        return NULL;
    while (*text) {
        if (*text != '\\') {
            *out++ = *text++;
        } else if (text[1] == '\\') {
            *out++ = '\\';
            text += 2;
        } else {
            int high = text[1] == 'x' ? digit(text[2]) : -1, low = high >= 0 ? digit(text[3]) : -1;
            if (low < 0 || high * 16 + low == 0) {
                dp_memory_free(name);
                *broken = 1;
                return NULL;
            }
            *out++ = (char)(high * 16 + low);
            text += 4;
        }
    }
    *out = 0;
    return name;
}
