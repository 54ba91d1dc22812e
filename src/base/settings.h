/* SPDX-License-Identifier: Apache-2.0 */
/* settings.h - how the work is run, as a caller of any version says it. */
#ifndef DP_BASE_SETTINGS_H
#define DP_BASE_SETTINGS_H

#include "dinopatch.h"

/* Copies *run (NULL: the defaults) to *own: what the caller's version does not know is the default.
 * Errors: DP_E_ARGUMENT. */
dp_status dp_run_take(const dp_run *run, dp_run *own, dp_error *err);

#endif
