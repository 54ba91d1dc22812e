/* SPDX-License-Identifier: Apache-2.0 */
/* fit_calibrate.h - from a bank of all features to the bank that was asked for, with its scores and its threshold. */
#ifndef DP_PIPELINE_FIT_CALIBRATE_H
#define DP_PIPELINE_FIT_CALIBRATE_H

#include "base/pool.h"
#include "dinopatch/experimental.h"

/* Scores and threshold of *bank; where dp_shrinks_bank, of the smaller bank that takes its place.  *bank holds all features and is finished;
 * on failure it stays.  run may be NULL.  Errors: DP_E_MEMORY, DP_E_NUMERIC, DP_E_CANCELLED, DP_E_MISMATCH. */
dp_status dp_fit_calibrate(const dp_recipe *asked, dp_isa isa, dp_pool *pool, const dp_run *run, dp_bank **bank,
                           dp_error *err);

#endif
