/* SPDX-License-Identifier: Apache-2.0 */
/* pose_choice.h - finds out whether one pose makes the pictures more alike. */
#ifndef DP_PIPELINE_POSE_CHOICE_H
#define DP_PIPELINE_POSE_CHOICE_H

#include "base/pool.h"
#include "dinopatch/experimental.h"

#include <stdbool.h>

/* Pictures on one canvas. */
typedef struct dp_grids {
    size_t n, rows, cols, dim;
    const float *const *features; /* [n] of [rows, cols, dim] */
    const uint8_t *const *valid;  /* [n] of [rows, cols] */
} dp_grids;

/* Computes P, as pose_choice.c defines it; NaN if no two pictures have cells to compare or all are the same. The number of
 * threads does not change it. Errors: DP_E_MEMORY. */
dp_status dp_place_ratio(const dp_grids *grids, uint64_t seed, dp_isa isa, dp_pool *pool, double *ratio, dp_error *err);

/* Return whether to align, given P of aligned and of raw pictures, whether pictures roughly aligned say that it may be so, and whether a
 * few pictures are enough to say so. */
bool dp_pose_helps(double aligned, double raw);
bool dp_pose_may_help(double roughly, double raw);
bool dp_pose_is_clear(double aligned, double raw);

#endif
