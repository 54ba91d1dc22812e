/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - the ranges of the options, from their table, and the rules between options. */
#include "options/check.h"
#include "base/error.h"
#include "options/number.h"
#include "options/option_table.h"
#include "options/recipe_facts.h"

#include <math.h>
#include <string.h>

#define MAX_SIDE 65536 /* cells of a window that is not the whole grid */

/* Returns the name of a field for messages, also of one without a key of its own. */
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

/* Checks the fields from one place of the recipe to another. */
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
    const dp_recipe sizes = {.pca = rule->pca, .coreset = rule->coreset, .kmeans = rule->kmeans, .thin = rule->thin};
    static const char *const keys[] = {"bank.pca", "bank.coreset", "bank.kmeans", "bank.thin"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        dp_status status = check_range(dp_option_find(keys[i]), &sizes, err);
        if (status)
            return status;
    }
    if (rule->moments && (rule->pca > 0 || rule->kmeans || rule->coreset > 0 || rule->thin > 0))
        return dp_fail(err, DP_E_ARGUMENT, "%s does not go with bank.layout=moments: there are no rows to make fewer",
                       rule->pca > 0    ? keys[0]
                       : rule->kmeans   ? keys[2]
                       : rule->thin > 0 ? keys[3]
                                        : keys[1]);
    if (rule->kmeans && rule->retrieves)
        return dp_fail(err, DP_E_ARGUMENT,
                       "bank.kmeans excludes retrieval: its centres belong to no single picture that could be chosen");
    if (rule->pca > 0 && rule->separate)
        return dp_fail(err, DP_E_ARGUMENT,
                       "bank.pca excludes layers.mix=separate: principal components join all layers");
    if (rule->kmeans && rule->coreset > 0)
        return dp_fail(err, DP_E_ARGUMENT,
                       "bank.kmeans excludes bank.coreset: one needs bank.layout=grid, the other bank.layout=flat");
    if (rule->kmeans && rule->flat)
        return dp_fail(
            err, DP_E_ARGUMENT,
            "bank.kmeans needs bank.layout=grid: it keeps centres of each cell; for a flat bank use bank.coreset");
    if (rule->thin > 0 && (!rule->flat || rule->coreset > 0 || rule->pca > 0))
        return dp_fail(err, DP_E_ARGUMENT, "bank.thin %s",
                       !rule->flat         ? "needs bank.layout=flat; for a grid use bank.kmeans"
                       : rule->coreset > 0 ? "excludes bank.coreset: each chooses the rows that stay"
                                           : "excludes bank.pca: it compares whole features");
    if (rule->coreset > 0 && !rule->flat)
        return dp_fail(err, DP_E_ARGUMENT, "bank.coreset needs bank.layout=flat; for a grid use bank.kmeans");
    return DP_OK;
}

dp_status dp_check_scoring(const dp_scoring_rule *rule, dp_error *err)
{
    if (!rule->knn)
        return dp_fail(err, DP_E_ARGUMENT, "search.knn is 0; give at least 1");
    if (rule->moments
        && (rule->knn > 1 || rule->blend > 0 || rule->order > 0 || rule->reweight || rule->metric != DP_METRIC_L2))
        return dp_fail(
            err, DP_E_ARGUMENT,
            "%s does not go with bank.layout=moments: distances are to the mean of the good pictures, not to "
            "single ones",
            rule->knn > 1     ? "search.knn above 1"
            : rule->blend > 0 ? "search.blend"
            : rule->order > 0 ? "search.order"
            : rule->reweight  ? "score.reweight"
                              : "search.metric=cosine");
    if (rule->score == DP_SCORE_RETRIEVED && !rule->retrieves)
        return dp_fail(err, DP_E_ARGUMENT,
                       "score=retrieved needs a bank that was fitted with retrieval: only that keeps a vector of each "
                       "picture");
    if (rule->equal && rule->blend > 0)
        return dp_fail(err, DP_E_ARGUMENT,
                       "search.blend needs layers.weights=typical: it adds distances of two scales");
    if (!(rule->blend >= 0 && rule->blend <= 1))
        return dp_fail(err, DP_E_ARGUMENT, "search.blend is %g; give a number from 0 (local distance) to 1 (global)",
                       rule->blend);
    if (rule->blend > 0 && (rule->flat || rule->window == DP_WINDOW_GLOBAL))
        return dp_fail(err, DP_E_ARGUMENT,
                       "search.blend needs bank.layout=grid and a window of cells: it mixes the global distance with "
                       "the local one");
    if (!(rule->order >= 0 && (rule->order <= 1 || rule->order == floor(rule->order)) && rule->order <= 1e6))
        return dp_fail(err, DP_E_ARGUMENT, "search.order is %g; give a share of the pictures below 1, or their number",
                       rule->order);
    if (rule->order > 0
        && (rule->flat || rule->window == DP_WINDOW_GLOBAL || rule->knn > 1 || rule->blend > 0 || rule->merged))
        return dp_fail(
            err, DP_E_ARGUMENT,
            "search.order does not go with %s: it weighs the distances to each picture's own features within "
            "a window of cells",
            rule->flat                         ? "bank.layout=flat"
            : rule->window == DP_WINDOW_GLOBAL ? "window=global"
            : rule->knn > 1                    ? "search.knn above 1"
            : rule->blend > 0                  ? "search.blend"
                                               : "bank.kmeans");
    if (rule->reweight && rule->score == DP_SCORE_MAX && (rule->separate || rule->blend > 0))
        return dp_fail(err, DP_E_ARGUMENT, "score.reweight excludes %s: it weights by the neighbours of one distance",
                       rule->separate ? "layers.mix=separate" : "search.blend");
    return DP_OK;
}

