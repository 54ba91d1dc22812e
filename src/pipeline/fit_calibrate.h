/* SPDX-License-Identifier: Apache-2.0 */
/* fit_calibrate.h - makes the bank that was asked for, with scores and threshold, from a bank of all features. */
#ifndef DP_PIPELINE_FIT_CALIBRATE_H
#define DP_PIPELINE_FIT_CALIBRATE_H

#include "base/pool.h"
#include "dinopatch/experimental.h"

/* Finds scores and threshold of *bank, which holds all features and is finished. If dp_shrinks_bank, a smaller bank takes
 * its place. On failure *bank stays. run may be NULL. Errors: DP_E_MEMORY, DP_E_NUMERIC, DP_E_CANCELLED, DP_E_MISMATCH. */
dp_status dp_fit_calibrate(const dp_recipe *asked, dp_isa isa, dp_pool *pool, const dp_run *run, dp_bank **bank,
                           dp_error *err);

#endif
