/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.h - checks whether bytes are UTF-8. */
#ifndef DP_BASE_UTF8_H
#define DP_BASE_UTF8_H

#include <stddef.h>

/* Returns the length of the UTF-8 sequence at text, or 0 if there is none (single continuation bytes, overlong forms,
 * surrogates, values above U+10FFFF, a sequence cut short). A terminating zero is not a continuation byte, so nothing
 * behind it is read. Source: Unicode, table 3-7. */
static inline size_t dp_utf8_sequence(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
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

#endif