static dp_status check_canvas(const dp_recipe *recipe, dp_error *err)
{
    bool aligned = dp_aligns(recipe);
    if (recipe->crop_px && (aligned || !recipe->edge_px || recipe->crop_px > recipe->edge_px))
        return dp_fail(err, DP_E_ARGUMENT, "crop=%zu needs align=none and an edge of at least that size",
                       recipe->crop_px);
    if (recipe->edge_px && !recipe->crop_px && (aligned || recipe->layout != DP_LAYOUT_FLAT))
        return dp_fail(
            err, DP_E_ARGUMENT,
            "edge keeps the aspect ratio of each picture: it needs align=none and bank.layout=flat, or crop");
    if (recipe->tile_px && recipe->edge_px)
        return dp_fail(err, DP_E_ARGUMENT,
                       "tile excludes edge: tiles are cut from a canvas; give size=%zu instead of edge",
                       recipe->edge_px);
    if (recipe->layer_norm && recipe->neighbourhood != 1)
        return dp_fail(err, DP_E_ARGUMENT, "layers.norm needs features.neighbourhood=1");
    if (recipe->channels && (recipe->layer_norm != DP_LAYER_NORM_RAW || recipe->layer_mix == DP_LAYERS_SEPARATE))
        return dp_fail(err, DP_E_ARGUMENT, "features.channels needs layers.norm=raw and no layers.mix=separate");
    if (recipe->rotations > 1 && aligned)
        return dp_fail(err, DP_E_ARGUMENT, "pictures.rotations=%zu needs align=none", recipe->rotations);
    return DP_OK;
}

dp_status dp_recipe_check(const dp_recipe *recipe, dp_error *err)
{
    const bool flat = recipe->layout == DP_LAYOUT_FLAT, separate = recipe->layer_mix == DP_LAYERS_SEPARATE;
    const bool moments = recipe->layout == DP_LAYOUT_MOMENTS;
    const dp_reduction_rule reduction = {flat,           separate, recipe->pca,  recipe->coreset,
                                         recipe->kmeans, moments,  recipe->thin, recipe->retrieval > 0};
    const dp_scoring_rule scoring = {.flat = flat,
                                     .separate = separate,
                                     .window = recipe->window,
                                     .knn = recipe->knn,
                                     .reweight = recipe->reweight,
                                     .blend = recipe->blend,
                                     .order = recipe->order,
                                     .merged = recipe->kmeans > 0,
                                     .score = recipe->score,
                                     .moments = moments,
                                     .metric = recipe->metric,
                                     .retrieves = recipe->retrieval > 0,
                                     .equal = separate && recipe->layer_weights == DP_WEIGHTS_EQUAL};
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
    if (moments && (separate || recipe->storage != DP_STORAGE_F32))
        return dp_fail(err, DP_E_ARGUMENT, "bank.layout=moments needs %s",
                       separate ? "one vector for each cell: layers.mix=concat or mean"
                                : "bank.storage=f32: the moments are sums of what the network computed");
    if (moments && recipe->retrieval)
        return dp_fail(
            err, DP_E_ARGUMENT,
            "retrieval does not go with bank.layout=moments: it keeps no features of single pictures to search");
    if (recipe->layer_weights == DP_WEIGHTS_EQUAL && !separate)
        return dp_fail(err, DP_E_ARGUMENT, "layers.weights=equal needs layers.mix=separate");
    if (!moments && recipe->keep_features)
        return dp_fail(err, DP_E_ARGUMENT, "bank.features needs bank.layout=moments: other layouts hold the features");
    if (recipe->background == DP_BACKGROUND_REFERENCE && (!flat || recipe->pca > 0))
        return dp_fail(err, DP_E_ARGUMENT,
                       "background=reference needs bank.layout=flat and excludes bank.pca; use background=test or "
                       "background=both");
    return DP_OK;
}

