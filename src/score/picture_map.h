/* SPDX-License-Identifier: Apache-2.0 */
/* picture_map.h - from the distances of cells to the map in the picture that the user took.
 *
 * The one way to a map: inspection delivers it, and the good pictures' maps, from whose maxima the cell threshold comes, are made by the same
 * function, so that the threshold means the same in both. */
#ifndef DP_SCORE_PICTURE_MAP_H
#define DP_SCORE_PICTURE_MAP_H

#include "geometry/project.h"
#include "score/region.h"

typedef struct dp_picture_map {
    const dp_recipe *recipe; /* its canvas is the one the grid divides: dp_bank_recipe_for */
    const dp_pose *pose;     /* with the size of the picture */
    int polarity;
    size_t rows, cols;         /* the grid */
    const uint8_t *background; /* [rows, cols] 1: background; NULL: no mask */
    const dp_regions *regions;
    dp_pool *pool;
} dp_picture_map;

/* Where the canvas ends in the picture, as boxes have it (x1, y1 one past the last); false: nothing was cropped. */
bool dp_picture_map_crop(const dp_picture_map *show, double box[4]);
/* Whether not all of the picture is inspected. */
bool dp_picture_map_leaves_out(const dp_picture_map *show);

/* grid, valid [rows, cols] -> map [picture height, picture width]: projected, 0 where nothing was inspected, smoothed as the recipe says.
 * inspected [picture height, picture width] 1: inspected, 0: outside crop or region, 2: background; read and filled where
 * dp_picture_map_leaves_out, else it may be NULL.  *projection receives what leads from pixels to cells.  Errors: DP_E_ARGUMENT, DP_E_MEMORY. */
dp_status dp_picture_map_make(const dp_picture_map *show, const float *grid, const uint8_t *valid,
                              dp_projection *projection, float *map, uint8_t *inspected, dp_error *err);

/* The delivered maps of a bank's good pictures, one after the other, and what is kept of them. */
typedef struct dp_good_maps {
    dp_pool *pool;
    double *peaks; /* [n_pictures], the caller's: the largest distance in each map; NaN where no cell is valid */
    size_t n_pictures;
    float *cells; /* the maps' values at the centres of all valid cells */
    size_t n_cells, room;
    float *map;         /* [pixels] */
    uint8_t *inspected; /* [pixels] */
    size_t pixels;
} dp_good_maps;

/* pictures: the bank whose pictures they are.  Errors: DP_E_MEMORY. */
dp_status dp_good_maps_open(const dp_bank *pictures, dp_pool *pool, double *peaks, dp_good_maps *maps, dp_error *err);
void dp_good_maps_close(dp_good_maps *maps);
/* grid, valid [rows, cols] of picture p, post-processed.  A picture whose size is not known (a bank made by hand), or larger than any map,
 * counts by its cells, which no pixel exceeds.  Errors: DP_E_MEMORY. */
dp_status dp_good_maps_add(dp_good_maps *maps, const dp_bank *pictures, size_t p, const dp_regions *regions,
                           const float *grid, const uint8_t *valid, dp_error *err);
/* Scale for heat maps: see dp_bank_calibrate. */
dp_interval dp_good_maps_heat(dp_good_maps *maps);

#endif
