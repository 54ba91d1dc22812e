/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.h - makes a bank smaller: projects its rows, takes fewer of them, stores them in a smaller type. */
#ifndef DP_REDUCE_REDUCE_H
#define DP_REDUCE_REDUCE_H

#include "reduce/pca.h"

typedef struct dp_reduction {
    const dp_pca *pca; /* of the bank's rows; NULL: no projection */
    double pca_asked;  /* the value for the recipe */
    size_t kmeans;     /* centres for each cell; 0: keep the rows */
    uint64_t seed;
    dp_storage storage;
    size_t fold, n_folds; /* leave out pictures p with p % n_folds == fold; n_folds 0: none */
    dp_isa isa;
} dp_reduction;

/* Reads the bank once, cell by cell; of a mapped bank only the part at work is in memory. Leave-one-out scores and
 * threshold stay the old ones; the caller computes new ones. progress: stage "reduce". Errors: DP_E_ARGUMENT (k-means
 * of a flat bank, or of rows that are already centres), DP_E_MEMORY, DP_E_CANCELLED. */
dp_status dp_bank_reduce(const dp_bank *bank, const dp_reduction *how, dp_pool *pool, const dp_run *run, dp_bank **out,
                         dp_error *err);

#endif
