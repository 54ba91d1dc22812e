/* SPDX-License-Identifier: Apache-2.0 */
/* settle.c - from what was asked to the recipe of a bank, with a line for each choice.
 *
 *     network     layers, and how they are normalised                            network/network.c
 *     pictures    what white is, canvas and pose                                 canvas.c, pose_choice.c
 *     window      1 cell, 2 from a short side of WIDE_FROM_PX on: the cells are smaller, the parts lie no steadier for it
 *
 * Whether pictures are brought into one pose is tried on some of them, drawn by the seed from those whose pose is found: FEW at first, MANY
 * where those do not say it clearly.  What the network made of them is kept, so that fit need not do it again. */
#include "pipeline/settle.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "network/network.h"
#include "geometry/spaces.h"
#include "geometry/tiles.h"
#include "network/session.h"
#include "pipeline/pose_choice.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TILED_TRIAL_PX 256 /* short side where the canvas would be cut into tiles */
#define FEW 8
#define MANY 16
#define TRIAL_BYTES                                                                                                    \
    ((size_t)512 << 20) /* of canvases and features; fewer pictures are tried where they would take more */
#define WIDE_FROM_PX 384

/* What white is in pictures of 16 bits, where the source can tell and the recipe does not say. */
static dp_status find_white(const dp_pictures *pictures, const dp_run *run, dp_recipe *recipe, dp_error *err)
{
    const dp_source *source = pictures->source;
    size_t n = pictures->n, *numbers;
    if (recipe->sample_white || !source->find_white)
        return DP_OK;
    if (!(numbers = dp_malloc(n, sizeof *numbers)))
        return dp_fail_memory(err, "the depths", n * sizeof *numbers);
    for (size_t i = 0; i < n; i++)
        numbers[i] = dp_pictures_number(pictures, i);
    dp_status status = source->find_white(source->user, numbers, n, run, &recipe->sample_white, err);
    dp_memory_free(numbers);
    return status;
}

/* -------------------------------------------------------------------------------------------------------------- pose */

/* Why pose is not for the pictures to decide; NULL: it is. */
static const char *pose_is_given(const dp_recipe *recipe, size_t n_pictures)
{
    if (recipe->roi == DP_ROI_FIXED)
        return "the region to inspect lies over the same pixels of every picture";
    if (recipe->roi == DP_ROI_OBJECT)
        return "the region to inspect follows the object";
    if (recipe->layout == DP_LAYOUT_FLAT)
        return "a flat bank compares all places with each other";
    if (recipe->edge_px)
        return "each picture is looked at in its own size";
    if (recipe->rotations > 1)
        return "the good pictures enter turned";
    return n_pictures < 2 ? "it takes two pictures to see whether one pose makes them more alike" : NULL;
}

struct ratios {
    double aligned, raw;
    size_t n; /* pictures they were found on */
};

/* Pictures that can be aligned, in an order drawn by the seed; *n of them.  NULL: no memory. */
static size_t *draw(const dp_survey *survey, uint64_t seed, size_t *n)
{
    size_t *which = dp_malloc(survey->n, sizeof *which);
    dp_random random = dp_random_at(seed, 1);
    *n = 0;
    for (size_t i = 0; which && i < survey->n; i++)
        if (survey->width_px[i] && survey->poses[i].status == DP_ALIGN_OK)
            which[(*n)++] = i;
    for (size_t i = 0; which && i + 1 < *n; i++) {
        size_t other = i + (size_t)dp_random_below(&random, *n - i), kept = which[i];
        which[i] = which[other];
        which[other] = kept;
    }
    return which;
}

/* The most pictures that are tried: a picture has a canvas and features on each, up to three of them. */
static size_t most_tried(const dp_recipe *recipe, size_t patch_px, size_t dim)
{
    double pixels = (double)recipe->canvas_height_px * (double)recipe->canvas_width_px,
           bytes = 3 * sizeof(float) * pixels * (3 + (double)dim / (double)(patch_px * patch_px));
    double most = (double)TRIAL_BYTES / bytes;
    return most >= MANY ? MANY : most <= 2 ? 2 : (size_t)most;
}

