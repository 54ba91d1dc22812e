/* canvas.c - the canvas of `auto`: what a recipe leaves to the good pictures.
 *
 * With alignment the canvas is as wide as the recipe says and shows 2 sqrt(3) sigma_major / fill pixels of the picture.  The
 * height needed for one object is twice its extent across the axis, with a margin of a tenth for what the border points
 * miss; the canvas takes the largest over the nominal pictures.  Without alignment the middle aspect ratio counts. */
#include "pipeline/canvas.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/statistics.h"
#include "network/session.h"
#include "options/check.h"
#include "extract/prefetch.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define MARGIN 1.1

static double aspect_of(const dp_recipe *recipe, const dp_pose *pose)
{
    if (pose->status != DP_ALIGN_OK)
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

/* Height / width, the middle of the pictures'; 0: not known. */
static double middle_aspect(size_t n, const size_t *width_px, const size_t *height_px)
{
    double *aspects = dp_malloc(n, sizeof *aspects), middle = 0;
    for (size_t i = 0; aspects && i < n; i++)
        aspects[i] = (double)height_px[i] / (double)width_px[i];
    if (aspects && n) {
        dp_sort_f64(aspects, n);
        middle = aspects[n / 2];
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
        largest = fmax(largest, aspect_of(recipe, &poses[i]));
    return largest > 0 ? height_for(largest, width, patch_px, true) : width;
}

/* The whole picture with a short side of short_px; both sides in multiples of unit_px. */
static void canvas_of_short_side(dp_recipe *recipe, size_t unit_px, double aspect)
{
    double shorter = (double)recipe->short_px, height = aspect >= 1 ? shorter * aspect : shorter,
           width = aspect >= 1 ? shorter : shorter / aspect;
    recipe->canvas_height_px = (size_t)fmin(fmax(round(height / (double)unit_px), 1), 65536) * unit_px;
    recipe->canvas_width_px = (size_t)fmin(fmax(round(width / (double)unit_px), 1), 65536) * unit_px;
}

struct survey {
    const dp_recipe *recipe;
    const dp_pictures *pictures;
    size_t first;
    dp_picture_options options;
    dp_pose *poses;
    size_t *width_px, *height_px;
};

static void look(void *context, size_t index, size_t worker)
{
    (void)worker;
    const struct survey *survey = context;
    size_t i = survey->first + index;
    dp_picture *picture = NULL;
    if (dp_pictures_load(survey->pictures, i, &survey->options, &picture, NULL, NULL))
        return;
    if (survey->recipe->align == DP_ALIGN_NONE
        || dp_pose_find(picture, survey->recipe, &survey->poses[i], NULL) == DP_OK) {
        survey->width_px[i] = picture->width_px;
        survey->height_px[i] = picture->height_px;
    }
    dp_picture_free(&picture);
}

#define ROUND 16 /* pictures between two looks at the progress callback */

static dp_status survey_pictures(struct survey *survey, dp_pool *pool, const dp_run *run, dp_error *err)
{
    size_t n = survey->pictures->n;
    for (survey->first = 0; survey->first < n; survey->first += ROUND) {
        size_t count = n - survey->first < ROUND ? n - survey->first : ROUND;
        dp_pool_run(pool, count, look, survey);
        if (run->progress && run->progress(run->user, "survey", survey->first + count, n))
            return dp_fail(err, DP_E_CANCELLED, "stopped while looking for the size of the canvas");
    }
    return DP_OK;
}

dp_status dp_canvas_settle(dp_recipe *recipe, size_t patch_px, const dp_pictures *pictures, dp_pool *pool,
                           const dp_run *run, dp_error *err)
{
    /* of a residual network the deepest layer has half the grid of its features */
    const size_t unit_px = recipe->layer_norm == DP_LAYER_NORM_RMS ? 2 * patch_px : patch_px;
    const bool whole =
        recipe->short_px && !recipe->canvas_height_px && !recipe->canvas_width_px && recipe->align == DP_ALIGN_NONE;
    if (recipe->short_px && !recipe->canvas_width_px)
        recipe->canvas_width_px = (recipe->short_px + unit_px / 2) / unit_px * unit_px;
    dp_status status = dp_check_patch(recipe, patch_px, err);
    if (status)
        return status;
    if (recipe->crop_px) {
        recipe->canvas_height_px = recipe->canvas_width_px = recipe->crop_px;
        return dp_cells_check(run, recipe->crop_px, recipe->crop_px, patch_px, NULL, err);
    }
    if (recipe->edge_px) {
        recipe->canvas_height_px = recipe->canvas_width_px = 0;
        return dp_cells_check(run, recipe->edge_px, recipe->edge_px, patch_px, NULL, err); /* a square has the fewest */
    }
    if (recipe->canvas_height_px)
        return dp_cells_check(run, recipe->canvas_height_px, recipe->canvas_width_px, patch_px, NULL, err);
    size_t n_pictures = pictures->n;
    struct survey survey = {
        .recipe = recipe,
        .pictures = pictures,
        .options = dp_picture_options_of(recipe, run),
        .poses = dp_calloc(n_pictures, sizeof *survey.poses),
        .width_px = dp_calloc(n_pictures, sizeof *survey.width_px),
        .height_px = dp_calloc(n_pictures, sizeof *survey.height_px),
    };
    if (!survey.poses || !survey.width_px || !survey.height_px)
        status = dp_fail_memory(err, "the poses", n_pictures * sizeof *survey.poses);
    if (!status)
        status = survey_pictures(&survey, pool, run, err);
    if (!status) {
        size_t n = 0; /* those that could be read, moved to the front */
        for (size_t i = 0; i < n_pictures; i++) {
            if (!survey.width_px[i])
                continue;
            survey.poses[n] = survey.poses[i];
            survey.width_px[n] = survey.width_px[i];
            survey.height_px[n++] = survey.height_px[i];
        }
        double aspect = whole ? middle_aspect(n, survey.width_px, survey.height_px) : 0;
        if (aspect > 0)
            canvas_of_short_side(recipe, unit_px, aspect);
        size_t height = aspect > 0
                            ? recipe->canvas_height_px
                            : dp_canvas_height(recipe, unit_px, n, survey.poses, survey.width_px, survey.height_px);
        status = dp_cells_check(run, height, recipe->canvas_width_px, patch_px, NULL, err);
        if (!status)
            recipe->canvas_height_px = height;
    }
    dp_memory_free(survey.poses);
    dp_memory_free(survey.width_px);
    dp_memory_free(survey.height_px);
    return status;
}
