/* smooth.h - a Gaussian over the map in the picture. */
#ifndef DP_MAP_SMOOTH_H
#define DP_MAP_SMOOTH_H

#include "base/pool.h"
#include "dinopatch.h"

/* map [height, width] in place; sigma 0: nothing is done.  Errors: DP_E_MEMORY. */
dp_status dp_map_smooth(float *map, size_t height, size_t width, double sigma_px, dp_pool *pool, dp_error *err);

#endif
