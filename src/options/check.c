/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - the ranges of the options, from their table, and the rules between options. */
#include "options/check.h"
#include "base/error.h"
#include "options/number.h"
#include "options/option_table.h"

#include <math.h>

#define MAX_SIDE 65536 /* cells of a window that is not the whole grid */

/* What a message calls a field that has no key of its own. */
static const char *name_of(const dp_option_row *row)
{
    return row->option.key ? row->option.key : row->stored;
}

static dp_status check_range(const dp_option_row *row, const dp_recipe *recipe, dp_error *err)
{
    const dp_option *option = &row->option;
    if (option->kind == DP_OPTION_LAYERS) {
        if (recipe->n_layers > DP_MAX_LAYERS)
            return dp_fail(err, DP_E_ARGUMENT, "%s: %zu layers are too many; give at most %d", name_of(row),
                           recipe->n_layers, DP_MAX_LAYERS);
        return DP_OK;
    }
    double value = dp_option_value(row, recipe);
    if (dp_option_holds(option, value))
        return DP_OK;
    if (option->kind == DP_OPTION_CHOICE)
        return dp_fail(err, DP_E_ARGUMENT, "%s: there is no choice number %.0f", name_of(row), value);
    char take[256], number[32];
    dp_option_wanted(option, take, sizeof take);
    dp_number_write(value, number, sizeof number);
    return dp_fail(err, DP_E_ARGUMENT, "%s is %s; %s", name_of(row), number, take);
}

/* The fields from one place of the recipe to another. */
static dp_status check_fields(const dp_recipe *recipe, size_t from, size_t to, dp_error *err)
{
    dp_status status = DP_OK;
    for (size_t i = 0; i < dp_option_rows && !status; i++)
        if (dp_option_table[i].stored && dp_option_table[i].offset >= from && dp_option_table[i].offset < to)
            status = check_range(&dp_option_table[i], recipe, err);
    return status;
}

dp_status dp_recipe_check_ranges(const dp_recipe *recipe, dp_error *err)
{
    return check_fields(recipe, 0, sizeof *recipe, err);
}

dp_status dp_check_edges(const dp_recipe *recipe, dp_error *err)
{
    dp_status status = check_fields(recipe, offsetof(dp_recipe, blur_px), offsetof(dp_recipe, fill), err);
    if (!status && recipe->canny_high < recipe->canny_low)
        status = dp_fail(err, DP_E_ARGUMENT, "align.canny %g,%g: the high threshold lies below the low one",
                         recipe->canny_low, recipe->canny_high);
    return status;
}

dp_status dp_post_check(const dp_post *post, dp_error *err)
{
    const dp_recipe recipe = {.post = *post};
    dp_status status = check_fields(&recipe, offsetof(dp_recipe, post), offsetof(dp_recipe, post) + sizeof *post, err);
    if (!status && post->high > 0 && post->high < post->low)
        status = dp_fail(err, DP_E_ARGUMENT, "map.high %g lies below map.low %g", post->high, post->low);
    return status;
}

dp_status dp_check_reduction(const dp_reduction_rule *rule, dp_error *err)
{
    const dp_recipe sizes = {.pca = rule->pca, .coreset = rule->coreset, .kmeans = rule->kmeans};
    static const char *const keys[] = {"bank.pca", "bank.coreset", "bank.kmeans"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        dp_status status = check_range(dp_option_find(keys[i]), &sizes, err);
        if (status)
            return status;
    }
    if (rule->pca > 0 && rule->separate)
        return dp_fail(err, DP_E_ARGUMENT,
                       "bank.pca does not go with layers.mix=separate: principal components join all layers");
    if (rule->kmeans && rule->coreset > 0)
        return dp_fail(
            err, DP_E_ARGUMENT,
            "bank.kmeans does not go with bank.coreset: one needs bank.layout=grid, the other bank.layout=flat");
    if (rule->kmeans && rule->flat)
        return dp_fail(
            err, DP_E_ARGUMENT,
            "bank.kmeans needs bank.layout=grid: it keeps centres of each cell; for a flat bank use bank.coreset");
    if (rule->coreset > 0 && !rule->flat)
        return dp_fail(err, DP_E_ARGUMENT, "bank.coreset needs bank.layout=flat; for a grid use bank.kmeans");
    return DP_OK;
}

dp_status dp_check_scoring(const dp_scoring_rule *rule, dp_error *err)
{
    if (!rule->knn)
        return dp_fail(err, DP_E_ARGUMENT, "search.knn is 0; at least 1 neighbour is needed");
    if (!(rule->blend >= 0 && rule->blend <= 1))
        return dp_fail(err, DP_E_ARGUMENT, "search.blend is %g; give a number from 0 (local distance) to 1 (global)",
                       rule->blend);
    if (rule->blend > 0 && (rule->flat || rule->window == DP_WINDOW_GLOBAL))
        return dp_fail(err, DP_E_ARGUMENT,
                       "search.blend needs bank.layout=grid and a window of cells: it mixes the global distance with "
                       "the local one");
    if (rule->reweight && rule->score == DP_SCORE_MAX && (rule->separate || rule->blend > 0))
        return dp_fail(err, DP_E_ARGUMENT,
                       "score.reweight does not go with %s: it weights by the neighbours of one distance",
                       rule->separate ? "layers.mix=separate" : "search.blend");
    return DP_OK;
}

