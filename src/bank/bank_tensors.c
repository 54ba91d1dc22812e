/* SPDX-License-Identifier: Apache-2.0 */
/* bank_tensors.c - the tensors of a bank's file, with their types and shapes. */
#include "bank/bank_tensors.h"
#include "bank/roi_mask.h"
#include "options/recipe_facts.h"

bool dp_recipe_has_tensor(const dp_recipe *recipe, bool peaks, size_t t, int version)
{
    bool flat = recipe->layout == DP_LAYOUT_FLAT;
    if (t == PICTURE_DIGESTS || t == LIGHT)
        return version >= 2;
    if (t == SCALES)
        return recipe->storage == DP_STORAGE_I8;
    if (t == MEAN || t == BASIS)
        return recipe->pca > 0;
    if (t == LAYER_NORM)
        return dp_measures_layers(recipe);
    if (t == ROW_PICTURE)
        return flat || recipe->kmeans;
    if (t == LOO_PEAKS || t == CELL_THRESHOLD)
        return peaks;
    if (t == ROI)
        return recipe->roi != DP_ROI_NONE;
    if (t >= PART_MEAN && t <= PART_NUMBERS)
        return recipe->align == DP_ALIGN_FEATURES;
    if (t == CHANNELS)
        return recipe->channels > 0;
    if (t >= MOMENT_COUNT && t <= MOMENT_SCATTER)
        return recipe->layout == DP_LAYOUT_MOMENTS;
    if (t == VECTORS)
        return recipe->retrieval > 0;
    if (t == BACKGROUND)
        return recipe->background == DP_BACKGROUND_TEST || recipe->background == DP_BACKGROUND_BOTH;
    return t == ROW_CELL || t == GRIDS ? flat : true;
}

/* Returns the bytes of all pictures' masks; 0 while the grids of a flat bank are unknown. */
static size_t background_bytes(const dp_bank *bank)
{
    size_t sum = 0;
    if (bank->rows.flat && !bank->rows.grids)
        return 0;
    for (size_t p = 0; p < bank->pictures.n; p++)
        sum += dp_bank_background_bytes(bank, p);
    return sum;
}

static const char *const names[N_TENSORS] = {
    [FEATURES] = "features",
    [NORMS] = "norms",
    [SCALES] = "scales",
    [ROW_PICTURE] = "row_picture",
    [ROW_CELL] = "row_cell",
    [GRIDS] = "grids",
    [MEAN] = "mean",
    [BASIS] = "basis",
    [LAYER_NORM] = "layer_norm",
    [VALID] = "valid",
    [ORIENTATION] = "orientation",
    [POSES] = "poses",
    [POLARITIES] = "polarities",
    [PICTURE_DIGESTS] = "picture_digests",
    [LIGHT] = "light",
    [BACKGROUND] = "background",
    [ROI] = "roi",
    [LOO_SCORES] = "loo_scores",
    [LOO_PEAKS] = "loo_peaks",
    [CELL_THRESHOLD] = "cell_threshold",
    [THRESHOLD] = "threshold",
    [HEAT] = "heat_scale",
    [DISTANCE_SCALES] = "distance_scales",
    [PART_MEAN] = "part_mean",
    [PART_BASIS] = "part_basis",
    [PART_TURNED] = "part_turned",
    [PART_KNOWN] = "part_known",
    [PART_FEATURES] = "part_features",
    [PART_SLOPES] = "part_slopes",
    [PART_WEIGHT] = "part_weight",
    [PART_NUMBERS] = "part_numbers",
    [CHANNELS] = "channels",
    [MOMENT_COUNT] = "moment_count",
    [MOMENT_MEAN] = "moment_mean",
    [MOMENT_SCATTER] = "moment_scatter",
    [VECTORS] = "picture_vectors",
    [DIGESTS] = "feature_digests",
    [SEAL] = "seal",
};

const char *dp_bank_tensor_name(size_t t)
{
    return names[t];
}

