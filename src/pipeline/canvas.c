/* SPDX-License-Identifier: Apache-2.0 */
/* canvas.c - what a recipe leaves to the good pictures: their sizes and poses, and the canvas.
 *
 * With alignment the canvas is as wide as the recipe says and shows 2 sqrt(3) sigma_major / fill pixels of the picture.
 * One object needs twice its extent across the axis as height, with a margin of a tenth for what the border points miss.
 * The canvas takes the largest height over the good pictures, at most the width. Without alignment the middle aspect
 * ratio of the pictures counts.
 *
 * With the option size, short side s, and pictures whose middle proportion is h : w:
 *
 *     the whole picture     s by s max(h, w) / min(h, w), in multiples of the network's largest stride
 *     a part of height a    (per width) as many pixels as the whole picture would have. Time, bank and number of cells
 *                           stay what size means, and the part is seen closer without its surroundings. A canvas with
 *                           the short side s would grow with the length of the part (a rod of 10 : 1 would take ten
 *                           times as long).
 *                               width = sqrt(pixels / max(a, THINNEST)), at most what shows the part pixel by pixel, or
 *                               as large as in the whole picture if that is larger: beyond it there is nothing to see
 *
 * THINNEST keeps surroundings on both sides of a rod: a canvas of a few cells across sees little but the network's
 * padding. */
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

#define MOST_PX 65536

/* Returns how many pixels of the picture the width of the canvas shows. */
static double shown_px(double fill, const dp_pose *pose)
{
    return 2 * sqrt(3.0) * pose->sigma_major_px / fill;
}

/* Returns the height that an object needs per width; 0: it has no pose. */
static double aspect_of(double fill, const dp_pose *pose)
{
    if (pose->status != DP_ALIGN_OK || !(pose->sigma_major_px > 0))
        return 0;
    return 2 * MARGIN * pose->extent_minor_px / shown_px(fill, pose);
}

static size_t height_for(double aspect, size_t width, size_t patch_px, bool at_most_square)
{
    size_t cols = width / patch_px;
    double rows = aspect * (double)width / (double)patch_px, limit = at_most_square ? (double)cols : 4096;
    rows = at_most_square ? ceil(rows) : round(rows);
    return (size_t)fmin(fmax(rows, 1), limit) * patch_px;
}

static size_t side_of(double px, size_t unit_px)
{
    return (size_t)fmin(fmax(round(px / (double)unit_px), 1), MOST_PX) * unit_px;
}

dp_status dp_survey_typical(const dp_survey *survey, bool part, double fill, dp_typical *out, dp_error *err)
{
    const size_t n = survey->n;
    dp_typical typical = {.part = part};
    double *numbers = n ? dp_malloc_2d(n, 5, sizeof *numbers) : NULL;
    if (n && !numbers)
        return dp_fail_memory(err, "the sizes of the pictures", 5 * n * sizeof *numbers);
    double *widths = numbers, *heights = numbers + n, *aspects = numbers + 2 * n, *shorter = numbers + 3 * n,
           *shown = numbers + 4 * n;
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        const double width = (double)survey->width_px[i], height = (double)survey->height_px[i];
        const dp_pose *pose = part ? &survey->poses[i] : NULL;
        if (!survey->width_px[i])
            continue;
        typical.narrowest = typical.widest > 0 ? fmin(typical.narrowest, width / height) : width / height;
        typical.widest = fmax(typical.widest, width / height);
        if (part)
            typical.part_aspect = fmax(typical.part_aspect, aspect_of(fill, pose));
        if (part && !(pose->picture_width_px && pose->status == DP_ALIGN_OK))
            continue;
        widths[k] = width;
        heights[k] = height;
        aspects[k] = height / width;
        shorter[k] = fmin(width, height);
        shown[k++] = part ? shown_px(fill, pose) : 0;
    }
    double *const all[] = {widths, heights, aspects, shorter, shown};
    for (size_t j = 0; k && j < sizeof all / sizeof *all; j++)
        dp_sort_f64(all[j], k);
    if (k) {
        typical.width_px = widths[k / 2];
        typical.height_px = heights[k / 2];
        typical.aspect = aspects[k / 2];
        typical.shorter_px = shorter[k - 1 - k / 2]; /* of an even number the smaller: the larger scale */
        typical.shown_px = shown[k / 2];
    }
    dp_memory_free(numbers);
    *out = typical;
    return DP_OK;
}

static size_t height_of(const dp_typical *typical, size_t width, size_t patch_px)
{
    const double aspect = typical->part ? typical->part_aspect : typical->aspect;
    return aspect > 0 ? height_for(aspect, width, patch_px, typical->part) : width;
}

