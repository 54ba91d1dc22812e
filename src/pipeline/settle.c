/* SPDX-License-Identifier: Apache-2.0 */
/* settle.c - from what was asked to the recipe of a bank.
 *
 *     network     layers, and how they are normalised                            options/network_fit.c
 *     pictures    what white is, canvas and pose                                 canvas.c, pose_choice.c
 *     window      1 cell, 2 from a short side of WIDE_FROM_PX on: the cells are smaller, the parts lie no steadier for it
 *
 * Whether pictures are brought into one pose is tried on some of them, drawn by the seed from those whose pose is found: FEW at first, MANY
 * where those do not say it clearly.  What the network made of them is kept, so that fit need not do it again. */
#include "pipeline/settle.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "network/session.h"
#include "options/network_fit.h"
#include "pipeline/pose_choice.h"
#include "pipeline/settle_lines.h"

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
static size_t most_tried(const dp_extractor *extractor)
{
    const double patch = (double)extractor->shape.patch_px,
                 pixels = (double)extractor->shape.height_px * (double)extractor->shape.width_px,
                 bytes = 3 * sizeof(float) * pixels * (3 + (double)extractor->dim / (patch * patch)),
                 most = (double)TRIAL_BYTES / bytes;
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

/* A recipe on its way. */
struct settling {
    dp_settled *settled;
    dp_session *session;
    const dp_pictures *pictures;
    dp_network_facts network;
    dp_settled_story story;
};

static void choose(struct settling *job, dp_align align, const char *reason, ...) __attribute__((format(printf, 3, 4)));
static void choose(struct settling *job, dp_align align, const char *reason, ...)
{
    va_list arguments;
    va_start(arguments, reason);
    vsnprintf(job->story.why_pose, sizeof job->story.why_pose, reason, arguments);
    va_end(arguments);
    job->settled->recipe.align = align;
    if (align == DP_ALIGN_NONE)
        job->settled->recipe.polarity = DP_POLARITY_NONE;
}

/* The canvases of the recipe with each pose, recipes [2]; small ones where one would be cut into tiles: where parts lie
 * shows on them as well. */
static dp_status settle_canvases(const struct settling *job, dp_recipe recipes[2], bool *tiled, dp_error *err)
{
    const dp_survey *survey = &job->settled->survey;
    dp_status status = DP_OK;
    *tiled = false;
    for (size_t t = 0; t < 2 && !status; t++) {
        status = dp_canvas_settle(&recipes[t], &job->network, survey, err);
        *tiled = *tiled || recipes[t].tile_px;
    }
    for (size_t t = 0; t < 2 && !status && *tiled; t++) {
        recipes[t].short_px = TILED_TRIAL_PX;
        recipes[t].canvas_height_px = recipes[t].canvas_width_px = recipes[t].tile_px = 0;
        status = dp_canvas_settle(&recipes[t], &job->network, survey, err);
    }
    return status;
}

/* The pose of a recipe that leaves it open, from its survey. */
static dp_status decide_pose(struct settling *job, dp_error *err)
{
    dp_settled *settled = job->settled;
    const dp_survey *survey = &settled->survey;
    const size_t unaligned = survey->n_posed - survey->n_ok;
    if (survey->n_ok < 2 || (double)unaligned > DP_MOST_UNALIGNED * (double)survey->n_posed) {
        choose(job, DP_ALIGN_NONE,
               "%zu of %s%zu pictures show a part whose pose can be found; it takes %.0f %% of them", survey->n_ok,
               survey->n_posed < survey->n_read ? "the first " : "", survey->n_posed, 100 * (1 - DP_MOST_UNALIGNED));
        return DP_OK;
    }
    dp_recipe recipes[2] = {settled->recipe, settled->recipe};
    recipes[0].align = DP_ALIGN_PCA;
    recipes[1].align = DP_ALIGN_NONE;
    dp_pictures posed = *job->pictures;
    posed.poses = survey->poses;
    struct ratios ratios = {NAN, NAN, 0};
    dp_trial trials[2];
    memset(trials, 0, sizeof trials);
    bool tiled = false;
    size_t n = 0, *which = draw(survey, settled->recipe.seed, &n), most = MANY;
    dp_status status = which ? settle_canvases(job, recipes, &tiled, err)
                             : dp_fail_memory(err, "the pictures", survey->n * sizeof *which);
    for (size_t t = 0; t < 2 && !status; t++) {
        status = dp_trial_open(&recipes[t], job->session, posed.n, &trials[t], err);
        size_t fits = status ? 0 : most_tried(&trials[t].extractor);
        most = fits < most ? fits : most;
    }
    if (!status)
        status = try_both(trials, job->session, &posed, which, n < most ? n : most, &ratios, err);
    const bool helps = dp_pose_helps(ratios.aligned, ratios.raw);
    if (isnan(ratios.aligned) || isnan(ratios.raw))
        choose(job, DP_ALIGN_NONE, "the pictures are too much alike to see whether one pose helps");
    else
        choose(job, helps ? DP_ALIGN_PCA : DP_ALIGN_NONE,
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

/* ------------------------------------------------------------------------------------------------------------ all of it */

static void settle_window(dp_recipe *recipe)
{
    const size_t height = recipe->canvas_height_px, width = recipe->canvas_width_px;
    const size_t shorter = recipe->short_px ? recipe->short_px : height < width ? height : width;
    if (recipe->layout == DP_LAYOUT_GRID && recipe->window != DP_WINDOW_GLOBAL && shorter >= WIDE_FROM_PX)
        recipe->window = 2;
}

dp_status dp_settle(const dp_recipe *asked, dp_roi_frame frame, dp_session *session, const dp_pictures *pictures,
                    dp_settled *settled, dp_error *err)
{
    const dp_run *run = dp_session_run(session);
    struct settling job = {.settled = settled,
                           .session = session,
                           .pictures = pictures,
                           .network = dp_session_facts(session),
                           .story = {.pose = asked->align == DP_ALIGN_AUTO,
                                     .tile = !asked->tile_px,
                                     .window = asked->preset & DP_PRESET_WINDOW,
                                     .score = asked->preset & DP_PRESET_SCORE}};
    *settled = (dp_settled){.recipe = *asked};
    dp_recipe *recipe = &settled->recipe;
    recipe->roi = frame;
    dp_status status = dp_recipe_fit_network(recipe, &job.network, err);
    if (!status)
        status = find_white(pictures, run, recipe, err);
    if (status)
        return status;
    const char *given = pose_is_given(recipe, pictures->n);
    if (job.story.pose && given)
        choose(&job, frame == DP_ROI_OBJECT ? DP_ALIGN_PCA : DP_ALIGN_NONE, "%s", given);
    if (recipe->align == DP_ALIGN_AUTO || dp_canvas_needs_survey(recipe))
        status = dp_survey_take(recipe, pictures, dp_session_pool(session), run, &settled->survey, err);
    if (!status && recipe->align == DP_ALIGN_AUTO)
        status = decide_pose(&job, err);
    if (!status)
        status = dp_canvas_settle(recipe, &job.network, &settled->survey, err);
    if (job.story.window)
        settle_window(recipe);
    if (job.story.score && recipe->tile_px) /* 1 % of all cells would be more the larger the canvas, and a mark of a few
                                             * cells would drown in it */
        recipe->score = DP_SCORE_TOP10;
    recipe->preset = 0;
    return status ? status
                  : dp_settled_lines(recipe, &job.story, &settled->survey, &job.network, &settled->choices, err);
}

void dp_settled_close(dp_settled *settled)
{
    dp_choices_free(&settled->choices);
    dp_survey_close(&settled->survey);
    dp_trial_close(&settled->trial);
}
