/* SPDX-License-Identifier: Apache-2.0 */
/* leave_one_out.h - scores of the good pictures, each searched in the bank without its own rows. */
#ifndef DP_SCORE_LEAVE_ONE_OUT_H
#define DP_SCORE_LEAVE_ONE_OUT_H

#include "bank/bank.h"
#include "base/pool.h"

/* The results for good pictures that are left out of the bank. */
typedef struct dp_loo {
    double *scores; /* [n_pictures], the caller's; NaN if there is no other picture */
    /* [n_pictures], the caller's: the largest distance in each delivered map; NULL: no maps are made, and heat is
     * untouched */
    double *peaks;
    dp_interval heat; /* scale of heat maps, as dp_bank_calibrate describes */
} dp_loo;

typedef struct dp_workers {
    dp_isa isa;
    dp_pool *pool;     /* NULL: the calling thread */
    const dp_run *run; /* NULL, or its progress is called, stage "leave one out" */
} dp_workers;

/* Computes leave-one-out scores and maps of a bank's pictures by the view: each picture's own row is searched in the
 * bank without any row of that picture, its augmentations included. The thresholds of the view are not read. Errors:
 * DP_E_ARGUMENT, DP_E_MISMATCH (centres of k-means, a coreset), DP_E_MEMORY, DP_E_CANCELLED, DP_E_NUMERIC. */
dp_status dp_leave_one_out(const dp_bank *bank, const dp_view *view, const dp_workers *with, dp_loo *found,
                           dp_error *err);

/* Finds the distance scales that the bank's recipe needs, from `pictures`, which may be the bank itself: as
 * dp_view_settle. */
dp_status dp_bank_find_scales(const dp_bank *pictures, dp_bank *bank, dp_isa isa, dp_pool *pool, dp_error *err);

/* Does the same for a bank that is being made, with the distance scales that its recipe needs: fills its scores, peaks
 * and heat scale, and both thresholds at its recipe's false-alarm rate. false_alarms (may be NULL): the guaranteed
 * bound, see dp_calibrate. */
dp_status dp_bank_leave_one_out(dp_bank *bank, dp_isa isa, dp_pool *pool, const dp_run *run, double *false_alarms,
                                dp_error *err);

/* Does the same for a bank that was cut from `pictures`, a flat bank with all features of the pictures; the pictures of
 * that one are scored. */
dp_status dp_bank_leave_one_out_of(const dp_bank *pictures, dp_bank *bank, dp_isa isa, dp_pool *pool, const dp_run *run,
                                   double *false_alarms, dp_error *err);

/* Writes the results, and both thresholds at the recipe's false-alarm rate, into a bank that is being made. */
dp_status dp_bank_set_good(dp_bank *bank, const dp_loo *found, double *false_alarms, dp_error *err);

#endif