static dp_status check_canvas(const dp_recipe *recipe, dp_error *err)
{
    bool aligned = recipe->align == DP_ALIGN_PCA;
    if (recipe->crop_px && (aligned || !recipe->edge_px || recipe->crop_px > recipe->edge_px))
        return dp_fail(err, DP_E_ARGUMENT, "crop=%zu needs align=none and an edge of at least that size",
                       recipe->crop_px);
    if (recipe->edge_px && !recipe->crop_px && (aligned || recipe->layout != DP_LAYOUT_FLAT))
        return dp_fail(err, DP_E_ARGUMENT,
                       "edge keeps the proportions of each picture: it needs align=none and bank.layout=flat, or crop");
    if (recipe->tile_px && recipe->edge_px)
        return dp_fail(err, DP_E_ARGUMENT,
                       "tile does not go with edge: tiles are cut from a canvas; give size=%zu instead of edge",
                       recipe->edge_px);
    if (recipe->layer_norm && recipe->neighbourhood != 1)
        return dp_fail(err, DP_E_ARGUMENT, "layers.norm needs features.neighbourhood=1");
    if (recipe->rotations > 1 && aligned)
        return dp_fail(err, DP_E_ARGUMENT, "pictures.rotations=%zu needs align=none", recipe->rotations);
    return DP_OK;
}

dp_status dp_recipe_check(const dp_recipe *recipe, dp_error *err)
{
    const bool flat = recipe->layout == DP_LAYOUT_FLAT, separate = recipe->layer_mix == DP_LAYERS_SEPARATE;
    const dp_reduction_rule reduction = {flat, separate, recipe->pca, recipe->coreset, recipe->kmeans};
    const dp_scoring_rule scoring = {flat,          separate,     recipe->window, recipe->knn, recipe->reweight,
                                     recipe->blend, recipe->score};
    dp_status status = dp_recipe_check_ranges(recipe, err);
    if (!status)
        status = dp_check_edges(recipe, err);
    if (!status)
        status = dp_post_check(&recipe->post, err);
    if (!status)
        status = check_canvas(recipe, err);
    if (!status)
        status = dp_check_reduction(&reduction, err);
    if (!status)
        status = dp_check_scoring(&scoring, err);
    if (status)
        return status;
    if (recipe->reweight && (!flat || recipe->score != DP_SCORE_MAX))
        return dp_fail(err, DP_E_ARGUMENT, "score.reweight needs bank.layout=flat and score=max");
    if (recipe->background == DP_BACKGROUND_REFERENCE && (!flat || recipe->pca > 0))
        return dp_fail(err, DP_E_ARGUMENT,
                       "background=reference needs bank.layout=flat, and does not go with bank.pca; use "
                       "background=test or both, which go with all");
    return DP_OK;
}

dp_status dp_check_neighbours(size_t knn, size_t there, dp_error *err)
{
    return knn <= there ? DP_OK
                        : dp_fail(err, DP_E_ARGUMENT,
                                  "search.knn is %zu, but there are %zu features to compare with; give a number from 1 "
                                  "to %zu",
                                  knn, there, there);
}

dp_status dp_check_pictures(const dp_recipe *recipe, size_t n_pictures, dp_error *err)
{
    if (n_pictures < 2 && recipe->blend > 0)
        return dp_fail(err, DP_E_ARGUMENT,
                       "search.blend needs at least two pictures: the distances between good pictures give the scale");
    if (n_pictures < 2 && recipe->layer_mix == DP_LAYERS_SEPARATE && recipe->n_layers > 1)
        return dp_fail(
            err, DP_E_ARGUMENT,
            "layers.mix=separate needs at least two pictures: the distances between good pictures weigh the layers");
    size_t there = n_pictures * (recipe->rotations + (recipe->mirror ? 1 : 0));
    if (recipe->kmeans > there)
        return dp_fail(err, DP_E_ARGUMENT, "bank.kmeans is %zu, but %zu picture%s give%s %zu features of each cell",
                       recipe->kmeans, n_pictures, n_pictures == 1 ? "" : "s", n_pictures == 1 ? "s" : "", there);
    size_t side = 2 * recipe->window + 1;
    return recipe->layout == DP_LAYOUT_GRID && recipe->window < MAX_SIDE
               ? dp_check_neighbours(recipe->knn, there * side * side, err)
               : DP_OK;
}

dp_status dp_check_patch(const dp_recipe *recipe, size_t patch_px, dp_error *err)
{
    size_t height = recipe->canvas_height_px, width = recipe->canvas_width_px;
    if (recipe->crop_px && recipe->crop_px % patch_px)
        return dp_fail(err, DP_E_ARGUMENT, "crop=%zu is not a multiple of the network's patch (%zu)", recipe->crop_px,
                       patch_px);
    if (recipe->edge_px && recipe->edge_px < patch_px)
        return dp_fail(err, DP_E_ARGUMENT, "edge=%zu is less than the network's patch (%zu)", recipe->edge_px,
                       patch_px);
    if (!recipe->edge_px && (!width || width % patch_px || height % patch_px))
        return dp_fail(err, DP_E_ARGUMENT,
                       "a canvas of %zux%zu is not a multiple of the network's patch (%zu); the nearest is %zux%zu",
                       height, width, patch_px, (height + patch_px / 2) / patch_px * patch_px,
                       width < patch_px ? patch_px : (width + patch_px / 2) / patch_px * patch_px);
    return DP_OK;
}
