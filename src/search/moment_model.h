/* SPDX-License-Identifier: Apache-2.0 */
/* moment_model.h - distances to what the moments of good features say, in place of nearest rows. */
#ifndef DP_SEARCH_MOMENT_MODEL_H
#define DP_SEARCH_MOMENT_MODEL_H

#include "bank/moments.h"
#include "search/distance.h"

/* What is derived from the moments of rows when they are opened. Read-only afterwards, but for the scratch memory: it
 * belongs to one thread at a time. */
typedef struct dp_moment_model {
    const dp_moments *moments;
    dp_moments_rule rule;
    double *factor; /* gaussian: [cells, dp_moments_size(dim)] Cholesky factors, lower, column by column */
    double *rest;   /* subspace: [dim, n_rest] directions beyond the leading ones, orthonormal */
    size_t n_rest;
    double *scratch; /* [threads, 2 dim] */
} dp_moment_model;

/* rows->moments is not NULL and outlives the model. Errors: DP_E_NUMERIC, DP_E_MEMORY. */
dp_status dp_moment_model_open(const dp_rows *rows, dp_pool *pool, dp_moment_model *model, dp_error *err);
void dp_moment_model_close(dp_moment_model *model);

/* Fills grid and valid of out for features of the cells first .. first + n - 1 of the grid (valid NULL: all); no cell has
 * a neighbour. name: of the bank, for messages. Errors: DP_E_NUMERIC. */
dp_status dp_moment_map(const dp_moment_model *model, const float *features, const uint8_t *valid, size_t first,
                        size_t n, dp_pool *pool, const dp_distances *out, dp_error *err);

/* Fills the maps of pictures first .. first + n - 1, each without its own features and their augmentations, exactly.
 * The rows hold the features of the pictures. Errors: DP_E_NUMERIC, DP_E_MEMORY, DP_E_CANCELLED. */
dp_status dp_moment_leave_one_out(const dp_moment_model *model, const dp_rows *rows, size_t first, size_t n,
                                  dp_pool *pool, const dp_progress *progress, const dp_distances *out, dp_error *err);

#endif
