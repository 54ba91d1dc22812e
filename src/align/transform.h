/* transform.h - where a pixel of the canvas lies in the picture.
 *
 * Spaces: canvas (u right, v down) and picture (x right, y down), both in pixels with pixel centres at integers. */
#ifndef DP_ALIGN_TRANSFORM_H
#define DP_ALIGN_TRANSFORM_H

#include "dinopatch.h"

/* (u, v) -> (xu u + xv v + x0, yu u + yv v + y0). */
typedef struct dp_affine {
    double xu, xv, x0;
    double yu, yv, y0;
} dp_affine;

static inline void dp_affine_apply(const dp_affine *map, double u, double v, double *x, double *y)
{
    *x = map->xu * u + map->xv * v + map->x0;
    *y = map->yu * u + map->yv * v + map->y0;
}

/* Canvas pixel -> picture pixel, as dp_canvas_warp uses it.
 *
 * A pose that is DP_ALIGN_OK: u runs along the principal axis, v across it (a rotation, never a mirroring), both scales
 * equal, the centre of the object in the centre of the canvas, the canvas 2 sqrt(3) sigma_major / fill wide.
 * Any other: the plain resize, x = (u + 0.5) picture_width / canvas_width - 0.5, and so for y.
 * turn, in both cases: 1 turns the canvas by 180 degrees about its centre, (u, v) -> (W - 1 - u, H - 1 - v). */
dp_affine dp_canvas_transform(const dp_pose *pose, double fill, int turn, size_t canvas_height, size_t canvas_width,
                              size_t picture_height, size_t picture_width);

/* The size that a picture of width x height pixels is resized to by a smaller side of edge pixels: the other in proportion, cut down to
 * whole pixels (torchvision's Resize). */
static inline void dp_edge_size(size_t edge, size_t width, size_t height, size_t *edge_width, size_t *edge_height)
{
    size_t smaller = width < height ? width : height, longer = width < height ? height : width;
    size_t other = (size_t)((double)(edge * longer) / (double)smaller);
    *edge_width = width <= height ? edge : other;
    *edge_height = width <= height ? other : edge;
}

/* First of the pixels that a central crop keeps of n: (n - crop) / 2, a half rounded to the even one (torchvision's CenterCrop). */
static inline size_t dp_crop_first(size_t n, size_t crop)
{
    size_t half = (n - crop) / 2;
    return half + ((n - crop) % 2 && half % 2);
}

/* Whether each picture has a canvas of its own size. */
static inline int dp_own_canvas(const dp_recipe *recipe)
{
    return recipe->edge_px > 0 && !recipe->crop_px;
}

/* Canvas pixel -> picture pixel for any recipe: dp_canvas_transform, or with edge_px the resize of which the canvas is the middle (crop_px) or
 * the upper left, whole patches.  The canvas's size does not matter then: a pixel of it is a pixel of the resized picture. */
dp_affine dp_recipe_transform(const dp_recipe *recipe, const dp_pose *pose, int turn, size_t canvas_height, size_t canvas_width,
                              size_t picture_height, size_t picture_width);

/* The reverse map; it exists for every result of dp_canvas_transform. */
dp_affine dp_affine_invert(const dp_affine *map);

#endif
