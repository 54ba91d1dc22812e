/* reweight.h - PatchCore's weight of a picture's largest distance. */
#ifndef DP_SEARCH_REWEIGHT_H
#define DP_SEARCH_REWEIGHT_H

#include "search/distance.h"

/* Whether a view asks for it. */
static inline bool dp_reweighs(const dp_view *view)
{
    return view->reweight > 0 && view->score == DP_SCORE_MAX;
}

/* Equation 7 of Roth et al. 2022 from distances alone: distances [n] of the picture's cell to the n nearest neighbours of its nearest
 * row, the first of them that row itself: 1 - exp(d_0) / sum_i exp(d_i), in 0..1.  n 0: 1. */
double dp_reweight_factor(const double *distances, size_t n);

/* The factor for a picture that was searched in a pool: of its largest valid value in grid [cells] (of equal ones the first).
 *   features [cells, bank->dim] as they were searched for, nearest [cells, knn] what was found
 *   n        neighbours of the nearest row, that row included; found without the rows of search->leave_out; fewer where there are fewer
 * *factor 1 where no cell is valid.  Errors: DP_E_ARGUMENT (no pool), DP_E_MEMORY, DP_E_NUMERIC. */
dp_status dp_reweight(const dp_bank *bank, const float *features, const dp_neighbour *nearest, const float *grid, const uint8_t *valid,
                      size_t cells, const dp_search *search, size_t n, dp_pool *pool, double *factor, dp_error *err);

/* The factor of each cell, were it the largest: *weights [cells], 1 where there is none; the caller frees with dp_memory_free. */
dp_status dp_reweight_cells(const dp_bank *bank, const float *features, const dp_neighbour *nearest, const uint8_t *valid, size_t cells,
                            const dp_search *search, size_t n, dp_pool *pool, float **weights, dp_error *err);

#endif
