/* SPDX-License-Identifier: Apache-2.0 */
/* canvas_cells.c - the limits of a canvas, and the side of its tiles. */
#include "extract/canvas_cells.h"
#include "base/error.h"
#include "base/memory.h"
#include "geometry/spaces.h"
#include "geometry/tiles.h"
#include "network/session.h"

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

dp_status dp_canvas_check(const dp_recipe *recipe, size_t patch_px, const dp_run *run, dp_error *err)
{
    const size_t height = recipe->canvas_height_px, width = recipe->canvas_width_px, tile = recipe->tile_px;
    const size_t rows = dp_canvas_to_cells(height, patch_px), cols = dp_canvas_to_cells(width, patch_px);
    size_t cells;
    if (!tile)
        return dp_cells_check(run, height, width, patch_px, NULL, err);
    if (!dp_mul_size(rows, cols, &cells) || cells > (size_t)DP_MAX_GRID_CELLS)
        return dp_fail(
            err, DP_E_ARGUMENT,
            "a canvas of %zux%zu pixels (height x width) has %zux%zu cells, more than the %lld that all tiles "
            "of a picture may have: a smaller size takes it",
            height, width, rows, cols, (long long)DP_MAX_GRID_CELLS);
    return dp_cells_check(run, smaller(tile, height), smaller(tile, width), patch_px, NULL, err);
}

dp_status dp_tile_settle(dp_recipe *recipe, size_t patch_px, bool chooses, const dp_run *run, dp_error *err)
{
    /* of a residual network the deepest layer has half the grid of its features */
    const size_t unit_px = recipe->layer_norm == DP_LAYER_NORM_RMS ? 2 * patch_px : patch_px;
    const size_t height = recipe->canvas_height_px, width = recipe->canvas_width_px;
    const size_t rows = dp_canvas_to_cells(height, patch_px), cols = dp_canvas_to_cells(width, patch_px);
    size_t cells;
    const bool many = run->max_tokens && (!dp_mul_size(rows, cols, &cells) || cells > run->max_tokens);
    const size_t side = recipe->tile_px     ? dp_tile_side(recipe->tile_px, unit_px, patch_px, 0)
                        : (chooses && many) ? dp_tile_side(0, unit_px, patch_px, run->max_tokens)
                                            : 0;
    recipe->tile_px = side < height || side < width ? side : 0;
    return dp_canvas_check(recipe, patch_px, run, err);
}
