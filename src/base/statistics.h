/* SPDX-License-Identifier: Apache-2.0 */
/* statistics.h - sorts numbers and takes medians and quantiles of them. No number may be NaN. */
#ifndef DP_BASE_STATISTICS_H
#define DP_BASE_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>

/* Smallest first. */
void dp_sort_f32(float *x, size_t n);
void dp_sort_f64(double *x, size_t n);

/* Sorts x. Returns the middle value, or the mean of the two middle values; NaN if n is 0. */
double dp_median(double *x, size_t n);

/* Sorts x [n], n >= 1. Returns the quantile at share (0..1), rounded to the nearest of the values. */
double dp_quantile_f32(float *x, size_t n, double share);

/* Fills *r with Spearman's correlation of a [n] and b [n]: Pearson's of their ranks, equal numbers sharing the mean of theirs. NaN if n is
 * below 2 or all of one are equal. False: no memory. */
bool dp_rank_correlation(const double *a, const double *b, size_t n, double *r);

#endif
