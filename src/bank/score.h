/* score.h - one number from the distances of a picture's cells. */
#ifndef DP_BANK_SCORE_H
#define DP_BANK_SCORE_H

#include "dinopatch.h"

/* Score of the valid ones among n distances: values [n], valid [n] (NULL: all), scratch [n] (overwritten).
 *   max    the largest
 *   mean   the mean
 *   p99    the 99th percentile, linear interpolation at 0.99 (m - 1) as numpy.percentile does it (DinoPatch)
 *   top1p  the mean of the floor(0.01 m) largest, of one at least (AnomalyDINO, which it takes from the 99 % quantile)
 * NaN where none is valid. */
double dp_score_cells(dp_score how, const float *values, const uint8_t *valid, size_t n, float *scratch);

/* The first threshold, from scores of good pictures; those that are NaN are left out, n below counts the others.
 * A new good picture that is exchangeable with the n scores exceeds their k-th smallest with a probability of at most
 * 1 - k/(n+1) (ranks of exchangeable values are uniform; as in split conformal prediction).  The smallest k that keeps this
 * within fpr is ceil((n+1)(1-fpr)); with fewer than 1/fpr - 1 pictures there is none and the largest score is taken.
 * *false_alarms (may be NULL): the bound 1 - k/(n+1) that holds, e.g. 1/(n+1) with the largest score.
 * n = 0: *threshold NaN, *false_alarms 1.  A picture is anomalous when its score lies above the threshold.
 * Errors: DP_E_ARGUMENT (fpr outside (0,1)), DP_E_MEMORY. */
dp_status dp_threshold_first(const double *scores, size_t n, double fpr, double *threshold, double *false_alarms,
                             dp_error *err);

#endif
