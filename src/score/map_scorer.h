/* SPDX-License-Identifier: Apache-2.0 */
/* map_scorer.h - from the distances of one picture's cells to its score: post-processing, then one number.
 *
 * The one way to a score: inspection, leave-one-out and calibration go through it, so that a threshold found on the good
 * pictures means the same for a new one. */
#ifndef DP_SCORE_MAP_SCORER_H
#define DP_SCORE_MAP_SCORER_H

#include "options/recipe_facts.h"
#include "score/postprocess.h"

#include <stdbool.h>

typedef struct dp_map_scorer {
    dp_post post;
    dp_score score;
    size_t rows, cols; /* the memory below is for */
    dp_post_work work;
    float *scratch; /* [rows, cols] */
} dp_map_scorer;

/* Nothing is allocated yet.  Errors: DP_E_ARGUMENT (a setting of the post-processing out of its range). */
dp_status dp_map_scorer_open(const dp_post *post, dp_score score, dp_map_scorer *scorer, dp_error *err);
void dp_map_scorer_close(dp_map_scorer *scorer);

/* grid [rows, cols] is post-processed in place, where that is asked for, and scored over its valid cells; *score NaN where
 * none is valid.  cell_px: area of a cell in pixels of the picture the user took.  Memory is taken when a grid of another
 * size comes.  Errors: DP_E_MEMORY. */
dp_status dp_map_scorer_run(dp_map_scorer *scorer, float *grid, const uint8_t *valid, size_t rows, size_t cols,
                            double cell_px, double *score, dp_error *err);

/* background [cells] taken out of a distance map, by the recipe's rule: not valid, or a distance of 0. */
void dp_grid_mask(const dp_recipe *recipe, const uint8_t *background, size_t cells, float *grid, uint8_t *valid);

/* Cells of a distance map that are not inside [cells] do not count. */
static inline void dp_grid_narrow(const uint8_t *inside, size_t cells, float *grid, uint8_t *valid)
{
    for (size_t i = 0; i < cells; i++)
        if (!inside[i]) {
            grid[i] = 0;
            valid[i] = 0;
        }
}

#endif
