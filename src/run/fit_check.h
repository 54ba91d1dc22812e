/* fit_check.h - which settings go together, and from which pictures a bank is made. */
#ifndef DP_RUN_FIT_CHECK_H
#define DP_RUN_FIT_CHECK_H

#include "dinopatch.h"

/* n_pictures: the pictures there will be.  DP_E_ARGUMENT, with the reason, where settings exclude each other. */
dp_status dp_fit_check(const dp_recipe *recipe, size_t n_pictures, dp_error *err);

/* Puts recipe->shots of the numbers [n] of a source's pictures, which are more, in front: the first by name, or those that the seed draws
 * (Fisher and Yates), by name again.  Errors: DP_E_MEMORY. */
dp_status dp_fit_shots(const dp_recipe *recipe, const dp_source *source, size_t *numbers, size_t n, dp_error *err);

#endif
