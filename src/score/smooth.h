/* SPDX-License-Identifier: Apache-2.0 */
/* smooth.h - smooths the map in the picture with a Gaussian. */
#ifndef DP_SCORE_SMOOTH_H
#define DP_SCORE_SMOOTH_H

#include "base/pool.h"
#include "dinopatch/experimental.h"

/* Smooths map [height, width] in place; sigma 0 does nothing. Errors: DP_E_MEMORY. */
dp_status dp_map_smooth(float *map, size_t height, size_t width, double sigma_px, dp_pool *pool, dp_error *err);

#endif
