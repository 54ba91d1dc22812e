/* SPDX-License-Identifier: Apache-2.0 */
/* layer_grid.h - brings the outputs of several layers to one grid. */
#ifndef DP_GEOMETRY_LAYER_GRID_H
#define DP_GEOMETRY_LAYER_GRID_H

#include <stddef.h>

/* Computes out [rows, cols, dim]: the mean over the 3x3 cells around each cell of in [rows, cols, dim]. Cells beyond
 * the border count as zeros and the divisor is always 9, as in PatchCore's public code (F.unfold with padding 1). in
 * and out must not overlap. */
void dp_mean_3x3(const float *in, size_t rows, size_t cols, size_t dim, float *out);

/* A piece of a larger row of features. */
typedef struct dp_grid_slot {
    float *features; /* [rows, cols, stride]; the piece begins at its first element */
    size_t rows, cols, stride;
} dp_grid_slot;

/* Resamples in [rows, cols, dim] bilinearly to the slot's grid, with half-pixel centres and the border repeated, like
 * torch's interpolate with align_corners=False. A grid of the same size is copied. */
void dp_grid_resample(const float *in, size_t rows, size_t cols, size_t dim, const dp_grid_slot *slot);

#endif
