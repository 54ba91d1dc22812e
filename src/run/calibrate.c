/* calibrate.c - thresholds of a bank that is there: its good pictures scored as a view asks. */
#include "bank/bank.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "search/searcher.h"
#include "search/distance_scales.h"
#include "run/leave_one_out.h"

#include <math.h>
#include <string.h>

static bool maps_as_the_bank(const dp_bank *bank, const dp_view *view)
{
    const dp_recipe *r = &bank->recipe;
    return view->metric == r->metric && view->window == r->window && view->knn == r->knn && view->blend == r->blend && !view->blocks
           && !view->roi && dp_post_equal(&view->post, &r->post);
}

static bool scores_as_the_bank(const dp_bank *bank, const dp_view *view)
{
    return maps_as_the_bank(bank, view) && view->score == bank->recipe.score && view->reweight == bank->recipe.reweight;
}

static dp_status score_anew(const dp_bank *bank, const dp_view *view, const dp_run *run, dp_loo *found, dp_error *err)
{
    dp_run settings;
    dp_run_init(&settings);
    if (run)
        settings = *run;
    dp_workers with = {.run = run};
    dp_status status = dp_isa_resolve(settings.isa, &with.isa, err);
    if (!status)
        status = dp_pool_open(settings.threads, &with.pool, err);
    if (!status)
        status = dp_leave_one_out(bank, view, &with, found, err);
    if (!status)
        status = dp_bank_check_unchanged(bank, err);
    dp_pool_close(&with.pool);
    return status;
}

/* What a bank without its pictures' features can say of such a view, the rest NaN; the same maps have the same maxima, whatever the score. */
static void take_what_is_kept(const dp_bank *bank, const dp_view *view, dp_loo *found)
{
    bool scores = scores_as_the_bank(bank, view), maps = maps_as_the_bank(bank, view);
    for (size_t p = 0; p < bank->n_pictures; p++) {
        found->scores[p] = scores ? bank->loo_scores[p] : (double)NAN;
        found->peaks[p] = maps ? bank->loo_peaks[p] : (double)NAN; /* NaN where they are not known */
    }
    found->heat = maps ? bank->heat : (dp_interval){NAN, NAN};
}

dp_status dp_bank_calibrate(const dp_bank *bank, const dp_view *view, double fpr, const dp_run *run, dp_good *good, dp_error *err)
{
    size_t n = bank->n_pictures;
    dp_status status = dp_view_check(bank, view, err);
    if (status)
        return status;
    dp_loo found = {.scores = dp_malloc(n, sizeof(double)), .peaks = dp_malloc(n, sizeof(double))};
    dp_calibration of_scores, of_peaks;
    bool can_score = dp_bank_has_pictures(bank), keeps = scores_as_the_bank(bank, view) && (bank->peaks_known || !can_score);
    if (!found.scores || !found.peaks)
        status = dp_fail_memory(err, "the leave-one-out scores", 2 * n * sizeof(double));
    else if (keeps || (!can_score && good->optional))
        take_what_is_kept(bank, view, &found);
    else
        status = score_anew(bank, view, run, &found, err);
    if (!status)
        status = dp_calibrate(found.scores, n, fpr, &of_scores, err);
    if (!status)
        status = dp_calibrate(found.peaks, n, fpr, &of_peaks, err);
    if (!status) {
        memcpy(good->scores, found.scores, n * sizeof *found.scores);
        memcpy(good->peaks, found.peaks, n * sizeof *found.peaks);
        good->heat = found.heat;
        good->of_scores = of_scores;
        good->of_peaks = of_peaks;
    }
    dp_memory_free(found.scores);
    dp_memory_free(found.peaks);
    return status;
}

dp_status dp_bank_save_view(const dp_bank *bank, const dp_view *view, double fpr, const char *path, dp_error *err)
{
    if (view->n_good_scores != bank->n_pictures || !view->good_scores)
        return dp_fail(err, DP_E_ARGUMENT, "%s: a score for each of the %zu pictures is needed", path, bank->n_pictures);
    if (view->blocks)
        return dp_fail(err, DP_E_ARGUMENT, "%s: a bank is searched with all of its blocks", path);
    if (view->roi)
        return dp_fail(err, DP_E_ARGUMENT, "%s: a region of the view is not kept; it is given to fit", path);
    if (isinf(view->threshold) || view->threshold < 0)
        return dp_fail(err, DP_E_ARGUMENT, "%s: a threshold of %g: 0 or more, or NaN for none", path, view->threshold);
    dp_bank changed = *bank; /* read only: nothing of it is freed here */
    size_t n = bank->n_pictures;
    double *scores = dp_malloc(n, sizeof *scores), *peaks = dp_calloc(n, sizeof *peaks);
    if (!scores || !peaks) {
        dp_memory_free(scores);
        dp_memory_free(peaks);
        return dp_fail_memory(err, "the scores", 2 * n * sizeof *scores);
    }
    memcpy(scores, view->good_scores, n * sizeof *scores);
    if (view->good_peaks)
        memcpy(peaks, view->good_peaks, n * sizeof *peaks);
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
    changed.cell_threshold = view->cell_threshold;
    changed.heat = view->heat;
    changed.loo_scores = scores;
    changed.loo_peaks = peaks;
    changed.peaks_known = view->good_peaks != NULL;
    dp_status status = dp_bank_save(&changed, path, err);
    dp_memory_free(scores);
    dp_memory_free(peaks);
    return status;
}
