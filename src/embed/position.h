/* position.h - position embedding for any grid. */
#ifndef DP_EMBED_POSITION_H
#define DP_EMBED_POSITION_H

#include "dinopatch.h"

/* trained [side, side, dim] -> out [rows, cols, dim]; bicubic.
 * offset: added to rows and cols in the scale of the coordinates, as the official DINOv2 code does (0.1; 0: none).
 * antialias: the kernel widens where the grid shrinks.  rows = cols = side: a copy.  Errors: DP_E_MEMORY. */
dp_status dp_position_interpolate(const float *trained, size_t side, size_t dim, double offset, int antialias, size_t rows,
                                  size_t cols, float *out, dp_error *err);

#endif
