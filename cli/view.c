/* SPDX-License-Identifier: Apache-2.0 */
/* view.c - scores pictures in the bank's way, or in another way with a threshold of its own. */
#include "view.h"

#include <math.h>

dp_status cli_view_make(const dp_bank *bank, const dp_recipe *recipe, const dp_roi *roi, const dp_run *run,
                        cli_view *settled, dp_error *err)
{
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    dp_view *view = &settled->view;
    dp_good *good = &settled->good;
    double threshold = settled->threshold;
    *settled = (cli_view){.good = {.scores = g_new(double, info.n_pictures),
                                   .peaks = g_new(double, info.n_pictures),
                                   .optional = !isnan(threshold)},
                          .threshold = threshold};
    dp_view_init(bank, view);
    view->roi = roi;
    settled->rescored = dp_view_take_recipe(view, recipe) || roi;
    dp_status status = dp_view_settle(bank, view, run, err);
    if (!status)
        status = dp_bank_calibrate(bank, view, recipe->fpr, run, good, err);
    if (status) {
        cli_view_free(settled);
        return status;
    }
    dp_view_take_good(view, good, info.n_pictures);
    if (settled->rescored)
        view->threshold = good->of_scores.threshold;
    if (settled->rescored || isnan(view->cell_threshold))
        view->cell_threshold = good->of_peaks.threshold;
    if (!isnan(threshold))
        view->threshold = threshold;
    if (isnan(view->cell_threshold) && info.n_pictures > 1 && run->log)
        run->log(run->user, DP_LOG_WARNING,
                 "this bank has no cell threshold for such maps, and no features to compute one; only the largest "
                 "cell of an anomalous picture is shown");
    return DP_OK;
}

bool cli_view_settle(const dp_bank *bank, const dp_recipe *recipe, const dp_roi *roi, const dp_run *run,
                     cli_view *settled, int *code)
{
    dp_error err;
    if (!cli_view_make(bank, recipe, roi, run, settled, &err))
        return true;
    *code = cli_failed(&err);
    return false;
}

void cli_view_free(cli_view *settled)
{
    g_free(settled->good.scores);
    g_free(settled->good.peaks);
    settled->good.scores = settled->good.peaks = NULL;
}

dp_interval cli_heat_scale(const dp_view *view, const dp_result *result)
{
    if (isfinite(view->heat.low) && isfinite(view->heat.high))
        return view->heat;
    dp_interval heat = {0, 1e-30};
    for (size_t i = 0; i < result->height_px * result->width_px; i++)
        heat.high = MAX(heat.high, (double)result->map[i]);
    return heat;
}
