/* SPDX-License-Identifier: Apache-2.0 */
/* pose_choice.h - whether bringing the pictures into one pose makes them more alike. */
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

/* P, as pose_choice.c defines it; NaN where no two pictures have cells to compare or all are the same.  The same for any number of
 * threads.  Errors: DP_E_MEMORY. */
dp_status dp_place_ratio(const dp_grids *grids, uint64_t seed, dp_isa isa, dp_pool *pool, double *ratio, dp_error *err);

/* Whether pictures that are aligned are to be preferred, and whether a few pictures are enough to say so. */
bool dp_pose_helps(double aligned, double raw);
bool dp_pose_is_clear(double aligned, double raw);

#endif
