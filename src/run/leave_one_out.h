/* leave_one_out.h - scores of the good pictures, each searched in the bank without its own rows. */
#ifndef DP_RUN_LEAVE_ONE_OUT_H
#define DP_RUN_LEAVE_ONE_OUT_H

#include "bank/bank.h"

/* Leave-one-out scores [n_pictures] of a bank's pictures, scored as the view says: each picture's own row searched in the bank
 * without any row of that picture, its augmentations included.  NaN where there is no other picture.  view->threshold is not
 * read.  heat (may be NULL): the scale for heat maps that dp_bank_calibrate describes.  run (may be NULL): progress is called,
 * stage "leave one out".
 * Errors: DP_E_ARGUMENT, DP_E_MISMATCH (centres of k-means, a coreset), DP_E_MEMORY, DP_E_CANCELLED, DP_E_NUMERIC. */
dp_status dp_leave_one_out(const dp_bank *bank, const dp_view *view, dp_isa isa, dp_pool *pool, const dp_run *run, double *scores,
                           dp_interval *heat, dp_error *err);

/* Distance scales that the bank's recipe calls for, from `pictures`, which may be the bank itself: as dp_view_settle. */
dp_status dp_bank_find_scales(const dp_bank *pictures, dp_bank *bank, dp_isa isa, dp_pool *pool, dp_error *err);

/* The same into a bank that is being made, with the distance scales that its recipe calls for: its scores and heat scale, and the
 * threshold of its recipe's false-alarm rate.
 * false_alarms (may be NULL): the bound that holds, see dp_calibrate. */
dp_status dp_bank_leave_one_out(dp_bank *bank, dp_isa isa, dp_pool *pool, const dp_run *run, double *false_alarms, dp_error *err);

/* The same for a bank that was cut from `pictures`, a pool with all features of the pictures: these are scored. */
dp_status dp_bank_leave_one_out_of(const dp_bank *pictures, dp_bank *bank, dp_isa isa, dp_pool *pool, const dp_run *run,
                                   double *false_alarms, dp_error *err);

#endif
