/* SPDX-License-Identifier: Apache-2.0 */
/* canvas.h - a look at all good pictures, and the canvas that follows from it. */
#ifndef DP_PIPELINE_CANVAS_H
#define DP_PIPELINE_CANVAS_H

#include "base/pool.h"
#include "extract/pictures.h"
#include "options/layers.h"

#include <stdbool.h>

/* Sizes and poses of the pictures of the work. */
typedef struct dp_survey {
    size_t n;
    size_t *width_px, *height_px; /* [n] 0: it cannot be read */
    dp_pose *poses;               /* [n] picture_width_px 0: not looked for */
    size_t n_read, n_posed, n_ok; /* pictures read, of those looked for a pose, of those with one */
} dp_survey;

/* Reads all pictures, one per worker at a time, and finds their poses unless the recipe aligns nothing.  Where the recipe leaves open
 * whether to align, it stops looking for poses once more than DP_MOST_UNALIGNED of the pictures have none.
 * Errors: DP_E_MEMORY, DP_E_CANCELLED. */
#define DP_MOST_UNALIGNED 0.05
dp_status dp_survey_take(const dp_recipe *recipe, const dp_pictures *pictures, dp_pool *pool, const dp_run *run,
                         dp_survey *survey, dp_error *err);
void dp_survey_close(dp_survey *survey);

/* Whether the canvas of a recipe, its pose settled, follows from the pictures. */
bool dp_canvas_needs_survey(const dp_recipe *recipe);
/* Settles and checks the canvas of a recipe, its pose settled: the whole picture or the part with size, dp_canvas_height where the height
 * is 0; and its tiles.  survey may be NULL where it is not needed.  Errors: as dp_check_canvas; the recipe is untouched. */
dp_status dp_canvas_settle(dp_recipe *recipe, const dp_network_facts *network, const dp_survey *survey, dp_error *err);
/* Settles recipe->tile_px of a settled canvas: what was asked for, rounded to what the network takes; with `chooses` and
 * nothing asked for, a side where the canvas has more than network->max_cells; 0 where one tile holds all. */
void dp_tile_settle(dp_recipe *recipe, const dp_network_facts *network, bool chooses);

/* What one cell covers in the middle one of the pictures, in its pixels; false: not known. */
bool dp_canvas_cell(const dp_recipe *recipe, size_t patch_px, const dp_survey *survey, double *height_px,
                    double *width_px);

#endif
