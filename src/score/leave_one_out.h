/* SPDX-License-Identifier: Apache-2.0 */
/* leave_one_out.h - scores of the good pictures, each searched in the bank without its own rows. */
#ifndef DP_SCORE_LEAVE_ONE_OUT_H
#define DP_SCORE_LEAVE_ONE_OUT_H

#include "bank/bank.h"
#include "base/pool.h"

/* What good pictures show that are not in the bank. */
typedef struct dp_loo {
    double *scores; /* [n_pictures], the caller's; NaN where there is no other picture */
    double *
        peaks; /* [n_pictures], the caller's: the largest distance in each delivered map; NULL: no maps are made, heat is untouched */
    dp_interval heat; /* scale for heat maps that dp_bank_calibrate describes */
} dp_loo;

typedef struct dp_workers {
    dp_isa isa;
    dp_pool *pool;     /* NULL: the calling thread */
    const dp_run *run; /* NULL, or progress is called, stage "leave one out" */
} dp_workers;

/* Leave-one-out scores and maps of a bank's pictures, as the view says: each picture's own row searched in the bank
 * without any row of that picture, its augmentations included.  Thresholds of the view are not read.
 * Errors: DP_E_ARGUMENT, DP_E_MISMATCH (centres of k-means, a coreset), DP_E_MEMORY, DP_E_CANCELLED, DP_E_NUMERIC. */
dp_status dp_leave_one_out(const dp_bank *bank, const dp_view *view, const dp_workers *with, dp_loo *found,
                           dp_error *err);

/* Distance scales that the bank's recipe calls for, from `pictures`, which may be the bank itself: as dp_view_settle. */
dp_status dp_bank_find_scales(const dp_bank *pictures, dp_bank *bank, dp_isa isa, dp_pool *pool, dp_error *err);

/* The same into a bank that is being made, with the distance scales that its recipe calls for: its scores, peaks and heat scale, and
 * both thresholds at its recipe's false-alarm rate.
 * false_alarms (may be NULL): the bound that holds, see dp_calibrate. */
dp_status dp_bank_leave_one_out(dp_bank *bank, dp_isa isa, dp_pool *pool, const dp_run *run, double *false_alarms,
                                dp_error *err);

/* The same for a bank that was cut from `pictures`, a flat bank with all features of the pictures: these are scored. */
dp_status dp_bank_leave_one_out_of(const dp_bank *pictures, dp_bank *bank, dp_isa isa, dp_pool *pool, const dp_run *run,
                                   double *false_alarms, dp_error *err);

/* What was found, and both thresholds from it at the recipe's false-alarm rate, into a bank that is being made. */
dp_status dp_bank_set_good(dp_bank *bank, const dp_loo *found, double *false_alarms, dp_error *err);

#endif
