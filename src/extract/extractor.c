/* SPDX-License-Identifier: Apache-2.0 */
/* extractor.c - the features of one picture, with its polarity decided.
 *
 * If the recipe cuts the canvas into tiles (geometry/tiles.h), the network runs on one tile after another. Each tile is
 * warped directly out of the 8-bit picture, and its kept cells go to their place in the grid. No tile depends on
 * another, so neither their order nor the number of threads changes a bit.
 *
 * PCA finds an axis, not a direction: the part may lie one way or turned by 180 degrees. The orientation vector of the
 * features decides. `rotate` turns the picture and runs the network again. `mirror` flips the columns of the grid, as
 * the paper does, which equals a turn only for parts that are symmetric about their axis. */
#include "extract/extractor.h"
#include "geometry/flip.h"
#include "geometry/spaces.h"
#include "geometry/warp.h"
#include "base/error.h"
#include "base/memory.h"
#include "network/session.h"
#include "geometry/layer_grid.h"
#include "extract/background.h"
#include "extract/orientation.h"

#include <string.h>

dp_status dp_extractor_open(const dp_recipe *recipe, const dp_network_facts *network, size_t most_bytes,
                            dp_extractor *extractor, dp_error *err)
{
    const dp_canvas_shape canvas = dp_canvas_shape_of(recipe, dp_recipe_patch(recipe, network)), *shape = &canvas;
    const size_t dim = dp_recipe_dim(recipe, network);
    dp_extractor e = {.recipe = *recipe,
                      .network = *network,
                      .shape = *shape,
                      .dim = dim,
                      .most_bytes = most_bytes,
                      .n_vector = dp_recipe_vector_dim(recipe, network),
                      .halves = {.dim = dim}};
    e.by_bands = !recipe->retrieval && shape->tiling.down.n > 1 && shape->cells * dim * sizeof(float) > most_bytes;
    e.band = e.by_bands ? shape->band_rows : shape->rows;
    const bool tiled = shape->tiling.down.n > 1 || shape->tiling.across.n > 1, masks = recipe->background,
               means = recipe->neighbourhood > 1, halves = e.by_bands && recipe->polarity != DP_POLARITY_NONE;
    const size_t held = e.band * shape->cols, raw = masks && held > shape->tile_cells ? held : shape->tile_cells;
    const dp_need needs[] = {{&e.tokens, held, dim, sizeof(float)},
                             {&e.orientation, dim, 1, sizeof(float)},
                             {&e.tile_rgb, tiled ? shape->tile_height_px : 0, shape->tile_width_px, 3 * sizeof(float)},
                             {&e.tile_tokens, tiled ? shape->tile_cells : 0, dim, sizeof(float)},
                             {&e.raw, means ? raw : 0, dim, sizeof(float)},
                             {&e.background, masks ? shape->cells : 0, 1, 1},
                             {&e.component, masks ? shape->cells : 0, 1, sizeof(float)},
                             {&e.vector, e.n_vector, 1, sizeof(float)},
                             {&e.tile_vector, e.n_vector, 1, sizeof(float)},
                             {&e.halves.sums, halves ? 2 : 0, dim, sizeof(double)}};
    dp_status status = dp_memory_take(needs, sizeof needs / sizeof *needs, "the features of one picture", err);
    if (!status)
        *extractor = e;
    return status;
}

dp_status dp_extractor_fit(dp_extractor *extractor, const dp_prepared *prepared, dp_error *err)
{
    dp_recipe recipe = extractor->recipe;
    if (!dp_own_canvas(&recipe)
        || (recipe.canvas_height_px == prepared->height_px && recipe.canvas_width_px == prepared->width_px))
        return DP_OK;
    recipe.canvas_height_px = prepared->height_px;
    recipe.canvas_width_px = prepared->width_px;
    dp_extractor larger;
    dp_status status = dp_extractor_open(&recipe, &extractor->network, extractor->most_bytes, &larger, err);
    if (status)
        return status;
    larger.layer_norm = extractor->layer_norm;
    dp_extractor_close(extractor);
    *extractor = larger;
    return DP_OK;
}

