/* defects.h - regions of the delivered map: what stands out of it, or where it is largest. */
#ifndef DP_MAP_DEFECTS_H
#define DP_MAP_DEFECTS_H

#include "map/project.h"

/* A map as it is delivered, and the cells behind it. */
typedef struct dp_delivered {
    const dp_projection *projection;
    const float *grid;         /* [rows, cols] of the projection */
    const uint8_t *valid;      /* [rows, cols]; NULL: all */
    const uint32_t *nearest;   /* [rows, cols] index of the nominal picture nearest to each cell, UINT32_MAX: of no single one; NULL: not known */
    const float *map;          /* [height_px, width_px], smoothed, as a file of it has it */
    size_t height_px, width_px;
} dp_delivered;

/* Connected groups (8 neighbours) of pixels with a distance above the threshold, which counts as 0 where it is below: *defects [*n], largest
 * peak first, is the caller's (dp_memory_free); NULL where there are none, and for a threshold that is NaN.  Errors: DP_E_MEMORY. */
dp_status dp_defects_find(const dp_delivered *delivered, double threshold, dp_defect **defects, size_t *n, dp_error *err);

/* Where the distance is largest, whatever it is: the pixels of the largest valid cell as one defect.  None where no cell is valid.
 * Errors: DP_E_MEMORY. */
dp_status dp_defects_largest(const dp_delivered *delivered, dp_defect **defects, size_t *n, dp_error *err);

#endif
