/* fit_check.h - which settings go together, and from which pictures a bank is made. */
#ifndef DP_RUN_FIT_CHECK_H
#define DP_RUN_FIT_CHECK_H

#include "dinopatch.h"

/* n_paths: the pictures there will be.  DP_E_ARGUMENT, with the reason, where settings exclude each other. */
dp_status dp_fit_check(const dp_recipe *recipe, size_t n_paths, dp_error *err);

/* recipe->shots of the paths [n], which are more: the first by name, or those that the seed draws (Fisher and Yates), by name again.
 * To be freed with dp_memory_free, the texts are the caller's; NULL: no memory. */
const char **dp_fit_shots(const dp_recipe *recipe, const char *const *paths, size_t n);

#endif
