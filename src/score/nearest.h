/* SPDX-License-Identifier: Apache-2.0 */
/* nearest.h - where in its picture a row of the bank comes from. */
#ifndef DP_SCORE_NEAREST_H
#define DP_SCORE_NEAREST_H

#include "geometry/spaces.h"
#include "search/distance.h"

#include <stdbool.h>

/* The patch that a row was cut from. */
typedef struct dp_seen {
    size_t picture;
    size_t version; /* 0: the picture as it is; 1: its mirror, where the recipe has one; from there on its rotations */
    size_t cell, rows, cols; /* in the picture's grid, and the size of that */
} dp_seen;

/* false where that is not known: no row was found, it is of no single picture, or of one version or another. */
bool dp_nearest_seen(const dp_bank *bank, const dp_neighbour *found, dp_seen *seen);

/* Centre of the patch in pixels of the picture it was cut from.  false, and both NaN, where that is not known (above), or it is of the
 * picture turned (rotations). */
bool dp_nearest_place(const dp_bank *bank, const dp_neighbour *found, double *x_px, double *y_px);

#endif