/* trials: aligned, as they are. */
static dp_status try_both(dp_trial trials[2], dp_session *session, const dp_pictures *pictures, const size_t *which,
                          size_t n, struct ratios *ratios, dp_error *err)
{
    dp_status status = DP_OK;
    for (size_t done = 0; done < n && !status;) {
        size_t count = !done && n > FEW ? FEW : n - done;
        status = dp_trials_learn(trials, 2, session, pictures, which + done, count, err);
        if (!status)
            status = dp_trial_ratio(&trials[0], session, &ratios->aligned, err);
        if (!status)
            status = dp_trial_ratio(&trials[1], session, &ratios->raw, err);
        ratios->n = done += count;
        if (dp_pose_is_clear(ratios->aligned, ratios->raw))
            break;
    }
    return status;
}

static dp_status choose(dp_settled *settled, const char *value, dp_error *err, const char *reason, ...)
    __attribute__((format(printf, 4, 5)));
static dp_status choose(dp_settled *settled, const char *value, dp_error *err, const char *reason, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, reason);
    vsnprintf(text, sizeof text, reason, arguments);
    va_end(arguments);
    settled->recipe.align = strcmp(value, "pca") != 0 ? DP_ALIGN_NONE : DP_ALIGN_PCA;
    if (settled->recipe.align == DP_ALIGN_NONE)
        settled->recipe.polarity = DP_POLARITY_NONE;
    return dp_choices_add(&settled->choices, err, "align", value, "%s", text);
}

/* The pose of a recipe that leaves it open, from its survey. */
static dp_status decide_pose(dp_settled *settled, dp_session *session, const dp_pictures *pictures, size_t patch_px,
                             dp_error *err)
{
    const dp_survey *survey = &settled->survey;
    const size_t unaligned = survey->n_posed - survey->n_ok;
    if (survey->n_ok < 2 || (double)unaligned > DP_MOST_UNALIGNED * (double)survey->n_posed)
        return choose(settled, "none", err,
                      "%zu of %s%zu pictures show a part whose pose can be found; it takes %.0f %% of them",
                      survey->n_ok, survey->n_posed < survey->n_read ? "the first " : "", survey->n_posed,
                      100 * (1 - DP_MOST_UNALIGNED));
    dp_recipe recipes[2] = {settled->recipe, settled->recipe};
    recipes[0].align = DP_ALIGN_PCA;
    recipes[1].align = DP_ALIGN_NONE;
    const dp_run *run = dp_session_run(session);
    const dp_pictures posed = {
        .source = pictures->source, .order = pictures->order, .n = pictures->n, .poses = survey->poses};
    struct ratios ratios = {NAN, NAN, 0};
    dp_trial trials[2];
    memset(trials, 0, sizeof trials);
    bool tiled = false;
    size_t n = 0, *which = draw(survey, settled->recipe.seed, &n), most = MANY;
    dp_status status = which ? DP_OK : dp_fail_memory(err, "the pictures", survey->n * sizeof *which);
    for (size_t t = 0; t < 2 && !status; t++) {
        status = dp_canvas_settle(&recipes[t], patch_px, survey, run, err);
        tiled = tiled || recipes[t].tile_px;
    }
    for (size_t t = 0; t < 2 && !status; t++) {
        if (tiled) { /* where parts lie shows on a small canvas as well */
            recipes[t].short_px = TILED_TRIAL_PX;
            recipes[t].canvas_height_px = recipes[t].canvas_width_px = recipes[t].tile_px = 0;
            status = dp_canvas_settle(&recipes[t], patch_px, survey, run, err);
        }
        if (!status)
            status = dp_trial_open(&recipes[t], session, pictures->n, &trials[t], err);
        size_t fits = status ? 0 : most_tried(&recipes[t], patch_px, trials[t].extractor.dim);
        most = fits < most ? fits : most;
    }
    if (!status)
        status = try_both(trials, session, &posed, which, n < most ? n : most, &ratios, err);
    const bool helps = dp_pose_helps(ratios.aligned, ratios.raw);
    if (!status && (isnan(ratios.aligned) || isnan(ratios.raw)))
        status = choose(settled, "none", err, "the pictures are too much alike to see whether one pose helps");
    else if (!status)
        status = choose(settled, helps ? "pca" : "none", err,
                        "%s: P = %.2f aligned, %.2f as they are (%zu pictures; below 0.9 of it pictures are aligned); "
                        "%zu of %zu could be aligned",
                        helps ? "in one pose pictures are more alike at the same place"
                              : "one pose makes pictures no more alike at the same place",
                        ratios.aligned, ratios.raw, ratios.n, survey->n_ok, survey->n_posed);
    if (!status && !tiled) {
        dp_trial *chosen = &trials[settled->recipe.align == DP_ALIGN_PCA ? 0 : 1];
        settled->trial = *chosen;
        *chosen = (dp_trial){0};
    }
    dp_trial_close(&trials[0]);
    dp_trial_close(&trials[1]);
    dp_memory_free(which);
    return status;
}

