/* SPDX-License-Identifier: Apache-2.0 */
/* nearest.h - finds where a row of the bank comes from. */
#ifndef DP_SCORE_NEAREST_H
#define DP_SCORE_NEAREST_H

#include "geometry/spaces.h"
#include "search/distance.h"

#include <stdbool.h>

/* The patch of a good picture that a row comes from. */
typedef struct dp_patch {
    size_t picture;
    size_t version;          /* 0: the picture itself; others: options/recipe_facts.h */
    size_t cell, rows, cols; /* in the picture's grid, and the size of that grid */
} dp_patch;

/* Fills patch. False: unknown, because no row was found, it belongs to several pictures, or its version is not
 * recorded. */
bool dp_nearest_patch(const dp_bank *bank, const dp_neighbour *found, dp_patch *patch);

/* Fills the patch, and the map from the grid of its picture to the picture's pixels. False: unknown (see above), or the
 * row belongs to a turned version (rotations). */
bool dp_nearest_map(const dp_bank *bank, const dp_neighbour *found, dp_patch *patch, dp_affine *map);

/* Computes the centre of the patch in pixels of its picture. False, and both NaN: there is no such map. */
bool dp_nearest_place(const dp_bank *bank, const dp_neighbour *found, double *x_px, double *y_px);

#endif
