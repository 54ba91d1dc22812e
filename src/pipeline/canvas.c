/* SPDX-License-Identifier: Apache-2.0 */
/* canvas.c - what a recipe leaves to the good pictures: their sizes and poses, and the canvas.
 *
 * With alignment the canvas is as wide as the recipe says and shows 2 sqrt(3) sigma_major / fill pixels of the picture.  The
 * height needed for one object is twice its extent across the axis, with a margin of a tenth for what the border points
 * miss; the canvas takes the largest over the good pictures, at most the width.  Without alignment the middle aspect ratio counts.
 *
 * size, short side s, pictures of the middle proportion h : w:
 *
 *     the whole picture     s by s max(h, w) / min(h, w), in multiples of the network's largest stride
 *     a part of height a    (per width) as many pixels as the whole picture would have: the time, the bank and the number of cells stay
 *                           what size means, and the part, freed of its surroundings, is seen closer.  A canvas with the short side s
 *                           would instead grow with the length of the part (a rod of 10 : 1 would take ten times as long).
 *                               width = sqrt(pixels / max(a, THINNEST)), at most what shows the part pixel by pixel, or as large as in the
 *                               whole picture where that is larger: there is nothing to see beyond it
 *
 * THINNEST keeps surroundings on both sides of a rod: a canvas of a few cells across sees little but the network's padding. */
#include "pipeline/canvas.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/statistics.h"
#include "options/check.h"
#include "extract/prefetch.h"
#include "geometry/tiles.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define MARGIN 1.1
#define THINNEST 0.125

static double aspect_of(const dp_recipe *recipe, const dp_pose *pose)
{
    if (pose->status != DP_ALIGN_OK || !(pose->sigma_major_px > 0))
        return 0;
    double shown_px = 2 * sqrt(3.0) * pose->sigma_major_px / recipe->fill;
    return 2 * MARGIN * pose->extent_minor_px / shown_px;
}

static size_t height_for(double aspect, size_t width, size_t patch_px, bool at_most_square)
{
    size_t cols = width / patch_px;
    double rows = aspect * (double)width / (double)patch_px, limit = at_most_square ? (double)cols : 4096;
    rows = at_most_square ? ceil(rows) : round(rows);
    return (size_t)fmin(fmax(rows, 1), limit) * patch_px;
}

/* Height / width, the middle of the pictures' (width 0: not counted); 0: not known. */
static double middle_aspect(size_t n, const size_t *width_px, const size_t *height_px)
{
    double *aspects = dp_malloc(n, sizeof *aspects), middle = 0;
    size_t known = 0;
    for (size_t i = 0; aspects && i < n; i++)
        if (width_px[i])
            aspects[known++] = (double)height_px[i] / (double)width_px[i];
    if (known) {
        dp_sort_f64(aspects, known);
        middle = aspects[known / 2];
    }
    dp_memory_free(aspects);
    return middle;
}

size_t dp_canvas_height(const dp_recipe *recipe, size_t patch_px, size_t n, const dp_pose *poses,
                        const size_t *width_px, const size_t *height_px)
{
    size_t width = recipe->canvas_width_px;
    if (recipe->align == DP_ALIGN_NONE) {
        double middle = middle_aspect(n, width_px, height_px);
        return middle > 0 ? height_for(middle, width, patch_px, false) : width;
    }
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        if (width_px[i])
            largest = fmax(largest, aspect_of(recipe, &poses[i]));
    return largest > 0 ? height_for(largest, width, patch_px, true) : width;
}

#define MOST_PX 65536

static size_t side_of(double px, size_t unit_px)
{
    return (size_t)fmin(fmax(round(px / (double)unit_px), 1), MOST_PX) * unit_px;
}

/* The whole picture with a short side of short_px; both sides in multiples of unit_px. */
static void canvas_of_picture(dp_recipe *recipe, size_t unit_px, double aspect)
{
    double shorter = (double)recipe->short_px;
    recipe->canvas_height_px = side_of(aspect >= 1 ? shorter * aspect : shorter, unit_px);
    recipe->canvas_width_px = side_of(aspect >= 1 ? shorter : shorter / aspect, unit_px);
}

/* Pixels of the picture that the width of the canvas shows. */
static double shown_px(const dp_recipe *recipe, const dp_pose *pose)
{
    return 2 * sqrt(3.0) * pose->sigma_major_px / recipe->fill;
}