void dp_extractor_close(dp_extractor *extractor)
{
    dp_extract_plan_close(&extractor->plan);
    dp_halves_close(&extractor->halves);
    dp_memory_free(extractor->tokens);
    dp_memory_free(extractor->tile_rgb);
    dp_memory_free(extractor->tile_tokens);
    dp_memory_free(extractor->raw);
    dp_memory_free(extractor->orientation);
    dp_memory_free(extractor->vector);
    dp_memory_free(extractor->tile_vector);
    dp_memory_free(extractor->background);
    dp_memory_free(extractor->component);
    *extractor = (dp_extractor){0};
}

dp_status dp_extractor_plan(dp_extractor *extractor, dp_session *session, dp_error *err)
{
    const size_t rows = extractor->shape.tiling.down.tile, cols = extractor->shape.tiling.across.tile;
    dp_extract_plan *p = &extractor->plan;
    dp_status status =
        p->dim ? DP_OK
               : dp_extract_plan_open(session, &extractor->recipe, dp_cells_to_canvas(rows, extractor->shape.patch_px),
                                      dp_cells_to_canvas(cols, extractor->shape.patch_px), p, err);
    if (!status && (p->dim != extractor->dim || p->rows != rows || p->cols != cols))
        status = dp_fail(err, DP_E_MISMATCH, "the layers of this network are not those of the recipe");
    return status;
}

/* Computes the raw layers, and normalises them if the statistics are known. */
static dp_status extract(dp_extractor *extractor, dp_session *session, const float *rgb, float *tokens, dp_error *err)
{
    const size_t rows = extractor->shape.tiling.down.tile, cols = extractor->shape.tiling.across.tile;
    dp_status status = dp_extractor_plan(extractor, session, err);
    if (!status)
        status = dp_extract(&extractor->plan, session, rgb, dp_cells_to_canvas(rows, extractor->shape.patch_px),
                            dp_cells_to_canvas(cols, extractor->shape.patch_px), tokens, err);
    if (!status && extractor->layer_norm)
        dp_layer_norm_apply(tokens, rows * cols, extractor->dim, extractor->layer_norm,
                            extractor->layer_norm + extractor->dim);
    return status;
}

/* Adds the vector of the tile that the network saw last. */
static void add_vector(dp_extractor *extractor, dp_session *session)
{
    if (!extractor->n_vector)
        return;
    if (extractor->network.residual)
        dp_extract_pool(&extractor->plan, extractor->tile_vector);
    else
        dp_session_class_token(session, extractor->tile_vector);
    for (size_t d = 0; d < extractor->n_vector; d++)
        extractor->vector[d] += extractor->tile_vector[d];
}

/* Embeds one tile: rgb [tile height, tile width, 3] -> tokens [tile rows, tile cols, dim]. */
static dp_status embed_tile(dp_extractor *extractor, dp_session *session, const float *rgb, float *tokens,
                            dp_error *err)
{
    const dp_recipe *r = &extractor->recipe;
    const size_t rows = extractor->shape.tiling.down.tile, cols = extractor->shape.tiling.across.tile;
    if (r->layer_norm) {
        dp_status extracted = extract(extractor, session, rgb, tokens, err);
        if (!extracted)
            add_vector(extractor, session);
        return extracted;
    }
    dp_status status = dp_session_embed(session, rgb, dp_cells_to_canvas(rows, extractor->shape.patch_px),
                                        dp_cells_to_canvas(cols, extractor->shape.patch_px), r->layers, r->n_layers,
                                        r->layer_mix, extractor->raw ? extractor->raw : tokens, err);
    if (!status && extractor->raw)
        dp_mean_3x3(extractor->raw, rows, cols, extractor->dim, tokens);
    if (!status)
        add_vector(extractor, session);
    return status;
}

