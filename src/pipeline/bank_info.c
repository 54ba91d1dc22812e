/* SPDX-License-Identifier: Apache-2.0 */
/* bank_info.c - what a program should know of a bank. */
#include "bank/bank.h"

#include <math.h>
#include <string.h>

void dp_bank_get_info(const dp_bank *bank, dp_bank_info *info)
{
    dp_bank_details details;
    dp_calibration promised = {.fpr = NAN};
    dp_bank_get_details(bank, &details);
    if (details.threshold_origin.fpr > 0 && details.n_scored
        && dp_calibrate(bank->pictures.loo_scores, bank->pictures.n, details.threshold_origin.fpr, &promised, NULL))
        promised.fpr = NAN;
    const size_t size = info->size;
    const dp_bank_info known = {
        .size = size,
        .n_pictures = details.n_pictures,
        .n_scored = details.n_scored,
        .threshold = details.threshold,
        .cell_threshold = details.cell_threshold,
        .fpr = details.threshold_origin.fpr,
        .fpr_promised = promised.fpr,
        .canvas_height_px = details.recipe.canvas_height_px,
        .canvas_width_px = details.recipe.canvas_width_px,
        .grid_rows = details.recipe.canvas_height_px ? details.recipe.canvas_height_px / details.patch_px : 0,
        .grid_cols = details.recipe.canvas_width_px ? details.recipe.canvas_width_px / details.patch_px : 0,
        .feature_bytes = details.feature_bytes,
        .network_path = bank->model.path,
        .network_sha256 = bank->model.sha256,
        .network_licence = details.model_licence,
    };
    memcpy(info, &known, size < sizeof known ? size : sizeof known);
}

const char *dp_bank_picture(const dp_bank *bank, size_t picture, double *score)
{
    if (score)
        *score = dp_bank_picture_score(bank, picture);
    return dp_bank_picture_name(bank, picture);
}
