/* SPDX-License-Identifier: Apache-2.0 */
/* learn_reference.h - a reference from good pictures: all of them brought into one pose. */
#ifndef DP_REGISTER_LEARN_REFERENCE_H
#define DP_REGISTER_LEARN_REFERENCE_H

#include "register/finder.h"

#define DP_MOST_LEARNED 12 /* pictures that a reference is worth learning from */

/* smalls [n], 2 <= n <= DP_MOST_LEARNED; one that shows something else than the others does not count.  Errors: DP_E_MEMORY, DP_E_NUMERIC, DP_E_CANCELLED, those of the network. */
dp_status dp_reference_learn(dp_finder *finder, const dp_small *smalls, size_t n, dp_reference **reference,
                             dp_error *err);

#endif
