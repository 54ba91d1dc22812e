/* SPDX-License-Identifier: Apache-2.0 */
/* layers.c - finds the layers of a network that the features of a recipe come from. */
#include "options/layers.h"

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
    if (!recipe->layer_norm) {
        dp_layers_settle(network, recipe->layers, &recipe->n_layers);
        return;
    }
    recipe->n_layers = dp_extract_layers(network, recipe->layers);
    recipe->layer_mix = DP_LAYERS_CONCAT;
    recipe->layer_norm = network->residual ? DP_LAYER_NORM_RMS : DP_LAYER_NORM_STANDARD;
}

size_t dp_recipe_dim(const dp_recipe *recipe, const dp_network_facts *network)
{
    size_t dim = 0;
    if (!recipe->layer_norm)
        return network->dim * (recipe->layer_mix != DP_LAYERS_MEAN ? recipe->n_layers : 1);
    for (size_t i = 0; i < recipe->n_layers; i++)
        dim += network->residual ? network->channels[recipe->layers[i]] : network->dim;
    return dim;
}
