/* SPDX-License-Identifier: Apache-2.0 */
/* usable.c - reports pictures that could not be used and checks that enough are left. */
#include "eval.h"
#include "../used.h"

#include <math.h>

void eval_drop_blank(const char *path, const dp_result **result, const char **message, char **own)
{
    *own = NULL;
    if (!*result || !isnan((*result)->score))
        return;
    *message = *own = g_strdup_printf("%s: %s", path, (*result)->reason);
    *result = NULL;
}

dp_status eval_check_used(const dp_bank *bank, size_t n_failed, const dp_recipe *recipe, bool allow_few, dp_error *err)
{
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    size_t asked = MAX(info.n_pictures + n_failed, recipe->shots);
    if (allow_few || cli_used_enough(info.n_pictures, asked))
        return DP_OK;
    err->status = DP_E_PICTURE;
    g_snprintf(
        err->message, sizeof err->message,
        "%zu of %zu good pictures could be used, which is less than 90 %%; pass --allow-few to continue with them",
        info.n_pictures, asked);
    return err->status;
}
