/* SPDX-License-Identifier: Apache-2.0 */
/* nearest.c - finds the place of a bank's row in its picture: a row is a cell of a grid, and the pose of its picture
 * leads from there to the picture. */
#include "score/nearest.h"
#include "bank/bank.h"
#include "options/recipe_facts.h"

#include <math.h>

/* Returns the version of the picture that a row is of; SIZE_MAX: the bank does not record it. */
static size_t augmentation_of(const dp_bank *bank, size_t row, size_t cells)
{
    if (dp_versions(&bank->recipe) == 1)
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

bool dp_nearest_place(const dp_bank *bank, const dp_neighbour *found, double *x_px, double *y_px)
{
    dp_seen seen;
    *x_px = *y_px = NAN;
    if (!dp_nearest_seen(bank, found, &seen) || dp_version_turn(&bank->recipe, seen.version) > 0)
        return false;
    const dp_recipe recipe = dp_bank_recipe_for(bank, seen.rows, seen.cols);
    if (!recipe.canvas_height_px)
        return false;
    const dp_frame frame = {&recipe,
                            &bank->pictures.poses[seen.picture],
                            bank->pictures.polarities[seen.picture],
                            dp_version_is_mirrored(&bank->recipe, seen.version),
                            seen.rows,
                            seen.cols};
    dp_affine map = dp_grid_to_picture(&frame);
    size_t row = seen.cell / seen.cols, col = seen.cell % seen.cols;
    dp_affine_apply(&map, (double)col, (double)row, x_px, y_px);
    return true;
}
