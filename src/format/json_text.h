/* json_text.h - JSON values as text, whole or not at all. */
#ifndef DP_FORMAT_JSON_TEXT_H
#define DP_FORMAT_JSON_TEXT_H

#include <jansson.h>

/* The compact text of a value, freed with dp_memory_free; NULL when memory is short, or where value is NULL.  Numbers have 17 digits: doubles
 * come back as they were. */
char *dp_json_text(const json_t *value);

#endif
