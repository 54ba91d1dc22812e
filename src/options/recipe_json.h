/* SPDX-License-Identifier: Apache-2.0 */
/* recipe_json.h - a recipe as the JSON text of a bank. */
#ifndef DP_OPTIONS_RECIPE_JSON_H
#define DP_OPTIONS_RECIPE_JSON_H

#include "dinopatch/experimental.h"

/* Writes every field of the recipe under its own name; choices by name, window as a number or "global". Free *text with
 * dp_memory_free. Errors: DP_E_ARGUMENT (a value that no bank can hold), DP_E_MEMORY. */
dp_status dp_recipe_to_json(const dp_recipe *recipe, char **text, dp_error *err);

/* Reads it back. what: a file name for the messages.
 * Errors: DP_E_FORMAT: not JSON, a field that is unknown, missing, of the wrong type or out of range. */
dp_status dp_recipe_from_json(const char *text, const char *what, dp_recipe *recipe, dp_error *err);

#endif
