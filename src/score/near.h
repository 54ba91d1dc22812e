/* SPDX-License-Identifier: Apache-2.0 */
/* near.h - pictures that are not the same, but nearly. */
#ifndef DP_SCORE_NEAR_H
#define DP_SCORE_NEAR_H

#include "bank/bank.h"

/* Says through run->log which pictures of a finished bank that was scored lie so near to each other that they are hardly two.
 * Errors: DP_E_MEMORY. */
dp_status dp_bank_report_near(const dp_bank *bank, const dp_run *run, dp_error *err);

#endif
