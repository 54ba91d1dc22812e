/* SPDX-License-Identifier: Apache-2.0 */
/* steps.h - sorts scores into the steps of a falling threshold; all metrics of a ranking come from these. */
#ifndef DP_EVAL_STEPS_H
#define DP_EVAL_STEPS_H

#include "dinopatch/eval.h"

/* One distinct score: how many good and anomalous items have it, and how many good items lie between it and the next
 * step. With very many items, only scores of anomalous items need a step, and every metric stays exact. */
typedef struct dp_step {
    double score;
    uint64_t good, bad;
    uint64_t good_below; /* good items strictly below this score and strictly above the next step's */
} dp_step;

/* Builds the steps of scores [n] and labels [n] (non-zero: anomalous), largest score first; -0 and 0 are one score.
 * The caller frees *steps with dp_memory_free. Errors: DP_E_NUMERIC (not finite; names the index), DP_E_MEMORY. */
dp_status dp_steps_build(const double *scores, const uint8_t *labels, size_t n, dp_step **steps, size_t *n_steps,
                         dp_error *err);

/* Each returns one metric of steps [n]; the comments say what it returns if a class is missing. */
double dp_steps_auroc(const dp_step *steps, size_t n);             /* NaN without both classes */
double dp_steps_average_precision(const dp_step *steps, size_t n); /* NaN without anomalous items */
/* NaN without anomalous items. *at (may be NULL) receives the step of the threshold. */
double dp_steps_f1_max(const dp_step *steps, size_t n, size_t *at);
/* Fills all of dp_measures except decision_threshold. */
void dp_steps_measure(const dp_step *steps, size_t n, dp_measures *measures);

/* Computes the rates from the counts. */
void dp_confusion_rates(dp_confusion *confusion);

#endif
