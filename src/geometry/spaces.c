/* SPDX-License-Identifier: Apache-2.0 */
/* spaces.c - the maps between picture, canvas and grid.
 *
 * The pose as C -> P: a straight rod of length L has the standard deviation L / sqrt(12) along its axis, so L = 2 sqrt(3) sigma_major. It
 * should fill the share `fill` of the canvas width: the canvas shows L / fill = 2 sqrt(3) sigma_major / fill pixels
 * of the picture. At fill = sqrt(3) / 2 this is the paper's 4 sigma_major. */
#include "geometry/spaces.h"

#include <string.h>

dp_affine dp_canvas_transform(const dp_pose *pose, double fill, int turn, size_t canvas_height, size_t canvas_width,
                              size_t picture_height, size_t picture_width)
{
    double middle_u = ((double)canvas_width - 1) / 2, middle_v = ((double)canvas_height - 1) / 2;
    double centre_x, centre_y;
    dp_affine map;
    if (dp_pose_is_placed(pose)) {
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

static size_t crop_first(size_t n, size_t crop)
{
    size_t half = (n - crop) / 2;
    return half + ((n - crop) % 2 && half % 2);
}

dp_resized dp_picture_to_resized(const dp_recipe *recipe, size_t patch_px, size_t height_px, size_t width_px)
{
    size_t smaller = width_px < height_px ? width_px : height_px, longer = width_px < height_px ? height_px : width_px;
    size_t edge = recipe->edge_px, crop = recipe->crop_px, other = (size_t)((double)(edge * longer) / (double)smaller);
    dp_resized r = {.height_px = width_px <= height_px ? other : edge,
                    .width_px = width_px <= height_px ? edge : other};
    if (crop) {
        r.top_px = crop_first(r.height_px, crop);
        r.left_px = crop_first(r.width_px, crop);
        r.canvas_height_px = r.canvas_width_px = crop;
    } else if (patch_px) {
        r.canvas_height_px = dp_cells_to_canvas(dp_canvas_to_cells(r.height_px, patch_px), patch_px);
        r.canvas_width_px = dp_cells_to_canvas(dp_canvas_to_cells(r.width_px, patch_px), patch_px);
    }
    return r;
}

dp_affine dp_canvas_to_picture(const dp_recipe *recipe, const dp_pose *pose, int turn)
{
    size_t height = pose->picture_height_px, width = pose->picture_width_px;
    if (!recipe->edge_px)
        return dp_canvas_transform(pose, recipe->fill, turn, recipe->canvas_height_px, recipe->canvas_width_px, height,
                                   width);
    const dp_resized r = dp_picture_to_resized(recipe, 0, height, width);
    double sx = (double)width / (double)r.width_px, sy = (double)height / (double)r.height_px;
    return (dp_affine){
        .xu = sx, .x0 = dp_scale_place((double)r.left_px, sx), .yv = sy, .y0 = dp_scale_place((double)r.top_px, sy)};
}

void dp_canvas_to_valid_cells(const uint8_t *valid, size_t height_px, size_t width_px, size_t patch_px, uint8_t *cells)
{
    size_t cols = dp_canvas_to_cells(width_px, patch_px);
    memset(cells, 1, dp_canvas_to_cells(height_px, patch_px) * cols);
    for (size_t v = 0; v < height_px; v++)
        for (size_t u = 0; u < width_px; u++)
            if (!valid[v * width_px + u])
                cells[dp_canvas_to_cells(v, patch_px) * cols + dp_canvas_to_cells(u, patch_px)] = 0;
}

/* What was done to the picture on its way into the grid is undone in reverse order: columns mirrored by the polarity,
 * canvas flipped across the principal axis, or left to right without alignment (the mirror of a good picture), canvas
 * turned by the polarity (part of C -> P), canvas warped out of the picture. */
dp_affine dp_grid_to_picture(const dp_frame *frame)
{
    const dp_recipe *recipe = frame->recipe;
    bool flipped = frame->polarity < 0, turned = flipped && recipe->polarity == DP_POLARITY_ROTATE;
    dp_affine canvas = dp_canvas_to_picture(recipe, frame->pose, turned);
    double cell_w = (double)recipe->canvas_width_px / (double)frame->cols,
           cell_h = (double)recipe->canvas_height_px / (double)frame->rows;
    bool flip_cols = flipped && recipe->polarity == DP_POLARITY_MIRROR,
         flip_rows = frame->mirrored && recipe->align == DP_ALIGN_PCA;
    if (frame->mirrored && !flip_rows)
        flip_cols = !flip_cols;
    /* G -> C: u = u0 + du c, v = v0 + dv r */
    double du = flip_cols ? -cell_w : cell_w, dv = flip_rows ? -cell_h : cell_h;
    double u0 = dp_scale_place(flip_cols ? (double)frame->cols - 1 : 0, cell_w),
           v0 = dp_scale_place(flip_rows ? (double)frame->rows - 1 : 0, cell_h);
    dp_affine map = {.xu = canvas.xu * du, .xv = canvas.xv * dv, .yu = canvas.yu * du, .yv = canvas.yv * dv};
    dp_affine_apply(&canvas, u0, v0, &map.x0, &map.y0);
    return map;
}

double dp_cell_area_px(const dp_frame *frame)
{
    const dp_recipe *recipe = frame->recipe;
    const dp_pose *pose = frame->pose;
    double cells = (double)frame->rows * (double)frame->cols;
    if (!dp_pose_is_placed(pose) && !recipe->edge_px) /* the grid covers the whole picture */
        return (double)pose->picture_height_px * (double)pose->picture_width_px / cells;
    dp_affine map = dp_canvas_to_picture(recipe, pose, 0);
    double canvas_pixel = fabs(map.xu * map.yv - map.xv * map.yu);
    return canvas_pixel * (double)recipe->canvas_height_px * (double)recipe->canvas_width_px / cells;
}
