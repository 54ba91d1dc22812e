/* defects.h - the groups of cells above the threshold, as regions of the picture. */
#ifndef DP_MAP_DEFECTS_H
#define DP_MAP_DEFECTS_H

#include "map/project.h"

/* grid, valid (NULL: all) and nearest (NULL: not known; index of the nominal picture nearest to each cell, UINT32_MAX: of no
 * single one) are
 * [rows, cols] of the projection; map [height_px, width_px] is what dp_project made of grid and valid.
 * *defects [*n], largest peak first, is the caller's (dp_memory_free); NULL where there are none, and for a threshold
 * that is NaN.  Errors: DP_E_MEMORY. */
dp_status dp_defects_find(const dp_projection *projection, const float *grid, const uint8_t *valid,
                          const uint32_t *nearest, double threshold, const float *map, size_t height_px,
                          size_t width_px, dp_defect **defects, size_t *n, dp_error *err);

#endif
