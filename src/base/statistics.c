/* SPDX-License-Identifier: Apache-2.0 */
#include "base/statistics.h"
#include "base/memory.h"

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

struct ranked {
    double value;
    size_t at;
};

static int ascending(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->value != y->value ? (x->value > y->value) - (x->value < y->value) : (x->at > y->at) - (x->at < y->at);
}

/* Fills ranks [n], less their mean; list [n] is scratch. */
static void rank(const double *values, size_t n, struct ranked *list, double *ranks)
{
    for (size_t i = 0; i < n; i++)
        list[i] = (struct ranked){values[i], i};
    qsort(list, n, sizeof *list, ascending);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && list[end].value == list[i].value;)
            end++;
        for (size_t j = i; j < end; j++)
            ranks[list[j].at] = (double)(i + end - 1) / 2 - (double)(n - 1) / 2;
    }
}

bool dp_rank_correlation(const double *a, const double *b, size_t n, double *r)
{
    double *ranks = dp_malloc(n + 1, 2 * sizeof *ranks), ab = 0, aa = 0, bb = 0;
    struct ranked *list = dp_malloc(n + 1, sizeof *list);
    const bool good = ranks && list;
    if (good) {
        double *other = ranks + n;
        rank(a, n, list, ranks);
        rank(b, n, list, other);
        for (size_t i = 0; i < n; i++) {
            ab += ranks[i] * other[i];
            aa += ranks[i] * ranks[i];
            bb += other[i] * other[i];
        }
        *r = aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : (double)NAN;
    }
    dp_memory_free(ranks);
    dp_memory_free(list);
    return good;
}
