/* SPDX-License-Identifier: Apache-2.0 */
/* normalise.h - makes layers of different scales comparable, by the statistics of all good cells. */
#ifndef DP_EXTRACT_NORMALISE_H
#define DP_EXTRACT_NORMALISE_H

#include "dinopatch/experimental.h"

/* Mean and spread of every feature over the cells added so far. The same cells in the same order give the same
 * numbers. */
typedef struct dp_cell_statistics {
    size_t dim;
    double n;       /* cells */
    double *mean;   /* [dim] */
    double *square; /* [dim] sum of squared distances from the mean */
} dp_cell_statistics;

dp_status dp_cell_statistics_open(size_t dim, dp_cell_statistics *statistics, dp_error *err);
void dp_cell_statistics_close(dp_cell_statistics *statistics);
/* Adds the cells of one picture, features [cells, dim]; only those with valid [cells] not 0 (NULL: all). Errors:
 * DP_E_MEMORY (nothing was added). */
dp_status dp_cell_statistics_add(dp_cell_statistics *statistics, const float *features, const uint8_t *valid,
                                 size_t cells, dp_error *err);
/* Adds the cells of another statistics of the same features. */
void dp_cell_statistics_merge(dp_cell_statistics *statistics, const dp_cell_statistics *other);

/* Fills shift [dim] and factor [dim]: a feature x becomes (x - shift) factor.  dims [n_layers] are the features of each
 * layer, side by side; their sum is statistics->dim.  A layer without any spread gets the factor 0.
 * Errors: DP_E_MEMORY. */
dp_status dp_layer_norm_find(const dp_cell_statistics *statistics, dp_layer_norm norm, const size_t *dims,
                             size_t n_layers, float *shift, float *factor, dp_error *err);
/* Normalises features [cells, dim] in place. */
void dp_layer_norm_apply(float *features, size_t cells, size_t dim, const float *shift, const float *factor);

#endif
