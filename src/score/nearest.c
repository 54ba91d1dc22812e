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

bool dp_nearest_patch(const dp_bank *bank, const dp_neighbour *found, dp_patch *patch)
{
    if (found->row == DP_NO_ROW)
        return false;
    size_t picture = dp_rows_picture(&bank->rows, found->cell, found->row);
    if (picture == DP_NO_PICTURE || !bank->pictures.poses[picture].picture_width_px
        || !bank->pictures.poses[picture].picture_height_px)
        return false;
    *patch = (dp_patch){.picture = picture};
    dp_rows_picture_grid(&bank->rows, picture, &patch->rows, &patch->cols);
    patch->version = augmentation_of(bank, found->row, patch->rows * patch->cols);
    patch->cell = dp_rows_cell(&bank->rows, found->cell, found->row);
    return patch->version != SIZE_MAX;
}

bool dp_nearest_map(const dp_bank *bank, const dp_neighbour *found, dp_patch *patch, dp_affine *map)
{
    if (!dp_nearest_patch(bank, found, patch) || dp_version_turn(&bank->recipe, patch->version) > 0)
        return false;
    const dp_recipe recipe = dp_bank_recipe_for(bank, patch->rows, patch->cols);
    if (!recipe.canvas_height_px)
        return false;
    const dp_frame frame = {&recipe,
                            &bank->pictures.poses[patch->picture],
                            bank->pictures.polarities[patch->picture],
                            dp_version_is_mirrored(&bank->recipe, patch->version),
                            patch->rows,
                            patch->cols};
    *map = dp_grid_to_picture(&frame);
    return true;
}

bool dp_nearest_place(const dp_bank *bank, const dp_neighbour *found, double *x_px, double *y_px)
{
    dp_patch patch;
    dp_affine map;
    *x_px = *y_px = NAN;
    if (!dp_nearest_map(bank, found, &patch, &map))
        return false;
    dp_affine_apply(&map, (double)(patch.cell % patch.cols), (double)(patch.cell / patch.cols), x_px, y_px);
    return true;
}
