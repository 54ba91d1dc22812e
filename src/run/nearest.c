/* nearest.c - a row of the bank is a patch of a canvas; the pose of its picture leads from there to the picture.
 *
 * What was done to the picture on its way into the bank is undone in reverse order: columns of the grid mirrored (polarity by
 * mirroring), canvas mirrored across the principal axis, or left to
 * right without alignment (second row of a picture with --mirror), canvas turned (polarity
 * by rotation; part of the transform), canvas warped out of the picture. */
#include "run/nearest.h"
#include "align/warp.h"
#include "bank/bank.h"

#include <math.h>

/* 0: the picture as it is, 1: its mirror where there is one, from there on its rotations; SIZE_MAX: the bank does not tell. */
static size_t augmentation_of(const dp_bank *bank, size_t row, size_t cells)
{
    if (!bank->recipe.mirror && bank->recipe.rotations <= 1)
        return 0;
    if (bank->row_cell)
        return (size_t)bank->row_cell[row] / cells;
    return bank->row_picture ? SIZE_MAX : row % bank->rows_per_picture;
}

bool dp_nearest_place(const dp_bank *bank, const dp_neighbour *found, double *x_px, double *y_px)
{
    *x_px = *y_px = NAN;
    if (found->row == DP_NO_ROW)
        return false;
    size_t picture = dp_bank_row_picture(bank, found->cell, found->row), rows, cols;
    if (picture == DP_NO_PICTURE || bank->recipe.edge_px)
        return false;
    const dp_recipe *recipe = &bank->recipe;
    const dp_pose *pose = &bank->poses[picture];
    if (!pose->picture_width_px || !pose->picture_height_px)
        return false;
    dp_bank_picture_grid(bank, picture, &rows, &cols);
    size_t augmentation = augmentation_of(bank, found->row, rows * cols);
    if (augmentation > (recipe->mirror ? 1 : 0)) /* not known, or of the picture turned */
        return false;
    size_t cell = dp_bank_row_cell(bank, found->cell, found->row), row = cell / cols, col = cell % cols;
    bool flipped = bank->polarities[picture] < 0;
    if (flipped && recipe->polarity == DP_POLARITY_MIRROR)
        col = cols - 1 - col;
    if (augmentation && recipe->align == DP_ALIGN_PCA)
        row = rows - 1 - row;
    else if (augmentation)
        col = cols - 1 - col;
    dp_affine to_picture = dp_canvas_transform(pose, recipe->fill, flipped && recipe->polarity == DP_POLARITY_ROTATE,
                                               recipe->canvas_height_px, recipe->canvas_width_px, pose->picture_height_px,
                                               pose->picture_width_px);
    double u = ((double)col + 0.5) * (double)recipe->canvas_width_px / (double)cols - 0.5;
    double v = ((double)row + 0.5) * (double)recipe->canvas_height_px / (double)rows - 0.5;
    dp_affine_apply(&to_picture, u, v, x_px, y_px);
    return true;
}
