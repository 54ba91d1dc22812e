/* bank_background.c - the masks of the background that a bank keeps of its pictures: by them its own pictures are scored as new ones are. */
#include "bank/bank.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

static size_t cells_of(const dp_bank *bank, size_t picture)
{
    size_t rows, cols;
    dp_bank_picture_grid(bank, picture, &rows, &cols);
    return rows * cols;
}

size_t dp_bank_background_bytes(const dp_bank *bank, size_t picture)
{
    return bank->rows_per_picture * cells_of(bank, picture);
}

bool dp_bank_new_backgrounds(dp_bank *bank, size_t n)
{
    bank->background = dp_calloc(n, sizeof *bank->background);
    return bank->background != NULL;
}

dp_status dp_bank_set_background(dp_bank *bank, size_t picture, size_t augmentation, const uint8_t *mask, dp_error *err)
{
    size_t cells = cells_of(bank, picture), bytes = dp_bank_background_bytes(bank, picture);
    if (!cells || augmentation >= bank->rows_per_picture)
        return dp_fail(err, DP_E_ARGUMENT, "%s: a mask for a grid that is not there", bank->names[picture]);
    if (!bank->background && !dp_bank_new_backgrounds(bank, bank->capacity))
        return dp_fail_memory(err, "the masks of the background", bank->capacity * sizeof *bank->background);
    if (!bank->background[picture] && !(bank->background[picture] = dp_calloc(bytes, 1)))
        return dp_fail_memory(err, "the mask of the background", bytes);
    memcpy(bank->background[picture] + augmentation * cells, mask, cells);
    return DP_OK;
}

const uint8_t *dp_bank_inspected_background(const dp_bank *bank, size_t picture)
{
    bool masked = bank->recipe.background == DP_BACKGROUND_TEST || bank->recipe.background == DP_BACKGROUND_BOTH;
    return masked && bank->background ? bank->background[picture] : NULL;
}

void dp_bank_mirror_background(const dp_bank *bank, size_t picture, uint8_t *masks)
{
    size_t rows, cols;
    dp_bank_picture_grid(bank, picture, &rows, &cols);
    for (size_t r = 0; r < bank->rows_per_picture * rows; r++)
        for (size_t c = 0; c < cols / 2; c++) {
            uint8_t *a = masks + r * cols + c, *b = masks + r * cols + cols - 1 - c, keep = *a;
            *a = *b;
            *b = keep;
        }
}
