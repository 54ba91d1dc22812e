/* SPDX-License-Identifier: Apache-2.0 */
/* layers.c - which blocks of a transformer a recipe names. */
#include "base/error.h"
#include "options/check.h"

dp_status dp_recipe_settle_layers(dp_recipe *recipe, size_t depth, dp_error *err)
{
    size_t settled[DP_MAX_LAYERS], n = 0;
    if (recipe->n_layers > DP_MAX_LAYERS)
        return dp_fail(err, DP_E_ARGUMENT, "%zu layers are too many; give at most %d", recipe->n_layers, DP_MAX_LAYERS);
    if (!recipe->n_layers)
        settled[n++] = depth - 1;
    /* Goes block by block, so the result ascends. A block that is listed twice counts twice. */
    size_t found = 0;
    for (size_t block = 0; block < depth && recipe->n_layers; block++) {
        size_t times = 0;
        for (size_t i = 0; i < recipe->n_layers; i++)
            times += recipe->layers[i] == block || recipe->layers[i] == block - depth; /* wraps: -1 is the last block */
        found += times;
        if (times > 1)
            return dp_fail(err, DP_E_ARGUMENT, "layer %zu is given twice", block);
        if (times)
            settled[n++] = block;
    }
    if (recipe->n_layers && found != recipe->n_layers)
        return dp_fail(err, DP_E_ARGUMENT, "a layer does not exist: this transformer has blocks 0 to %zu", depth - 1);
    for (size_t i = 0; i < n; i++)
        recipe->layers[i] = settled[i];
    recipe->n_layers = n;
    return DP_OK;
}
