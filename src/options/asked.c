/* SPDX-License-Identifier: Apache-2.0 */
/* asked.c - options as an object of the public interface. */
#include "options/asked.h"
#include "base/error.h"
#include "base/memory.h"

void dp_options_recipe(const dp_options *options, dp_recipe *asked)
{
    if (options)
        *asked = options->asked;
    else
        dp_recipe_preset(asked, DP_METHOD_AUTO);
}

dp_status dp_options_new(dp_options **options, dp_error *err)
{
    dp_options *made = dp_calloc(1, sizeof *made);
    if (!made)
        return dp_fail_memory(err, "options", sizeof *made);
    dp_options_recipe(NULL, &made->asked);
    *options = made;
    return DP_OK;
}

void dp_options_free(dp_options **options)
{
    if (!options)
        return;
    dp_memory_free(*options);
    *options = NULL;
}

dp_status dp_options_set(dp_options *options, const char *key, const char *text, dp_error *err)
{
    return dp_recipe_set(&options->asked, key, text, err);
}