size_t dp_canvas_height(const dp_recipe *recipe, size_t patch_px, size_t n, const dp_pose *poses,
                        const size_t *width_px, const size_t *height_px)
{
    const dp_survey survey = {.n = n,
                              .width_px = (size_t *)(uintptr_t)width_px,
                              .height_px = (size_t *)(uintptr_t)height_px,
                              .poses = (dp_pose *)(uintptr_t)poses}; /* only read */
    dp_typical typical = {0};
    (void)dp_survey_typical(&survey, recipe->align != DP_ALIGN_NONE, recipe->fill, &typical,
                            NULL); /* without memory: a square */
    return height_of(&typical, recipe->canvas_width_px, patch_px);
}

/* The whole picture with a short side of short_px; both sides in multiples of unit_px. */
static void canvas_of_picture(dp_recipe *recipe, size_t unit_px, const dp_typical *typical)
{
    const double shorter = (double)recipe->short_px, aspect = typical->aspect > 0 ? typical->aspect : 1;
    recipe->canvas_height_px = side_of(aspect >= 1 ? shorter * aspect : shorter, unit_px);
    recipe->canvas_width_px = side_of(aspect >= 1 ? shorter : shorter / aspect, unit_px);
}

/* The part in its own proportion. */
static void canvas_of_part(dp_recipe *recipe, size_t unit_px, const dp_typical *typical)
{
    const double shorter = (double)recipe->short_px, picture = typical->aspect,
                 aspect = fmin(typical->part_aspect > 0 ? typical->part_aspect : 1, 1),
                 pixels = shorter * shorter * (picture > 0 ? fmax(picture, 1 / picture) : 1);
    double width = sqrt(pixels / fmax(aspect, THINNEST));
    if (typical->shown_px > 0)
        width = fmin(width, typical->shown_px * fmax(shorter / typical->shorter_px, 1));
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

/* Of a residual network's layers those after the grid's have coarser grids. */
static bool has_deeper_layers(const dp_recipe *recipe, const dp_network_facts *network)
{
    return recipe->layer_norm == DP_LAYER_NORM_RMS || (network->residual && recipe->layer_norm == DP_LAYER_NORM_RAW);
}

void dp_tile_settle(dp_recipe *recipe, const dp_network_facts *network, bool chooses)
{
    /* a residual network's deepest layer has half the grid of its features */
    const size_t patch_px = network->patch_px, unit_px = has_deeper_layers(recipe, network) ? 2 * patch_px : patch_px;
    const size_t height = recipe->canvas_height_px, width = recipe->canvas_width_px;
    const bool many = network->max_cells && (height / patch_px) * (width / patch_px) > network->max_cells;
    const size_t side = recipe->tile_px     ? dp_tile_side(recipe->tile_px, unit_px, patch_px, 0)
                        : (chooses && many) ? dp_tile_side(0, unit_px, patch_px, network->max_cells)
                                            : 0;
    recipe->tile_px = side < height || side < width ? side : 0;
}

dp_status dp_canvas_settle(dp_recipe *recipe, const dp_network_facts *network, const dp_typical *typical, dp_error *err)
{
    /* A residual network's deepest layer has half the grid of its features, and one more would halve it again: the
     * whole picture takes the multiples that the network was made for, a part the finer ones that fit it closer. */
    const bool coarse = has_deeper_layers(recipe, network);
    const size_t unit_px = (coarse ? typical->part ? 2 : 4 : 1) * network->patch_px;
    dp_recipe settled = *recipe;
    if (settled.short_px && !settled.canvas_width_px)
        settled.canvas_width_px = side_of((double)settled.short_px, unit_px);
    if (settled.crop_px) {
        settled.canvas_height_px = settled.canvas_width_px = settled.crop_px;
    } else if (settled.edge_px) {
        settled.canvas_height_px = settled.canvas_width_px = 0;
    } else if (!settled.canvas_height_px && settled.short_px) {
        (typical->part ? canvas_of_part : canvas_of_picture)(&settled, unit_px, typical);
    } else if (!settled.canvas_height_px) {
        settled.canvas_height_px = height_of(typical, settled.canvas_width_px, unit_px);
    }
    if (!settled.edge_px || settled.crop_px)
        dp_tile_settle(&settled, network, settled.short_px && !recipe->canvas_height_px);
    dp_status status = dp_check_canvas(&settled, network, err);
    if (!status)
        *recipe = settled;
    return status;
}

bool dp_canvas_cell(const dp_canvas_shape *canvas, const dp_typical *typical, double *height_px, double *width_px)
{
    const double patch_px = (double)canvas->patch_px;
    if (!(typical->height_px > 0) || !canvas->cells)
        return false;
    *width_px = (typical->part ? typical->shown_px : typical->width_px) * patch_px / (double)canvas->width_px;
    *height_px = typical->part ? *width_px : typical->height_px * patch_px / (double)canvas->height_px;
    return *width_px > 0;
}
