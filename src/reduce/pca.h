/* pca.h - the directions in which the features of a bank vary, and features seen along them. */
#ifndef DP_REDUCE_PCA_H
#define DP_REDUCE_PCA_H

#include "bank/bank.h"
#include "base/pool.h"

/* Of the valid rows of a bank.  keep: a share below 1, of which no less is kept by as few directions as possible, or
 * else their number.  centred: false takes second moments about the origin, which is what the cosine needs: angles are
 * seen from there. Of a bank with more than 2^18 valid rows every s-th is looked at.  The caller frees with
 * dp_pca_free.
 * Errors: DP_E_ARGUMENT (more directions than numbers), DP_E_MEMORY, DP_E_NUMERIC (no convergence). */
dp_status dp_pca_fit(const dp_rows *bank, double keep, bool centred, dp_pool *pool, dp_pca *pca, dp_error *err);

/* out [n, dim] = basis (x - mean), x [n, dim_in]; scratch [n, dim_in].  On the calling thread. */
dp_status dp_pca_project(const dp_pca *pca, const float *x, size_t n, float *scratch, float *out, dp_error *err);

/* Features of a picture, tokens [cells, dim_in], as rows so projected are: *features is tokens itself where there is no
 * basis, or else out [cells, dim].  pool may be NULL. */
dp_status dp_pca_project_cells(const dp_pca *pca, const float *tokens, size_t cells, dp_pool *pool, float *out,
                               const float **features, dp_error *err);

#endif
