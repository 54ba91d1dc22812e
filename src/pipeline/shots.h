/* SPDX-License-Identifier: Apache-2.0 */
/* shots.h - from which pictures a bank is made. */
#ifndef DP_PIPELINE_SHOTS_H
#define DP_PIPELINE_SHOTS_H

#include "dinopatch/experimental.h"

/* Puts recipe->shots of the numbers [n] of a source's pictures, which are more, in front: the first by name, or those that the seed draws
 * (Fisher and Yates), by name again.  Errors: DP_E_MEMORY. */
dp_status dp_fit_shots(const dp_recipe *recipe, const dp_source *source, size_t *numbers, size_t n, dp_error *err);

#endif
