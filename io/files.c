/* SPDX-License-Identifier: Apache-2.0 */
/* files.c - picture files as a source of pictures, and functions that take pictures by path. */
#include "base/error.h"
#include "base/memory.h"
#include "base/pool.h"
#include "dinopatch/io.h"
#include "picture/depth.h"
#include "picture/picture_file.h"
#include "dinopatch/edit.h"

#define ROUND 16 /* pictures between two calls of the progress callback */

static const char *name_of(void *user, size_t index)
{
    const char *const *paths = user;
    return paths[index];
}

static dp_status load(void *user, size_t index, const dp_picture_options *options, dp_picture **picture,
                      dp_picture_notes *notes, dp_error *err)
{
    return dp_picture_load_with(name_of(user, index), options, picture, notes, err);
}

/* The same of pictures some of which are in tar files. */
static const char *name_of_kept(void *user, size_t index)
{
    const dp_kept_picture *pictures = user;
    return pictures[index].name;
}

static dp_stored stored_of(const dp_kept_picture *picture)
{
    return picture->tar ? dp_tar_stored(picture->tar, picture->member, picture->name) : dp_stored_file(picture->name);
}

static dp_status load_kept(void *user, size_t index, const dp_picture_options *options, dp_picture **picture,
                           dp_picture_notes *notes, dp_error *err)
{
    const dp_kept_picture *pictures = user;
    const dp_stored stored = stored_of(&pictures[index]);
    return dp_picture_load_stored(&stored, options, picture, notes, err);
}

/* ------------------------------------------------------------------------------------------------------------ depth */

struct survey {
    const char *const *paths; /* or NULL: */
    const dp_kept_picture *kept;
    const size_t *pictures;
    size_t first;
    dp_picture_options options;
    dp_depth *depths; /* [n] */
};

static void look_at_depth(void *context, size_t index, size_t worker)
{
    (void)worker;
    const struct survey *survey = context;
    size_t i = survey->first + index;
    const size_t number = survey->pictures[i];
    const dp_stored stored = survey->kept ? stored_of(&survey->kept[number]) : dp_stored_file(survey->paths[number]);
    if (dp_depth_survey(&stored, &survey->options, &survey->depths[i], NULL))
        survey->depths[i] = (dp_depth){0}; /* the loader will say what is wrong */
}

static dp_status survey_all(struct survey *survey, size_t n, const dp_run *run, dp_depth *all, dp_error *err)
{
    dp_pool *pool = NULL;
    dp_status status = dp_pool_open(run->threads, &pool, err);
    for (survey->first = 0; !status && survey->first < n; survey->first += ROUND) {
        size_t count = n - survey->first < ROUND ? n - survey->first : ROUND;
        dp_pool_run(pool, count, look_at_depth, survey);
        for (size_t i = survey->first; i < survey->first + count; i++) {
            const dp_depth *depth = &survey->depths[i];
            all->n += depth->n;
            all->any |= depth->any;
            all->largest = depth->largest > all->largest ? depth->largest : all->largest;
        }
        if (all->n && run->progress && run->progress(run->user, "depth", survey->first + count, n))
            status = dp_fail(err, DP_E_CANCELLED, "stopped while reading the depth of the pictures");
    }
    dp_pool_close(&pool);
    return status;
}

static dp_status white_of(struct survey *survey, size_t n, const dp_run *run, size_t *white, dp_error *err)
{
    dp_depth all = {0};
    survey->options = (dp_picture_options){.max_pixels = run->max_picture_pixels, .tolerant = run->tolerant};
    survey->depths = dp_calloc(n, sizeof *survey->depths);
    if (!survey->depths)
        return dp_fail_memory(err, "the depths", n * sizeof *survey->depths);
    dp_status status = survey_all(survey, n, run, &all, err);
    dp_memory_free(survey->depths);
    if (status || !all.n)
        return status;
    *white = dp_depth_white(&all);
    dp_error line;
    if (run->log) {
        dp_fail(&line, DP_OK, "16-bit files hold %zu significant bits (white is %zu)", dp_depth_bits(*white), *white);
        run->log(run->user, DP_LOG_INFO, line.message);
    }
    if (run->log && all.n < n) {
        dp_fail(&line, DP_OK,
                "%zu of %zu good pictures have 16-bit samples, but the others do not; make sure that all are equally "
                "bright",
                all.n, n);
        run->log(run->user, DP_LOG_WARNING, line.message);
    }
    return DP_OK;
}

static dp_status find_white(void *user, const size_t *pictures, size_t n, const dp_run *run, size_t *white,
                            dp_error *err)
{
    struct survey survey = {.paths = user, .pictures = pictures};
    return white_of(&survey, n, run, white, err);
}

static dp_status find_white_kept(void *user, const size_t *pictures, size_t n, const dp_run *run, size_t *white,
                                 dp_error *err)
{
    struct survey survey = {.kept = user, .pictures = pictures};
    return white_of(&survey, n, run, white, err);
}

/* ---------------------------------------------------------------------------------------------------------- by path */

