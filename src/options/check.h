/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - the rules between options. check.c has each rule once. */
#ifndef DP_OPTIONS_CHECK_H
#define DP_OPTIONS_CHECK_H

#include "options/layers.h"

#include <stdbool.h>

/* Whether a settled recipe brings each picture into one pose. */
static inline bool dp_aligns(const dp_recipe *recipe)
{
    return recipe->align == DP_ALIGN_PCA || recipe->align == DP_ALIGN_FEATURES;
}

/* Each function fails with DP_E_ARGUMENT, and the message names the options by their keys. */

/* Checks each field by itself. */
dp_status dp_recipe_check_ranges(const dp_recipe *recipe, dp_error *err);
/* Checks the thresholds of the edges. */
dp_status dp_check_edges(const dp_recipe *recipe, dp_error *err);
/* Checks the post-processing of a map. */
dp_status dp_post_check(const dp_post *post, dp_error *err);

/* How a bank is made smaller. */
typedef struct dp_reduction_rule {
    bool flat, separate; /* layout of the bank; true if its layers are separate */
    double pca, coreset;
    size_t kmeans;
    bool moments; /* layout of the bank */
    double thin;
    bool retrieves;
} dp_reduction_rule;
dp_status dp_check_reduction(const dp_reduction_rule *rule, dp_error *err);

/* How a picture is compared and scored, in a recipe or a view. */
typedef struct dp_scoring_rule {
    bool flat, separate;
    size_t window, knn, reweight;
    double blend, order;
    bool merged; /* rows are centres of several pictures */
    dp_score score;
    bool moments; /* there are no rows to find neighbours in */
    dp_metric metric;
    bool retrieves; /* the bank has a vector of each picture */
    bool equal;     /* separate layers have equal weights */
} dp_scoring_rule;
dp_status dp_check_scoring(const dp_scoring_rule *rule, dp_error *err);

/* Checks that there are as many features as neighbours to find. */
dp_status dp_check_neighbours(size_t knn, size_t there, dp_error *err);
/* Checks that there are enough pictures for blending, neighbours and centres. */
dp_status dp_check_pictures(const dp_recipe *recipe, size_t n_pictures, dp_error *err);
/* ------------------------------------------------------------------------------------------- against the network */

/* Most cells of one picture: in a flat bank, and of all tiles of a canvas. 28,000 x 28,000 pixels have fewer. A file
 * could name any number, and the search allocates memory for it. */
#define DP_MAX_GRID_CELLS ((int64_t)1 << 22)

/* Checks that layers [n_layers] exist, each once, and give features. */
dp_status dp_check_layers(const dp_network_facts *network, const size_t *layers, size_t n_layers, dp_error *err);
/* Checks the options of features: layers, layer_mix and layer_norm, which need not be settled. */
dp_status dp_check_features(const dp_recipe *recipe, const dp_network_facts *network, dp_error *err);
/* Checks a settled canvas: whole patches, not too many cells in one tile or in all. */
dp_status dp_check_canvas(const dp_recipe *recipe, const dp_network_facts *network, dp_error *err);
/* Checks that height_px x width_px pixels have no more than max_cells cells (0: no limit). path (may be NULL) is the
 * picture of that size; without it the size is a setting. Errors: DP_E_PICTURE with a path, else DP_E_ARGUMENT. */
dp_status dp_check_cells(size_t max_cells, size_t height_px, size_t width_px, size_t patch_px, const char *path,
                         dp_error *err);

#endif
