/* SPDX-License-Identifier: Apache-2.0 */
/* assemble.h - a bank out of pictures that lie in several. */
#ifndef DP_BANK_ASSEMBLE_H
#define DP_BANK_ASSEMBLE_H

#include "bank/bank.h"

typedef struct dp_bank_pick {
    const dp_bank *bank;
    size_t picture;
    bool mirrored; /* along the columns of its grid; of grid banks only */
} dp_bank_pick;

/* Rows of these pictures, at each location. */
size_t dp_picks_rows(const dp_bank_pick *picks, size_t n);

/* A finished bank as `pattern`, of the pictures given and in their order; rows are copied as they are stored.  All banks
 * have the locations, rows per picture, storage and projection of `pattern` and hold their pictures' own rows.  Scores and
 * thresholds are NaN: the caller finds them.  orientation [2, dim_in]: reference and bias of the polarity; NULL: those
 * of `pattern`.  Errors: DP_E_MEMORY. */
dp_status dp_bank_assemble(const dp_bank *pattern, const dp_bank_pick *picks, size_t n, const float *orientation,
                           dp_bank **out, dp_error *err);

#endif
