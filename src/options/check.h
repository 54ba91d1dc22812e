/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - which options may stand together.  Each rule is written once, in check.c. */
#ifndef DP_OPTIONS_CHECK_H
#define DP_OPTIONS_CHECK_H

#include "dinopatch/experimental.h"

#include <stdbool.h>

/* Each function fails with DP_E_ARGUMENT, and the message names the options by their keys. */

/* Checks each field by itself. */
dp_status dp_recipe_check_ranges(const dp_recipe *recipe, dp_error *err);
/* Checks the thresholds of the edges. */
dp_status dp_check_edges(const dp_recipe *recipe, dp_error *err);
/* Checks the post-processing of a map. */
dp_status dp_post_check(const dp_post *post, dp_error *err);

/* How a bank is made smaller. */
typedef struct dp_reduction_rule {
    bool flat, separate; /* layout of the bank; whether its layers are kept apart */
    double pca, coreset;
    size_t kmeans;
} dp_reduction_rule;
dp_status dp_check_reduction(const dp_reduction_rule *rule, dp_error *err);

/* How a picture is compared and scored, in a recipe or a view. */
typedef struct dp_scoring_rule {
    bool flat, separate;
    size_t window, knn, reweight;
    double blend;
    dp_score score;
} dp_scoring_rule;
dp_status dp_check_scoring(const dp_scoring_rule *rule, dp_error *err);

/* Checks that there are as many features as neighbours to find. */
dp_status dp_check_neighbours(size_t knn, size_t there, dp_error *err);
/* Checks that there are enough pictures for blending, neighbours and centres. */
dp_status dp_check_pictures(const dp_recipe *recipe, size_t n_pictures, dp_error *err);
/* Checks the sizes against the patch of the network. */
dp_status dp_check_patch(const dp_recipe *recipe, size_t patch_px, dp_error *err);

/* Turns the layers of a recipe into plain block numbers of a transformer of `depth` blocks, ascending, at least one.
 * Errors: DP_E_ARGUMENT for a block that does not exist or stands twice. */
dp_status dp_recipe_settle_layers(dp_recipe *recipe, size_t depth, dp_error *err);

#endif
