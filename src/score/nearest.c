/* nearest.c - a row of the bank is a patch of a canvas; the pose of its picture leads from there to the picture.
 *
 * What was done to the picture on its way into the bank is undone in reverse order: columns of the grid mirrored (polarity by
 * mirroring), canvas mirrored across the principal axis, or left to
 * right without alignment (second row of a picture with --mirror), canvas turned (polarity
 * by rotation; part of the transform), canvas warped out of the picture. */
#include "score/nearest.h"
#include "bank/bank.h"

#include <math.h>

/* 0: the picture as it is, 1: its mirror where there is one, from there on its rotations; SIZE_MAX: the bank does not tell. */
static size_t augmentation_of(const dp_bank *bank, size_t row, size_t cells)
{
    if (!bank->recipe.mirror && bank->recipe.rotations <= 1)
        return 0;
    if (bank->rows.row_cell)
        return (size_t)bank->rows.row_cell[row] / cells;
    return bank->rows.row_picture ? SIZE_MAX : row % bank->rows.rows_per_picture;
}

bool dp_nearest_seen(const dp_bank *bank, const dp_neighbour *found, dp_seen *seen)
{
    if (found->row == DP_NO_ROW)
        return false;
    size_t picture = dp_rows_picture(&bank->rows, found->cell, found->row);
    if (picture == DP_NO_PICTURE || !bank->pictures.poses[picture].picture_width_px
        || !bank->pictures.poses[picture].picture_height_px)
        return false;
    *seen = (dp_seen){.picture = picture};
    dp_rows_picture_grid(&bank->rows, picture, &seen->rows, &seen->cols);
    seen->version = augmentation_of(bank, found->row, seen->rows * seen->cols);
    seen->cell = dp_rows_cell(&bank->rows, found->cell, found->row);
    return seen->version != SIZE_MAX;
}

dp_affine dp_grid_transform(const dp_recipe *recipe, const dp_pose *pose, int polarity, bool mirrored, size_t rows,
                            size_t cols)
{
    bool flipped = polarity < 0, turned = flipped && recipe->polarity == DP_POLARITY_ROTATE;
    dp_affine canvas = dp_recipe_transform(recipe, pose, turned, recipe->canvas_height_px, recipe->canvas_width_px,
                                           pose->picture_height_px, pose->picture_width_px);
    double cell_w = (double)recipe->canvas_width_px / (double)cols,
           cell_h = (double)recipe->canvas_height_px / (double)rows;
    bool flip_cols = flipped && recipe->polarity == DP_POLARITY_MIRROR,
         flip_rows = mirrored && recipe->align == DP_ALIGN_PCA;
    if (mirrored && !flip_rows)
        flip_cols = !flip_cols;
    /* grid -> canvas: u = u0 + du c, v = v0 + dv r */
    double du = flip_cols ? -cell_w : cell_w, dv = flip_rows ? -cell_h : cell_h;
    double u0 = (flip_cols ? (double)cols - 0.5 : 0.5) * cell_w - 0.5,
           v0 = (flip_rows ? (double)rows - 0.5 : 0.5) * cell_h - 0.5;
    dp_affine map = {.xu = canvas.xu * du, .xv = canvas.xv * dv, .yu = canvas.yu * du, .yv = canvas.yv * dv};
    dp_affine_apply(&canvas, u0, v0, &map.x0, &map.y0);
    return map;
}

bool dp_nearest_place(const dp_bank *bank, const dp_neighbour *found, double *x_px, double *y_px)
{
    dp_seen seen;
    *x_px = *y_px = NAN;
    if (!dp_nearest_seen(bank, found, &seen) || seen.version > (bank->recipe.mirror ? 1 : 0))
        return false;
    const dp_recipe recipe = dp_bank_recipe_for(bank, seen.rows, seen.cols);
    if (!recipe.canvas_height_px)
        return false;
    dp_affine map = dp_grid_transform(&recipe, &bank->pictures.poses[seen.picture],
                                      bank->pictures.polarities[seen.picture], seen.version == 1, seen.rows, seen.cols);
    size_t row = seen.cell / seen.cols, col = seen.cell % seen.cols;
    dp_affine_apply(&map, (double)col, (double)row, x_px, y_px);
    return true;
}
