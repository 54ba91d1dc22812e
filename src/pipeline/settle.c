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
#include "options/check.h"
#include "options/network_fit.h"
#include "pipeline/learn_pose.h"
#include "pipeline/pose_choice.h"
#include "pipeline/settle_lines.h"
#include "register/learn_reference.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TILED_TRIAL_PX 256 /* short side where the canvas would be cut into tiles */
#define FEW 8
#define MANY 16
#define TRIAL_BYTES                                                                                                    \
    ((size_t)512 << 20) /* of canvases and features; fewer pictures are tried where they would take more */
#define LEARNED_FROM                                                                                                   \
    16 /* pictures from which on a fit tries features too: learning the part takes as long as fitting dozens */
#define WORTH 0.95 /* features take longer than edges: they are chosen where P is smaller by that much */
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

#define FEW_TURNED 8 /* pictures that method subspace turns */

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

/* The poses that are tried: how a picture may enter the canvas. */
enum { AS_IT_IS, BY_EDGES, BY_FEATURES, N_CANDIDATES };

struct candidate {
    bool there;
    dp_recipe recipe;
    const dp_pose *poses; /* of all pictures; NULL: as they are */
    dp_trial trial;
    double ratio; /* P */
};

/* Pictures that can be read, and with posed aligned, in an order drawn by the seed; *n of them.  NULL: no memory. */
static size_t *draw_pictures(const dp_survey *survey, bool posed, uint64_t seed, size_t *n)
{
    size_t *which = dp_malloc(survey->n, sizeof *which);
    dp_random random = dp_random_at(seed, 1);
    *n = 0;
    for (size_t i = 0; which && i < survey->n; i++)
        if (survey->width_px[i] && (!posed || survey->poses[i].status == DP_ALIGN_OK))
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

/* P of each candidate on the pictures which [n], FEW of them where these say it clearly; *tried: how many. */
static dp_status try_candidates(struct candidate candidates[N_CANDIDATES], dp_session *session,
                                const dp_pictures *pictures, const size_t *which, size_t n, size_t *tried,
                                dp_error *err)
{
    dp_status status = DP_OK;
    bool clear = false;
    for (*tried = 0; *tried < n && !status && !clear;) {
        const size_t count = !*tried && n > FEW ? FEW : n - *tried;
        for (size_t c = 0; c < N_CANDIDATES && !status; c++) {
            if (candidates[c].there)
                status = dp_trials_learn(&candidates[c].trial, 1, session, pictures, which + *tried, count, err);
            if (candidates[c].there && !status)
                status = dp_trial_ratio(&candidates[c].trial, session, &candidates[c].ratio, err);
        }
        *tried += count;
        clear = true;
        for (size_t c = BY_EDGES; c < N_CANDIDATES; c++)
            clear =
                clear && (!candidates[c].there || dp_pose_is_clear(candidates[c].ratio, candidates[AS_IT_IS].ratio));
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
    dp_pose *featured; /* [pictures->n] by features, as far as they are known */
    double rough
        [2]; /* P as they are and by rough poses from features, where these say that features are of no use; 0: not so */
};

static void choose(struct settling *job, dp_align align, const char *reason, ...) __attribute__((format(printf, 3, 4)));
static void choose(struct settling *job, dp_align align, const char *reason, ...)
{
    va_list arguments;
    va_start(arguments, reason);
    vsnprintf(job->story.why_pose, sizeof job->story.why_pose, reason, arguments);
    va_end(arguments);
    const size_t used = strlen(job->story.why_pose);
    if (job->rough[0] > 0)
        snprintf(job->story.why_pose + used, sizeof job->story.why_pose - used,
                 "; roughly in one pose by their features P = %.2f, %.2f as they are on the same cells", job->rough[1],
                 job->rough[0]);
    job->settled->recipe.align = align;
    if (align != DP_ALIGN_PCA)
        job->settled->recipe.polarity = DP_POLARITY_NONE;
}

/* Settles the canvas of each candidate: small ones if one would need tiles, for they show as well how parts lie. */
static dp_status settle_canvases(const struct settling *job, struct candidate candidates[N_CANDIDATES], bool *tiled,
                                 dp_error *err)
{
    dp_status status = DP_OK;
    *tiled = false;
    for (int small = 0; small < 2 && !status && (!small || *tiled); small++)
        for (size_t c = 0; c < N_CANDIDATES && !status; c++) {
            dp_survey survey = job->settled->survey;
            dp_recipe *recipe = &candidates[c].recipe;
            if (!candidates[c].there)
                continue;
            if (small) {
                recipe->short_px = TILED_TRIAL_PX;
                recipe->canvas_height_px = recipe->canvas_width_px = recipe->tile_px = 0;
            }
            dp_typical typical;
            survey.poses = c == BY_FEATURES ? job->featured : survey.poses;
            status = dp_survey_typical(&survey, c != AS_IT_IS, recipe->fill, &typical, err);
            if (!status)
                status = dp_canvas_settle(recipe, &job->network, &typical, err);
            *tiled = *tiled || recipe->tile_px;
        }
    return status;
}

/* Learns the part from some of the pictures which [n]: settled->reference, and their poses in job->featured.  *n_ok: pictures of those
 * *n_learned in which it was found. */
static dp_status learn_part(struct settling *job, const size_t *which, size_t n, size_t *n_learned, size_t *n_ok,
                            dp_error *err)
{
    const dp_picture_options options = dp_picture_options_of(&job->settled->recipe, dp_session_run(job->session));
    *n_learned = n < DP_MOST_LEARNED ? n : DP_MOST_LEARNED;
    *n_ok = 0;
    job->featured = dp_calloc(job->pictures->n, sizeof *job->featured);
    if (!job->featured)
        return dp_fail_memory(err, "the poses", job->pictures->n * sizeof *job->featured);
    dp_learned_poses learned = {.poses = job->featured, .choosing = job->settled->recipe.align == DP_ALIGN_AUTO};
    dp_status status = dp_pose_learn(job->session, &options, job->pictures, which, *n_learned, &learned, err);
    job->settled->reference = learned.reference;
    if (!status && !learned.reference)
        memcpy(job->rough, learned.rough, sizeof job->rough);
    for (size_t i = 0; i < *n_learned && !status; i++) {
        const dp_pose *pose = &job->featured[which[i]];
        *n_ok += pose->picture_width_px && pose->status == DP_ALIGN_OK;
    }
    return status;
}

/* The poses by features take the place of those by edges. */
static void take_features(struct settling *job)
{
    dp_memory_free(job->settled->survey.poses);
    job->settled->survey.poses = job->featured;
    job->featured = NULL;
}

/* Returns whether P of a candidate is not a number: the pictures are too much alike. */
static bool too_alike(const struct candidate candidates[N_CANDIDATES])
{
    for (size_t c = 0; c < N_CANDIDATES; c++)
        if (candidates[c].there && isnan(candidates[c].ratio))
            return true;
    return false;
}

/* Returns the candidate with the smallest P that helps, or the pictures as they are. */
static size_t best_candidate(const struct candidate candidates[N_CANDIDATES])
{
    if (too_alike(candidates))
        return AS_IT_IS;
    const double raw = candidates[AS_IT_IS].ratio, edges = candidates[BY_EDGES].ratio,
                 features = candidates[BY_FEATURES].ratio;
    const bool edges_help = candidates[BY_EDGES].there && dp_pose_helps(edges, raw),
               features_help = candidates[BY_FEATURES].there && dp_pose_helps(features, raw);
    if (features_help && (!edges_help || features < WORTH * edges))
        return BY_FEATURES;
    return edges_help ? BY_EDGES : AS_IT_IS;
}

static void explain_choice(struct settling *job, const struct candidate candidates[N_CANDIDATES], size_t chosen,
                           size_t tried)
{
    static const dp_align aligns[N_CANDIDATES] = {DP_ALIGN_NONE, DP_ALIGN_PCA, DP_ALIGN_FEATURES};
    const dp_survey *survey = &job->settled->survey;
    const double raw = candidates[AS_IT_IS].ratio, edges = candidates[BY_EDGES].ratio,
                 features = candidates[BY_FEATURES].ratio;
    const char *why = chosen ? "in one pose pictures are more alike at the same place"
                             : "one pose makes pictures no more alike at the same place";
    if (too_alike(candidates))
        choose(job, DP_ALIGN_NONE, "the pictures are too much alike to see whether one pose helps");
    else if (!candidates[BY_FEATURES].there)
        choose(job, aligns[chosen],
               "%s: P = %.2f aligned, %.2f as they are (%zu pictures; below 0.9 of it pictures are aligned); "
               "%zu of %zu could be aligned",
               why, edges, raw, tried, survey->n_ok, survey->n_posed);
    else if (!candidates[BY_EDGES].there)
        choose(
            job, aligns[chosen],
            "%s: P = %.2f by features, %.2f as they are (%zu pictures; below 0.9 of it pictures are aligned); by their "
            "edges %zu of %zu could be aligned",
            why, features, raw, tried, survey->n_ok, survey->n_posed);
    else
        choose(job, aligns[chosen],
               "%s: P = %.2f by edges, %.2f by features, %.2f as they are (%zu pictures; below 0.9 of it pictures are "
               "aligned)",
               why, edges, features, raw, tried);
}

/* The pose of a recipe that leaves it open, from its survey. */
static dp_status decide_pose(struct settling *job, dp_error *err)
{
    dp_settled *settled = job->settled;
    const dp_survey *survey = &settled->survey;
    const size_t unaligned = survey->n_posed - survey->n_ok;
    const bool edges = survey->n_ok >= 2 && (double)unaligned <= DP_MOST_UNALIGNED * (double)survey->n_posed;
    size_t n = 0, n_learned = 0, n_found = 0, most = MANY, tried = 0, chosen = AS_IT_IS;
    size_t *which = draw_pictures(survey, edges, settled->recipe.seed, &n);
    bool tiled = false;
    dp_status status = which ? DP_OK : dp_fail_memory(err, "the pictures", survey->n * sizeof *which);
    if (!status && n >= LEARNED_FROM)
        status = learn_part(job, which, n, &n_learned, &n_found, err);
    const bool features =
        n_learned && settled->reference && (double)(n_learned - n_found) <= DP_MOST_UNALIGNED * (double)n_learned;
    if (status || (!edges && !features)) {
        dp_memory_free(which);
        choose(job, DP_ALIGN_NONE,
               "%zu of %s%zu pictures show a part whose pose can be found%s; it takes %.0f %% of them", survey->n_ok,
               survey->n_posed < survey->n_read ? "the first " : "", survey->n_posed,
               job->rough[0] > 0 ? " by its edges"
               : n_learned       ? " by its edges, and by its features it cannot"
                                 : "",
               100 * (1 - DP_MOST_UNALIGNED));
        return status;
    }
    struct candidate candidates[N_CANDIDATES];
    memset(candidates, 0, sizeof candidates);
    for (size_t c = 0; c < N_CANDIDATES; c++)
        candidates[c].recipe = settled->recipe;
    candidates[AS_IT_IS].there = true;
    candidates[AS_IT_IS].recipe.align = DP_ALIGN_NONE;
    candidates[BY_EDGES].there = edges;
    candidates[BY_EDGES].recipe.align = DP_ALIGN_PCA;
    candidates[BY_EDGES].poses = survey->poses;
    candidates[BY_FEATURES].there = features;
    candidates[BY_FEATURES].recipe.align = DP_ALIGN_FEATURES;
    candidates[BY_FEATURES].recipe.polarity = DP_POLARITY_NONE;
    candidates[BY_FEATURES].poses = job->featured;
    status = settle_canvases(job, candidates, &tiled, err);
    for (size_t c = 0; c < N_CANDIDATES && !status; c++) {
        if (!candidates[c].there)
            continue;
        status = dp_trial_open(&candidates[c].recipe, job->session, job->pictures->n, &candidates[c].trial, err);
        candidates[c].trial.poses = candidates[c].poses;
        size_t fits = status ? 0 : most_tried(&candidates[c].trial.extractor);
        most = fits < most ? fits : most;
    }
    n = n < most ? n : most;
    n = features && n > n_learned ? n_learned : n; /* of the others the pose is not known yet */
    if (!status)
        status = try_candidates(candidates, job->session, job->pictures, which, n, &tried, err);
    if (!status) {
        chosen = best_candidate(candidates);
        explain_choice(job, candidates, chosen, tried);
    }
    if (!status && !tiled && candidates[chosen].there) {
        settled->trial = candidates[chosen].trial;
        candidates[chosen].trial = (dp_trial){0};
    }
    if (!status && settled->recipe.align == DP_ALIGN_FEATURES)
        take_features(job);
    for (size_t c = 0; c < N_CANDIDATES; c++)
        dp_trial_close(&candidates[c].trial);
    dp_memory_free(which);
    return status;
}

/* The part of a recipe that asks for its features. */
static dp_status learn_asked(struct settling *job, dp_error *err)
{
    const dp_survey *survey = &job->settled->survey;
    size_t n, n_learned, n_found, *which = draw_pictures(survey, false, job->settled->recipe.seed, &n);
    dp_status status = which ? DP_OK : dp_fail_memory(err, "the pictures", survey->n * sizeof *which);
    job->settled->recipe.polarity = DP_POLARITY_NONE; /* a pose has its direction */
    if (!status && n < 2)
        status = dp_fail(err, DP_E_ARGUMENT,
                         "align=features needs two pictures or more: the part is what they share; align=none takes one "
                         "as it is");
    if (!status)
        status = learn_part(job, which, n, &n_learned, &n_found, err);
    if (!status && !job->settled->reference)
        status = dp_fail(err, DP_E_PICTURE, "fewer than two pictures could be read to learn the part from");
    if (!status) {
        take_features(job);
        snprintf(job->story.why_pose, sizeof job->story.why_pose,
                 ": the part was learned from %zu pictures and found in "
                 "%zu of them%s%s",
                 n_learned, n_found,
                 job->settled->reference->next ? "; they show kinds that are unlike each other, and each was learned"
                                               : "",
                 job->settled->reference->round ? "; it is round, and its angle is left as it is" : "");
    }
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
    dp_settled_canvas canvas;
    *settled = (dp_settled){.recipe = *asked};
    dp_recipe *recipe = &settled->recipe;
    recipe->roi = frame;
    if ((recipe->preset & DP_PRESET_ROTATIONS) && pictures->n <= FEW_TURNED && recipe->align == DP_ALIGN_NONE)
        recipe->rotations = 30; /* few pictures do not span what good parts look like */
    dp_status status = dp_recipe_fit_network(recipe, &job.network, err);
    if (!status)
        status = find_white(pictures, run, recipe, err);
    if (status)
        return status;
    const char *given = pose_is_given(recipe, pictures->n);
    if (job.story.pose && given)
        choose(&job, frame == DP_ROI_OBJECT ? DP_ALIGN_PCA : DP_ALIGN_NONE, "%s", given);
    if (recipe->align == DP_ALIGN_AUTO || recipe->align == DP_ALIGN_FEATURES || dp_canvas_needs_survey(recipe))
        status = dp_survey_take(recipe, pictures, dp_session_pool(session), run, &settled->survey, err);
    if (!status && recipe->align == DP_ALIGN_AUTO)
        status = decide_pose(&job, err);
    else if (!status && recipe->align == DP_ALIGN_FEATURES && !settled->reference)
        status = learn_asked(&job, err);
    const bool aligns = dp_aligns(recipe);
    if (settled->reference && recipe->align != DP_ALIGN_FEATURES)
        dp_reference_close(&settled->reference);
    dp_memory_free(job.featured);
    if (!aligns) {
        dp_memory_free(settled->survey.poses);
        settled->survey.poses = NULL;
    }
    if (!status)
        status = dp_survey_typical(&settled->survey, aligns, recipe->fill, &canvas.typical, err);
    if (!status)
        status = dp_canvas_settle(recipe, &job.network, &canvas.typical, err);
    if (job.story.window)
        settle_window(recipe);
    if (job.story.score && recipe->tile_px) /* 1 % of all cells would be more the larger the canvas, and a mark of a few
                                             * cells would drown in it */
        recipe->score = DP_SCORE_TOP10;
    recipe->preset = 0;
    canvas.shape = dp_canvas_shape_of(recipe, dp_recipe_patch(recipe, &job.network));
    return status ? status : dp_settled_lines(recipe, &job.story, &canvas, &settled->choices, err);
}

void dp_settled_close(dp_settled *settled)
{
    dp_choices_free(&settled->choices);
    dp_survey_close(&settled->survey);
    dp_trial_close(&settled->trial);
    dp_reference_close(&settled->reference);
}
