/* SPDX-License-Identifier: Apache-2.0 */
/* view.h - how a bank's pictures are to be scored: the bank's own way with options laid over it. */
#ifndef DP_CLI_VIEW_H
#define DP_CLI_VIEW_H

#include "cli.h"

typedef struct cli_view {
    dp_view view; /* good_scores and good_peaks point into `good` */
    dp_good good; /* of the bank's pictures at the rate asked for */
    double
        threshold; /* in: a picture threshold that was given by hand, NaN: none.  It leaves the cell threshold as it is, and then a bank that
                         cannot be scored in such a way is no error: there are no p-values */
    bool rescored; /* another way than the bank's: thresholds, scores and heat scale were found anew */
} cli_view;

/* recipe: the bank's with options laid over it; its fpr is the rate aimed at.  roi: a region that narrows the bank's, or NULL.  The thresholds
 * are the bank's where nothing was changed, else found anew.  False: *code, complained. */
bool cli_view_settle(const dp_bank *bank, const dp_recipe *recipe, const dp_roi *roi, const dp_run *run,
                     cli_view *settled, int *code);
/* The same, and why it failed in *err. */
dp_status cli_view_make(const dp_bank *bank, const dp_recipe *recipe, const dp_roi *roi, const dp_run *run,
                        cli_view *settled, dp_error *err);
void cli_view_free(cli_view *settled);

/* The colours of a heat map: all pictures of a view share its scale; where it has none, from 0 to the picture's largest. */
dp_interval cli_heat_scale(const dp_view *view, const dp_result *result);

#endif
