/* bank_like.c - a bank of the pictures of another, with room for other rows. */
#include "bank/bank.h"
#include "bank/roi_mask.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

bool dp_bank_like_bytes(const dp_bank *like, size_t n_rows, size_t dim, dp_storage storage, bool pictures, size_t *bytes)
{
    bool pool = dp_bank_is_pool(like);
    size_t places, each, tables = sizeof(float) + 1;
    tables += (storage == DP_STORAGE_I8 ? sizeof(float) : 0) + (pictures || pool ? sizeof(int32_t) : 0) + (pool ? sizeof(int32_t) : 0);
    return dp_mul_size(dp_bank_cells(like), n_rows, &places) && dp_mul_size(dim, dp_storage_bytes(storage), &each)
           && dp_add_size(each, tables, &each) && dp_mul_size(places, each, bytes);
}

dp_status dp_bank_like(const dp_bank *like, size_t n_rows, size_t dim, dp_storage storage, bool pictures, dp_bank **out,
                       dp_error *err)
{
    size_t places, n = like->n_pictures, bytes = 0;
    bool pool = dp_bank_is_pool(like);
    dp_bank *bank = dp_calloc(1, sizeof *bank);
    if (!bank || !dp_mul_size(dp_bank_cells(like), n_rows, &places) || !dp_mul_size(places, dim * sizeof(float), &bytes))
        goto no_memory;
    bank->grid_rows = like->grid_rows;
    bank->grid_cols = like->grid_cols;
    bank->dim = dim;
    bank->dim_in = like->dim_in;
    bank->rows_per_picture = like->rows_per_picture;
    bank->n_rows = n_rows;
    bank->storage = storage;
    bank->threshold = like->threshold;
    bank->origin = like->origin;
    bank->cell_threshold = like->cell_threshold;
    bank->peaks_known = like->peaks_known;
    bank->patch_px = like->patch_px;
    bank->patch_recorded = like->patch_recorded;
    bank->heat = like->heat;
    bank->distance_scales = like->distance_scales;
    bank->recipe = like->recipe;
    bank->recipe.storage = storage;
    memcpy(bank->model_sha256, like->model_sha256, sizeof bank->model_sha256);
    bank->model_stand_in = like->model_stand_in;
    bank->model_path = dp_strdup(like->model_path);
    bank->features = bank->own_features = dp_malloc_2d(places, dim, dp_storage_bytes(storage));
    bank->norms = bank->own_norms = dp_malloc(places, sizeof *bank->own_norms);
    bank->valid = bank->own_valid = dp_malloc(places, 1);
    bank->names = dp_calloc(n, sizeof *bank->names);
    bank->poses = dp_malloc(n, sizeof *bank->poses);
    bank->lights = dp_malloc(n, sizeof *bank->lights);
    bank->polarities = dp_malloc(n, 1);
    bank->picture_digests = dp_malloc(n, DP_DIGEST_BYTES);
    bank->loo_scores = dp_malloc(n, sizeof *bank->loo_scores);
    bank->loo_peaks = dp_malloc(n, sizeof *bank->loo_peaks);
    bank->orientation = dp_malloc(like->dim_in, 2 * sizeof *bank->orientation);
    if (storage == DP_STORAGE_I8)
        bank->scales = bank->own_scales = dp_malloc(places, sizeof *bank->own_scales);
    if (pictures || pool)
        bank->row_picture = bank->own_row_picture = dp_malloc(places, sizeof *bank->own_row_picture);
    if (pool)
        bank->row_cell = bank->own_row_cell = dp_malloc(places, sizeof *bank->own_row_cell);
    if (like->grids)
        bank->grids = dp_malloc(n, 2 * sizeof *bank->grids);
    if (!bank->model_path || !bank->features || !bank->norms || !bank->valid || !bank->names || !bank->poses || !bank->lights || !bank->polarities
        || !bank->picture_digests || !bank->loo_scores || !bank->loo_peaks || !bank->orientation || (storage == DP_STORAGE_I8 && !bank->scales)
        || ((pictures || pool) && !bank->row_picture) || (pool && !bank->row_cell) || (like->grids && !bank->grids))
        goto no_memory;
    for (size_t p = 0; p < n; p++) {
        bank->names[p] = dp_strdup(like->names[p]);
        bank->n_pictures = p + 1;
        if (!bank->names[p])
            goto no_memory;
    }
    if (like->background && !dp_bank_new_backgrounds(bank, n))
        goto no_memory;
    memcpy(bank->poses, like->poses, n * sizeof *bank->poses);
    memcpy(bank->lights, like->lights, n * sizeof *bank->lights);
    memcpy(bank->polarities, like->polarities, n);
    memcpy(bank->picture_digests, like->picture_digests, n * DP_DIGEST_BYTES);
    memcpy(bank->loo_scores, like->loo_scores, n * sizeof *bank->loo_scores);
    memcpy(bank->loo_peaks, like->loo_peaks, n * sizeof *bank->loo_peaks);
    memcpy(bank->orientation, like->orientation, 2 * like->dim_in * sizeof *bank->orientation);
    if (like->grids)
        memcpy(bank->grids, like->grids, 2 * n * sizeof *bank->grids);
    for (size_t p = 0; like->background && p < n; p++) {
        size_t mask_bytes = dp_bank_background_bytes(bank, p);
        if (!like->background[p])
            continue;
        if (!(bank->background[p] = dp_malloc(mask_bytes, 1)))
            goto no_memory;
        memcpy(bank->background[p], like->background[p], mask_bytes);
    }
    if (like->roi
        && dp_roi_new(like->roi->frame, like->roi->settled, like->roi->height, like->roi->width, like->roi->mask, &bank->roi, NULL))
        goto no_memory;
    if (like->basis && dim == like->dim && !dp_bank_set_projection(bank, like->mean, like->basis))
        goto no_memory;
    *out = bank;
    return DP_OK;
no_memory:
    dp_bank_close(&bank);
    return dp_fail_memory(err, "the bank", bytes);
}
