/* recipe_json.h - a recipe as the JSON text that stands in a bank. */
#ifndef DP_OPTIONS_RECIPE_JSON_H
#define DP_OPTIONS_RECIPE_JSON_H

#include "dinopatch/experimental.h"

/* Every field of the recipe under its own name; choices by the names the command line uses; window a number or
 * "global". *text is freed with dp_memory_free.  Errors: DP_E_ARGUMENT (a value no bank can hold), DP_E_MEMORY. */
dp_status dp_recipe_to_json(const dp_recipe *recipe, char **text, dp_error *err);

/* The reverse.  what stands in front of the messages (a file name).
 * Errors: DP_E_FORMAT: not JSON, a field that is unknown, missing, of the wrong type or out of range. */
dp_status dp_recipe_from_json(const char *text, const char *what, dp_recipe *recipe, dp_error *err);

#endif
