/* reduce.h - a smaller bank out of a bank: projected, with fewer rows, in a smaller type. */
#ifndef DP_BANK_REDUCE_H
#define DP_BANK_REDUCE_H

#include "bank/pca.h"

typedef struct dp_reduction {
    const dp_pca *pca; /* of the bank's rows; NULL: not projected */
    double pca_asked;  /* as the recipe shall say */
    size_t kmeans;     /* centres at each location; 0: rows stay as they are */
    uint64_t seed;
    dp_storage storage;
    size_t fold, n_folds; /* pictures p with p % n_folds == fold are left out; n_folds 0: none is */
    dp_isa isa;
} dp_reduction;

/* A finished bank with the names, poses, scores and recipe of `like`, and memory for rows; see the shapes in bank.h.  pictures:
 * with a table row_picture.  Errors: DP_E_MEMORY. */
dp_status dp_bank_like(const dp_bank *like, size_t n_rows, size_t dim, dp_storage storage, bool pictures, dp_bank **out,
                       dp_error *err);

/* Bytes of its rows and their tables; false on overflow. */
bool dp_bank_like_bytes(const dp_bank *like, size_t n_rows, size_t dim, dp_storage storage, bool pictures, size_t *bytes);

/* The bank is read once, location by location; of a mapped one no more stays in memory than is being worked on.  Leave-one-out
 * scores and threshold are the old ones: the caller refreshes them.  progress: stage "reduce".
 * Errors: DP_E_ARGUMENT (k-means of a pool, or of rows that are centres already), DP_E_MEMORY, DP_E_CANCELLED. */
dp_status dp_bank_reduce(const dp_bank *bank, const dp_reduction *how, dp_pool *pool, const dp_run *run, dp_bank **out,
                         dp_error *err);

#endif
