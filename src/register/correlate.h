/* SPDX-License-Identifier: Apache-2.0 */
/* correlate.h - the coarse place of a part: correlation over angles and shifts. */
#ifndef DP_REGISTER_CORRELATE_H
#define DP_REGISTER_CORRELATE_H

#include "base/pool.h"

#include "dinopatch/experimental.h"

/* Templates of side x side cells, and a grid that they are looked for in. */
typedef struct dp_templates {
    size_t n, side, dim;
    const float *features; /* [n, side, side, dim] 0 where weight is */
    const float *weight;   /* [n, side, side] 1: counts, 0: does not */
} dp_templates;

/* Where one template fits best: the grid's place of its middle, between cells, and how well. */
typedef struct dp_fit_place {
    double row, col, score;
} dp_fit_place;

/* Fills best [n].  grid [rows, cols, dim].  The score is defined in correlate.c.  The same for any number of threads.
 * Errors: DP_E_MEMORY. */
dp_status dp_correlate(const dp_templates *templates, const float *grid, size_t rows, size_t cols, dp_pool *pool,
                       dp_fit_place *best, dp_error *err);

#endif
