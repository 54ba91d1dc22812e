/* SPDX-License-Identifier: Apache-2.0 */
/* scoring.h - scoring options: how cells are compared, and how the score of a picture is computed. */
#ifndef DP_BANK_SCORING_H
#define DP_BANK_SCORING_H

#include "dinopatch/experimental.h"

#include <stdbool.h>

/* The thresholds and scales of the good pictures for some scoring options. */
typedef struct dp_levels {
    dp_distance_scales scales;  /* valid for the metric, window and knn that they name, or NaN */
    double threshold;           /* of the score; NaN: none */
    dp_threshold_origin origin; /* of the threshold */
    double cell_threshold;      /* of the map; NaN: none */
    dp_interval heat;           /* scale of heat maps; NaN: none */
} dp_levels;

/* Scoring options. dp_recipe and dp_view have the same fields. */
typedef struct dp_scoring {
    dp_metric metric;
    size_t window, knn;
    double blend, order;
    uint64_t blocks; /* as dp_view.blocks; 0 in a bank */
    dp_post post;
    dp_score score;
    size_t reweight;
    dp_levels levels;
} dp_scoring;

/* Returns levels that are all unknown. */
dp_levels dp_levels_none(const dp_recipe *recipe);

dp_scoring dp_scoring_of_recipe(const dp_recipe *recipe, const dp_levels *levels);
/* Converts back; a recipe has no place for the levels. */
void dp_scoring_to_recipe(const dp_scoring *scoring, dp_recipe *recipe);
dp_scoring dp_scoring_of_view(const dp_view *view);
/* Converts back; the other fields of the view stay. */
void dp_scoring_to_view(const dp_scoring *scoring, dp_view *view);

/* Returns whether two ways make the same maps; the score may differ, and levels do not count. */
bool dp_scoring_same_maps(const dp_scoring *a, const dp_scoring *b);

/* Sets all scales of such a search to unknown. */
void dp_distance_scales_none(dp_metric metric, size_t window, size_t knn, dp_distance_scales *scales);
/* Returns whether scales were found by such a search; a NaN is unknown all the same. */
bool dp_distance_scales_hold(const dp_distance_scales *scales, dp_metric metric, size_t window, size_t knn);

/* Returns whether neighbours weight the score. */
static inline bool dp_scoring_reweighs(const dp_scoring *scoring)
{
    return scoring->reweight > 0 && scoring->score == DP_SCORE_MAX;
}

#endif