/* Embeds one of several tiles and copies its kept cells to tokens. */
static dp_status embed_kept(dp_extractor *extractor, dp_session *session, const dp_prepared *prepared, size_t i,
                            size_t j, dp_error *err)
{
    const dp_run *run = dp_session_run(session);
    const dp_recipe *r = &extractor->recipe;
    const size_t patch = extractor->shape.patch_px, dim = extractor->dim;
    const dp_area tile = dp_tile_area(&extractor->shape.tiling, i, j),
                  kept = dp_tile_kept(&extractor->shape.tiling, i, j);
    const dp_canvas canvas = {&prepared->pose, r->fill, prepared->turn, r->canvas_height_px, r->canvas_width_px};
    dp_area from = {dp_cells_to_canvas(tile.top, patch), dp_cells_to_canvas(tile.left, patch),
                    dp_cells_to_canvas(tile.height, patch), dp_cells_to_canvas(tile.width, patch)};
    if (run->stop && run->stop(run->user))
        return dp_fail(err, DP_E_CANCELLED, "stopped between two tiles of a picture");
    if (prepared->flip_rows)
        from.top = canvas.height_px - from.top - from.height;
    if (prepared->flip_cols)
        from.left = canvas.width_px - from.left - from.width;
    dp_status status = dp_canvas_warp_part(prepared->picture, &canvas, &from, extractor->tile_rgb, NULL, err);
    if (status)
        return status;
    if (prepared->flip_rows)
        dp_flip(extractor->tile_rgb, 3 * sizeof(float), from.height, from.width, true);
    if (prepared->flip_cols)
        dp_flip(extractor->tile_rgb, 3 * sizeof(float), from.height, from.width, false);
    status = embed_tile(extractor, session, extractor->tile_rgb, extractor->tile_tokens, err);
    for (size_t row = kept.top; row < kept.top + kept.height && !status; row++)
        memcpy(extractor->tokens + ((row - extractor->top) * extractor->shape.cols + kept.left) * dim,
               extractor->tile_tokens + ((row - tile.top) * tile.width + kept.left - tile.left) * dim,
               kept.width * dim * sizeof(float));
    return status;
}

static dp_status embed_band(dp_extractor *extractor, dp_session *session, const dp_prepared *prepared, size_t band,
                            dp_error *err)
{
    const dp_area kept = dp_tile_kept(&extractor->shape.tiling, band, 0);
    dp_status status = DP_OK;
    extractor->top = kept.top;
    extractor->band = kept.height;
    for (size_t j = 0; j < extractor->shape.tiling.across.n && !status; j++)
        status = embed_kept(extractor, session, prepared, band, j, err);
    return status ? dp_error_prefix(err, status, "%s", prepared->path) : DP_OK;
}

dp_status dp_extractor_band(dp_extractor *extractor, dp_session *session, const dp_prepared *prepared, size_t band,
                            dp_error *err)
{
    if (!extractor->by_bands)
        return DP_OK;
    dp_status status = embed_band(extractor, session, prepared, band, err);
    if (!status && extractor->mirrored)
        dp_grid_mirror(extractor->tokens, NULL, extractor->band, extractor->shape.cols, extractor->dim);
    return status;
}

dp_status dp_extractor_embed_canvas(dp_extractor *extractor, dp_session *session, const float *rgb, dp_error *err)
{
    return embed_tile(extractor, session, rgb, extractor->tokens, err);
}

dp_status dp_extractor_embed(dp_extractor *extractor, dp_session *session, const dp_prepared *prepared, dp_error *err)
{
    dp_status status = dp_extractor_fit(extractor, prepared, err);
    const size_t tiles = dp_tiling_count(&extractor->shape.tiling);
    if (extractor->n_vector)
        memset(extractor->vector, 0, extractor->n_vector * sizeof *extractor->vector);
    if (!status && dp_tiling_count(&extractor->shape.tiling) == 1)
        status = embed_tile(extractor, session, prepared->rgb, extractor->tokens, err);
    else
        for (size_t i = 0; i < extractor->shape.tiling.down.n && !status; i++)
            for (size_t j = 0; j < extractor->shape.tiling.across.n && !status; j++)
                status = embed_kept(extractor, session, prepared, i, j, err);
    for (size_t d = 0; d < extractor->n_vector && tiles > 1 && !status; d++)
        extractor->vector[d] /= (float)tiles;
    return status ? dp_error_prefix(err, status, "%s", prepared->path) : DP_OK;
}

/* Decides the polarity band by band: one pass over all bands gives the orientation. */
static dp_status orient_by_bands(dp_extractor *extractor, dp_session *session, const dp_prepared *prepared,
                                 dp_error *err)
{
    dp_status status = DP_OK;
    dp_halves_clear(&extractor->halves);
    for (size_t i = 0; i < extractor->shape.tiling.down.n && !status; i++) {
        status = embed_band(extractor, session, prepared, i, err);
        if (!status)
            dp_halves_add(&extractor->halves, extractor->tokens,
                          prepared->cells + extractor->top * extractor->shape.cols, extractor->band,
                          extractor->shape.cols);
    }
    if (status)
        return status;
    status = dp_halves_orientation(&extractor->halves, extractor->orientation, err);
    return status ? dp_error_prefix(err, status, "%s", prepared->path) : DP_OK;
}

