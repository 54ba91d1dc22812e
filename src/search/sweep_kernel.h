/* SPDX-License-Identifier: Apache-2.0 */
/* sweep_kernel.h - the matrix product of a global search, which writes no product: it only tells which pairs are worth
 * a look.
 *
 * A panel holds WIDTH queries, transposed: panel[d][q].  A sweep multiplies it with a few rows of the bank and compares
 *
 *     value(q, r) = scale[r] * sum_d panel[d][q] rows[r][d] + bias[r]
 *
 * with the query's limit while the products are still in registers.  With scale 1 and bias -|y|^2 / 2 the value is
 * (|x|^2 - |x - y|^2) / 2; with scale 1 / |y| and bias 0 it is |x| cos(x, y): the larger, the nearer.
 *
 * Lanes run across queries, so that the rows are read as they lie, each number once for WIDTH queries, and need no
 * packing; and a query's minimum is its own lane's. */
#ifndef DP_SEARCH_SWEEP_KERNEL_H
#define DP_SEARCH_SWEEP_KERNEL_H

#include "simd/dispatch.h"

#include <stdbool.h>

#define DP_SWEEP_MAX_WIDTH 48
#define DP_SWEEP_MAX_ROWS 8

/* hits [group rows]: bit q set unless value(q, r) < limits[q]; so a value that is not a number is a hit.  True if any
 * bit is. Sums over d in ascending order, in one accumulator a pair: off by at most (dim + 1) 2^-24 sum |x_d y_d|, to
 * first order. */
typedef bool (*dp_sweep_f32_fn)(const float *panel /* [dim, width] */,
                                const float *const *rows /* [group rows] of [dim] */, size_t dim, const float *scale,
                                const float *bias, const float *limits /* [width] */, uint64_t *hits);

typedef struct dp_sweep_kernel {
    dp_sweep_f32_fn f32;
    size_t width, rows; /* queries of a panel, rows of a call */
} dp_sweep_kernel;

/* isa as dp_isa_resolve gives it. */
dp_sweep_kernel dp_sweep_kernel_get(dp_isa isa);

/* The reference: WIDTH and ROWS of sweep_c.c. */
bool dp_sweep_f32_c(const float *panel, const float *const *rows, size_t dim, const float *scale, const float *bias,
                    const float *limits, uint64_t *hits);

DP_KERNELS_DECLARE(dp_sweep_kernel, dp_sweep_kernel);

#endif