void dp_bank_describe(const dp_bank *bank, dp_tensor tensors[N_TENSORS])
{
    const dp_rows *r = &bank->rows;
    size_t rows = r->grid_rows, cols = r->grid_cols, n = bank->pictures.n, dim_in = bank->projection.dim_in;
    size_t blocks = dp_block_count(dp_bank_feature_bytes(bank));
    const size_t sets = bank->recipe.moments == DP_MOMENTS_SUBSPACE ? 1 : rows * cols;
    const dp_reference none = {0}, part = bank->reference ? *bank->reference : none;
    const size_t kinds = dp_reference_kinds(bank->reference), angles = dp_reference_angles(bank->reference);
    static const dp_dtype stored[] = {
        [DP_STORAGE_F32] = DP_DTYPE_F32, [DP_STORAGE_F16] = DP_DTYPE_F16, [DP_STORAGE_I8] = DP_DTYPE_I8};
    const dp_tensor described[N_TENSORS] = {
        [FEATURES] = bank->share.of
                         ? (dp_tensor){NULL, stored[r->storage], 4, {1, 1, r->held, r->dim}, 0, NULL}
                         : (dp_tensor){NULL, stored[r->storage], 4, {rows, cols, r->n_rows, r->dim}, 0, NULL},
        [NORMS] = {NULL, DP_DTYPE_F32, 3, {rows, cols, r->n_rows}, 0, NULL},
        [SCALES] = {NULL, DP_DTYPE_F32, 3, {rows, cols, r->n_rows}, 0, NULL},
        [ROW_PICTURE] = {NULL, DP_DTYPE_I32, 3, {rows, cols, r->n_rows}, 0, NULL},
        [ROW_CELL] = {NULL, DP_DTYPE_I32, 1, {r->n_rows}, 0, NULL},
        [GRIDS] = {NULL, DP_DTYPE_I32, 2, {n, 2}, 0, NULL},
        [MEAN] = {NULL, DP_DTYPE_F32, 1, {dim_in}, 0, NULL},
        [BASIS] = {NULL, DP_DTYPE_F32, 2, {r->dim, dim_in}, 0, NULL},
        [LAYER_NORM] = {NULL, DP_DTYPE_F32, 2, {2, dim_in}, 0, NULL},
        [VALID] = {NULL, DP_DTYPE_U8, 3, {rows, cols, r->n_rows}, 0, NULL},
        [ORIENTATION] = {NULL, DP_DTYPE_F32, 2, {2, dim_in}, 0, NULL},
        [POSES] = {NULL, DP_DTYPE_F64, 2, {n, POSE_NUMBERS}, 0, NULL},
        [POLARITIES] = {NULL, DP_DTYPE_I8, 1, {n}, 0, NULL},
        [PICTURE_DIGESTS] = {NULL, DP_DTYPE_U8, 2, {n, DIGEST_BYTES}, 0, NULL},
        [LIGHT] = {NULL, DP_DTYPE_F64, 2, {n, DP_LIGHT_NUMBERS}, 0, NULL},
        [BACKGROUND] = {NULL, DP_DTYPE_U8, 1, {background_bytes(bank)}, 0, NULL},
        [ROI] = {NULL, DP_DTYPE_U8, 2, {bank->roi ? bank->roi->height : 0, bank->roi ? bank->roi->width : 0}, 0, NULL},
        [LOO_SCORES] = {NULL, DP_DTYPE_F64, 1, {n}, 0, NULL},
        [LOO_PEAKS] = {NULL, DP_DTYPE_F64, 1, {n}, 0, NULL},
        [CELL_THRESHOLD] = {NULL, DP_DTYPE_F64, 1, {1}, 0, NULL},
        [THRESHOLD] = {NULL, DP_DTYPE_F64, 1, {1}, 0, NULL},
        [HEAT] = {NULL, DP_DTYPE_F64, 1, {2}, 0, NULL},
        [DISTANCE_SCALES] = {NULL, DP_DTYPE_F64, 2, {r->blocks, 2}, 0, NULL},
        [PART_MEAN] = {NULL, DP_DTYPE_F32, 1, {part.basis.dim_in}, 0, NULL},
        [PART_BASIS] = {NULL, DP_DTYPE_F32, 2, {part.basis.dim, part.basis.dim_in}, 0, NULL},
        [PART_TURNED] = {NULL, DP_DTYPE_F32, 5, {kinds, angles, part.side, part.side, part.basis.dim}, 0, NULL},
        [PART_KNOWN] = {NULL, DP_DTYPE_F32, 4, {kinds, angles, part.side, part.side}, 0, NULL},
        [PART_FEATURES] = {NULL, DP_DTYPE_F32, 4, {kinds, part.look.rows, part.look.cols, part.basis.dim}, 0, NULL},
        [PART_SLOPES] =
            {NULL, DP_DTYPE_F32, 5, {kinds, DP_SLOPES, part.look.rows, part.look.cols, part.basis.dim}, 0, NULL},
        [PART_WEIGHT] = {NULL, DP_DTYPE_F32, 3, {kinds, part.look.rows, part.look.cols}, 0, NULL},
        [PART_NUMBERS] = {NULL, DP_DTYPE_F64, 2, {kinds, PART_SINGLE}, 0, NULL},
        [CHANNELS] = {NULL, DP_DTYPE_I32, 1, {dim_in}, 0, NULL},
        [MOMENT_COUNT] = {NULL, DP_DTYPE_F64, 1, {sets}, 0, NULL},
        [MOMENT_MEAN] = {NULL, DP_DTYPE_F64, 2, {sets, r->dim}, 0, NULL},
        [MOMENT_SCATTER] = {NULL, DP_DTYPE_F64, 2, {sets, dp_moments_size(r->dim)}, 0, NULL},
        [VECTORS] = {NULL, DP_DTYPE_F32, 2, {n, bank->pictures.n_vector}, 0, NULL},
        [DIGESTS] = {NULL, DP_DTYPE_U8, 2, {blocks, DIGEST_BYTES}, 0, NULL},
        [SEAL] = {NULL, DP_DTYPE_U8, 1, {DIGEST_BYTES}, 0, NULL},
    };
    for (size_t t = 0; t < N_TENSORS; t++) {
        tensors[t] = described[t];
        tensors[t].name = names[t];
        tensors[t].count = 1;
        for (size_t i = 0; i < tensors[t].rank; i++)
            tensors[t].count *= tensors[t].shape[i];
    }
}

size_t dp_bank_feature_bytes(const dp_bank *bank)
{
    const dp_rows *rows = &bank->rows;
    return (bank->share.of ? rows->held : dp_rows_places(rows)) * rows->dim * dp_storage_bytes(rows->storage);
}

size_t dp_block_count(size_t bytes)
{
    return bytes / BLOCK_BYTES + (bytes % BLOCK_BYTES != 0);
}

size_t dp_tensor_bytes(const dp_tensor *tensor)
{
    return tensor->count * dp_dtype_bytes(tensor->dtype);
}
