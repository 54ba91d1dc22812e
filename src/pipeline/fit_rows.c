/* SPDX-License-Identifier: Apache-2.0 */
/* fit_rows.c - stores the features of a picture in its rows of the bank: as it is, mirrored, turned and
 * with another brightness. */
#include "base/error.h"
#include "base/memory.h"
#include "extract/orientation.h"
#include "options/recipe_facts.h"
#include "pipeline/fit_work.h"

/* Stores the features in the extractor in their rows. The mask of their background, if there is one, stays with the bank.
 * If the good pictures are masked too, masked cells do not count. With the background `reference` they still count here:
 * the pictures are first scored with them, as new pictures will be, and then they are cut out. */
static dp_status put_rows(dp_fit_work *fit, const dp_prepared *prepared, size_t picture, size_t augmentation,
                          dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    const uint8_t *valid = prepared->cells;
    size_t left, cells = extractor->shape.rows * extractor->shape.cols;
    dp_status status = DP_OK;
    if (extractor->background) {
        status = dp_extractor_background(extractor, fit->session, prepared->cells, prepared->path, &left, err);
        if (status)
            return status;
    }
    uint8_t *counts = NULL;
    if (extractor->recipe.background == DP_BACKGROUND_BOTH) {
        if (!(counts = dp_malloc(cells, 1)))
            return dp_fail_memory(err, "the mask of the background", cells);
        for (size_t i = 0; i < cells; i++)
            counts[i] = prepared->cells[i] && !(extractor->background && extractor->background[i]);
        valid = counts;
    }
    status = dp_bank_builder_put_grid(fit->builder, picture, augmentation, extractor->tokens, valid,
                                      extractor->shape.rows, extractor->shape.cols, err);
    if (!status && !augmentation && extractor->n_vector)
        dp_bank_builder_set_vector(fit->builder, picture, extractor->vector);
    if (!status && extractor->background)
        status = dp_bank_builder_set_background(fit->builder, picture, augmentation, extractor->background, err);
    dp_memory_free(counts);
    return status;
}

dp_status dp_fit_check_background(dp_fit_work *fit, const dp_prepared *prepared, dp_error *err)
{
    size_t left;
    if (!fit->extractor.background)
        return DP_OK;
    dp_status status =
        dp_extractor_background(&fit->extractor, fit->session, prepared->cells, prepared->path, &left, err);
    return !status && !left ? dp_fail_all_background(&fit->asked, prepared->path, err) : status;
}

/* Stores the mirror picture: across the principal axis (rows reversed) if the object was aligned, else left to right. It
 * is embedded again, because a network's features of a mirrored picture are not the mirrored features. */
static dp_status put_mirror(dp_fit_work *fit, dp_prepared *prepared, size_t picture, bool grid_mirrored, dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    dp_prepared_flip(prepared, extractor->recipe.align == DP_ALIGN_PCA);
    dp_status status = dp_fit_run(fit, prepared, 1, err);
    if (status)
        return status;
    if (grid_mirrored) /* the cells are mirrored already */
        dp_grid_mirror(extractor->tokens, NULL, extractor->shape.rows, extractor->shape.cols, extractor->dim);
    return put_rows(fit, prepared, picture, 1, err);
}

/* Stores the picture turned by 45, 90, ... degrees, each embedded again. */
static dp_status put_rotations(dp_fit_work *fit, dp_prepared *prepared, size_t picture, dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    dp_status status = DP_OK;
    for (size_t k = 1; !status && k < extractor->recipe.rotations; k++) {
        status = dp_fit_rotate(fit, prepared, k, err);
        if (!status)
            status = put_rows(fit, prepared, picture, k + (extractor->recipe.mirror ? 1 : 0), err);
    }
    return status;
}

/* Stores the picture with another brightness. */
static dp_status put_brightness(dp_fit_work *fit, dp_prepared *prepared, size_t picture, int turn, bool grid_mirrored,
                                dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    dp_status status = dp_fit_brighten(fit, prepared, turn, err);
    if (status)
        return status;
    if (grid_mirrored)
        dp_grid_mirror(extractor->tokens, prepared->cells, extractor->shape.rows, extractor->shape.cols,
                       extractor->dim);
    return put_rows(fit, prepared, picture, dp_version_brightness(&extractor->recipe), err);
}

dp_status dp_fit_put(dp_fit_work *fit, dp_prepared *prepared, size_t picture, int polarity, dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    const bool grid_mirrored = polarity < 0 && extractor->recipe.polarity == DP_POLARITY_MIRROR;
    const int turn = prepared->turn;
    dp_status status = put_rows(fit, prepared, picture, 0, err);
    if (!status && extractor->recipe.mirror)
        status = put_mirror(fit, prepared, picture, grid_mirrored, err);
    if (!status && extractor->recipe.rotations > 1)
        status = put_rotations(fit, prepared, picture, err);
    if (!status && extractor->recipe.brightness > 0)
        status = put_brightness(fit, prepared, picture, turn, grid_mirrored, err);
    return status;
}
