/* view.c - the bank's way of scoring, or another one with a threshold of its own. */
#include "view.h"

#include <math.h>

bool cli_view_settle(const dp_bank *bank, const dp_recipe *recipe, const dp_roi *roi, const dp_run *run, cli_view *settled, int *code)
{
    dp_bank_info info;
    dp_error err;
    dp_bank_get_info(bank, &info);
    *settled = (cli_view){.scores = g_new(double, info.n_pictures)};
    dp_view *view = &settled->view;
    dp_view_init(bank, view);
    view->roi = roi;
    settled->rescored = roi || view->metric != recipe->metric || view->window != recipe->window || view->knn != recipe->knn || view->blend != recipe->blend || view->reweight != recipe->reweight
                        || view->score != recipe->score || !dp_post_equal(&view->post, &recipe->post);
    view->metric = recipe->metric;
    view->window = recipe->window;
    view->knn = recipe->knn;
    view->blend = recipe->blend;
    view->post = recipe->post;
    view->score = recipe->score;
    view->reweight = recipe->reweight;
    if (dp_view_settle(bank, view, run, &err) || dp_bank_calibrate(bank, view, recipe->fpr, run, settled->scores, &view->heat, &settled->calibration, &err)) {
        *code = cli_failed(&err);
        cli_view_free(settled);
        return false;
    }
    view->good_scores = settled->scores;
    view->n_good_scores = info.n_pictures;
    if (settled->rescored)
        view->threshold = settled->calibration.threshold;
    return true;
}

void cli_view_free(cli_view *settled)
{
    g_free(settled->scores);
    settled->scores = NULL;
}

dp_interval cli_heat_scale(const dp_view *view, const dp_result *result)
{
    if (isfinite(view->heat.low) && isfinite(view->heat.high))
        return view->heat;
    dp_interval heat = {0, 1e-30};
    for (size_t i = 0; i < result->grid_rows * result->grid_cols; i++)
        heat.high = MAX(heat.high, result->grid[i]);
    return heat;
}
