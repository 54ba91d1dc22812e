/* SPDX-License-Identifier: Apache-2.0 */
/* roc.c - receiver operating characteristic.
 *
 *     AUROC = P(anomalous > good) + P(anomalous = good) / 2,
 * counted over all pairs in whole numbers (Mann-Whitney U). It equals the trapezoids under the curve whose points are
 * all distinct scores. */
#include "base/error.h"
#include "base/memory.h"
#include "dinopatch/eval.h"
#include "eval/steps.h"

#include <math.h>

__extension__ typedef unsigned __int128 wide;

double dp_steps_auroc(const dp_step *steps, size_t n)
{
    uint64_t good = 0, bad = 0;
    for (size_t i = 0; i < n; i++) {
        good += steps[i].good + steps[i].good_below;
        bad += steps[i].bad;
    }
    if (!good || !bad)
        return (double)NAN;
    wide twice = 0; /* two for each pair in order, one for each tie */
    uint64_t below = good;
    for (size_t i = 0; i < n; i++) {
        below -= steps[i].good;
        twice += (wide)steps[i].bad * (2 * (wide)below + steps[i].good);
        below -= steps[i].good_below;
    }
    return (double)twice / (2.0 * (double)good * (double)bad);
}

dp_status dp_auroc(const double *scores, const uint8_t *labels, size_t n, double *auroc, dp_error *err)
{
    dp_step *steps = NULL;
    size_t n_steps = 0;
    dp_status status = dp_steps_build(scores, labels, n, &steps, &n_steps, err);
    if (status != DP_OK)
        return status;
    *auroc = dp_steps_auroc(steps, n_steps);
    dp_memory_free(steps);
    return DP_OK;
}

dp_status dp_curve(const double *scores, const uint8_t *labels, size_t n, dp_curve_point **points, size_t *n_points,
                   dp_error *err)
{
    dp_step *steps = NULL;
    size_t n_steps = 0;
    dp_status status = dp_steps_build(scores, labels, n, &steps, &n_steps, err);
    if (status != DP_OK)
        return status;
    dp_curve_point *curve = dp_malloc(n_steps + 1, sizeof *curve);
    if (!curve) {
        dp_memory_free(steps);
        return dp_fail_memory(err, "the curve", (n_steps + 1) * sizeof *curve);
    }
    uint64_t good = 0, bad = 0, tp = 0, fp = 0;
    for (size_t i = 0; i < n_steps; i++) {
        good += steps[i].good;
        bad += steps[i].bad;
    }
    curve[0] = (dp_curve_point){.threshold = (double)INFINITY,
                                .false_positive_rate = good ? 0 : (double)NAN,
                                .recall = bad ? 0 : (double)NAN,
                                .precision = 1};
    for (size_t i = 0; i < n_steps; i++) {
        tp += steps[i].bad;
        fp += steps[i].good;
        curve[i + 1] = (dp_curve_point){
            .threshold = steps[i].score,
            .false_positive_rate = good ? (double)fp / (double)good : (double)NAN,
            .recall = bad ? (double)tp / (double)bad : (double)NAN,
            .precision = (double)tp / (double)(tp + fp),
        };
    }
    dp_memory_free(steps);
    *points = curve;
    *n_points = n_steps + 1;
    return DP_OK;
}
