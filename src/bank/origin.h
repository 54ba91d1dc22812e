/* SPDX-License-Identifier: Apache-2.0 */
/* origin.h - where a threshold came from, as the file of a bank records it. */
#ifndef DP_BANK_ORIGIN_H
#define DP_BANK_ORIGIN_H

#include "bank/bank.h"

/* Takes the threshold of leave-one-out scores at the bank's own rate. */
void dp_bank_take_threshold(dp_bank *bank, const dp_calibration *found);

/* Returns {"by": "leave-one-out", "fpr": 0.01, "good": 12, "bad": 0}; free with dp_memory_free. NULL: no memory. */
char *dp_origin_to_json(const dp_threshold_origin *origin);
/* Converts back. what: the file for messages. Errors: DP_E_FORMAT. */
dp_status dp_origin_from_json(const char *text, const char *what, dp_threshold_origin *origin, dp_error *err);

#endif
