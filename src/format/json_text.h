/* SPDX-License-Identifier: Apache-2.0 */
/* json_text.h - writes JSON values as text, whole or not at all. */
#ifndef DP_FORMAT_JSON_TEXT_H
#define DP_FORMAT_JSON_TEXT_H

#include <jansson.h>

/* Returns the compact text of a value; NULL if memory is short or value is NULL. Free it with dp_memory_free. Numbers
 * have 17 digits, so doubles are read back unchanged. */
char *dp_json_text(const json_t *value);

#endif