/* --------------------------------------------------------------------------------------------------------- the lines */

/* What a canvas of a size shows. */
static const char *shows(const dp_recipe *recipe, double cell_px, size_t patch_px)
{
    if (recipe->align != DP_ALIGN_PCA)
        return "the whole picture";
    return cell_px < 1.1 * (double)patch_px ? "the part in its own proportion, pixel by pixel"
                                            : "the part in its own proportion, as many pixels as the whole picture";
}

static dp_status say_canvas(dp_settled *settled, size_t patch_px, dp_error *err)
{
    const dp_recipe *recipe = &settled->recipe;
    const dp_survey *survey = &settled->survey;
    char value[64], covers[256] = "", mixed[160] = "";
    double height = INFINITY, width = INFINITY, least = INFINITY, largest = 0;
    if (recipe->edge_px)
        return DP_OK;
    snprintf(value, sizeof value, "%zux%zu", recipe->canvas_height_px, recipe->canvas_width_px);
    if (dp_canvas_cell(recipe, patch_px, survey, &height, &width)) {
        int at = snprintf(covers, sizeof covers, "; one cell covers %.0fx%.0f px of your picture", height, width);
        if (recipe->short_px && fmin(height, width) > 1.25 * (double)patch_px)
            snprintf(covers + at, sizeof covers - (size_t)at,
                     ": marks much smaller may be missed; size=%zu looks four times as closely and takes about four "
                     "times as long",
                     2 * recipe->short_px);
    }
    for (size_t i = 0; i < survey->n && recipe->align == DP_ALIGN_NONE; i++)
        if (survey->width_px[i]) {
            double aspect = (double)survey->width_px[i] / (double)survey->height_px[i];
            least = fmin(least, aspect);
            largest = fmax(largest, aspect);
        }
    if (largest > 1.05 * least)
        snprintf(mixed, sizeof mixed,
                 "; the pictures' proportions (width / height) go from %.2f to %.2f: each is stretched to this one",
                 least, largest);
    if (!recipe->short_px)
        return dp_choices_add(&settled->choices, err, "canvas", value, "as asked%s%s", covers, mixed);
    return dp_choices_add(&settled->choices, err, "canvas", value, "%s, size %zu px%s%s",
                          shows(recipe, width, patch_px), recipe->short_px, covers, mixed);
}

/* In how many tiles the canvas goes through the network. */
static dp_status say_tiles(dp_settled *settled, size_t patch_px, bool asked, dp_error *err)
{
    const dp_recipe *recipe = &settled->recipe;
    char value[32];
    if (!recipe->tile_px)
        return DP_OK;
    const dp_tiling tiling = dp_tiling_of(dp_canvas_to_cells(recipe->canvas_height_px, patch_px),
                                          dp_canvas_to_cells(recipe->canvas_width_px, patch_px),
                                          dp_canvas_to_cells(recipe->tile_px, patch_px));
    snprintf(value, sizeof value, "%zu", recipe->tile_px);
    return dp_choices_add(&settled->choices, err, "tile", value,
                          "%s: the canvas has %zux%zu cells and goes through the network in %zux%zu tiles of at most "
                          "%zux%zu pixels",
                          asked ? "as asked" : "more cells than one picture may have (max-tokens)", tiling.down.length,
                          tiling.across.length, tiling.down.n, tiling.across.n, recipe->tile_px, recipe->tile_px);
}

static dp_status say_layers(dp_settled *settled, const dp_network_info *model, dp_error *err)
{
    char value[256] = "";
    for (size_t i = 0, at = 0; i < settled->recipe.n_layers && at < sizeof value; i++)
        at += (size_t)snprintf(value + at, sizeof value - at, "%s%zu", i ? "," : "", settled->recipe.layers[i]);
    if (!settled->recipe.layer_norm)
        return DP_OK;
    return dp_choices_add(&settled->choices, err, "layers", value, "%s",
                          !strcmp(model->kind, "resnet")
                              ? "the middle of the network, averaged over 3x3 cells, in units of what good cells show"
                              : "1/4, 1/2 and 3/4 of the depth, each feature in units of its spread over good cells");
}

