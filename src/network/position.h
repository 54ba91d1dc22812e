/* position.h - interpolates the position embedding for any grid. */
#ifndef DP_NETWORK_POSITION_H
#define DP_NETWORK_POSITION_H

#include "dinopatch/experimental.h"

/* Interpolates trained [side, side, dim] -> out [rows, cols, dim], bicubic. offset: added to rows and cols in the
 * scale of the coordinates, as in the official DINOv2 code (0.1; 0: none). antialias: the kernel widens if the grid
 * shrinks. If rows = cols = side, the result is a copy. Errors: DP_E_MEMORY. */
dp_status dp_position_interpolate(const float *trained, size_t side, size_t dim, double offset, int antialias,
                                  size_t rows, size_t cols, float *out, dp_error *err);

#endif
