/* SPDX-License-Identifier: Apache-2.0 */
/* canvas.h - a look at all good pictures, and the canvas that follows from it. */
#ifndef DP_PIPELINE_CANVAS_H
#define DP_PIPELINE_CANVAS_H

#include "base/pool.h"
#include "extract/pictures.h"
#include "geometry/tiles.h"
#include "options/layers.h"

#include <stdbool.h>

/* Sizes and poses of the pictures of the work. */
typedef struct dp_survey {
    size_t n;
    size_t *width_px, *height_px; /* [n]; 0: the picture cannot be read */
    dp_pose *poses;               /* [n]; picture_width_px 0: no pose was looked for */
    size_t n_read, n_posed, n_ok; /* pictures that were read, searched for a pose, and have one */
} dp_survey;

/* Reads all pictures, one per worker at a time, and finds their poses unless the recipe aligns nothing. If the recipe
 * leaves open whether to align, the search for poses stops when more than DP_MOST_UNALIGNED of the pictures have none.
 * Errors: DP_E_MEMORY, DP_E_CANCELLED. */
#define DP_MOST_UNALIGNED 0.05
dp_status dp_survey_take(const dp_recipe *recipe, const dp_pictures *pictures, dp_pool *pool, const dp_run *run,
                         dp_survey *survey, dp_error *err);
void dp_survey_close(dp_survey *survey);

/* What the canvas is to show, as medians over the pictures that can be read and, with part, have a pose. Each is 0 if there
 * is no such picture. */
typedef struct dp_typical {
    bool part;                          /* the canvas shows the part, else the whole picture */
    double width_px, height_px, aspect; /* of the picture; height per width */
    double shorter_px;                  /* its smaller side */
    double shown_px;                    /* pixels of the picture that the width of the canvas shows */
    double part_aspect;                 /* the largest: height per width that an object needs */
    double narrowest, widest;           /* least and largest width per height of the pictures that can be read */
} dp_typical;

/* Sums up a survey (n may be 0) for a canvas of the part, whose pose is known, or of the whole picture. fill: the share of
 * the canvas' width that the part takes. Errors: DP_E_MEMORY. */
dp_status dp_survey_typical(const dp_survey *survey, bool part, double fill, dp_typical *typical, dp_error *err);

/* Returns whether the canvas of a recipe with a settled pose depends on the pictures. */
bool dp_canvas_needs_survey(const dp_recipe *recipe);
/* Settles and checks the canvas and tiles of a recipe with a settled pose: with the option size, the whole picture or
 * the part; with a height of 0, that of dp_canvas_height. Errors (the recipe is untouched): those of dp_check_canvas. */
dp_status dp_canvas_settle(dp_recipe *recipe, const dp_network_facts *network, const dp_typical *typical,
                           dp_error *err);
/* Settles recipe->tile_px of a settled canvas. A side that was asked for is rounded to what the network takes. With
 * `chooses` and nothing asked for, a canvas of more than network->max_cells gets a side. 0: one tile holds all. */
void dp_tile_settle(dp_recipe *recipe, const dp_network_facts *network, bool chooses);

/* Finds how many pixels one cell of a canvas covers in the middle one of the pictures. Returns false if that is not known. */
bool dp_canvas_cell(const dp_canvas_shape *canvas, const dp_typical *typical, double *height_px, double *width_px);

#endif
