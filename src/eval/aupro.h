/* SPDX-License-Identifier: Apache-2.0 */
/* aupro.h - per-region overlap. */
#ifndef DP_EVAL_AUPRO_H
#define DP_EVAL_AUPRO_H

#include "eval/steps.h"

/* An anomalous pixel: the ordered bits of its distance in the upper half, the number of its region in the lower. */
typedef uint64_t dp_region_pixel;

/* Returns the area under the per-region-overlap curve; NaN without regions or good pixels. steps [n_steps]; pixels
 * [n_pixels] sorted by distance, smallest first, each counted as bad in the step of its distance; areas [n_regions]
 * in pixels; limit in (0,1]. */
double dp_aupro(const dp_step *steps, size_t n_steps, const dp_region_pixel *pixels, size_t n_pixels,
                const uint64_t *areas, size_t n_regions, double limit);

#endif
