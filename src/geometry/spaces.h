/* SPDX-License-Identifier: Apache-2.0 */
/* spaces.h - the spaces of a picture, named once, and every map between them.
 *
 *     P  picture   pixels of the picture as it was decoded                  x right, y down
 *     R  resized   pixels of the picture resized by `edge`; only there      x right, y down
 *     C  canvas    pixels that the network sees                             u right, v down
 *     G  grid      cells that the network makes of the canvas               column c right, row r down
 *
 * Rules that hold in each of them:
 *   - The centre of element i is at i. The element reaches from i - 1/2 to i + 1/2, and n of them from -1/2 to n - 1/2.
 *   - Where n elements lie over m others, place a among the n is place (a + 1/2) m / n - 1/2 among the m.
 *   - The element nearest to place a is floor(a + 1/2).
 *
 * The road of a picture: P -> C by its pose (or the plain resize), or P -> R -> C with `edge`, which crops; C -> G by
 * the patch of the network; then the polarity may mirror the columns of G. A turn belongs to C. A good picture that
 * entered a second time, mirrored (dp_recipe.mirror), has its canvas flipped first. Maps are named after the two spaces
 * that they lead from and to. */
#ifndef DP_GEOMETRY_SPACES_H
#define DP_GEOMETRY_SPACES_H

#include "options/recipe_facts.h"

#include <math.h>
#include <stdbool.h>

/* ---------------------------------------------------------------------------------------------------- any two spaces */

/* Returns the place among elements that are 1 / scale as large. */
static inline double dp_scale_place(double place, double scale)
{
    return (place + 0.5) * scale - 0.5;
}

/* Returns the element nearest to a place; it may lie outside the space. */
static inline double dp_nearest_element(double place)
{
    return floor(place + 0.5);
}

static inline void dp_affine_apply(const dp_affine *map, double u, double v, double *x, double *y)
{
    *x = map->xu * u + map->xv * v + map->x0;
    *y = map->yu * u + map->yv * v + map->y0;
}

/* Returns the inverse map; it exists for every map between the spaces. */
dp_affine dp_affine_invert(const dp_affine *map);

/* ----------------------------------------------------------------------------------------------------------- P, R, C */

/* R of one picture, and the canvas as a part of it. */
typedef struct dp_resized {
    size_t height_px, width_px; /* the smaller is edge_px, the other in proportion, rounded down to whole
                                               * pixels (torchvision's Resize) */
    size_t top_px, left_px;     /* pixel of R that is pixel 0, 0 of C */
    size_t canvas_height_px,
        canvas_width_px; /* the square in the middle (crop_px), or whole patches; 0 where the patch is 0 and there is no crop */
} dp_resized;

/* P -> R -> C. recipe->edge_px is not 0. patch_px 0: the canvas is not asked for. A central crop keeps the pixels from
 * (n - crop) / 2, with a half rounded to the even number (torchvision's CenterCrop). */
dp_resized dp_picture_to_resized(const dp_recipe *recipe, size_t patch_px, size_t height_px, size_t width_px);

/* Whether a pose lays the canvas on the part; with any other the canvas is the whole picture, resized. */
static inline bool dp_pose_is_placed(const dp_pose *pose)
{
    return pose->status == DP_ALIGN_OK || pose->status == DP_ALIGN_UNLIKE;
}

/* C -> P for any recipe: dp_canvas_transform, or with edge_px the resize and the crop, for which the size of the canvas
 * does not matter. turn: the canvas is turned by 180 degrees. The canvas is that of the recipe. */
dp_affine dp_canvas_to_picture(const dp_recipe *recipe, const dp_pose *pose, int turn);

/* -------------------------------------------------------------------------------------------------------------- C, G */

/* C -> G: whole cells in so many pixels. */
static inline size_t dp_canvas_to_cells(size_t canvas_px, size_t patch_px)
{
    return canvas_px / patch_px;
}

/* G -> C: pixels of so many cells. */
static inline size_t dp_cells_to_canvas(size_t cells, size_t patch_px)
{
    return cells * patch_px;
}

/* C -> G: a cell counts only where all its pixels do. valid [height_px, width_px] -> cells [height_px / patch_px,
 * width_px / patch_px]. */
void dp_canvas_to_valid_cells(const uint8_t *valid, size_t height_px, size_t width_px, size_t patch_px, uint8_t *cells);

/* -------------------------------------------------------------------------------------------------------------- P, G */

/* How one picture lies in the grid of a bank. */
typedef struct dp_frame {
    const dp_recipe *recipe; /* its canvas is the one that the grid divides: dp_bank_recipe_for */
    const dp_pose *pose;     /* with the size of the picture */
    int polarity;            /* below 0: turned or mirrored, as the recipe says */
    bool mirrored;           /* the picture's mirror (dp_recipe.mirror) */
    size_t rows, cols;       /* the grid */
} dp_frame;

/* G -> P. */
dp_affine dp_grid_to_picture(const dp_frame *frame);

/* G -> P: pixels of the picture that one cell covers. */
double dp_cell_area_px(const dp_frame *frame);

#endif