dp_status dp_check_neighbours(size_t knn, size_t there, dp_error *err)
{
    return knn <= there
               ? DP_OK
               : dp_fail(
                   err, DP_E_ARGUMENT,
                   "search.knn is %zu, but there are only %zu features to compare with; give a number from 1 to %zu",
                   knn, there, there);
}

dp_status dp_check_pictures(const dp_recipe *recipe, size_t n_pictures, dp_error *err)
{
    if (n_pictures < 2 && recipe->blend > 0)
        return dp_fail(err, DP_E_ARGUMENT,
                       "search.blend needs at least two pictures: the distances between good pictures give the scale");
    if (n_pictures < 2 && recipe->layer_mix == DP_LAYERS_SEPARATE && recipe->n_layers > 1
        && recipe->layer_weights == DP_WEIGHTS_TYPICAL)
        return dp_fail(
            err, DP_E_ARGUMENT,
            "layers.mix=separate needs at least two pictures: the distances between good pictures weigh the layers");
    size_t there = n_pictures * dp_versions(recipe);
    if (recipe->kmeans > there)
        return dp_fail(err, DP_E_ARGUMENT, "bank.kmeans is %zu, but %zu picture%s give%s %zu features of each cell",
                       recipe->kmeans, n_pictures, n_pictures == 1 ? "" : "s", n_pictures == 1 ? "s" : "", there);
    size_t side = 2 * recipe->window + 1;
    return recipe->layout == DP_LAYOUT_GRID && recipe->window < MAX_SIDE
               ? dp_check_neighbours(recipe->knn, there * side * side, err)
               : DP_OK;
}

/* ------------------------------------------------------------------------------------------- against the network */

/* Checks that layers [n_layers] exist, each once. */
static dp_status check_exist(const dp_network_facts *network, const size_t *layers, size_t n_layers, dp_error *err)
{
    if (n_layers > DP_MAX_LAYERS)
        return dp_fail(err, DP_E_ARGUMENT, "%zu layers are too many; give at most %d", n_layers, DP_MAX_LAYERS);
    for (size_t i = 0; i < n_layers; i++) {
        size_t number = dp_layer_number(network, layers[i]);
        if (!dp_layer_exists(network, number) && network->residual)
            return dp_fail(err, DP_E_ARGUMENT, "a layer does not exist; this residual network has layers 1 to %zu",
                           network->depth);
        if (!dp_layer_exists(network, number))
            return dp_fail(err, DP_E_ARGUMENT, "a layer does not exist; this transformer has blocks 0 to %zu",
                           network->depth - 1);
        for (size_t k = 0; k < i; k++)
            if (dp_layer_number(network, layers[k]) == number)
                return dp_fail(err, DP_E_ARGUMENT, "layer %zu is given twice", number);
    }
    return DP_OK;
}

dp_status dp_check_layers(const dp_network_facts *network, const size_t *layers, size_t n_layers, dp_error *err)
{
    bool has_grid = !n_layers || !network->residual, too_early = false;
    dp_status status = check_exist(network, layers, n_layers, err);
    if (status)
        return status;
    for (size_t i = 0; i < n_layers; i++) {
        size_t number = dp_layer_number(network, layers[i]);
        has_grid = has_grid || number == DP_RESNET_GRID_LAYER;
        too_early = too_early || (network->residual && number < DP_RESNET_GRID_LAYER);
    }
    return has_grid && !too_early ? DP_OK
                                  : dp_fail(err, DP_E_ARGUMENT,
                                            "a residual network gives its features on the grid of layer %d; choose "
                                            "that layer, alone or with later layers",
                                            DP_RESNET_GRID_LAYER);
}

/* The layers as the network leaves them, of any depth. */
static dp_status check_raw(const dp_recipe *recipe, const dp_network_facts *network, dp_error *err)
{
    dp_status status = check_exist(network, recipe->layers, recipe->n_layers, err);
    if (status)
        return status;
    if (network->residual && recipe->layer_mix == DP_LAYERS_MEAN && recipe->n_layers > 1)
        return dp_fail(err, DP_E_ARGUMENT,
                       "the layers of a residual network differ in their numbers of features and have no mean; give "
                       "layers.mix=concat");
    return DP_OK;
}

