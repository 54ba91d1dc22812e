/* SPDX-License-Identifier: Apache-2.0 */
/* cell_score.c - max, mean, 99th percentile, mean of the top 1 % or of the top 10. */
#include "score/cell_score.h"

#include <math.h>
#include <stdlib.h>

/* Rearranges x [n] so that x[k] has the value it would have in sorted order, with nothing larger before it and nothing
 * smaller after it. Hoare's selection with the median of three as pivot. */
static void select_kth(float *x, size_t n, size_t k)
{
    size_t low = 0, high = n - 1;
    while (low < high) {
        float a = x[low], b = x[low + (high - low) / 2], c = x[high];
        float pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
        size_t i = low, j = high;
        for (;;) {
            while (x[i] < pivot)
                i++;
            while (pivot < x[j])
                j--;
            if (i >= j)
                break;
            float keep = x[i];
            x[i++] = x[j];
            x[j--] = keep;
        }
        /* Now x[low..j] <= pivot <= x[j+1..high], j < high. */
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
}

/* Returns what numpy.percentile(x, 99) with method "linear" returns. */
static double percentile_99(float *x, size_t n)
{
    double place = 0.99 * (double)(n - 1);
    size_t k = (size_t)place;
    double share = place - (double)k;
    select_kth(x, n, k);
    double low = x[k], high = low;
    if (k + 1 < n) {
        high = x[k + 1];
        for (size_t i = k + 2; i < n; i++)
            high = x[i] < high ? x[i] : high;
    }
    return share < 0.5 ? low + (high - low) * share : high - (high - low) * (1 - share);
}

static double top_mean(float *x, size_t n, size_t top)
{
    select_kth(x, n, n - top);
    double sum = 0;
    for (size_t i = n - top; i < n; i++)
        sum += x[i];
    return sum / (double)top;
}

double dp_score_cells(dp_score how, const float *values, const uint8_t *valid, size_t n, float *scratch)
{
    size_t m = 0;
    double sum = 0, largest = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (valid && !valid[i])
            continue;
        if (isnan(values[i]))
            return NAN;
        scratch[m++] = values[i];
        sum += values[i];
        largest = values[i] > largest ? values[i] : largest;
    }
    if (m == 0)
        return NAN;
    switch (how) {
    case DP_SCORE_MAX: return largest;
    case DP_SCORE_MEAN: return sum / (double)m;
    case DP_SCORE_P99: return percentile_99(scratch, m);
    case DP_SCORE_TOP1P: return top_mean(scratch, m, m / 100 ? m / 100 : 1);
    case DP_SCORE_RETRIEVED: return 0; /* the vectors of the pictures say it: a cell can be compared, that is all */
    case DP_SCORE_TOP10: return top_mean(scratch, m, m < 10 ? m : 10);
    }
    return NAN;
}
