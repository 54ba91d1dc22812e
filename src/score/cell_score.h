/* SPDX-License-Identifier: Apache-2.0 */
/* cell_score.h - the score of a picture from the distances of its cells. */
#ifndef DP_SCORE_CELL_SCORE_H
#define DP_SCORE_CELL_SCORE_H

#include "dinopatch/experimental.h"

/* Score of the valid ones among n distances: values [n], valid [n] (NULL: all), scratch [n] (overwritten).
 *   max    the largest
 *   mean   the mean
 *   p99    the 99th percentile, linear interpolation at 0.99 (m - 1) as numpy.percentile does it (DinoPatch)
 *   top1p  the mean of the floor(0.01 m) largest, of one at least (AnomalyDINO, which it takes from the 99 % quantile)
 *   top10  the mean of the 10 largest, of all where there are fewer
 * NaN where none is valid. */
double dp_score_cells(dp_score how, const float *values, const uint8_t *valid, size_t n, float *scratch);

#endif