dp_status dp_extractor_orientation(dp_extractor *extractor, const dp_prepared *prepared, dp_error *err)
{
    dp_status status = dp_orientation(extractor->tokens, prepared->cells, extractor->shape.rows, extractor->shape.cols,
                                      extractor->dim, extractor->orientation, err);
    return status ? dp_error_prefix(err, status, "%s", prepared->path) : DP_OK;
}

bool dp_extractor_has_polarity(const dp_extractor *extractor, const dp_prepared *prepared)
{
    return extractor->recipe.polarity != DP_POLARITY_NONE && prepared->pose.status == DP_ALIGN_OK;
}

dp_status dp_extractor_features(dp_extractor *extractor, dp_session *session, dp_prepared *prepared,
                                const float *orientation, int *polarity, dp_error *err)
{
    const dp_recipe *r = &extractor->recipe;
    const bool settles = dp_extractor_has_polarity(extractor, prepared), by_bands = extractor->by_bands;
    dp_status status = by_bands ? DP_OK : dp_extractor_embed(extractor, session, prepared, err);
    *polarity = 0;
    extractor->mirrored = false;
    if (status || !settles)
        return status;
    status = by_bands ? orient_by_bands(extractor, session, prepared, err)
                      : dp_extractor_orientation(extractor, prepared, err);
    if (status)
        return status;
    dp_orientation_unbias(extractor->orientation, orientation + extractor->dim, extractor->dim);
    *polarity = dp_orientation_sign(extractor->orientation, orientation, extractor->dim, NULL);
    if (*polarity >= 0)
        return DP_OK;
    if (r->polarity == DP_POLARITY_MIRROR) {
        extractor->mirrored = by_bands;
        dp_grid_mirror(by_bands ? NULL : extractor->tokens, prepared->cells, extractor->shape.rows,
                       extractor->shape.cols, extractor->dim);
        return DP_OK;
    }
    status = dp_prepared_warp(prepared, 1, err);
    return status || by_bands ? status : dp_extractor_embed(extractor, session, prepared, err);
}

/* dp_mean_3x3 divides by 9 at the border too. Here the mean is over the cells that exist; otherwise the border would
 * differ most. */
static const float *even_means(dp_extractor *extractor)
{
    if (!extractor->raw)
        return extractor->tokens;
    for (size_t r = 0; r < extractor->shape.rows; r++)
        for (size_t c = 0; c < extractor->shape.cols; c++) {
            size_t high = 1 + (r > 0) + (r + 1 < extractor->shape.rows),
                   wide = 1 + (c > 0) + (c + 1 < extractor->shape.cols);
            size_t first = (r * extractor->shape.cols + c) * extractor->dim;
            float factor = 9 / (float)(high * wide);
            for (size_t d = 0; d < extractor->dim; d++)
                extractor->raw[first + d] = factor * extractor->tokens[first + d];
        }
    return extractor->raw;
}

dp_status dp_extractor_background(dp_extractor *extractor, dp_session *session, const uint8_t *cells, const char *path,
                                  size_t *left, dp_error *err)
{
    const dp_recipe *r = &extractor->recipe;
    dp_status status = dp_first_component(
        even_means(extractor), r->background_rule == DP_BACKGROUND_LIST ? NULL : cells, extractor->shape.rows,
        extractor->shape.cols, extractor->dim, dp_session_pool(session), extractor->component, err);
    if (!status)
        status = dp_background_cells(extractor->component, cells, extractor->shape.rows, extractor->shape.cols,
                                     r->background_threshold, r->background_rule, extractor->background, err);
    if (status)
        return dp_error_prefix(err, status, "%s", path);
    *left = 0;
    for (size_t i = 0; i < extractor->shape.rows * extractor->shape.cols; i++)
        *left += cells[i] && !extractor->background[i];
    return DP_OK;
}

dp_status dp_fail_all_background(const dp_recipe *recipe, const char *path, dp_error *err)
{
    return dp_fail(err, DP_E_PICTURE,
                   "%s: it is all background: no feature passes the threshold %g on the first principal component",
                   path, recipe->background_threshold);
}
