/* SPDX-License-Identifier: Apache-2.0 */
#include "base/statistics.h"

#include <math.h>
#include <stdlib.h>

static int rising_f32(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static int rising_f64(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void dp_sort_f32(float *x, size_t n)
{
    if (n) /* x may be NULL if n is 0, and qsort does not accept NULL */
        qsort(x, n, sizeof *x, rising_f32);
}

void dp_sort_f64(double *x, size_t n)
{
    if (n)
        qsort(x, n, sizeof *x, rising_f64);
}

double dp_median(double *x, size_t n)
{
    dp_sort_f64(x, n);
    return n ? (x[(n - 1) / 2] + x[n / 2]) / 2 : (double)NAN;
}

double dp_quantile_f32(float *x, size_t n, double share)
{
    dp_sort_f32(x, n);
    return (double)x[(size_t)(share * (double)(n - 1) + 0.5)];
}
