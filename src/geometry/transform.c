/* transform.c - the similarity (or plain resize) between canvas and picture.
 *
 * A straight rod of length L has the standard deviation L / sqrt(12) along its axis, so L = 2 sqrt(3) sigma_major. It
 * should fill the share `fill` of the canvas width: the canvas shows L / fill = 2 sqrt(3) sigma_major / fill pixels
 * of the picture. At fill = sqrt(3) / 2 this is the paper's 4 sigma_major. */
#include "geometry/transform.h"

#include <math.h>

dp_affine dp_canvas_transform(const dp_pose *pose, double fill, int turn, size_t canvas_height, size_t canvas_width,
                              size_t picture_height, size_t picture_width)
{
    double middle_u = ((double)canvas_width - 1) / 2, middle_v = ((double)canvas_height - 1) / 2;
    double centre_x, centre_y;
    dp_affine map;
    if (pose->status == DP_ALIGN_OK) {
        double scale = 2 * sqrt(3.0) * pose->sigma_major_px / fill / (double)canvas_width;
        double along = scale * cos(pose->angle_rad), across = scale * sin(pose->angle_rad);
        map = (dp_affine){.xu = along, .xv = -across, .yu = across, .yv = along};
        centre_x = pose->centre_x_px;
        centre_y = pose->centre_y_px;
    } else {
        map = (dp_affine){.xu = (double)picture_width / (double)canvas_width,
                          .yv = (double)picture_height / (double)canvas_height};
        centre_x = ((double)picture_width - 1) / 2;
        centre_y = ((double)picture_height - 1) / 2;
    }
    if (turn) {
        map.xu = -map.xu, map.xv = -map.xv;
        map.yu = -map.yu, map.yv = -map.yv;
    }
    map.x0 = centre_x - map.xu * middle_u - map.xv * middle_v;
    map.y0 = centre_y - map.yu * middle_u - map.yv * middle_v;
    return map;
}

dp_affine dp_recipe_transform(const dp_recipe *recipe, const dp_pose *pose, int turn, size_t canvas_height,
                              size_t canvas_width, size_t picture_height, size_t picture_width)
{
    if (!recipe->edge_px)
        return dp_canvas_transform(pose, recipe->fill, turn, canvas_height, canvas_width, picture_height,
                                   picture_width);
    /* The canvas is a part of the resized picture: its middle, or everything except a strip cropped at right and
     * bottom. */
    size_t width, height, crop = recipe->crop_px;
    dp_edge_size(recipe->edge_px, picture_width, picture_height, &width, &height);
    double sx = (double)picture_width / (double)width, sy = (double)picture_height / (double)height;
    double left = crop ? (double)dp_crop_first(width, crop) : 0, top = crop ? (double)dp_crop_first(height, crop) : 0;
    return (dp_affine){.xu = sx, .x0 = (left + 0.5) * sx - 0.5, .yv = sy, .y0 = (top + 0.5) * sy - 0.5};
}

dp_affine dp_affine_invert(const dp_affine *map)
{
    double determinant = map->xu * map->yv - map->xv * map->yu;
    dp_affine inverse = {.xu = map->yv / determinant,
                         .xv = -map->xv / determinant,
                         .yu = -map->yu / determinant,
                         .yv = map->xu / determinant};
    inverse.x0 = -(inverse.xu * map->x0 + inverse.xv * map->y0);
    inverse.y0 = -(inverse.yu * map->x0 + inverse.yv * map->y0);
    return inverse;
}
