/* SPDX-License-Identifier: Apache-2.0 */
/* json_size.h - estimates the size of a JSON text before it is parsed. */
#ifndef DP_FORMAT_JSON_SIZE_H
#define DP_FORMAT_JSON_SIZE_H

#include <stdbool.h>
#include <stddef.h>

/* Returns at least the number of values that text [bytes] contains. Each value begins the text, follows a comma, or
 * follows the bracket that opens its list or object. A parsed value takes about 100 bytes, but "[]," takes three, so
 * callers check this before they parse. */
static inline size_t dp_json_values(const char *text, size_t bytes)
{
    size_t values = 1;
    bool inside = false;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if (inside) {
            if (c == '\\')
                i++;
            else if (c == '"')
                inside = false;
        } else if (c == '"') {
            inside = true;
        } else {
            values += c == ',' || c == '[' || c == '{';
        }
    }
    return values;
}

#endif
