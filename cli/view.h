/* SPDX-License-Identifier: Apache-2.0 */
/* view.h - how the pictures of a bank are scored: in the bank's way, with options applied. */
#ifndef DP_CLI_VIEW_H
#define DP_CLI_VIEW_H

#include "cli.h"

typedef struct cli_view {
    dp_view view; /* good_scores and good_peaks point into `good` */
    dp_good good; /* the bank's pictures at the rate asked for */
    /* in: a picture threshold given by hand, or NaN. It leaves the cell threshold unchanged. With it, a bank that holds
     * no features to score again is no error: there are only no p-values. */
    double threshold;
    bool rescored; /* not the bank's own way: thresholds, scores and heat scale were computed again */
} cli_view;

/* recipe: that of the bank with options applied; its fpr is the rate to aim at. roi: a region that narrows the bank's,
 * or NULL. The thresholds are those of the bank if nothing changed, else they are computed again. False: *code,
 * complained. */
bool cli_view_settle(const dp_bank *bank, const dp_recipe *recipe, const dp_roi *roi, const dp_run *run,
                     cli_view *settled, int *code);
/* The same, and why it failed in *err. */
dp_status cli_view_make(const dp_bank *bank, const dp_recipe *recipe, const dp_roi *roi, const dp_run *run,
                        cli_view *settled, dp_error *err);
void cli_view_free(cli_view *settled);

/* The colour scale of a heat map. All pictures of a view share it; without one it goes from 0 to the picture's largest
 * distance. */
dp_interval cli_heat_scale(const dp_view *view, const dp_result *result);

#endif
