/* SPDX-License-Identifier: Apache-2.0 */
/* picture_map.h - makes the map in the user's picture from the distances of cells.
 *
 * Inspection delivers this map. The good pictures' maps, whose maxima give the cell threshold, come from the same
 * function, so the threshold means the same for both. */
#ifndef DP_SCORE_PICTURE_MAP_H
#define DP_SCORE_PICTURE_MAP_H

#include "geometry/project.h"
#include "score/region.h"

typedef struct dp_picture_map {
    const dp_recipe *recipe; /* its canvas is the one that the grid divides: dp_bank_recipe_for */
    const dp_pose *pose;     /* with the size of the picture */
    int polarity;
    size_t rows, cols;         /* the grid */
    const uint8_t *background; /* [rows, cols] 1: background; NULL: no mask */
    const dp_regions *regions;
    dp_pool *pool;
} dp_picture_map;

/* Fills box with the canvas in pixels of the picture (x1, y1 one past the last); false: nothing was cropped. */
bool dp_picture_map_crop(const dp_picture_map *show, double box[4]);
/* Returns whether some part of the picture is not inspected. */
bool dp_picture_map_leaves_out(const dp_picture_map *show);

/* Makes map [picture height, picture width] from grid, valid [rows, cols]: projected, 0 where nothing was inspected,
 * smoothed as the recipe says. inspected [picture height, picture width] is filled and read if
 * dp_picture_map_leaves_out, else it may be NULL: 1 inspected, 0 outside crop or region, 2 background. *projection
 * receives the map from pixels to cells. Errors: DP_E_ARGUMENT, DP_E_MEMORY. */
dp_status dp_picture_map_make(const dp_picture_map *show, const float *grid, const uint8_t *valid,
                              dp_projection *projection, float *map, uint8_t *inspected, dp_error *err);

/* Makes the delivered maps of a bank's good pictures one after another, and keeps their statistics. */
typedef struct dp_good_maps {
    dp_pool *pool;
    double *peaks; /* [n_pictures], the caller's: the largest distance in each map; NaN if no cell is valid */
    size_t n_pictures;
    float *cells; /* values of the maps at the centres of all valid cells */
    size_t n_cells, room;
    float *map;         /* [pixels] */
    uint8_t *inspected; /* [pixels] */
    size_t pixels;
} dp_good_maps;

/* pictures: the bank that the pictures belong to. Errors: DP_E_MEMORY. */
dp_status dp_good_maps_open(const dp_bank *pictures, dp_pool *pool, double *peaks, dp_good_maps *maps, dp_error *err);
void dp_good_maps_close(dp_good_maps *maps);
/* Adds picture p from its post-processed grid, valid [rows, cols]. If the size of the picture is unknown (a bank made
 * by hand) or too large for a map, its cells count instead; no pixel exceeds them. Errors: DP_E_MEMORY. */
dp_status dp_good_maps_add(dp_good_maps *maps, const dp_bank *pictures, size_t p, const dp_regions *regions,
                           const float *grid, const uint8_t *valid, dp_error *err);
/* Returns the scale of heat maps: see dp_bank_calibrate. */
dp_interval dp_good_maps_heat(dp_good_maps *maps);

#endif
