/* SPDX-License-Identifier: Apache-2.0 */
/* map_scorer.h - the score of a picture from the distances of its cells: post-processing, then one number.
 *
 * Inspection, leave-one-out and calibration all use it, so a threshold found on the good pictures means the same for a
 * new one. */
#ifndef DP_SCORE_MAP_SCORER_H
#define DP_SCORE_MAP_SCORER_H

#include "options/recipe_facts.h"
#include "score/postprocess.h"

#include <stdbool.h>

typedef struct dp_map_scorer {
    dp_post post;
    dp_score score;
    size_t rows, cols; /* the size that the memory below is for */
    dp_post_work work;
    float *scratch; /* [rows, cols] */
} dp_map_scorer;

/* Opens a scorer; allocates nothing yet. Errors: DP_E_ARGUMENT (a setting of the post-processing is out of its
 * range). */
dp_status dp_map_scorer_open(const dp_post *post, dp_score score, dp_map_scorer *scorer, dp_error *err);
void dp_map_scorer_close(dp_map_scorer *scorer);

/* Post-processes grid [rows, cols] in place, if asked for, and scores its valid cells. *score is NaN if none is valid.
 * cell_px: area of a cell in pixels of the user's picture. Allocates only for a grid of another size. Errors:
 * DP_E_MEMORY. */
dp_status dp_map_scorer_run(dp_map_scorer *scorer, float *grid, const uint8_t *valid, size_t rows, size_t cols,
                            double cell_px, double *score, dp_error *err);

/* Removes background [cells] from a distance map by the recipe's rule: the cells become invalid, or get the distance
 * 0. */
void dp_grid_mask(const dp_recipe *recipe, const uint8_t *background, size_t cells, float *grid, uint8_t *valid);

/* Makes the cells outside inside [cells] invalid. */
static inline void dp_grid_narrow(const uint8_t *inside, size_t cells, float *grid, uint8_t *valid)
{
    for (size_t i = 0; i < cells; i++)
        if (!inside[i]) {
            grid[i] = 0;
            valid[i] = 0;
        }
}

#endif
