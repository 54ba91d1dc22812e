/* SPDX-License-Identifier: Apache-2.0 */
/* fit_views.c - the views of a picture that a fit learns from: as it was found and turned, mirrored, rotated and with other
 * brightness.
 *
 * The network makes them, or they come from the shards of a fit, where it made them before. */
#include "base/error.h"
#include "base/random.h"
#include "image/picture.h"
#include "options/recipe_facts.h"
#include "pipeline/fit_work.h"

dp_status dp_fit_warp(dp_fit_work *fit, dp_prepared *prepared, int turn, dp_error *err)
{
    if (!fit->replay)
        return dp_prepared_warp(prepared, turn, err);
    const size_t patch = prepared->shape.patch_px,
                 cells = dp_canvas_to_cells(prepared->height_px, patch) * dp_canvas_to_cells(prepared->width_px, patch);
    prepared->turn = turn;
    prepared->flip_rows = prepared->flip_cols = false;
    return dp_fit_replay_view(fit->replay, turn, 0, NULL, 0, prepared->cells, cells, err);
}

dp_status dp_fit_run(dp_fit_work *fit, dp_prepared *prepared, size_t version, dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    if (!fit->replay)
        return dp_extractor_embed(extractor, fit->session, prepared, err);
    dp_status status = dp_extractor_fit(extractor, prepared, err);
    if (!status && extractor->n_vector)
        status =
            dp_fit_replay_vector(fit->replay, prepared->turn, version, extractor->vector, extractor->n_vector, err);
    return status ? status
                  : dp_fit_replay_view(fit->replay, prepared->turn, version, extractor->tokens,
                                       extractor->shape.rows * extractor->shape.cols * extractor->dim, NULL, 0, err);
}

/* Runs a version whose pixels differ from the picture's: other, which it frees. */
static dp_status run_other(dp_fit_work *fit, dp_prepared *prepared, dp_picture *other, size_t version, dp_error *err)
{
    dp_picture *original = prepared->picture;
    prepared->picture = other;
    dp_status status = dp_prepared_warp(prepared, prepared->turn, err);
    if (!status)
        status = dp_fit_run(fit, prepared, version, err);
    prepared->picture = original;
    dp_picture_free(&other);
    return status;
}

static dp_status replay_other(dp_fit_work *fit, dp_prepared *prepared, size_t version, dp_error *err)
{
    const dp_canvas_shape *shape = &fit->extractor.shape;
    dp_status status = dp_fit_run(fit, prepared, version, err);
    return status ? status
                  : dp_fit_replay_view(fit->replay, prepared->turn, version, NULL, 0, prepared->cells,
                                       shape->rows * shape->cols, err);
}

dp_status dp_fit_rotate(dp_fit_work *fit, dp_prepared *prepared, size_t k, dp_error *err)
{
    const dp_recipe *recipe = &fit->extractor.recipe;
    const size_t version = k + (recipe->mirror ? 1 : 0);
    dp_picture *turned = NULL;
    prepared->turn = 0;
    if (fit->replay)
        return replay_other(fit, prepared, version, err);
    dp_status status =
        dp_picture_rotate(prepared->picture, 360.0 * (double)k / (double)recipe->rotations, &turned, err);
    return status ? status : run_other(fit, prepared, turned, version, err);
}

/* The pixels are the stream of the draw, not the number of the picture: a part of the pictures, another order and a later
 * addition give the same. */
static double draw_brightness(const dp_fit_work *fit, const dp_prepared *prepared)
{
    const dp_recipe *recipe = &fit->extractor.recipe;
    const unsigned char *digest = fit->digests + prepared->index * DP_DIGEST_BYTES;
    uint64_t stream = 0;
    for (size_t i = 0; i < sizeof stream; i++)
        stream = stream << 8 | digest[i];
    dp_random random = dp_random_at(recipe->seed, stream);
    return 1 + recipe->brightness * (2 * dp_random_unit(&random) - 1);
}

dp_status dp_fit_brighten(dp_fit_work *fit, dp_prepared *prepared, int turn, dp_error *err)
{
    const size_t version = dp_version_brightness(&fit->extractor.recipe);
    dp_picture *brighter = NULL;
    prepared->turn = turn;
    prepared->flip_rows = prepared->flip_cols = false;
    if (fit->replay)
        return replay_other(fit, prepared, version, err);
    dp_status status = dp_picture_brighten(prepared->picture, draw_brightness(fit, prepared), &brighter, err);
    return status ? status : run_other(fit, prepared, brighter, version, err);
}

dp_status dp_fit_again(dp_fit_work *fit, size_t index, dp_prepared *again, dp_error *err)
{
    const dp_recipe *recipe = &fit->extractor.recipe;
    *again = (dp_prepared){.run = fit->run, .index = index, .recipe = recipe, .shape = fit->extractor.shape};
    if (fit->replay)
        return dp_fit_replay_go(fit->replay, again, err);
    dp_status status = dp_prepared_open(again, recipe, &fit->extractor.shape, err);
    return status ? status : dp_prepared_load(again, &fit->pictures, err);
}
