/* SPDX-License-Identifier: Apache-2.0 */
/* pca.h - principal components of the features of a bank, and projection on them. */
#ifndef DP_REDUCE_PCA_H
#define DP_REDUCE_PCA_H

#include "bank/bank.h"
#include "base/pool.h"

/* Finds the principal components of the valid rows of a bank. keep: a share of the variance below 1 (the fewest components
 * that keep at least that much), or their number. centred: false takes second moments about the origin, as the cosine
 * needs. Of a bank with more than 2^18 valid rows it uses every s-th. Free the result with
 * dp_pca_free.
 * Errors: DP_E_ARGUMENT (more directions than numbers), DP_E_MEMORY, DP_E_NUMERIC (no convergence). */
dp_status dp_pca_fit(const dp_rows *bank, double keep, bool centred, dp_pool *pool, dp_pca *pca, dp_error *err);

/* Computes out [n, dim] = basis (x - mean), x [n, dim_in], on the calling thread; scratch [n, dim_in]. */
dp_status dp_pca_project(const dp_pca *pca, const float *x, size_t n, float *scratch, float *out, dp_error *err);

/* Projects the features of a picture, tokens [cells, dim_in]: *features is tokens itself if there is no
 * basis, else out [cells, dim].  pool may be NULL. */
dp_status dp_pca_project_cells(const dp_pca *pca, const float *tokens, size_t cells, dp_pool *pool, float *out,
                               const float **features, dp_error *err);

#endif
