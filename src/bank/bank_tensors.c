/* bank_tensors.c - the tensors of a bank's file: which there are, of what type and shape. */
#include "bank/bank_tensors.h"
#include "bank/roi_mask.h"

bool dp_bank_has_tensor(const dp_bank *bank, size_t t, int version)
{
    bool pool = dp_bank_is_pool(bank);
    if (t == PICTURE_DIGESTS || t == LIGHT)
        return version >= 2;
    if (t == SCALES)
        return bank->recipe.storage == DP_STORAGE_I8;
    if (t == MEAN || t == BASIS)
        return bank->recipe.pca > 0;
    if (t == ROW_PICTURE)
        return pool || bank->recipe.kmeans;
    if (t == LOO_PEAKS || t == CELL_THRESHOLD)
        return bank->peaks_known;
    if (t == ROI)
        return bank->recipe.roi != DP_ROI_NONE;
    if (t == BACKGROUND)
        return bank->recipe.background == DP_BACKGROUND_TEST || bank->recipe.background == DP_BACKGROUND_BOTH;
    return t == ROW_CELL || t == GRIDS ? pool : true;
}

/* Of all pictures' masks; 0 while the grids of a pool are not known. */
static size_t background_bytes(const dp_bank *bank)
{
    size_t sum = 0;
    if (dp_bank_is_pool(bank) && !bank->grids)
        return 0;
    for (size_t p = 0; p < bank->n_pictures; p++)
        sum += dp_bank_background_bytes(bank, p);
    return sum;
}

void dp_bank_describe(const dp_bank *bank, dp_tensor tensors[N_TENSORS])
{
    size_t rows = bank->grid_rows, cols = bank->grid_cols, n = bank->n_pictures;
    size_t blocks = dp_block_count(dp_bank_feature_bytes(bank));
    dp_dtype stored = bank->storage == DP_STORAGE_F32 ? DP_DTYPE_F32 : bank->storage == DP_STORAGE_F16 ? DP_DTYPE_F16 : DP_DTYPE_I8;
    const dp_tensor described[N_TENSORS] = {
        [FEATURES] = {"features", stored, 4, {rows, cols, bank->n_rows, bank->dim}, 0, NULL},
        [NORMS] = {"norms", DP_DTYPE_F32, 3, {rows, cols, bank->n_rows}, 0, NULL},
        [SCALES] = {"scales", DP_DTYPE_F32, 3, {rows, cols, bank->n_rows}, 0, NULL},
        [ROW_PICTURE] = {"row_picture", DP_DTYPE_I32, 3, {rows, cols, bank->n_rows}, 0, NULL},
        [ROW_CELL] = {"row_cell", DP_DTYPE_I32, 1, {bank->n_rows}, 0, NULL},
        [GRIDS] = {"grids", DP_DTYPE_I32, 2, {n, 2}, 0, NULL},
        [MEAN] = {"mean", DP_DTYPE_F32, 1, {bank->dim_in}, 0, NULL},
        [BASIS] = {"basis", DP_DTYPE_F32, 2, {bank->dim, bank->dim_in}, 0, NULL},
        [VALID] = {"valid", DP_DTYPE_U8, 3, {rows, cols, bank->n_rows}, 0, NULL},
        [ORIENTATION] = {"orientation", DP_DTYPE_F32, 2, {2, bank->dim_in}, 0, NULL},
        [POSES] = {"poses", DP_DTYPE_F64, 2, {n, POSE_NUMBERS}, 0, NULL},
        [POLARITIES] = {"polarities", DP_DTYPE_I8, 1, {n}, 0, NULL},
        [PICTURE_DIGESTS] = {"picture_digests", DP_DTYPE_U8, 2, {n, DIGEST_BYTES}, 0, NULL},
        [LIGHT] = {"light", DP_DTYPE_F64, 2, {n, DP_LIGHT_NUMBERS}, 0, NULL},
        [BACKGROUND] = {"background", DP_DTYPE_U8, 1, {background_bytes(bank)}, 0, NULL},
        [ROI] = {"roi", DP_DTYPE_U8, 2, {bank->roi ? bank->roi->height : 0, bank->roi ? bank->roi->width : 0}, 0, NULL},
        [LOO_SCORES] = {"loo_scores", DP_DTYPE_F64, 1, {n}, 0, NULL},
        [LOO_PEAKS] = {"loo_peaks", DP_DTYPE_F64, 1, {n}, 0, NULL},
        [CELL_THRESHOLD] = {"cell_threshold", DP_DTYPE_F64, 1, {1}, 0, NULL},
        [THRESHOLD] = {"threshold", DP_DTYPE_F64, 1, {1}, 0, NULL},
        [HEAT] = {"heat_scale", DP_DTYPE_F64, 1, {2}, 0, NULL},
        [DISTANCE_SCALES] = {"distance_scales", DP_DTYPE_F64, 2, {dp_bank_blocks(bank), 2}, 0, NULL},
        [DIGESTS] = {"feature_digests", DP_DTYPE_U8, 2, {blocks, DIGEST_BYTES}, 0, NULL},
        [SEAL] = {"seal", DP_DTYPE_U8, 1, {DIGEST_BYTES}, 0, NULL},
    };
    for (size_t t = 0; t < N_TENSORS; t++) {
        tensors[t] = described[t];
        tensors[t].count = 1;
        for (size_t i = 0; i < tensors[t].rank; i++)
            tensors[t].count *= tensors[t].shape[i];
    }
}

size_t dp_bank_feature_bytes(const dp_bank *bank)
{
    return dp_bank_cells(bank) * bank->n_rows * bank->dim * dp_storage_bytes(bank->storage);
}

size_t dp_block_count(size_t bytes)
{
    return bytes / BLOCK_BYTES + (bytes % BLOCK_BYTES != 0);
}

size_t dp_tensor_bytes(const dp_tensor *tensor)
{
    return tensor->count * dp_dtype_bytes(tensor->dtype);
}