/* Gathers numbers of the pictures that can be read and, with pose, aligned; their median; 0: there is none. */
static double middle(const dp_survey *survey, const dp_recipe *recipe,
                     double (*number)(const dp_survey *, const dp_recipe *, size_t))
{
    double *all = dp_malloc(survey->n, sizeof *all), found = 0;
    size_t n = 0;
    for (size_t i = 0; all && i < survey->n; i++)
        if (survey->width_px[i]
            && (!dp_aligns(recipe) || (survey->poses[i].picture_width_px && survey->poses[i].status == DP_ALIGN_OK)))
            all[n++] = number(survey, recipe, i);
    if (n) {
        dp_sort_f64(all, n);
        found = all[n / 2];
    }
    dp_memory_free(all);
    return found;
}

static double width_of(const dp_survey *survey, const dp_recipe *recipe, size_t i)
{
    (void)recipe;
    return (double)survey->width_px[i];
}

static double height_of(const dp_survey *survey, const dp_recipe *recipe, size_t i)
{
    (void)recipe;
    return (double)survey->height_px[i];
}

static double aspect_of_picture(const dp_survey *survey, const dp_recipe *recipe, size_t i)
{
    (void)recipe;
    return (double)survey->height_px[i] / (double)survey->width_px[i];
}

static double shown_of(const dp_survey *survey, const dp_recipe *recipe, size_t i)
{
    return shown_px(recipe, &survey->poses[i]);
}

/* Canvas pixels to a pixel of the whole picture. */
static double scale_of(const dp_survey *survey, const dp_recipe *recipe, size_t i)
{
    size_t shorter = survey->width_px[i] < survey->height_px[i] ? survey->width_px[i] : survey->height_px[i];
    return (double)recipe->short_px / (double)shorter;
}

/* The part in its own proportion. */
static void canvas_of_part(dp_recipe *recipe, size_t unit_px, const dp_survey *survey)
{
    double aspect = 0, picture = middle(survey, recipe, aspect_of_picture), shorter = (double)recipe->short_px;
    for (size_t i = 0; i < survey->n; i++)
        if (survey->width_px[i])
            aspect = fmax(aspect, aspect_of(recipe, &survey->poses[i]));
    aspect = fmin(aspect > 0 ? aspect : 1, 1);
    double pixels = shorter * shorter * (picture > 0 ? fmax(picture, 1 / picture) : 1);
    double width = sqrt(pixels / fmax(aspect, THINNEST)), shown = middle(survey, recipe, shown_of);
    if (shown > 0)
        width = fmin(width, shown * fmax(middle(survey, recipe, scale_of), 1));
    recipe->canvas_width_px = side_of(width, unit_px);
    recipe->canvas_height_px = height_for(fmax(aspect, THINNEST), recipe->canvas_width_px, unit_px, true);
}

/* ------------------------------------------------------------------------------------------------------------ survey */

struct look {
    const dp_recipe *recipe;
    const dp_pictures *pictures;
    size_t first;
    dp_picture_options options;
    bool poses;
    dp_survey *survey;
};

static void look(void *context, size_t index, size_t worker)
{
    (void)worker;
    const struct look *look = context;
    dp_survey *survey = look->survey;
    size_t i = look->first + index;
    dp_picture *picture = NULL;
    if (dp_pictures_load(look->pictures, i, &look->options, &picture, NULL, NULL))
        return;
    if (!look->poses || dp_pose_find(picture, look->recipe, &survey->poses[i], NULL) == DP_OK) {
        survey->width_px[i] = picture->width_px;
        survey->height_px[i] = picture->height_px;
    }
    dp_picture_free(&picture);
}

#define ROUND 16 /* pictures between two looks at the progress callback */

dp_status dp_survey_take(const dp_recipe *recipe, const dp_pictures *pictures, dp_pool *pool, const dp_run *run,
                         dp_survey *out, dp_error *err)
{
    const size_t n = pictures->n;
    dp_survey survey = {.n = n,
                        .width_px = dp_calloc(n, sizeof *survey.width_px),
                        .height_px = dp_calloc(n, sizeof *survey.height_px),
                        .poses = dp_calloc(n, sizeof *survey.poses)};
    struct look job = {.recipe = recipe,
                       .pictures = pictures,
                       .options = dp_picture_options_of(recipe, run),
                       .poses = recipe->align == DP_ALIGN_PCA || recipe->align == DP_ALIGN_AUTO,
                       .survey = &survey};
    dp_status status = survey.width_px && survey.height_px && survey.poses
                           ? DP_OK
                           : dp_fail_memory(err, "the poses", n * sizeof *survey.poses);
    for (job.first = 0; job.first < n && !status; job.first += ROUND) {
        size_t count = n - job.first < ROUND ? n - job.first : ROUND;
        dp_pool_run(pool, count, look, &job);
        for (size_t i = job.first; i < job.first + count; i++) {
            bool posed = job.poses && survey.width_px[i];
            survey.n_read += survey.width_px[i] != 0;
            survey.n_posed += posed;
            survey.n_ok += posed && survey.poses[i].status == DP_ALIGN_OK;
        }
        if (recipe->align == DP_ALIGN_AUTO && (double)(survey.n_posed - survey.n_ok) > DP_MOST_UNALIGNED * (double)n)
            job.poses = false;
        if (run->progress && run->progress(run->user, "survey", job.first + count, n))
            status = dp_fail(err, DP_E_CANCELLED, "stopped while looking for the size of the canvas");
    }
    if (status)
        dp_survey_close(&survey);
    else
        *out = survey;
    return status;
}