dp_source dp_source_kept(const dp_kept_picture *pictures, size_t n)
{
    return (dp_source){n, name_of_kept, load_kept, find_white_kept, (void *)(uintptr_t)pictures};
}

dp_source dp_source_files(const char *const *paths, size_t n)
{
    return (dp_source){.n = n, .name = name_of, .load = load, .find_white = find_white, .user = (void *)paths};
}

dp_status dp_roi_open(const char *path, dp_roi_frame frame, const char *drawn_on, size_t max_pixels, dp_roi **roi,
                      dp_error *err)
{
    const dp_picture_options options = {.max_pixels = max_pixels};
    uint8_t *mask = NULL;
    size_t height, width;
    dp_status status = dp_mask_load(path, &options, &mask, &height, &width, NULL, err);
    if (!status)
        status = dp_roi_from_mask(mask, height, width, frame, drawn_on, path, roi, err);
    dp_memory_free(mask);
    return status;
}

dp_status dp_bank_fit_within(dp_session *session, const dp_recipe *recipe, const dp_roi *roi, const char *const *paths,
                             size_t n_paths, dp_picture_fn on_picture, void *user, dp_bank **bank,
                             dp_fit_counts *report, dp_error *err)
{
    const dp_source source = dp_source_files(paths, n_paths);
    const dp_fit_input input = {.source = &source, .roi = roi, .on_picture = on_picture, .user = user};
    return dp_bank_fit_from(session, recipe, &input, bank, report, err);
}

dp_status dp_bank_fit(dp_session *session, const dp_recipe *recipe, const char *const *paths, size_t n_paths,
                      dp_picture_fn on_picture, void *user, dp_bank **bank, dp_fit_counts *report, dp_error *err)
{
    return dp_bank_fit_within(session, recipe, NULL, paths, n_paths, on_picture, user, bank, report, err);
}

dp_status dp_bank_add(dp_session *session, const dp_bank *bank, const char *const *paths, size_t n_paths,
                      dp_picture_fn on_picture, void *user, dp_bank **larger, dp_fit_counts *report, dp_error *err)
{
    const dp_source source = dp_source_files(paths, n_paths);
    const dp_fit_input input = {.source = &source, .on_picture = on_picture, .user = user};
    return dp_bank_add_from(session, bank, &input, larger, report, err);
}

dp_status dp_find_twins(const dp_bank *bank, const char *const *paths, size_t n, const dp_run *run, size_t *in_bank,
                        size_t *earlier, dp_error *err)
{
    const dp_source source = dp_source_files(paths, n);
    return dp_find_twins_from(bank, &source, run, in_bank, earlier, err);
}

dp_status dp_session_inspect_views(dp_session *session, const dp_bank *bank, const dp_view *views, size_t n_views,
                                   const char *const *paths, size_t n_paths, dp_view_result_fn on_result, void *user,
                                   dp_error *err)
{
    const dp_source source = dp_source_files(paths, n_paths);
    return dp_session_inspect_from(session, bank, views, n_views, &source, on_result, user, err);
}

struct plain_callback {
    dp_result_fn on_result;
    void *user;
};

static int call_plainly(void *user, size_t index, size_t view, const char *path, const dp_picture *picture,
                        const dp_result *result, double milliseconds, const char *message)
{
    const struct plain_callback *plain = user;
    (void)view;
    return plain->on_result(plain->user, index, path, picture, result, milliseconds, message);
}

dp_status dp_session_inspect_files(dp_session *session, const dp_bank *bank, const dp_view *view,
                                   const char *const *paths, size_t n_paths, dp_result_fn on_result, void *user,
                                   dp_error *err)
{
    struct plain_callback plain = {on_result, user};
    return dp_session_inspect_views(session, bank, view, 1, paths, n_paths, call_plainly, &plain, err);
}

/* ------------------------------------------------------------------------------------------------- one file at a time */

static dp_status load_image(const char *path, dp_picture **picture, dp_image *image, dp_error *err)
{
    dp_run limits;
    dp_run_init(&limits);
    dp_status status = dp_picture_load(path, limits.max_picture_pixels, picture, err);
    if (!status)
        *image = (dp_image){.size = sizeof *image,
                            .pixels = (*picture)->rgb,
                            .width = (*picture)->width_px,
                            .height = (*picture)->height_px,
                            .format = DP_RGB8};
    return status;
}

dp_status dp_fit_add_file(dp_fit *fit, const char *path, dp_error *err)
{
    dp_picture *picture = NULL;
    dp_image image;
    dp_status status = load_image(path, &picture, &image, err);
    if (!status)
        status = dp_fit_add(fit, &image, path, err);
    dp_picture_free(&picture);
    return status;
}

dp_status dp_inspector_run_file(dp_inspector *inspector, const char *path, unsigned what, const dp_result **result,
                                dp_error *err)
{
    dp_picture *picture = NULL;
    dp_image image;
    dp_status status = load_image(path, &picture, &image, err);
    if (!status)
        status = dp_inspector_run(inspector, &image, what, result, err);
    dp_picture_free(&picture);
    return status;
}
