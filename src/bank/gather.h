/* gather.h - a bank out of pictures that lie in several. */
#ifndef DP_BANK_GATHER_H
#define DP_BANK_GATHER_H

#include "bank/bank.h"

typedef struct dp_bank_pick {
    const dp_bank *bank;
    size_t picture;
    bool mirrored; /* along the columns of its grid; of grid banks only */
} dp_bank_pick;

/* A finished bank as `like`, of the pictures given and in their order; rows are copied as they are stored.  All banks have the
 * locations, rows per picture, storage and projection of `like` and hold their pictures' own rows.  Scores are NaN, the threshold
 * and the reference of the polarity those of `like`: the caller refreshes them.  Errors: DP_E_MEMORY. */
dp_status dp_bank_gather(const dp_bank *like, const dp_bank_pick *picks, size_t n, dp_bank **out, dp_error *err);

#endif
