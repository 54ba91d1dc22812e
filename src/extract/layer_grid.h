/* SPDX-License-Identifier: Apache-2.0 */
/* layer_grid.h - the outputs of several layers on one grid. */
#ifndef DP_EXTRACT_LAYER_GRID_H
#define DP_EXTRACT_LAYER_GRID_H

#include <stddef.h>

/* out [rows, cols, dim]: the mean over the 3x3 cells around each of in [rows, cols, dim], cells beyond the border
 * counted as zeros (the divisor is always 9), as F.unfold with padding 1 in PatchCore's public code.  in and out do not
 * overlap. */
void dp_mean_3x3(const float *in, size_t rows, size_t cols, size_t dim, float *out);

/* A piece of a larger row of features. */
typedef struct dp_grid_slot {
    float *features; /* [rows, cols, stride]; the piece begins at its first element */
    size_t rows, cols, stride;
} dp_grid_slot;

/* in [rows, cols, dim] brought bilinearly to the slot's grid, with half-pixel centres, the border repeated: torch's
 * interpolate with align_corners=False.  A grid of the same size is copied. */
void dp_grid_resample(const float *in, size_t rows, size_t cols, size_t dim, const dp_grid_slot *slot);

#endif
