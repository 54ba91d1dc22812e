/* SPDX-License-Identifier: Apache-2.0 */
/* defects.h - finds the regions of the delivered map above a threshold, or its largest cell. */
#ifndef DP_SCORE_DEFECTS_H
#define DP_SCORE_DEFECTS_H

#include "geometry/project.h"

/* A map as it is delivered, and its cells. */
typedef struct dp_delivered {
    const dp_projection *projection;
    const float *grid;       /* [rows, cols] of the projection */
    const uint8_t *valid;    /* [rows, cols]; NULL: all */
    const uint32_t *nearest; /* [rows, cols] index of the good picture nearest to each cell, UINT32_MAX: no single
                                * picture; NULL: unknown */
    const float *map;        /* [height_px, width_px], smoothed, as written to a file */
    size_t height_px, width_px;
} dp_delivered;

/* Finds the connected groups (8 neighbours) of pixels with a distance above the threshold; a negative threshold
 * counts as 0. *defects [*n], largest peak first, belongs to the caller (dp_memory_free); it is NULL if there are
 * none, and for a threshold that is NaN. Errors: DP_E_MEMORY. */
dp_status dp_defects_find(const dp_delivered *delivered, double threshold, dp_defect **defects, size_t *n,
                          dp_error *err);

/* Finds the largest distance, whatever its value: the pixels of the largest valid cell as one defect. There is none
 * if no cell is valid. Errors: DP_E_MEMORY. */
dp_status dp_defects_largest(const dp_delivered *delivered, dp_defect **defects, size_t *n, dp_error *err);

#endif
