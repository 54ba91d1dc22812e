/* SPDX-License-Identifier: Apache-2.0 */
/* project.h - P -> G, and a distance grid as a map in the picture. */
#ifndef DP_GEOMETRY_PROJECT_H
#define DP_GEOMETRY_PROJECT_H

#include "geometry/spaces.h"
#include "base/pool.h"
#include "dinopatch/experimental.h"

/* P -> G: picture pixel (x, y) lies at column u, row v of the grid:
 *     u = u[0] x + u[1] y + u[2],   v = v[0] x + v[1] y + v[2].
 * The canvas is -0.5 <= u <= cols - 0.5, -0.5 <= v <= rows - 0.5. */
typedef struct dp_projection {
    double u[3], v[3];
    size_t rows, cols;
} dp_projection;

/* Fills projection. canvas_to_picture: dp_canvas_to_picture. The grid [rows, cols] divides the canvas. mirror: the
 * columns of the grid were mirrored after the canvas was embedded (polarity by mirroring). Errors: DP_E_ARGUMENT for a
 * map without an inverse or an empty grid. */
dp_status dp_projection_init(dp_projection *projection, const dp_affine *canvas_to_picture, size_t canvas_height_px,
                             size_t canvas_width_px, size_t rows, size_t cols, int mirror, dp_error *err);

/* P -> G: finds the cell (row * cols + column) that a pixel lies in; false outside the grid. */
bool dp_projection_cell(const dp_projection *projection, size_t x, size_t y, size_t *cell);

/* G -> P: fills the pixels (first x, first y, last x, last y) that may lie in a cell, inside the picture. */
void dp_projection_box(const dp_projection *projection, size_t cell, size_t height_px, size_t width_px, size_t box[4]);

/* G -> P: returns the pixel nearest to the centre of a cell (row * cols + column), inside the picture. */
void dp_projection_pixel(const dp_projection *projection, size_t cell, size_t height_px, size_t width_px, size_t *x,
                         size_t *y);

/* Projects grid [rows, cols], valid [rows, cols] (NULL: all) -> map [height_px, width_px]. pool may be NULL. */
dp_status dp_project(const dp_projection *projection, const float *grid, const uint8_t *valid, size_t height_px,
                     size_t width_px, dp_pool *pool, float *map, dp_error *err);

#endif
