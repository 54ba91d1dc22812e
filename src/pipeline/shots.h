/* SPDX-License-Identifier: Apache-2.0 */
/* shots.h - chooses the pictures that a bank is made from. */
#ifndef DP_PIPELINE_SHOTS_H
#define DP_PIPELINE_SHOTS_H

#include "dinopatch/experimental.h"

/* Moves `shots` of the picture numbers [n], n > shots, to the front: at seed 0 the first by name, else those that the seed
 * draws (Fisher and Yates), sorted by name. Errors: DP_E_MEMORY. */
dp_status dp_fit_shots(size_t shots, size_t seed, const dp_source *source, size_t *numbers, size_t n, dp_error *err);

#endif
