/* calibrate.c - thresholds of a bank that is there: its good pictures scored as a view asks. */
#include "bank/bank.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "distance/components.h"
#include "distance/distance_scales.h"
#include "run/leave_one_out.h"

#include <math.h>
#include <string.h>

static bool scores_as_the_bank(const dp_bank *bank, const dp_view *view)
{
    const dp_recipe *r = &bank->recipe;
    return view->metric == r->metric && view->window == r->window && view->knn == r->knn && view->blend == r->blend && !view->blocks && !view->roi && view->score == r->score && view->reweight == r->reweight
           && dp_post_equal(&view->post, &r->post);
}

static dp_status score_anew(const dp_bank *bank, const dp_view *view, const dp_run *run, double *scores, dp_interval *heat, dp_error *err)
{
    dp_run settings;
    dp_run_init(&settings);
    if (run)
        settings = *run;
    dp_isa isa;
    dp_pool *pool = NULL;
    dp_status status = dp_isa_resolve(settings.isa, &isa, err);
    if (!status)
        status = dp_pool_open(settings.threads, &pool, err);
    if (!status)
        status = dp_leave_one_out(bank, view, isa, pool, run, scores, heat, err);
    if (!status)
        status = dp_bank_check_unchanged(bank, err);
    dp_pool_close(&pool);
    return status;
}

dp_status dp_bank_calibrate(const dp_bank *bank, const dp_view *view, double fpr, const dp_run *run, double *scores,
                            dp_interval *heat, dp_calibration *calibration, dp_error *err)
{
    dp_status status = DP_OK;
    if ((status = dp_view_check(bank, view, err)) != DP_OK)
        return status;
    if (scores_as_the_bank(bank, view)) {
        memcpy(scores, bank->loo_scores, bank->n_pictures * sizeof *scores);
        *heat = bank->heat;
    } else {
        status = score_anew(bank, view, run, scores, heat, err);
    }
    return status ? status : dp_calibrate(scores, bank->n_pictures, fpr, calibration, err);
}

dp_status dp_bank_save_view(const dp_bank *bank, const dp_view *view, double fpr, const char *path, dp_error *err)
{
    if (view->n_good_scores != bank->n_pictures || !view->good_scores)
        return dp_fail(err, DP_E_ARGUMENT, "%s: a score for each of the %zu pictures is needed", path, bank->n_pictures);
    if (view->blocks)
        return dp_fail(err, DP_E_ARGUMENT, "%s: a bank is searched with all of its blocks", path);
    if (view->roi)
        return dp_fail(err, DP_E_ARGUMENT, "%s: a region of the view is not kept; it is given to fit", path);
    dp_bank changed = *bank; /* read only: nothing of it is freed here */
    double *scores = dp_malloc(bank->n_pictures, sizeof *scores);
    if (!scores)
        return dp_fail_memory(err, "the scores", bank->n_pictures * sizeof *scores);
    memcpy(scores, view->good_scores, bank->n_pictures * sizeof *scores);
    changed.recipe.metric = view->metric;
    changed.recipe.window = view->window;
    changed.recipe.knn = view->knn;
    changed.recipe.blend = view->blend;
    changed.distance_scales = view->scales;
    if (!dp_distance_scales_hold(&view->scales, view->metric, view->window, view->knn))
        dp_distance_scales_none(&changed.recipe, &changed.distance_scales);
    changed.recipe.post = view->post;
    changed.recipe.score = view->score;
    changed.recipe.reweight = view->score == DP_SCORE_MAX ? view->reweight : 0; /* it belongs to max alone */
    changed.recipe.fpr = fpr;
    changed.threshold = view->threshold;
    changed.origin = view->origin;
    changed.heat = view->heat;
    changed.loo_scores = scores;
    dp_status status = dp_bank_save(&changed, path, err);
    dp_memory_free(scores);
    return status;
}
