/* SPDX-License-Identifier: Apache-2.0 */
/* learning.h - the scores that fewer pictures would have given, and whether neighbours by name are more alike than
 * others. */
#ifndef DP_SCORE_LEARNING_H
#define DP_SCORE_LEARNING_H

#include "score/leave_one_out.h"

/* Scores a sample of the bank's pictures in the bank's own way; the sample bounds the cost. If the bank cannot give a
 * curve, curve->n_points is 0 and drift NaN: see dp_bank_learning_curve. Errors: DP_E_MEMORY, DP_E_CANCELLED,
 * DP_E_NUMERIC. */
dp_status dp_learning(const dp_bank *bank, const dp_workers *with, dp_learning_curve *curve, dp_error *err);

/* Compares picture names in natural order: runs of digits count as numbers. */
int dp_compare_names(const char *a, const char *b);

#endif
