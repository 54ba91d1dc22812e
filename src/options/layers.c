/* SPDX-License-Identifier: Apache-2.0 */
/* layers.c - finds the layers of a network that the features of a recipe come from. */
#include "options/layers.h"
#include "base/random.h"
#include "options/recipe_facts.h"

static size_t first_of(const dp_network_facts *network)
{
    return network->residual;
}

bool dp_layer_exists(const dp_network_facts *network, size_t number)
{
    return number - first_of(network) < network->depth;
}

size_t dp_layer_number(const dp_network_facts *network, size_t layer)
{
    return dp_layer_exists(network, layer) ? layer
                                           : layer + network->depth + first_of(network); /* wraps: -1 is the last */
}

void dp_layers_settle(const dp_network_facts *network, size_t *layers, size_t *n_layers)
{
    size_t n = *n_layers;
    for (size_t i = 0; i < n; i++) {
        size_t number = dp_layer_number(network, layers[i]), at = i;
        for (; at > 0 && layers[at - 1] > number; at--)
            layers[at] = layers[at - 1];
        layers[at] = number;
    }
    if (n)
        return;
    layers[0] = network->residual ? DP_RESNET_GRID_LAYER : network->depth - 1;
    layers[1] = DP_RESNET_GRID_LAYER + 1;
    *n_layers = network->residual && network->depth > DP_RESNET_GRID_LAYER ? 2 : 1;
}

size_t dp_extract_layers(const dp_network_facts *network, size_t layers[DP_EXTRACT_LAYERS])
{
    size_t n = 0;
    if (network->residual)
        dp_layers_settle(network, layers, &n);
    for (size_t quarter = 1; quarter <= 3 && !network->residual; quarter++) {
        size_t number = (2 * quarter * network->depth + 4) / 8; /* from 1: depth quarter / 4, rounded, halves up */
        size_t block = number ? number - 1 : 0;
        if (!n || layers[n - 1] != block)
            layers[n++] = block;
    }
    return n;
}

void dp_recipe_settle_layers(dp_recipe *recipe, const dp_network_facts *network)
{
    if (!dp_measures_layers(recipe)) {
        dp_layers_settle(network, recipe->layers, &recipe->n_layers);
        if (recipe->layer_norm && network->residual && recipe->n_layers > 1 && recipe->layer_mix == DP_LAYERS_MEAN)
            recipe->layer_mix = DP_LAYERS_CONCAT; /* nobody asked for the mean of layers that differ in size */
        return;
    }
    recipe->n_layers = dp_extract_layers(network, recipe->layers);
    recipe->layer_mix = DP_LAYERS_CONCAT;
    recipe->layer_norm = network->residual ? DP_LAYER_NORM_RMS : DP_LAYER_NORM_STANDARD;
}

/* The features of a cell before the recipe's choice of channels. */
static size_t dim_of_layers(const dp_recipe *recipe, const dp_network_facts *network)
{
    size_t dim = 0, widest = 0;
    if (!recipe->layer_norm)
        return network->dim * (recipe->layer_mix != DP_LAYERS_MEAN ? recipe->n_layers : 1);
    for (size_t i = 0; i < recipe->n_layers; i++) {
        size_t own = network->residual ? network->channels[recipe->layers[i]] : network->dim;
        dim += own;
        widest = own > widest ? own : widest;
    }
    return recipe->layer_mix == DP_LAYERS_MEAN ? widest
           : recipe->layer_mix == DP_LAYERS_SEPARATE
               ? widest * recipe->n_layers /* narrower ones are filled with zeros */
               : dim;
}

size_t dp_recipe_dim(const dp_recipe *recipe, const dp_network_facts *network)
{
    size_t all = dim_of_layers(recipe, network);
    return recipe->channels && recipe->channels < all ? recipe->channels : all;
}

size_t dp_recipe_vector_dim(const dp_recipe *recipe, const dp_network_facts *network)
{
    return !recipe->retrieval ? 0 : network->residual ? network->channels[network->depth] : network->dim;
}

bool dp_recipe_finer_grid(const dp_recipe *recipe, const dp_network_facts *network)
{
    return network->residual && recipe->layer_norm == DP_LAYER_NORM_RAW && recipe->n_layers
           && recipe->layers[0] < DP_RESNET_GRID_LAYER && recipe->layout != DP_LAYOUT_FLAT;
}

size_t dp_recipe_patch(const dp_recipe *recipe, const dp_network_facts *network)
{
    return dp_recipe_finer_grid(recipe, network) ? network->patch_px / 2 : network->patch_px;
}

void dp_channels_draw(size_t seed, size_t all, size_t n, int32_t *channels)
{
    dp_random random = dp_random_at(seed, 0);
    size_t left = n;
    for (size_t i = 0; i < all && left; i++) /* each set of n has the same chance (Knuth, algorithm S) */
        if (dp_random_below(&random, all - i) < left)
            channels[n - left--] = (int32_t)i;
}

void dp_recipe_channels(const dp_recipe *recipe, const dp_network_facts *network, int32_t *channels)
{
    const size_t all = dim_of_layers(recipe, network), kept = dp_recipe_dim(recipe, network);
    dp_channels_draw(recipe->seed, all, kept, channels);
}
