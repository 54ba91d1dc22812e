/* SPDX-License-Identifier: Apache-2.0 */
/* position.h - positions of the cells of any grid: a trained embedding interpolated, or angles (DINOv3). */
#ifndef DP_NETWORK_POSITION_H
#define DP_NETWORK_POSITION_H

#include "dinopatch/experimental.h"

/* How a position embedding is interpolated. */
typedef struct dp_position_filter {
    double offset; /* added to rows and cols in the scale of the coordinates, as in the official DINOv2 code (0.1) */
    int antialias; /* the kernel widens if the grid shrinks */
    int linear;    /* bilinear, else bicubic */
} dp_position_filter;

/* An embedding as it was trained. */
typedef struct dp_position_table {
    const float *values; /* [side, side, dim] */
    size_t side, dim;
} dp_position_table;

/* Interpolates an embedding to out [rows, cols, dim]. If rows = cols = side, the result is a copy. Errors: DP_E_MEMORY. */
dp_status dp_position_interpolate(const dp_position_table *trained, const dp_position_filter *filter, size_t rows,
                                  size_t cols, float *out, dp_error *err);

#define DP_ROTARY_PERIODS 16 /* for each axis: a quarter of a head */
/* Fills periods [16] with 100^(j/16). */
void dp_rotary_periods(double *periods);
/* Cosines and sines of the cells of a grid, for dp_vit_kernels.rotate: table [rows, cols, 2, 32]. The first 16 angles of
 * a cell are 2 pi y / period, the others 2 pi x / period; y and x run from -1 to 1 along each axis, half a cell inside. */
void dp_rotary_table(const double *periods, size_t rows, size_t cols, float *table);

#endif