static dp_status settle_window(dp_settled *settled, bool open, dp_error *err)
{
    dp_recipe *recipe = &settled->recipe;
    char value[32];
    if (recipe->layout == DP_LAYOUT_FLAT || recipe->window == DP_WINDOW_GLOBAL)
        return DP_OK;
    size_t shorter =
        recipe->canvas_height_px < recipe->canvas_width_px ? recipe->canvas_height_px : recipe->canvas_width_px;
    shorter = recipe->short_px ? recipe->short_px : shorter;
    if (open && shorter >= WIDE_FROM_PX)
        recipe->window = 2;
    snprintf(value, sizeof value, "%zu", recipe->window);
    return dp_choices_add(&settled->choices, err, "window", value, "%s",
                          !open                ? "as asked"
                          : recipe->window > 1 ? "cells to each side, from size 384 on one more: parts lie no steadier "
                                                 "where cells are smaller"
                                               : "cell to each side: parts never lie quite the same");
}

/* 1 % of all cells would be more the larger the canvas, and a mark of a few cells would drown in it. */
static dp_status settle_score(dp_settled *settled, bool open, dp_error *err)
{
    dp_recipe *recipe = &settled->recipe;
    if (!recipe->tile_px || !open)
        return DP_OK;
    recipe->score = DP_SCORE_TOP10;
    return dp_choices_add(
        &settled->choices, err, "score", "top10",
        "the 10 largest distances, as many as 1 %% of a canvas of size 256: in tiles 1 %% of all cells "
        "would hide a small mark");
}

dp_status dp_settle(const dp_recipe *asked, dp_roi_frame frame, dp_session *session, const dp_pictures *pictures,
                    dp_settled *settled, dp_error *err)
{
    dp_pool *pool = dp_session_pool(session);
    const dp_run *run = dp_session_run(session);
    dp_network_info model;
    dp_network_get_info(dp_session_network(session), &model);
    *settled = (dp_settled){.recipe = *asked};
    dp_recipe *recipe = &settled->recipe;
    recipe->roi = frame;
    const bool open_window = recipe->preset & DP_PRESET_WINDOW, open_score = recipe->preset & DP_PRESET_SCORE,
               open_pose = recipe->align == DP_ALIGN_AUTO, speaks = recipe->layer_norm || open_pose;
    dp_status status = dp_network_settle_recipe(dp_session_network(session), recipe, err);
    if (!status)
        status = find_white(pictures, run, recipe, err);
    if (status)
        return status;
    const char *given = pose_is_given(recipe, pictures->n);
    if (open_pose && given)
        status = choose(settled, frame == DP_ROI_OBJECT ? "pca" : "none", err, "%s", given);
    if (!status && (recipe->align == DP_ALIGN_AUTO || dp_canvas_needs_survey(recipe)))
        status = dp_survey_take(recipe, pictures, pool, run, &settled->survey, err);
    if (!status && recipe->align == DP_ALIGN_AUTO)
        status = decide_pose(settled, session, pictures, model.patch_px, err);
    if (!status && !open_pose && speaks)
        status =
            dp_choices_add(&settled->choices, err, "align", recipe->align == DP_ALIGN_PCA ? "pca" : "none", "as asked");
    if (!status)
        status = dp_canvas_settle(recipe, model.patch_px, &settled->survey, run, err);
    if (!status && speaks)
        status = say_canvas(settled, model.patch_px, err);
    if (!status)
        status = say_tiles(settled, model.patch_px, asked->tile_px, err);
    if (!status && speaks)
        status = say_layers(settled, &model, err);
    if (!status && (speaks || open_window))
        status = settle_window(settled, open_window, err);
    if (!status)
        status = settle_score(settled, open_score, err);
    recipe->preset = 0;
    return status;
}

void dp_settled_close(dp_settled *settled)
{
    dp_choices_free(&settled->choices);
    dp_survey_close(&settled->survey);
    dp_trial_close(&settled->trial);
}
