/* SPDX-License-Identifier: Apache-2.0 */
/* network_fit.c - adapts the presets of published methods to the network. */
#include "options/network_fit.h"
#include "options/check.h"

#include <math.h>
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
    if (layers)
        recipe->n_layers = 0;
    if (mean) /* features of a residual network are such means already */
        recipe->neighbourhood = 1;
}

/* The block nearest to a share of the depth, counted from 0. */
static size_t block_at(const dp_network_facts *network, double share)
{
    size_t number = (size_t)floor(share * (double)network->depth + 0.5); /* from 1 */
    return number ? number - 1 : 0;
}

static void add_layer(dp_recipe *recipe, size_t layer)
{
    if (!recipe->n_layers || recipe->layers[recipe->n_layers - 1] != layer)
        recipe->layers[recipe->n_layers++] = layer;
}

/* Layers of methods that name them by their place in the network. */
static void fit_layers(dp_recipe *recipe, const dp_network_facts *network)
{
    const bool three = recipe->preset & DP_PRESET_THREE, middle = recipe->preset & DP_PRESET_MIDDLE,
               four = recipe->preset & DP_PRESET_FOUR, superadd = recipe->preset & DP_PRESET_SUPERADD;
    if (network->residual && (recipe->preset & DP_PRESET_NORMED)) /* it has no final norm */
        recipe->layer_norm = DP_LAYER_NORM_RAW;
    if (network->residual && (recipe->preset & DP_PRESET_MIXED)) /* its layers differ in size */
        recipe->layer_mix = recipe->layer_norm == DP_LAYER_NORM_RAW ? DP_LAYERS_CONCAT : DP_LAYERS_MEAN;
    recipe->preset &= ~(unsigned)(DP_PRESET_THREE | DP_PRESET_MIDDLE | DP_PRESET_FOUR | DP_PRESET_SUPERADD
                                  | DP_PRESET_NORMED | DP_PRESET_MIXED);
    if (!three && !middle && !four && !superadd)
        return;
    recipe->n_layers = 0;
    for (size_t l = three ? 1 : DP_RESNET_GRID_LAYER; network->residual && l <= 3 && l <= network->depth; l++)
        add_layer(recipe, l);
    if (network->residual) {
        recipe->layer_mix = superadd || four ? DP_LAYERS_SEPARATE : DP_LAYERS_CONCAT;
        return;
    }
    static const double shares[2][4] = {{1.0 / 3, 0.5, 0.75, 11.0 / 12}, {0.25, 0.5, 0.75, 1}};
    for (size_t i = 0; superadd && i < 4; i++) /* of the 24 blocks of ViT-L SuperADD takes the quarters */
        add_layer(recipe, block_at(network, shares[network->depth == 24][i]));
    for (size_t quarter = 1; four && quarter <= 3; quarter++) /* 3, 6, 9 and 11 of 12, counted from 0 */
        add_layer(recipe, quarter * network->depth / 4);
    if (four)
        add_layer(recipe, network->depth - 1);
    for (size_t quarter = 1; three && quarter <= 3; quarter++)
        add_layer(recipe, block_at(network, 0.25 * (double)quarter));
    for (size_t b = 1; middle && b <= network->depth; b++) /* tenths of a block are exact in whole numbers */
        if (100 * b >= 55 * network->depth && 100 * b <= 70 * network->depth && recipe->n_layers < DP_MAX_LAYERS)
            add_layer(recipe, b - 1);
    if (middle && !recipe->n_layers)
        add_layer(recipe, block_at(network, 0.625));
}

dp_status dp_recipe_fit_network(dp_recipe *recipe, const dp_network_facts *network, dp_error *err)
{
    dp_recipe fitted = *recipe;
    if (fitted.preset)
        fit_preset(&fitted, network);
    fit_layers(&fitted, network);
    dp_status status = dp_check_features(&fitted, network, err);
    if (status)
        return status;
    dp_recipe_settle_layers(&fitted, network);
    *recipe = fitted;
    return DP_OK;
}
