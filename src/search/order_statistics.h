/* SPDX-License-Identifier: Apache-2.0 */
/* order_statistics.h - a distance that no single good picture decides: the mean over all subsets of m pictures of the
 * smallest distance.
 *
 * The distances of a cell to its nearest feature in each of n pictures, in rising order, are d(1) <= .. <= d(n). Over all
 * subsets of m of the pictures the smallest is on average
 *
 *     E = sum_k w_k d(k),   w_k = C(n - k, m - 1) / C(n, m),   w_1 = m / n,   w_(k+1) = w_k (n - k - m + 1) / (n - k)
 *
 * exactly, for the k-th smallest is the smallest of a subset when the other m - 1 come from those behind it. All weights
 * are at least 0, and 1 together; m = n is the nearest neighbour. A defect that c of the pictures show as well is not
 * hidden by them: they hold at most w_1 + .. + w_c = 1 - C(n - c, m) / C(n, m) of the weight. */
#ifndef DP_SEARCH_ORDER_STATISTICS_H
#define DP_SEARCH_ORDER_STATISTICS_H

#include <stddef.h>

/* E of distances [n] in rising order, n at least 1.  m is taken as n where it is more. */
double dp_mean_smallest(const float *sorted, size_t n, size_t m);

#endif
