/* conformal.c - computes what n good pictures can promise.
 *
 * If the threshold is the k-th smallest of n exchangeable scores, the next good picture lies above it with a
 * probability of at most 1 - k / (n + 1), averaged over all draws of the n pictures, because the ranks of
 * exchangeable values are uniform. The smallest k that keeps this within fpr is ceil((n + 1)(1 - fpr)). With fewer
 * than 1 / fpr - 1 pictures there is no such k, and the threshold is the largest score. For one draw the rate itself
 * is random, for continuous scores with distribution Beta(n - k + 1, k). Its 95 % quantile b solves
 *     P(Binomial(n, b) <= n - k) = 0.05                                               (Clopper and Pearson 1934). */
#include "base/error.h"
#include "base/memory.h"
#include "base/statistics.h"
#include "dinopatch/experimental.h"

#include <math.h>
#include <stdlib.h>

/* lgamma keeps a sign in a variable that threads share, so lgamma_r is used. */
static double log_factorial(size_t n)
{
    int sign;
    return lgamma_r((double)n + 1, &sign);
}

/* Returns P(Binomial(n, p) <= most), summed from the logarithm of the largest term. */
static double binomial_at_most(size_t n, size_t most, double p)
{
    double sum = 0;
    for (size_t j = 0; j <= most; j++)
        sum += exp(log_factorial(n) - log_factorial(j) - log_factorial(n - j) + (double)j * log(p)
                   + (double)(n - j) * log1p(-p));
    return sum;
}

static double rate_below_95(size_t n, size_t above)
{
    double low = 0, high = 1;
    if (above >= n)
        return 1;
    for (int i = 0; i < 100; i++) {
        double middle = 0.5 * (low + high);
        if (binomial_at_most(n, above, middle) > 0.05)
            low = middle;
        else
            high = middle;
    }
    return high;
}

dp_status dp_calibrate(const double *scores, size_t n, double fpr, dp_calibration *calibration, dp_error *err)
{
    dp_calibration c = {0};
    if (!(fpr > 0 && fpr < 1))
        return dp_fail(err, DP_E_ARGUMENT, "a false-alarm rate of %g: it must lie between 0 and 1", fpr);
    for (size_t i = 0; i < n; i++) {
        if (isinf(scores[i]))
            return dp_fail(err, DP_E_NUMERIC, "score %zu of %zu is infinite", i + 1, n);
        c.n += !isnan(scores[i]);
    }
    double *sorted = dp_malloc(c.n, sizeof *sorted);
    if (!sorted)
        return dp_fail_memory(err, "the scores", c.n * sizeof *sorted);
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(scores[i]))
            sorted[m++] = scores[i];
    dp_sort_f64(sorted, m);
    /* The small number keeps (99 + 1)(1 - 0.01) at 99, however it is rounded. */
    double k = ceil((double)(m + 1) * (1 - fpr) - 1e-9);
    size_t rank = k < 1 ? 1 : k > (double)m ? m : (size_t)k;
    c.threshold = m ? sorted[rank - 1] : (double)NAN;
    c.fpr = 1 - (double)rank / (double)(m + 1);
    dp_memory_free(sorted);
    c.fpr_least = 1 / ((double)c.n + 1);
    c.supported = c.fpr <= fpr * (1 + 1e-9);
    c.n_needed = (size_t)fmin(ceil(1 / fpr - 1 - 1e-9), 0x1p53);
    c.fpr_95 = c.n ? rate_below_95(c.n, c.n - rank) : 1;
    *calibration = c;
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
