/* transform.h - maps a pixel of the canvas to the picture.
 *
 * Spaces: canvas (u right, v down) and picture (x right, y down), both in pixels with pixel centres at integers. */
#ifndef DP_GEOMETRY_TRANSFORM_H
#define DP_GEOMETRY_TRANSFORM_H

#include "dinopatch.h"

static inline void dp_affine_apply(const dp_affine *map, double u, double v, double *x, double *y)
{
    *x = map->xu * u + map->xv * v + map->x0;
    *y = map->yu * u + map->yv * v + map->y0;
}

/* Computes the size of a picture of width x height pixels after resizing its smaller side to edge pixels. The other
 * side is in proportion, rounded down to whole pixels (torchvision's Resize). */
static inline void dp_edge_size(size_t edge, size_t width, size_t height, size_t *edge_width, size_t *edge_height)
{
    size_t smaller = width < height ? width : height, longer = width < height ? height : width;
    size_t other = (size_t)((double)(edge * longer) / (double)smaller);
    *edge_width = width <= height ? edge : other;
    *edge_height = width <= height ? other : edge;
}

/* Returns the first of the n pixels that a central crop keeps: (n - crop) / 2, with a half rounded to the even number
 * (torchvision's CenterCrop). */
static inline size_t dp_crop_first(size_t n, size_t crop)
{
    size_t half = (n - crop) / 2;
    return half + ((n - crop) % 2 && half % 2);
}

/* Returns whether each picture has a canvas of its own size. */
static inline int dp_own_canvas(const dp_recipe *recipe)
{
    return recipe->edge_px > 0 && !recipe->crop_px;
}

/* Returns the map from canvas pixel to picture pixel for any recipe: dp_canvas_transform, or with edge_px the resize.
 * With edge_px the canvas is the middle of the resized picture (crop_px) or its upper left, in whole patches. The
 * size of the canvas does not matter then: a pixel of the canvas is a pixel of the resized picture. */
dp_affine dp_recipe_transform(const dp_recipe *recipe, const dp_pose *pose, int turn, size_t canvas_height,
                              size_t canvas_width, size_t picture_height, size_t picture_width);

/* Returns the inverse map; it exists for every result of dp_canvas_transform. */
dp_affine dp_affine_invert(const dp_affine *map);

#endif
