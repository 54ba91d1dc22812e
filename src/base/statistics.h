/* statistics.h - sorting numbers, and what is read off them once they are sorted.  No NaN among them. */
#ifndef DP_BASE_STATISTICS_H
#define DP_BASE_STATISTICS_H

#include <stddef.h>

/* Smallest first. */
void dp_sort_f32(float *x, size_t n);
void dp_sort_f64(double *x, size_t n);

/* Sorts x; the middle one, or the mean of the two middle ones.  NaN where n is 0. */
double dp_median(double *x, size_t n);

/* Sorts x [n], n >= 1; the one that the share (0..1) of the others lies below, rounded to the nearest of them. */
double dp_quantile_f32(float *x, size_t n, double share);

#endif
