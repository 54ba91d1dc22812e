/* SPDX-License-Identifier: Apache-2.0 */
/* join_moments.h - one bank of moments of two. */
#ifndef DP_EDIT_JOIN_MOMENTS_H
#define DP_EDIT_JOIN_MOMENTS_H

#include "bank/bank.h"

/* Makes a bank like a, with the pictures of a, then those of b, their scores and the sum of their moments; without
 * features. Each picture was scored against fewer pictures than there are now, so the threshold errs to fewer false
 * alarms. Errors: DP_E_MEMORY. */
dp_status dp_moments_merge(const dp_bank *a, const dp_bank *b, dp_pool *pool, dp_bank **out, dp_error *err);

/* The same for new pictures whose features b holds: they are scored against all others, those of a keep their scores. b
 * gets moments and scores. Errors: DP_E_MEMORY, DP_E_CANCELLED, DP_E_NUMERIC. */
dp_status dp_moments_grow(const dp_bank *a, dp_bank *b, dp_pool *pool, const dp_run *run, dp_bank **out, dp_error *err);

#endif
