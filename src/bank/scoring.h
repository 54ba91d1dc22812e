/* SPDX-License-Identifier: Apache-2.0 */
/* scoring.h - how cells are compared, how a picture is scored, and how the score is decided on. */
#ifndef DP_BANK_SCORING_H
#define DP_BANK_SCORING_H

#include "dinopatch/experimental.h"

#include <stdbool.h>

/* What the good pictures gave for one way of scoring. */
typedef struct dp_levels {
    dp_distance_scales scales;  /* they hold for the metric, window and knn they name, or are NaN */
    double threshold;           /* of the score; NaN: none */
    dp_threshold_origin origin; /* of the threshold */
    double cell_threshold;      /* of the map; NaN: none */
    dp_interval heat;           /* scale of heat maps; NaN: none */
} dp_levels;

/* A way of scoring.  Recipes and views name the same fields: dp_recipe, dp_view. */
typedef struct dp_scoring {
    dp_metric metric;
    size_t window, knn;
    double blend;
    uint64_t blocks; /* as dp_view.blocks; 0 in a bank */
    dp_post post;
    dp_score score;
    size_t reweight;
    dp_levels levels;
} dp_scoring;

/* No level is known yet. */
dp_levels dp_levels_none(const dp_recipe *recipe);

dp_scoring dp_scoring_of_recipe(const dp_recipe *recipe, const dp_levels *levels);
/* The reverse; the levels have no place in a recipe. */
void dp_scoring_to_recipe(const dp_scoring *scoring, dp_recipe *recipe);
dp_scoring dp_scoring_of_view(const dp_view *view);
/* The reverse; the view's other fields stay. */
void dp_scoring_to_view(const dp_scoring *scoring, dp_view *view);

/* All scales unknown, of such a search. */
void dp_distance_scales_none(dp_metric metric, size_t window, size_t knn, dp_distance_scales *scales);
/* Whether scales were found by such a search; what is NaN is unknown all the same. */
bool dp_distance_scales_hold(const dp_distance_scales *scales, dp_metric metric, size_t window, size_t knn);

/* Whether the score is weighted by neighbours. */
static inline bool dp_scoring_reweighs(const dp_scoring *scoring)
{
    return scoring->reweight > 0 && scoring->score == DP_SCORE_MAX;
}

#endif
