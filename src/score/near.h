/* SPDX-License-Identifier: Apache-2.0 */
/* near.h - finds pictures that are nearly the same. */
#ifndef DP_SCORE_NEAR_H
#define DP_SCORE_NEAR_H

#include "bank/bank.h"

/* Reports through run->log the pictures of a finished and scored bank that are nearly the same. Errors: DP_E_MEMORY. */
dp_status dp_bank_report_near(const dp_bank *bank, const dp_run *run, dp_error *err);

#endif
