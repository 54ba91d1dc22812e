/* SPDX-License-Identifier: Apache-2.0 */
#include "search/order_statistics.h"
#include "dinopatch/experimental.h"

#include <math.h>

double dp_mean_smallest(const float *sorted, size_t n, size_t m)
{
    m = m < n ? m : n;
    double weight = (double)m / (double)n, sum = 0;
    for (size_t k = 1; k + m <= n + 1 && weight > 0; k++) {
        sum += weight * (double)sorted[k - 1];
        weight *= (double)(n + 1 - k - m) / (double)(n - k);
    }
    return sum;
}

size_t dp_order_pictures(double order, size_t n)
{
    if (!(order > 0) || !n)
        return 0;
    double m = order < 1 ? fmax(1, rint(order * (double)n)) : order;
    return m < (double)n ? (size_t)m : n;
}

double dp_order_share(size_t n, size_t m, size_t c)
{
    double left = 1; /* C(n - c, m) / C(n, m): no subset meets any of the c */
    for (size_t i = 0; i < c && i < n; i++)
        left *= n - i > m ? (double)(n - i - m) / (double)(n - i) : 0;
    return 1 - left;
}
