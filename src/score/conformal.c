/* SPDX-License-Identifier: Apache-2.0 */
/* conformal.c - computes what n good pictures can promise.
 *
 * The ranks of exchangeable scores s(1) <= .. <= s(n) are uniform, so the next good picture lies above s(k) with
 * probability 1 - k / (n + 1), averaged over all draws of the n pictures. The threshold for the rate f lies at the
 * position p = (n + 1)(1 - f), at least 1 and at most n. Between two order statistics it is interpolated in the
 * logarithm (linearly if one is not above 0).
 *
 * For one draw of the pictures the rate is random. For continuous scores its distribution at s(k) is Beta(n + 1 - k,
 * k); between two scores Beta(n + 1 - p, p) is close (Stigler, J. Amer. Statist. Assoc. 72, 1977, 544). The guarantees
 * are those of s(k), k = floor(p), which is not above the threshold: a rate of at most 1 - k / (n + 1) on average, and
 * of at most the 95 % quantile of Beta(n + 1 - k, k) with that confidence.
 *
 * Certificate: the scores are those of pictures that the bank does not hold, so they are exchangeable with those of
 * coming pictures without any doubt. The threshold is the k-th largest score, where k is the largest number for which
 * the 95 % quantile of Beta(k, n + 1 - k) is at most the wished rate, or 1. */
#include "base/beta.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/statistics.h"
#include "dinopatch/experimental.h"

#include <math.h>
#include <stdlib.h>

#define ROUNDING 1e-9 /* keeps (99 + 1)(1 - 0.01) at 99, whatever the rounding */

static dp_status sort(const double *scores, size_t n, double fpr, double **sorted, size_t *used, dp_error *err)
{
    size_t m = 0;
    if (!(fpr > 0 && fpr < 1))
        return dp_fail(err, DP_E_ARGUMENT, "the false-alarm rate is %g; give one above 0 and below 1", fpr);
    for (size_t i = 0; i < n; i++)
        if (isinf(scores[i]))
            return dp_fail(err, DP_E_NUMERIC, "score %zu of %zu is infinite", i + 1, n);
    double *values = dp_malloc(n, sizeof *values);
    if (!values)
        return dp_fail_memory(err, "the scores", n * sizeof *values);
    for (size_t i = 0; i < n; i++)
        if (!isnan(scores[i]))
            values[m++] = scores[i];
    dp_sort_f64(values, m);
    *sorted = values;
    *used = m;
    return DP_OK;
}

/* Returns the value of sorted [n], n >= 1, at a position between 1 and n. */
static double between(const double *sorted, size_t n, double position)
{
    size_t k = (size_t)floor(position + ROUNDING);
    double share = position - (double)k, low = sorted[k - 1];
    if (k >= n || share <= ROUNDING)
        return low;
    double high = sorted[k];
    double value = low > 0 ? exp(log(low) * (1 - share) + log(high) * share) : low * (1 - share) + high * share;
    return fmin(fmax(value, low), high);
}

dp_status dp_calibrate(const double *scores, size_t n, double fpr, dp_calibration *calibration, dp_error *err)
{
    double *sorted = NULL;
    dp_calibration c = {.threshold = NAN, .expected = 1, .low = 0, .high = 1, .fpr = 1, .fpr_95 = 1};
    dp_status status = sort(scores, n, fpr, &sorted, &c.n, err);
    if (status)
        return status;
    double places = (double)c.n + 1, position = fmin(fmax(places * (1 - fpr), 1), (double)c.n);
    c.fpr_least = 1 / places;
    c.n_needed = (size_t)fmin(ceil(1 / fpr - 1 - ROUNDING), 0x1p53);
    c.supported = c.n >= c.n_needed;
    if (c.n) {
        double k = floor(position + ROUNDING);
        c.threshold = between(sorted, c.n, position);
        c.expected = 1 - position / places;
        c.low = dp_beta_quantile(0.05, places - position, position);
        c.high = dp_beta_quantile(0.95, places - position, position);
        c.fpr = 1 - k / places;
        c.fpr_95 = dp_beta_quantile(0.95, places - k, k);
    }
    dp_memory_free(sorted);
    *calibration = c;
    return DP_OK;
}

size_t dp_calibration_rates(size_t n, double fpr, double rates[DP_MOST_RATES])
{
    static const double usual[] = {0.01, 0.02, 0.05, 0.1, 0.2};
    const double least = 1 / ((double)n + 1);
    double all[DP_MOST_RATES];
    size_t m = 0, kept = 0;
    if (!n)
        return 0;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (usual[i] > least * (1 - ROUNDING))
            all[m++] = usual[i];
    if (least >= usual[0] || m == 0)
        all[m++] = least;
    if (fpr > 0 && fpr < 1)
        all[m++] = fmax(fpr, least);
    dp_sort_f64(all, m);
    for (size_t i = 0; i < m; i++)
        if (!kept || all[i] > rates[kept - 1] * (1 + ROUNDING))
            rates[kept++] = all[i];
    return kept;
}

/* Returns the rate that the k-th largest of n scores stays within, with 95 % confidence. */
static double certified(size_t n, size_t k)
{
    return dp_beta_quantile(0.95, (double)k, (double)(n + 1 - k));
}

dp_status dp_certify(const double *scores, size_t n, double fpr, dp_certificate *certificate, dp_error *err)
{
    double *sorted = NULL;
    dp_certificate c = {.threshold = NAN, .rate = 1, .expected = 1, .low = 0, .high = 1};
    dp_status status = sort(scores, n, fpr, &sorted, &c.n, err);
    if (status)
        return status;
    c.n_needed = (size_t)fmin(ceil(log(0.05) / log1p(-fpr) - ROUNDING), 0x1p53);
    if (c.n) {
        size_t low = 1, high = c.n; /* the rate grows with k */
        while (low < high) {
            size_t middle = high - (high - low) / 2;
            if (certified(c.n, middle) <= fpr)
                low = middle;
            else
                high = middle - 1;
        }
        c.k = low;
        c.threshold = sorted[c.n - c.k];
        c.rate = certified(c.n, c.k);
        c.expected = (double)c.k / ((double)c.n + 1);
        c.low = dp_beta_quantile(0.05, (double)c.k, (double)(c.n + 1 - c.k));
        c.high = c.rate;
        c.supported = c.n >= c.n_needed;
    }
    dp_memory_free(sorted);
    *certificate = c;
    return DP_OK;
}

double dp_conformal_p(const double *scores, size_t n, double score)
{
    size_t used = 0, beyond = 0;
    if (isnan(score))
        return (double)NAN;
    for (size_t i = 0; i < n; i++) {
        used += !isnan(scores[i]);
        beyond += scores[i] >= score;
    }
    return (1 + (double)beyond) / (1 + (double)used);
}
