/* SPDX-License-Identifier: Apache-2.0 */
/* layers.h - the facts of a network that a recipe depends on, and the layers that its features come from. */
#ifndef DP_OPTIONS_LAYERS_H
#define DP_OPTIONS_LAYERS_H

#include "dinopatch/experimental.h"

#include <stdbool.h>
#include <stdint.h>

#define DP_RESNET_LAYERS 4     /* at most; a network may end after layer 2 or 3 */
#define DP_RESNET_GRID_LAYER 2 /* the layer whose grid the features of a residual network have */
#define DP_EXTRACT_LAYERS 3    /* layers that normalised features come from, at most */

/* Plain facts of a network, and the limit of the run that uses it. */
typedef struct dp_network_facts {
    bool residual;   /* a residual network with layers 1 to depth; else a transformer with blocks 0 to depth - 1 */
    size_t depth;    /* at least 1; for a residual network at least 2 */
    size_t patch_px; /* pixels to the side of a cell */
    size_t dim;      /* features of a cell and one layer in dp_session_embed */
    size_t channels[DP_RESNET_LAYERS + 1]; /* for a residual network: channels after each layer */
    size_t max_cells;                      /* of one canvas or tile; 0: no limit */
} dp_network_facts;

/* Returns the plain number of a layer that may count from the end; a number the network lacks if there is no such
 * layer: dp_layer_exists. */
size_t dp_layer_number(const dp_network_facts *network, size_t layer);
bool dp_layer_exists(const dp_network_facts *network, size_t number);

/* Turns layers [*n_layers] that dp_check_layers passed into plain numbers, ascending. None become the last block, or
 * layers 2 and 3 of a residual network (2 if it ends there). */
void dp_layers_settle(const dp_network_facts *network, size_t *layers, size_t *n_layers);

/* Fills the layers of normalised features: the blocks at 1/4, 1/2 and 3/4 of the depth, rounded to the nearest, each
 * once; of a residual network layers 2 and 3. Returns their number. */
size_t dp_extract_layers(const dp_network_facts *network, size_t layers[DP_EXTRACT_LAYERS]);

/* Settles layers, layer_mix and layer_norm of a recipe that dp_check_features passed. */
void dp_recipe_settle_layers(dp_recipe *recipe, const dp_network_facts *network);

/* Returns the features of a cell by a recipe whose layers are settled. */
size_t dp_recipe_dim(const dp_recipe *recipe, const dp_network_facts *network);
/* Returns the numbers of the vector of a whole picture by a recipe: a transformer's class token, or the mean of a
 * residual network's last layer; 0 where the recipe needs none. */
size_t dp_recipe_vector_dim(const dp_recipe *recipe, const dp_network_facts *network);
/* Returns whether raw layers of a residual network lie on the grid of layer 1. */
bool dp_recipe_finer_grid(const dp_recipe *recipe, const dp_network_facts *network);
/* Returns the side of a cell by a recipe whose layers are settled: raw layers have the grid of the first of them, and
 * that of the first layer of a residual network has twice as many cells to a side. A flat bank, which compares each cell
 * with all, has the grid of layer 2 even then. */
size_t dp_recipe_patch(const dp_recipe *recipe, const dp_network_facts *network);
/* Fills channels [n], ascending: n of 0 .. all - 1, drawn with the seed. n is at most all. */
void dp_channels_draw(size_t seed, size_t all, size_t n, int32_t *channels);
/* Fills channels [dp_recipe_dim]: which numbers of a cell a recipe with channels keeps. */
void dp_recipe_channels(const dp_recipe *recipe, const dp_network_facts *network, int32_t *channels);

#endif
