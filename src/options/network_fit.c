/* SPDX-License-Identifier: Apache-2.0 */
/* network_fit.c - adapts the presets of DinoPatch and PatchCore to networks other than large transformers. */
#include "options/network_fit.h"
#include "options/check.h"

#include <string.h>

/* Returns whether the canvas is still that of dp_recipe_preset. */
static bool has_canvas_of(const dp_recipe *recipe, const dp_recipe *preset)
{
    return (recipe->preset & DP_PRESET_CANVAS) && recipe->align == preset->align && !recipe->edge_px && !recipe->crop_px
           && recipe->canvas_height_px == preset->canvas_height_px
           && recipe->canvas_width_px == preset->canvas_width_px;
}

static void fit_preset(dp_recipe *recipe, const dp_network_facts *network)
{
    dp_recipe preset;
    dp_recipe_preset(&preset, DP_METHOD_DINOPATCH);
    bool square = has_canvas_of(recipe, &preset);
    dp_recipe_preset(&preset, DP_METHOD_PATCHCORE);
    bool canvas = has_canvas_of(recipe, &preset);
    bool layers = (recipe->preset & DP_PRESET_LAYERS) && recipe->layer_mix == preset.layer_mix
                  && recipe->n_layers == preset.n_layers
                  && !memcmp(recipe->layers, preset.layers, preset.n_layers * sizeof *preset.layers);
    bool mean = (recipe->preset & DP_PRESET_NEIGHBOURHOOD) && recipe->neighbourhood == preset.neighbourhood;
    recipe->preset &= ~(unsigned)(DP_PRESET_CANVAS | DP_PRESET_LAYERS | DP_PRESET_NEIGHBOURHOOD);
    if (layers && !network->residual && network->depth < 5) {
        size_t first = (network->depth - 1) / 2;
        recipe->layers[0] = first;
        recipe->layers[1] = first + 1;
        recipe->n_layers = network->depth > 1 ? 2 : 1;
    }
    if (!network->residual)
        return;
    if (square)
        recipe->canvas_height_px = recipe->canvas_width_px = 256;
    if (canvas) {
        recipe->edge_px = 256;
        recipe->crop_px = recipe->canvas_height_px = recipe->canvas_width_px = 224;
    }
    if (layers) {
        recipe->n_layers = 0;
        recipe->layer_mix = DP_LAYERS_MEAN;
    }
    if (mean) /* features of a residual network are such means already */
        recipe->neighbourhood = 1;
}

dp_status dp_recipe_fit_network(dp_recipe *recipe, const dp_network_facts *network, dp_error *err)
{
    dp_recipe fitted = *recipe;
    if (fitted.preset)
        fit_preset(&fitted, network);
    dp_status status = dp_check_features(&fitted, network, err);
    if (status)
        return status;
    dp_recipe_settle_layers(&fitted, network);
    *recipe = fitted;
    return DP_OK;
}
