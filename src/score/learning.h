/* SPDX-License-Identifier: Apache-2.0 */
/* learning.h - what fewer pictures would have given, and whether neighbours by name are more alike than others. */
#ifndef DP_SCORE_LEARNING_H
#define DP_SCORE_LEARNING_H

#include "score/leave_one_out.h"

/* Mean over all subsets of m of the n distances, in rising order, of their smallest: sum of w_k d(k).  m is taken as n where it is more. */
double dp_mean_smallest(const float *sorted, size_t n, size_t m);

/* By the bank's own way of scoring, from a sample of its pictures that bounds the cost; curve->n_points is 0 and drift NaN where the bank
 * cannot say: see dp_bank_learning_curve.  Errors: DP_E_MEMORY, DP_E_CANCELLED, DP_E_NUMERIC. */
dp_status dp_learning(const dp_bank *bank, const dp_workers *with, dp_learning_curve *curve, dp_error *err);

/* Picture names in the order that a person counts in: runs of digits as numbers. */
int dp_compare_names(const char *a, const char *b);

#endif
