/* name_text.c - safetensors metadata is JSON, JSON is UTF-8, and a file name on Unix is any bytes but '/' and 0. */
#include "bank/name_text.h"
#include "base/memory.h"
#include "dinopatch.h"

#include <stddef.h>
#include <string.h>

/* Length of the UTF-8 sequence at p, 0 where there is none (continuation bytes alone, overlong forms, surrogates, beyond
 * U+10FFFF).  The terminating zero is no continuation byte, so nothing behind it is read.  Source: Unicode, table 3-7. */
static size_t sequence(const unsigned char *p)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xc2 && p[0] <= 0xdf ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : 0;
    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (n == 0 || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

char *dp_name_to_text(const char *name)
{
    char *text = dp_malloc(strlen(name) + 1, 4), *out = text;
    if (!text)
        return NULL;
    const unsigned char *p = (const unsigned char *)name;
    while (*p) {
        size_t n = sequence(p);
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
