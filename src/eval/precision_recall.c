/* SPDX-License-Identifier: Apache-2.0 */
/* precision_recall.c - average precision and the best F1.
 *
 *     AP = sum over distinct scores, from the largest down, of (R_i - R_{i-1}) P_i        (no interpolation)
 * as scikit-learn's average_precision_score;
 *     F1 = 2 TP / (2 TP + FP + FN), largest over all distinct scores as thresholds ("score >= threshold").
 * Of equal F1, the lowest threshold is taken, as the argmax over scikit-learn's precision_recall_curve gives it. */
#include "eval/steps.h"

#include <math.h>

static uint64_t count_bad(const dp_step *steps, size_t n)
{
    uint64_t bad = 0;
    for (size_t i = 0; i < n; i++)
        bad += steps[i].bad;
    return bad;
}

double dp_steps_average_precision(const dp_step *steps, size_t n)
{
    uint64_t bad = count_bad(steps, n), tp = 0, fp = 0;
    if (!bad)
        return (double)NAN;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        tp += steps[i].bad;
        fp += steps[i].good;
        if (steps[i].bad)
            sum += (double)steps[i].bad * ((double)tp / (double)(tp + fp));
        fp += steps[i].good_below;
    }
    return sum / (double)bad;
}

double dp_steps_f1_max(const dp_step *steps, size_t n, size_t *at)
{
    uint64_t bad = count_bad(steps, n), tp = 0, fp = 0;
    if (!bad)
        return (double)NAN;
    double best = -1;
    for (size_t i = 0; i < n; i++) {
        tp += steps[i].bad;
        fp += steps[i].good;
        double f1 = 2 * (double)tp / (double)(tp + fp + bad);
        if (steps[i].bad && f1 >= best) { /* without more anomalous items F1 can only fall */
            best = f1;
            if (at)
                *at = i;
        }
        fp += steps[i].good_below;
    }
    return best;
}
