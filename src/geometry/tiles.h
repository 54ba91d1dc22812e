/* SPDX-License-Identifier: Apache-2.0 */
/* tiles.h - cuts a large canvas into overlapping tiles, in cells of its grid. */
#ifndef DP_GEOMETRY_TILES_H
#define DP_GEOMETRY_TILES_H

#include "base/area.h"
#include "dinopatch/experimental.h"

#include <stdbool.h>

/* One axis. */
typedef struct dp_tile_axis {
    size_t length, tile,
        overlap; /* cells of the whole axis, of a tile, and how many a tile drops at least at an inner border */
    size_t n;    /* number of tiles */
} dp_tile_axis;

/* tile 0, or at least length: one tile. */
dp_tile_axis dp_tile_axis_of(size_t length, size_t tile);
/* The first cell of tile i; its first kept cell, and the cell after its last kept one; all counted over the whole
 * axis. */
size_t dp_tile_first(const dp_tile_axis *axis, size_t i);
size_t dp_tile_kept_first(const dp_tile_axis *axis, size_t i);
size_t dp_tile_kept_end(const dp_tile_axis *axis, size_t i);

typedef struct dp_tiling {
    dp_tile_axis down, across;
} dp_tiling;

/* Cuts a grid of rows x cols cells into tiles of at most tile x tile. */
dp_tiling dp_tiling_of(size_t rows, size_t cols, size_t tile);

static inline size_t dp_tiling_count(const dp_tiling *tiling)
{
    return tiling->down.n * tiling->across.n;
}

/* The cells of the tile in row i and column j of the tiling, and the cells that are kept of it. */
dp_area dp_tile_area(const dp_tiling *tiling, size_t i, size_t j);
dp_area dp_tile_kept(const dp_tiling *tiling, size_t i, size_t j);

/* A canvas in cells, and how it is cut into tiles. It is settled once from a recipe, and every stage uses it. */
typedef struct dp_canvas_shape {
    size_t height_px, width_px; /* whole cells; 0: each picture has its own canvas (dp_own_canvas) */
    size_t patch_px;            /* pixels of a cell's side */
    size_t rows, cols, cells;   /* cells = rows * cols, which does not overflow: dp_check_canvas, or the limit on the
                                 * pixels of one picture */
    bool cut;                   /* the recipe cuts the canvas into tiles */
    dp_tiling tiling;
    size_t tile_height_px, tile_width_px, tile_cells; /* of one tile */
    size_t band_rows;                                 /* most rows that a row of tiles keeps */
} dp_canvas_shape;

/* Canvas and tile of the recipe must be settled, or 0. */
dp_canvas_shape dp_canvas_shape_of(const dp_recipe *recipe, size_t patch_px);

/* Returns the side of a tile in pixels, a multiple of unit_px: `wished` rounded to the nearest, or at wished 0 the largest
 * of at most 512 pixels; of at most max_cells cells of patch_px pixels (0: no limit), and at least one unit. */
size_t dp_tile_side(size_t wished_px, size_t unit_px, size_t patch_px, size_t max_cells);

#endif
