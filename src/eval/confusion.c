/* SPDX-License-Identifier: Apache-2.0 */
/* confusion.c - counts at one threshold, and all metrics of a ranking. */
#include "base/error.h"
#include "base/memory.h"
#include "dinopatch/eval.h"
#include "eval/steps.h"

#include <math.h>

void dp_confusion_rates(dp_confusion *c)
{
    double tp = (double)c->true_positives, fp = (double)c->false_positives;
    double tn = (double)c->true_negatives, fn = (double)c->false_negatives;
    c->accuracy = tp + fp + tn + fn > 0 ? (tp + tn) / (tp + fp + tn + fn) : (double)NAN;
    c->precision = tp + fp > 0 ? tp / (tp + fp) : 0;
    c->recall = tp + fn > 0 ? tp / (tp + fn) : (double)NAN;
    c->f1 = tp + fn > 0 ? 2 * tp / (2 * tp + fp + fn) : (double)NAN;
}

dp_status dp_confusion_at(const double *scores, const uint8_t *labels, size_t n, double threshold,
                          dp_confusion *confusion, dp_error *err)
{
    if (isnan(threshold))
        return dp_fail(err, DP_E_NUMERIC, "the threshold is not a number");
    dp_confusion c = {0};
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(scores[i]))
            return dp_fail(err, DP_E_NUMERIC, "score %zu of %zu is %f", i + 1, n, scores[i]);
        int alarm = scores[i] > threshold;
        c.true_positives += labels[i] && alarm;
        c.false_negatives += labels[i] && !alarm;
        c.false_positives += !labels[i] && alarm;
        c.true_negatives += !labels[i] && !alarm;
    }
    dp_confusion_rates(&c);
    *confusion = c;
    return DP_OK;
}

void dp_steps_measure(const dp_step *steps, size_t n, dp_measures *out)
{
    dp_measures m = {.f1_threshold = (double)NAN, .decision_threshold = (double)NAN};
    for (size_t i = 0; i < n; i++) {
        m.n_good += steps[i].good + steps[i].good_below;
        m.n_anomalous += steps[i].bad;
    }
    size_t at = 0;
    m.auroc = dp_steps_auroc(steps, n);
    m.average_precision = dp_steps_average_precision(steps, n);
    m.f1_max = dp_steps_f1_max(steps, n, &at);
    if (m.n_anomalous) {
        m.f1_threshold = steps[at].score;
        for (size_t i = 0; i <= at; i++) {
            m.at_f1.true_positives += steps[i].bad;
            m.at_f1.false_positives += steps[i].good + (i < at ? steps[i].good_below : 0);
        }
    }
    m.at_f1.false_negatives = m.n_anomalous - m.at_f1.true_positives;
    m.at_f1.true_negatives = m.n_good - m.at_f1.false_positives;
    dp_confusion_rates(&m.at_f1);
    *out = m;
}

dp_status dp_measure(const double *scores, const uint8_t *labels, size_t n, dp_measures *measures, dp_error *err)
{
    dp_step *steps = NULL;
    size_t n_steps = 0;
    dp_status status = dp_steps_build(scores, labels, n, &steps, &n_steps, err);
    if (status != DP_OK)
        return status;
    dp_measures m;
    dp_steps_measure(steps, n_steps, &m);
    if (m.n_anomalous) {
        size_t at = 0;
        dp_steps_f1_max(steps, n_steps, &at);
        double here = steps[at].score, middle;
        if (at + 1 < n_steps)
            middle = steps[at + 1].score + (here - steps[at + 1].score) / 2;
        else
            middle = here - 1e-6 * (fabs(here) + 1e-6); /* far enough apart that printing keeps the difference */
        m.decision_threshold = middle < here ? middle : nextafter(here, -(double)INFINITY);
    }
    dp_memory_free(steps);
    *measures = m;
    return DP_OK;
}
