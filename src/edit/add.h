/* SPDX-License-Identifier: Apache-2.0 */
/* add.h - what adding, removing and merging share. */
#ifndef DP_EDIT_ADD_H
#define DP_EDIT_ADD_H

#include "bank/assemble.h"
#include "base/pool.h"

/* DP_E_MISMATCH where the bank's rows are no picture's own. */
dp_status dp_bank_needs_pictures(const dp_bank *bank, dp_error *err);
/* A worker pool and the settings of a run (given NULL: the defaults). */
dp_status dp_edit_begin(const dp_run *given, dp_run *run, dp_pool **pool, dp_error *err);
/* dp_bank_assemble, then scores and threshold found anew.  orientation [2, dim_in]; NULL: that of `pattern`. */
dp_status dp_bank_assemble_scored(const dp_bank *pattern, const dp_bank_pick *picks, size_t n, const float *orientation,
                                  dp_pool *pool, const dp_run *run, dp_bank **out, dp_error *err);

#endif
