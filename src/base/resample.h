/* SPDX-License-Identifier: Apache-2.0 */
/* resample.h - weights of bicubic resampling along one axis (R. Keys, IEEE ASSP 29, 1981). */
#ifndef DP_BASE_RESAMPLE_H
#define DP_BASE_RESAMPLE_H

#include <stddef.h>

/* Returns (a+2)|t|^3 - (a+3)|t|^2 + 1 for |t| < 1,  a|t|^3 - 5a|t|^2 + 8a|t| - 4a for |t| < 2, else 0. */
double dp_cubic(double t, double a);

/* Weights with antialias, as in Pillow and PyTorch's antialias=True. scale is the number of input samples per output
 * sample, and stretch = max(scale, 1). Output sample i takes its weights from
 *     centre = scale (i + 1/2),   samples j from trunc(centre - 2 stretch + 1/2) to trunc(centre + 2 stretch + 1/2) - 1,
 *     w_j ~ cubic((j - centre + 1/2) / stretch),   sum of the w_j = 1,   a = -1/2,
 * clipped to the n input samples. Returns the number of weights and sets the first sample. weights has room for
 * dp_cubic_taps. */
size_t dp_cubic_weights(double scale, size_t i, size_t n, double *weights, size_t *first);
size_t dp_cubic_taps(double scale);

#endif