void dp_survey_close(dp_survey *survey)
{
    dp_memory_free(survey->width_px);
    dp_memory_free(survey->height_px);
    dp_memory_free(survey->poses);
    *survey = (dp_survey){0};
}

/* ------------------------------------------------------------------------------------------------------------ settle */

bool dp_canvas_needs_survey(const dp_recipe *recipe)
{
    return !recipe->crop_px && !recipe->edge_px && !recipe->canvas_height_px;
}

void dp_tile_settle(dp_recipe *recipe, const dp_network_facts *network, bool chooses)
{
    /* of a residual network the deepest layer has half the grid of its features */
    const size_t patch_px = network->patch_px,
                 unit_px = recipe->layer_norm == DP_LAYER_NORM_RMS ? 2 * patch_px : patch_px;
    const size_t height = recipe->canvas_height_px, width = recipe->canvas_width_px;
    const bool many = network->max_cells && (height / patch_px) * (width / patch_px) > network->max_cells;
    const size_t side = recipe->tile_px     ? dp_tile_side(recipe->tile_px, unit_px, patch_px, 0)
                        : (chooses && many) ? dp_tile_side(0, unit_px, patch_px, network->max_cells)
                                            : 0;
    recipe->tile_px = side < height || side < width ? side : 0;
}

dp_status dp_canvas_settle(dp_recipe *recipe, const dp_network_facts *network, const dp_survey *survey, dp_error *err)
{
    /* A residual network's deepest layer has half the grid of its features, and one more would halve it again: the whole picture takes
     * the multiples that the network was made for, a part the finer ones that fit it closer. */
    const bool coarse = recipe->layer_norm == DP_LAYER_NORM_RMS, part = dp_aligns(recipe);
    const size_t unit_px = (coarse ? part ? 2 : 4 : 1) * network->patch_px;
    dp_recipe settled = *recipe;
    if (settled.short_px && !settled.canvas_width_px)
        settled.canvas_width_px = side_of((double)settled.short_px, unit_px);
    if (settled.crop_px) {
        settled.canvas_height_px = settled.canvas_width_px = settled.crop_px;
    } else if (settled.edge_px) {
        settled.canvas_height_px = settled.canvas_width_px = 0;
    } else if (!settled.canvas_height_px && settled.short_px) {
        double aspect = part ? 0 : middle(survey, &settled, aspect_of_picture);
        if (part)
            canvas_of_part(&settled, unit_px, survey);
        else
            canvas_of_picture(&settled, unit_px, aspect > 0 ? aspect : 1);
    } else if (!settled.canvas_height_px) {
        settled.canvas_height_px =
            dp_canvas_height(&settled, unit_px, survey->n, survey->poses, survey->width_px, survey->height_px);
    }
    if (!settled.edge_px || settled.crop_px)
        dp_tile_settle(&settled, network, settled.short_px && !recipe->canvas_height_px);
    dp_status status = dp_check_canvas(&settled, network, err);
    if (!status)
        *recipe = settled;
    return status;
}

bool dp_canvas_cell(const dp_recipe *recipe, size_t patch_px, const dp_survey *survey, double *height_px,
                    double *width_px)
{
    if (!survey->n || !recipe->canvas_width_px || recipe->edge_px)
        return false;
    const bool part = dp_aligns(recipe);
    double width = middle(survey, recipe, part ? shown_of : width_of), height = middle(survey, recipe, height_of);
    *width_px = width * (double)patch_px / (double)recipe->canvas_width_px;
    *height_px = part ? *width_px : height * (double)patch_px / (double)recipe->canvas_height_px;
    return width > 0 && height > 0;
}
