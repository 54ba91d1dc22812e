/* SPDX-License-Identifier: Apache-2.0 */
/* assemble.c - puts rows of pictures together, cell by cell, without computing them again. */
#include "bank/assemble.h"
#include "bank/builder.h"
#include "base/error.h"

#include <math.h>

static void fill_grid(const dp_bank_pick *picks, size_t n, const dp_rows *to, const dp_row_memory *memory)
{
    size_t per = to->rows_per_picture, cols = to->grid_cols;
    for (size_t cell = 0; cell < dp_rows_cells(to); cell++) {
        size_t mirrored = cell / cols * cols + cols - 1 - cell % cols;
        for (size_t i = 0; i < n; i++) {
            const dp_rows *from = &picks[i].bank->rows;
            size_t source = picks[i].mirrored ? mirrored : cell;
            dp_rows_copy(from, source * from->n_rows + picks[i].picture * per, per, memory,
                         cell * to->n_rows + i * per);
        }
    }
}

static void fill_flat(const dp_bank_pick *picks, size_t n, const dp_row_memory *memory)
{
    size_t place = 0;
    for (size_t i = 0; i < n; i++) {
        const dp_rows *from = &picks[i].bank->rows;
        size_t first, count;
        dp_rows_flat_range(from, picks[i].picture, &first, &count);
        dp_rows_copy(from, first, count, memory, place);
        for (size_t row = 0; row < count; row++) {
            memory->row_picture[place + row] = (int32_t)i;
            memory->row_cell[place + row] = from->row_cell[first + row];
        }
        place += count;
    }
}

size_t dp_picks_rows(const dp_bank_pick *picks, size_t n)
{
    size_t rows = 0;
    for (size_t i = 0; i < n; i++) {
        const dp_rows *from = &picks[i].bank->rows;
        size_t first, count = from->rows_per_picture;
        if (from->flat)
            dp_rows_flat_range(from, picks[i].picture, &first, &count);
        rows += count;
    }
    return rows;
}

/* Takes picture number i: with the opposite polarity if it is mirrored, and without scores. */
static dp_status take(dp_bank_builder *builder, const dp_bank_pick *pick, size_t i, dp_error *err)
{
    dp_status status = dp_bank_builder_take(builder, pick->bank, pick->picture, err);
    if (status)
        return status;
    dp_bank_pictures *pictures = &builder->bank->pictures;
    pictures->loo_scores[i] = pictures->loo_peaks[i] = NAN;
    if (!pick->mirrored)
        return DP_OK;
    size_t rows, cols;
    dp_rows_picture_grid(&builder->bank->rows, i, &rows, &cols);
    pictures->polarities[i] = (int8_t)-pictures->polarities[i];
    if (pictures->background && pictures->background[i])
        dp_masks_mirror(pictures->background[i], builder->bank->rows.rows_per_picture, rows, cols);
    return DP_OK;
}

dp_status dp_bank_assemble(const dp_bank *pattern, const dp_bank_pick *picks, size_t n, const float *orientation,
                           dp_bank **out, dp_error *err)
{
    dp_recipe recipe = pattern->recipe;
    dp_bank_shape shape = {.recipe = &recipe,
                           .n_rows = dp_picks_rows(picks, n),
                           .dim = pattern->rows.dim,
                           .owners = pattern->rows.row_picture != NULL};
    dp_bank_builder *builder = NULL;
    if (shape.n_rows >= UINT32_MAX || n > INT32_MAX)
        return dp_fail(err, DP_E_ARGUMENT, "a bank of %zu pictures with %zu rows at each place is too large", n,
                       shape.n_rows);
    recipe.shots = 0; /* the pictures are no longer a selection from those given to fit */
    dp_status status = dp_bank_builder_begin(pattern, &shape, n, &builder, err);
    for (size_t i = 0; i < n && !status; i++)
        status = take(builder, &picks[i], i, err);
    if (!status) {
        dp_bank *bank = builder->bank;
        if (orientation)
            dp_bank_builder_set_orientation(builder, orientation, orientation + bank->projection.dim_in);
        bank->levels.threshold = bank->levels.cell_threshold = NAN;
        if (bank->rows.flat)
            fill_flat(picks, n, &bank->memory);
        else
            fill_grid(picks, n, &bank->rows, &bank->memory);
        status = dp_bank_builder_finish(&builder, out, err);
    }
    dp_bank_builder_close(&builder);
    return status;
}