dp_status dp_check_features(const dp_recipe *recipe, const dp_network_facts *network, dp_error *err)
{
    size_t own[DP_EXTRACT_LAYERS], n = recipe->n_layers;
    if (!recipe->layer_norm && network->residual && recipe->retrieval)
        return dp_fail(err, DP_E_ARGUMENT,
                       "retrieval needs the layers of a residual network as they are: give layers.norm=raw or rms");
    if (!recipe->layer_norm && network->residual && recipe->layer_mix != DP_LAYERS_MEAN)
        return dp_fail(err, DP_E_ARGUMENT,
                       "a residual network averages its layers to %zu features; leave layers.mix out, or give "
                       "layers.norm=raw",
                       network->dim);
    if (recipe->layer_norm == DP_LAYER_NORM_RAW)
        return check_raw(recipe, network, err);
    if (!recipe->layer_norm)
        return dp_check_layers(network, recipe->layers, n, err);
    if (n && (n != dp_extract_layers(network, own) || memcmp(recipe->layers, own, n * sizeof *own) != 0))
        return dp_fail(err, DP_E_ARGUMENT, "layers: with normalised layers (method auto) the network chooses them");
    return DP_OK;
}

#define MAX_SIDE_CELLS 16384

dp_status dp_check_cells(size_t max_cells, size_t height_px, size_t width_px, size_t patch_px, const char *path,
                         dp_error *err)
{
    const size_t rows = height_px / patch_px, cols = width_px / patch_px;
    const bool long_side = rows > MAX_SIDE_CELLS || cols > MAX_SIDE_CELLS;
    if (!long_side && (!max_cells || rows * cols <= max_cells))
        return DP_OK;
    if (long_side)
        return dp_fail(err, path ? DP_E_PICTURE : DP_E_ARGUMENT,
                       "%s%s%zux%zu pixels (height x width) has %zux%zu cells, more than the %d that a side may have; "
                       "give a smaller %s",
                       path ? path : "", path ? ": its canvas of " : "a canvas of ", height_px, width_px, rows, cols,
                       MAX_SIDE_CELLS, path ? "edge" : "canvas or edge");
    return dp_fail(err, path ? DP_E_PICTURE : DP_E_ARGUMENT,
                   "%s%s%zux%zu pixels (height x width) has %zu cells, more than the limit of %zu for one picture; "
                   "give a smaller %s, or max_tokens=%zu",
                   path ? path : "", path ? ": its canvas of " : "a canvas of ", height_px, width_px, rows * cols,
                   max_cells, path ? "edge" : "canvas or edge, a tile", rows * cols);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

dp_status dp_check_canvas(const dp_recipe *recipe, const dp_network_facts *network, dp_error *err)
{
    const size_t height = recipe->canvas_height_px, width = recipe->canvas_width_px, edge = recipe->edge_px,
                 crop = recipe->crop_px, tile = recipe->tile_px, patch = network->patch_px;
    const size_t rows = height / patch, cols = width / patch;
    if (crop % patch)
        return dp_fail(err, DP_E_ARGUMENT, "crop=%zu is not a multiple of the network's patch (%zu)", crop, patch);
    if (edge && edge < patch)
        return dp_fail(err, DP_E_ARGUMENT, "edge=%zu is less than the network's patch (%zu)", edge, patch);
    if (edge && !crop) /* of all pictures with this edge, a square one has the fewest cells */
        return dp_check_cells(network->max_cells, edge, edge, patch, NULL, err);
    if (!width || width % patch || height % patch)
        return dp_fail(err, DP_E_ARGUMENT,
                       "a canvas of %zux%zu is not a multiple of the network's patch (%zu); the nearest is %zux%zu",
                       height, width, patch, (height + patch / 2) / patch * patch,
                       width < patch ? patch : (width + patch / 2) / patch * patch);
    if (!tile)
        return dp_check_cells(network->max_cells, height, width, patch, NULL, err);
    if (cols && rows > (size_t)DP_MAX_GRID_CELLS / cols)
        return dp_fail(err, DP_E_ARGUMENT,
                       "a canvas of %zux%zu pixels (height x width) has %zux%zu cells, more than the %lld that all "
                       "tiles of a picture may have; give a smaller size",
                       height, width, rows, cols, (long long)DP_MAX_GRID_CELLS);
    return dp_check_cells(network->max_cells, smaller(tile, height), smaller(tile, width), patch, NULL, err);
}
