/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.h - makes a bank smaller: projects its rows, takes fewer of them, stores them in a smaller type. */
#ifndef DP_REDUCE_REDUCE_H
#define DP_REDUCE_REDUCE_H

#include "reduce/pca.h"

typedef struct dp_reduction {
    const dp_pca *pca; /* of the bank's rows; NULL: not projected */
    double pca_asked;  /* as the recipe shall say */
    size_t kmeans;     /* centres at each location; 0: rows stay as they are */
    uint64_t seed;
    dp_storage storage;
    size_t fold, n_folds; /* pictures p with p % n_folds == fold are left out; n_folds 0: none is */
    dp_isa isa;
} dp_reduction;

/* Reads the bank once, location by location; of a mapped bank only the part in work stays in memory.
 * Leave-one-out scores and threshold stay the old ones; the caller finds new ones.  progress: stage "reduce".
 * Errors: DP_E_ARGUMENT (k-means of a flat bank, or of rows that are centres already), DP_E_MEMORY, DP_E_CANCELLED. */
dp_status dp_bank_reduce(const dp_bank *bank, const dp_reduction *how, dp_pool *pool, const dp_run *run, dp_bank **out,
                         dp_error *err);

#endif
