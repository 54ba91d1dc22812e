/* json_size.h - how much a JSON text will become, before it does. */
#ifndef DP_FORMAT_JSON_SIZE_H
#define DP_FORMAT_JSON_SIZE_H

#include <stdbool.h>
#include <stddef.h>

/* No fewer than the values in text [bytes] once it is parsed: each of them begins the text, stands behind a comma, or behind the bracket
 * that opens its list or object.  A parsed value takes some 100 bytes, "[]," three: this is asked before the parser is. */
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
