/* SPDX-License-Identifier: Apache-2.0 */
/* tiles.c - places the tiles of a large canvas, and says which cells come from each.
 *
 * Along one axis, in cells: length T, tile p, overlap o.
 *
 *     tiles            n = ceil((T - p) / (p - 2 o)) + 1, and 1 if T <= p
 *     tile i starts    s_i = floor(i (T - p) / max(1, n - 1))
 *     kept of tile i   s_i + ceil(v_i / 2)  to  s_i + p - floor(v_{i+1} / 2);  v_i = s_{i-1} + p - s_i is the number of
 *                      cells that tile i shares with the tile before it; v_0 = v_n = 0
 *
 * The part of one tile ends where the part of the next begins. So every cell is taken once, from the tile in which it
 * lies farthest from an inner border. At an inner border a tile drops at least o cells, because their features depend
 * more on the padding of the network than on the picture.
 *
 * o is an eighth of the tile: 64 pixels at each side of a tile of 512. */
#include "geometry/tiles.h"
#include "geometry/spaces.h"

#include <math.h>

#define OVERLAPS 8 /* overlaps in one tile */
#define SIDE_PX 512

dp_tile_axis dp_tile_axis_of(size_t length, size_t tile)
{
    if (!tile || tile >= length)
        return (dp_tile_axis){length, length, 0, 1};
    size_t overlap = tile / OVERLAPS ? tile / OVERLAPS : tile > 2, step = tile - 2 * overlap;
    return (dp_tile_axis){length, tile, overlap, (length - tile + step - 1) / step + 1};
}

size_t dp_tile_first(const dp_tile_axis *axis, size_t i)
{
    return axis->n < 2 ? 0 : i * (axis->length - axis->tile) / (axis->n - 1);
}

/* Returns the number of cells that tile i shares with the tile before it. */
static size_t shared(const dp_tile_axis *axis, size_t i)
{
    return i == 0 || i >= axis->n ? 0 : dp_tile_first(axis, i - 1) + axis->tile - dp_tile_first(axis, i);
}

size_t dp_tile_kept_first(const dp_tile_axis *axis, size_t i)
{
    return dp_tile_first(axis, i) + (shared(axis, i) + 1) / 2;
}

size_t dp_tile_kept_end(const dp_tile_axis *axis, size_t i)
{
    return dp_tile_first(axis, i) + axis->tile - shared(axis, i + 1) / 2;
}

dp_tiling dp_tiling_of(size_t rows, size_t cols, size_t tile)
{
    return (dp_tiling){dp_tile_axis_of(rows, tile), dp_tile_axis_of(cols, tile)};
}

dp_area dp_tile_area(const dp_tiling *tiling, size_t i, size_t j)
{
    return (dp_area){dp_tile_first(&tiling->down, i), dp_tile_first(&tiling->across, j), tiling->down.tile,
                     tiling->across.tile};
}

dp_area dp_tile_kept(const dp_tiling *tiling, size_t i, size_t j)
{
    size_t top = dp_tile_kept_first(&tiling->down, i), left = dp_tile_kept_first(&tiling->across, j);
    return (dp_area){top, left, dp_tile_kept_end(&tiling->down, i) - top, dp_tile_kept_end(&tiling->across, j) - left};
}

dp_canvas_shape dp_canvas_shape_of(const dp_recipe *recipe, size_t patch_px)
{
    dp_canvas_shape shape = {.height_px = recipe->canvas_height_px,
                             .width_px = recipe->canvas_width_px,
                             .patch_px = patch_px,
                             .rows = dp_canvas_to_cells(recipe->canvas_height_px, patch_px),
                             .cols = dp_canvas_to_cells(recipe->canvas_width_px, patch_px),
                             .cut = recipe->tile_px > 0};
    const dp_tiling tiling = dp_tiling_of(shape.rows, shape.cols, dp_canvas_to_cells(recipe->tile_px, patch_px));
    shape.cells = shape.rows * shape.cols;
    shape.tiling = tiling;
    shape.tile_cells = tiling.down.tile * tiling.across.tile;
    shape.tile_height_px = dp_cells_to_canvas(tiling.down.tile, patch_px);
    shape.tile_width_px = dp_cells_to_canvas(tiling.across.tile, patch_px);
    for (size_t i = 0; i < tiling.down.n; i++) {
        const size_t rows = dp_tile_kept(&tiling, i, 0).height;
        shape.band_rows = rows > shape.band_rows ? rows : shape.band_rows;
    }
    return shape;
}

size_t dp_tile_side(size_t wished_px, size_t unit_px, size_t patch_px, size_t max_cells)
{
    size_t units = wished_px ? (wished_px + unit_px / 2) / unit_px : SIDE_PX / unit_px, cells = unit_px / patch_px;
    size_t most =
        max_cells ? (size_t)sqrt((double)max_cells) / cells : units; /* a double is exact far beyond any limit */
    units = units < most ? units : most;
    return (units ? units : 1) * unit_px;
}
