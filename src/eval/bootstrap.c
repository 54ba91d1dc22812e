/* SPDX-License-Identifier: Apache-2.0 */
/* bootstrap.c - percentile intervals (Efron 1979) for the metrics of a ranking.
 *
 * Each resample draws with replacement as many good items from the good ones, and as many anomalous items from the
 * anomalous ones, as there are. The classes keep their sizes, so every metric stays defined. Resample k of a seed
 * does not depend on earlier computations. The interval lies between the (1-c)/2 and (1+c)/2 quantiles, linear
 * between order statistics. */
#include "base/error.h"
#include "base/memory.h"
#include "dinopatch/eval.h"
#include "base/random.h"
#include "base/statistics.h"
#include "eval/steps.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static dp_interval interval_of(double *values, size_t n, double confidence)
{
    double ends[2];
    dp_sort_f64(values, n);
    for (int k = 0; k < 2; k++) {
        double position = (k ? 1 + confidence : 1 - confidence) / 2 * (double)(n - 1);
        size_t i = (size_t)position;
        double next = i + 1 < n ? values[i + 1] : values[i];
        ends[k] = values[i] + (next - values[i]) * (position - (double)i);
    }
    return (dp_interval){ends[0], ends[1]};
}

dp_status dp_bootstrap(const double *scores, const uint8_t *labels, size_t n, size_t resamples, double confidence,
                       uint64_t seed, dp_interval *auroc, dp_interval *average_precision, dp_interval *f1_max,
                       dp_error *err)
{
    if (!resamples || !(confidence > 0 && confidence < 1))
        return dp_fail(
            err, DP_E_ARGUMENT,
            "bootstrap: %zu resamples at confidence %g; give at least 1 resample and a confidence between 0 and 1",
            resamples, confidence);
    if (n > UINT32_MAX)
        return dp_fail(err, DP_E_ARGUMENT, "bootstrap: %zu scores are too many", n);
    dp_step *steps = NULL, *drawn = NULL;
    uint32_t *step_of = NULL; /* step of each good item, then of each anomalous item */
    double *values = NULL;
    size_t n_steps = 0, n_good = 0, n_bad = 0;
    dp_interval none = {(double)NAN, (double)NAN}, found[3] = {none, none, none};
    dp_status status = dp_steps_build(scores, labels, n, &steps, &n_steps, err);
    if (status != DP_OK)
        return status;
    for (size_t i = 0; i < n_steps; i++) {
        n_good += steps[i].good;
        n_bad += steps[i].bad;
    }
    if (!n_good || !n_bad)
        goto done;
    drawn = dp_malloc(n_steps, sizeof *drawn);
    step_of = dp_malloc(n, sizeof *step_of);
    values = dp_malloc(resamples, 3 * sizeof *values);
    if (!drawn || !step_of || !values) {
        status = dp_fail_memory(err, "the bootstrap", n * sizeof *step_of + resamples * 3 * sizeof *values);
        goto done;
    }
    size_t good = 0, bad = n_good;
    for (size_t i = 0; i < n_steps; i++) {
        for (uint64_t k = 0; k < steps[i].good; k++)
            step_of[good++] = (uint32_t)i;
        for (uint64_t k = 0; k < steps[i].bad; k++)
            step_of[bad++] = (uint32_t)i;
    }
    for (size_t r = 0; r < resamples; r++) {
        dp_random random = dp_random_at(seed, r);
        memset(drawn, 0, n_steps * sizeof *drawn);
        for (size_t k = 0; k < n_good; k++)
            drawn[step_of[dp_random_below(&random, n_good)]].good++;
        for (size_t k = 0; k < n_bad; k++)
            drawn[step_of[n_good + dp_random_below(&random, n_bad)]].bad++;
        values[r] = dp_steps_auroc(drawn, n_steps);
        values[resamples + r] = dp_steps_average_precision(drawn, n_steps);
        values[2 * resamples + r] = dp_steps_f1_max(drawn, n_steps, NULL);
    }
    for (size_t k = 0; k < 3; k++)
        found[k] = interval_of(values + k * resamples, resamples, confidence);
done:
    dp_memory_free(steps);
    dp_memory_free(drawn);
    dp_memory_free(step_of);
    dp_memory_free(values);
    if (status != DP_OK)
        return status;
    if (auroc)
        *auroc = found[0];
    if (average_precision)
        *average_precision = found[1];
    if (f1_max)
        *f1_max = found[2];
    return DP_OK;
}
