/* SPDX-License-Identifier: Apache-2.0 */
/* add.h - what adding, removing and merging share. */
#ifndef DP_EDIT_ADD_H
#define DP_EDIT_ADD_H

#include "bank/assemble.h"
#include "base/pool.h"

/* Returns DP_E_MISMATCH if the bank's rows do not belong to single pictures. */
dp_status dp_bank_needs_pictures(const dp_bank *bank, dp_error *err);
/* Opens a worker pool and fills the settings of a run (given NULL: the defaults). */
dp_status dp_edit_begin(const dp_run *given, dp_run *run, dp_pool **pool, dp_error *err);
/* Calls dp_bank_assemble, after a look at the memory that is free. */
dp_status dp_bank_assemble_within(const dp_bank *pattern, const dp_bank_pick *picks, size_t n, const float *orientation,
                                  const dp_run *run, dp_bank **out, dp_error *err);
/* Computes scores and thresholds of a bank that was made from `pattern`, whose threshold it keeps if that does not come from the good
 * pictures' scores. */
dp_status dp_bank_score_again(dp_bank *bank, const dp_bank *pattern, dp_pool *pool, const dp_run *run, dp_error *err);
/* Calls dp_bank_assemble, then computes scores and threshold again. orientation [2, dim_in]; NULL: that of
 * `pattern`. */
dp_status dp_bank_assemble_scored(const dp_bank *pattern, const dp_bank_pick *picks, size_t n, const float *orientation,
                                  dp_pool *pool, const dp_run *run, dp_bank **out, dp_error *err);
/* Keeps a threshold of `pattern` that was chosen: one at a rate follows the scores, any other only its user can change. */
void dp_bank_keep_decided(const dp_bank *pattern, dp_bank *bank);

#endif
