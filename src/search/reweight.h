/* SPDX-License-Identifier: Apache-2.0 */
/* reweight.h - PatchCore's weight of a picture's largest distance. */
#ifndef DP_SEARCH_REWEIGHT_H
#define DP_SEARCH_REWEIGHT_H

#include "search/distance.h"

/* Computes equation 7 of Roth et al. 2022 from distances alone. distances [n]: from the picture's cell to the n nearest
 * neighbours of its nearest row, that row first. Returns 1 - exp(d_0) / sum_i exp(d_i), in 0..1; 1 for n = 0. */
double dp_reweight_factor(const double *distances, size_t n);

/* The queries of a search in a flat bank, and its results. */
typedef struct dp_found {
    const float *features;       /* [cells, dim] the queries */
    const dp_neighbour *nearest; /* [cells, search->knn] */
    const float *grid;           /* [cells] distances */
    const uint8_t *valid;        /* [cells] */
    size_t cells;
} dp_found;

/* Computes the factor for a picture: that of its largest valid distance (of equal ones the first).
 *   n        neighbours of the nearest row, that row included; found without the rows of search->leave_out; fewer where
 *            there are fewer
 * *factor 1 where no cell is valid.  Errors: DP_E_ARGUMENT (not a flat bank), DP_E_MEMORY, DP_E_NUMERIC. */
dp_status dp_reweight(const dp_rows *bank, const dp_search *search, const dp_found *found, size_t n, dp_pool *pool,
                      double *factor, dp_error *err);

/* Computes for each cell the factor that it would have if it were the largest: *weights [cells], 1 where there is none;
 * free them with dp_memory_free. */
dp_status dp_reweight_cells(const dp_rows *bank, const dp_search *search, const dp_found *found, size_t n,
                            dp_pool *pool, float **weights, dp_error *err);

#endif
