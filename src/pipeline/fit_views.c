/* SPDX-License-Identifier: Apache-2.0 */
/* fit_views.c - the views of a picture that a fit learns from: as it was found and turned, mirrored and rotated.
 *
 * The network makes them, or they come from the shards of a fit, where it made them before. */
#include "base/error.h"
#include "image/picture.h"
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
    return status ? status
                  : dp_fit_replay_view(fit->replay, prepared->turn, version, extractor->tokens,
                                       extractor->shape.rows * extractor->shape.cols * extractor->dim, NULL, 0, err);
}

dp_status dp_fit_rotate(dp_fit_work *fit, dp_prepared *prepared, size_t k, dp_error *err)
{
    const dp_extractor *extractor = &fit->extractor;
    const size_t version = k + (extractor->recipe.mirror ? 1 : 0);
    if (fit->replay) {
        prepared->turn = 0;
        dp_status status = dp_fit_run(fit, prepared, version, err);
        return status ? status
                      : dp_fit_replay_view(fit->replay, 0, version, NULL, 0, prepared->cells,
                                           extractor->shape.rows * extractor->shape.cols, err);
    }
    dp_picture *original = prepared->picture, *turned = NULL;
    dp_status status =
        dp_picture_rotate(original, 360.0 * (double)k / (double)extractor->recipe.rotations, &turned, err);
    if (status)
        return status;
    prepared->picture = turned;
    status = dp_prepared_warp(prepared, 0, err);
    if (!status)
        status = dp_fit_run(fit, prepared, version, err);
    prepared->picture = original;
    dp_picture_free(&turned);
    return status;
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
