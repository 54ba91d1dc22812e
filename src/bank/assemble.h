/* SPDX-License-Identifier: Apache-2.0 */
/* assemble.h - makes a bank of pictures from several banks. */
#ifndef DP_BANK_ASSEMBLE_H
#define DP_BANK_ASSEMBLE_H

#include "bank/bank.h"

typedef struct dp_bank_pick {
    const dp_bank *bank;
    size_t picture;
    bool mirrored; /* along the columns of its grid; for grid banks only */
} dp_bank_pick;

/* Returns the number of rows of these pictures, for each cell. */
size_t dp_picks_rows(const dp_bank_pick *picks, size_t n);

/* Makes a finished bank like `pattern` of these pictures, in their order; rows are copied as they are stored. All banks
 * have the cells, rows per picture, storage and projection of `pattern`, and hold the rows of their own pictures.
 * Scores and thresholds are NaN: the caller computes them. orientation [2, dim_in]: reference and bias of the polarity;
 * NULL: those of `pattern`. Errors: DP_E_MEMORY. */
dp_status dp_bank_assemble(const dp_bank *pattern, const dp_bank_pick *picks, size_t n, const float *orientation,
                           dp_bank **out, dp_error *err);

#endif
