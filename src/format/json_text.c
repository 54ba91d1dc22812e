/* SPDX-License-Identifier: Apache-2.0 */
/* json_text.c - json_dumps() of jansson 2.14 does not check every result. If its buffer cannot grow in the middle of
 * an object, a key or a comma is missing and the rest is there. So the text is measured first here and written into
 * memory that need not grow. */
#include "format/json_text.h"
#include "base/memory.h"
#include "dinopatch/experimental.h"

char *dp_json_text(const json_t *value)
{
    size_t bytes = value ? json_dumpb(value, NULL, 0, JSON_COMPACT) : 0, room;
    char *text = bytes && dp_add_size(bytes, 1, &room) ? dp_malloc(room, 1) : NULL;
    if (!text)
        return NULL;
    if (json_dumpb(value, text, bytes, JSON_COMPACT) != bytes) {
        dp_memory_free(text);
        return NULL;
    }
    text[bytes] = 0;
    return text;
}
