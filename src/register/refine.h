/* SPDX-License-Identifier: Apache-2.0 */
/* refine.h - the fine place of a part: from a look near it, a better one. */
#ifndef DP_REGISTER_REFINE_H
#define DP_REGISTER_REFINE_H

#include "register/finder.h"

/* A small motion of the canvas of a look, in its own pixels: along u, along v, along the turn and along the growth at half the mean side of the canvas from its
 * middle. */
typedef struct dp_motion {
    double by[DP_SLOPES];
} dp_motion;

/* The placement whose canvas is that of `at` after the motion, and the one from which the motion leads to `at`. */
dp_placement dp_placement_move(const dp_placement *at, const dp_look *look, const dp_motion *motion);
dp_placement dp_placement_unmove(const dp_placement *at, const dp_look *look, const dp_motion *motion);

/* Correlation of features [rows, cols, dim] of the valid cells with a mean, by weight (refine.c). */
double dp_look_score(const dp_reference *reference, const float *mean, const float *features, const uint8_t *valid);
/* The motion that the mean underwent to become features.  false: it cannot be told. */
bool dp_look_motion(const dp_reference *reference, const float *features, const uint8_t *valid, dp_motion *motion);

#endif
