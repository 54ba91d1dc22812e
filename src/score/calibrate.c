/* SPDX-License-Identifier: Apache-2.0 */
/* calibrate.c - thresholds of an existing bank: scores its good pictures as a view asks. */
#include "bank/bank_tensors.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "search/searcher.h"
#include "search/distance_scales.h"
#include "score/leave_one_out.h"
#include "dinopatch/edit.h"

#include <math.h>
#include <string.h>

static bool maps_as_the_bank(const dp_bank *bank, const dp_view *view)
{
    const dp_scoring own = dp_bank_scoring(bank), asked = dp_scoring_of_view(view);
    return !view->roi && dp_scoring_same_maps(&own, &asked);
}

static bool scores_as_the_bank(const dp_bank *bank, const dp_view *view)
{
    return maps_as_the_bank(bank, view) && view->score == bank->recipe.score && view->reweight == bank->recipe.reweight;
}

dp_status dp_view_settle(const dp_bank *bank, dp_view *view, const dp_run *run, dp_error *err)
{
    dp_pool *pool = NULL;
    dp_scoring scoring = dp_scoring_of_view(view);
    dp_status status = dp_scoring_check(&bank->rows, &scoring, err);
    if (status || !dp_scoring_needs_scales(&bank->rows, &scoring))
        return status;
    status = dp_pool_open(run ? run->threads : 0, &pool, err);
    if (!status)
        status = dp_scoring_settle(&bank->rows, &scoring, run ? run->isa : DP_ISA_AUTO, pool, err);
    if (!status)
        dp_scoring_to_view(&scoring, view);
    dp_pool_close(&pool);
    return status;
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

/* Takes what the bank has stored for such a view, if it no longer holds its pictures' features; the rest is NaN. The
 * same maps have the same maxima, whatever the score. */
static void take_what_is_kept(const dp_bank *bank, const dp_view *view, dp_loo *found)
{
    bool scores = scores_as_the_bank(bank, view), maps = maps_as_the_bank(bank, view);
    for (size_t p = 0; p < bank->pictures.n; p++) {
        found->scores[p] = scores ? bank->pictures.loo_scores[p] : (double)NAN;
        found->peaks[p] = maps ? bank->pictures.loo_peaks[p] : (double)NAN; /* NaN if they are unknown */
    }
    found->heat = maps ? bank->levels.heat : (dp_interval){NAN, NAN};
}

dp_status dp_bank_calibrate(const dp_bank *bank, const dp_view *view, double fpr, const dp_run *run, dp_good *good,
                            dp_error *err)
{
    size_t n = bank->pictures.n;
    const dp_scoring scoring = dp_scoring_of_view(view);
    dp_status status = dp_scoring_check(&bank->rows, &scoring, err);
    if (status)
        return status;
    dp_loo found = {.scores = dp_malloc(n, sizeof(double)), .peaks = dp_malloc(n, sizeof(double))};
    dp_calibration of_scores, of_peaks;
    bool can_score = dp_bank_has_pictures(bank),
         keeps = scores_as_the_bank(bank, view) && (bank->pictures.peaks_known || !can_score);
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
    if (view->n_good_scores != bank->pictures.n || !view->good_scores)
        return dp_fail(err, DP_E_ARGUMENT, "%s: each of the %zu pictures needs a score", path, bank->pictures.n);
    if (view->blocks)
        return dp_fail(err, DP_E_ARGUMENT, "%s: a bank must be searched with all of its blocks", path);
    if (view->roi)
        return dp_fail(err, DP_E_ARGUMENT, "%s: a bank cannot store the region of a view; give the region to fit",
                       path);
    if (isinf(view->threshold) || view->threshold < 0)
        return dp_fail(err, DP_E_ARGUMENT, "%s: the threshold is %g; give 0 or more, or NaN for none", path,
                       view->threshold);
    dp_recipe recipe = bank->recipe;
    dp_scoring scoring = dp_scoring_of_view(view);
    if (scoring.score != DP_SCORE_MAX)
        scoring.reweight = 0; /* only the score max uses it */
    if (!dp_distance_scales_hold(&view->scales, view->metric, view->window, view->knn))
        dp_distance_scales_none(view->metric, view->window, view->knn, &scoring.levels.scales);
    dp_scoring_to_recipe(&scoring, &recipe);
    recipe.fpr = fpr;
    const dp_bank_scored scored = {
        .recipe = &recipe, .levels = &scoring.levels, .scores = view->good_scores, .peaks = view->good_peaks};
    return dp_bank_save_scored(bank, &scored, path, err);
}
