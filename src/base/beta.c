/* SPDX-License-Identifier: Apache-2.0 */
/* beta.c - the incomplete beta function by its continued fraction
 *
 *     I_x(a, b) = x^a (1 - x)^b / (a B(a, b)) / (1 + d1 / (1 + d2 / (1 + ...)))
 *     d(2m) = m (b - m) x / ((a + 2m - 1)(a + 2m)),   d(2m+1) = -(a + m)(a + b + m) x / ((a + 2m)(a + 2m + 1))
 *
 * (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.5.8), evaluated by Lentz's method, and its inverse by
 * halving.  The fraction converges in some sqrt(max(a, b)) steps for x below (a + 1) / (a + b + 2); above, I_x(a, b) =
 * 1 - I_(1-x)(b, a). */
#include "base/beta.h"

#include <float.h>
#include <math.h>

#define MOST_STEPS 100000

/* lgamma keeps a sign in a variable that threads share, so lgamma_r is used. */
static double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

static double away_from_0(double x)
{
    return fabs(x) < DBL_MIN ? DBL_MIN : x;
}

static double fraction(double x, double a, double b)
{
    double c = 1, d = 1 / away_from_0(1 - (a + b) * x / (a + 1)), value = d;
    for (int m = 1; m < MOST_STEPS; m++) {
        const double terms[2] = {m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                                 -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))};
        double before = value;
        for (int i = 0; i < 2; i++) {
            d = 1 / away_from_0(1 + terms[i] * d);
            c = away_from_0(1 + terms[i] / c);
            value *= c * d;
        }
        if (fabs(value - before) <= DBL_EPSILON * fabs(value))
            break;
    }
    return value;
}

double dp_beta_cdf(double x, double a, double b)
{
    if (!(x > 0))
        return 0;
    if (x >= 1)
        return 1;
    double power = exp(a * log(x) + b * log1p(-x) + log_gamma(a + b) - log_gamma(a) - log_gamma(b));
    return x < (a + 1) / (a + b + 2) ? power * fraction(x, a, b) / a : 1 - power * fraction(1 - x, b, a) / b;
}

double dp_beta_quantile(double share, double a, double b)
{
    double low = 0, high = 1;
    for (int i = 0; i < 200 && low < high; i++) {
        double middle = 0.5 * (low + high);
        if (middle <= low || middle >= high)
            break;
        if (dp_beta_cdf(middle, a, b) < share)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}
