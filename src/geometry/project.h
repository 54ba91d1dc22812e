/* project.h - maps a distance grid from the canvas to the original picture. */
#ifndef DP_GEOMETRY_PROJECT_H
#define DP_GEOMETRY_PROJECT_H

#include "geometry/transform.h"
#include "base/pool.h"
#include "dinopatch.h"

/* Maps picture pixel (x, y) to grid coordinates, where cell (row r, column c) has its centre at (c, r):
 *     u = u[0] x + u[1] y + u[2],   v = v[0] x + v[1] y + v[2].
 * The canvas is -0.5 <= u <= cols - 0.5, -0.5 <= v <= rows - 0.5. */
typedef struct dp_projection {
    double u[3], v[3];
    size_t rows, cols;
} dp_projection;

/* Fills projection. canvas_to_picture: result of dp_canvas_transform. The grid [rows, cols] divides the canvas.
 * mirror: the columns of the grid were mirrored after the canvas was embedded (polarity by mirroring). turn: the
 * embedded canvas is that of the transform turned by 180 degrees (leave 0 if the transform already contains the
 * turn). Errors: DP_E_ARGUMENT for a transform without an inverse or an empty grid. */
dp_status dp_projection_init(dp_projection *projection, const dp_affine *canvas_to_picture, size_t canvas_height_px,
                             size_t canvas_width_px, size_t rows, size_t cols, int mirror, int turn, dp_error *err);

/* Returns the pixel nearest to the centre of a cell (row * cols + column), inside the picture. */
void dp_projection_pixel(const dp_projection *projection, size_t cell, size_t height_px, size_t width_px, size_t *x,
                         size_t *y);

/* Projects grid [rows, cols], valid [rows, cols] (NULL: all) -> map [height_px, width_px]. pool may be NULL. */
dp_status dp_project(const dp_projection *projection, const float *grid, const uint8_t *valid, size_t height_px,
                     size_t width_px, dp_pool *pool, float *map, dp_error *err);

#endif
