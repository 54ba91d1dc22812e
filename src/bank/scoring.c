/* SPDX-License-Identifier: Apache-2.0 */
/* scoring.c - copies scoring options between a recipe, a view and a bank. */
#include "bank/scoring.h"

#include <math.h>

dp_levels dp_levels_none(const dp_recipe *recipe)
{
    dp_levels levels = {.threshold = NAN, .cell_threshold = NAN, .heat = {NAN, NAN}};
    dp_distance_scales_none(recipe->metric, recipe->window, recipe->knn, &levels.scales);
    return levels;
}

dp_scoring dp_scoring_of_recipe(const dp_recipe *recipe, const dp_levels *levels)
{
    return (dp_scoring){
        .metric = recipe->metric,
        .window = recipe->window,
        .knn = recipe->knn,
        .blend = recipe->blend,
        .order = recipe->order,
        .post = recipe->post,
        .score = recipe->score,
        .reweight = recipe->reweight,
        .levels = *levels,
    };
}

void dp_scoring_to_recipe(const dp_scoring *scoring, dp_recipe *recipe)
{
    recipe->metric = scoring->metric;
    recipe->window = scoring->window;
    recipe->knn = scoring->knn;
    recipe->blend = scoring->blend;
    recipe->order = scoring->order;
    recipe->post = scoring->post;
    recipe->score = scoring->score;
    recipe->reweight = scoring->reweight;
}

dp_scoring dp_scoring_of_view(const dp_view *view)
{
    return (dp_scoring){
        .metric = view->metric,
        .window = view->window,
        .knn = view->knn,
        .blend = view->blend,
        .order = view->order,
        .blocks = view->blocks,
        .post = view->post,
        .score = view->score,
        .reweight = view->reweight,
        .levels = {.scales = view->scales,
                   .threshold = view->threshold,
                   .origin = view->origin,
                   .cell_threshold = view->cell_threshold,
                   .heat = view->heat},
    };
}

void dp_scoring_to_view(const dp_scoring *scoring, dp_view *view)
{
    view->metric = scoring->metric;
    view->window = scoring->window;
    view->knn = scoring->knn;
    view->blend = scoring->blend;
    view->order = scoring->order;
    view->blocks = scoring->blocks;
    view->post = scoring->post;
    view->score = scoring->score;
    view->reweight = scoring->reweight;
    view->scales = scoring->levels.scales;
    view->threshold = scoring->levels.threshold;
    view->origin = scoring->levels.origin;
    view->cell_threshold = scoring->levels.cell_threshold;
    view->heat = scoring->levels.heat;
}

bool dp_scoring_same_maps(const dp_scoring *a, const dp_scoring *b)
{
    return a->metric == b->metric && a->window == b->window && a->knn == b->knn && a->blend == b->blend
           && a->order == b->order && a->blocks == b->blocks && dp_post_equal(&a->post, &b->post);
}

int dp_view_take_recipe(dp_view *view, const dp_recipe *recipe)
{
    const dp_scoring before = dp_scoring_of_view(view);
    dp_scoring scoring = dp_scoring_of_recipe(recipe, &before.levels);
    scoring.blocks = before.blocks;
    dp_scoring_to_view(&scoring, view);
    return !dp_scoring_same_maps(&before, &scoring) || before.score != scoring.score
           || before.reweight != scoring.reweight;
}

void dp_view_take_good(dp_view *view, const dp_good *good, size_t n)
{
    view->good_scores = good->scores;
    view->good_peaks = good->peaks;
    view->n_good_scores = n;
    view->heat = good->heat;
}

void dp_distance_scales_none(dp_metric metric, size_t window, size_t knn, dp_distance_scales *scales)
{
    *scales = (dp_distance_scales){.metric = metric, .window = window, .knn = knn};
    for (size_t i = 0; i < DP_MAX_LAYERS; i++)
        scales->local[i] = scales->global[i] = NAN;
}

bool dp_distance_scales_hold(const dp_distance_scales *scales, dp_metric metric, size_t window, size_t knn)
{
    return scales->metric == metric && scales->window == window && scales->knn == knn;
}
