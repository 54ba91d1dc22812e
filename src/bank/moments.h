/* SPDX-License-Identifier: Apache-2.0 */
/* moments.h - number, mean and scatter of features, in double: what a bank of layout `moments` keeps of its pictures.
 *
 * The scatter is sum (x - mean)(x - mean)^T, its lower triangle column by column: the columns j = 0 .. dim-1 hold the
 * rows j .. dim-1. */
#ifndef DP_BANK_MOMENTS_H
#define DP_BANK_MOMENTS_H

#include "bank/rows.h"
#include "base/pool.h"

/* One set of moments for each cell of the grid (cells), or one for all of them (cells 1). */
typedef struct dp_moments {
    size_t cells, dim;
    double *n;       /* [cells] features counted */
    double *mean;    /* [cells, dim] */
    double *scatter; /* [cells, dp_moments_size(dim)] */
} dp_moments;

/* Numbers of a lower triangle; dim is at most DP_MOMENTS_DIM. */
static inline size_t dp_moments_size(size_t dim)
{
    return dim * (dim + 1) / 2;
}
#define DP_MOMENTS_DIM ((size_t)1 << 20)

/* Makes moments of no features. Errors: DP_E_ARGUMENT (dim), DP_E_MEMORY. */
dp_status dp_moments_open(size_t cells, size_t dim, dp_moments *moments, dp_error *err);
void dp_moments_close(dp_moments *moments);
dp_status dp_moments_copy(const dp_moments *from, dp_moments *to, dp_error *err);
size_t dp_moments_bytes(const dp_moments *moments);

/* Adds the moments of other features (Chan, Golub, LeVeque 1983): with d the difference of the means
 *     n = n_a + n_b,   mean = mean_a + d n_b / n,   scatter = scatter_a + scatter_b + d d^T n_a n_b / n. */
void dp_moments_add(dp_moments *a, const dp_moments *b, dp_pool *pool);
/* Takes the moments of a part of the features away again: the same formula, solved for a. b is a part of a. */
void dp_moments_subtract(dp_moments *a, const dp_moments *b, dp_pool *pool);

/* Adds the valid features of pictures first .. first + n - 1, with their augmentations, of a bank that holds them. Each
 * set is measured in two passes, in the order of pictures and cells: the same bits for any number of threads.
 * Errors: DP_E_MEMORY. */
dp_status dp_moments_of_rows(const dp_rows *rows, size_t first, size_t n, dp_pool *pool, dp_moments *moments,
                             dp_error *err);

#endif
