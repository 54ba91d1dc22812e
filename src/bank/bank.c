/* SPDX-License-Identifier: Apache-2.0 */
/* bank.c - reads the content of a finished bank. */
#include "bank/bank.h"
#include "geometry/spaces.h"
#include "base/memory.h"
#include "format/safetensors.h"

#include <math.h>
#include <string.h>

void dp_bank_close(dp_bank **bank_pointer)
{
    if (!bank_pointer || !*bank_pointer)
        return;
    dp_bank *bank = *bank_pointer;
    dp_row_memory_free(&bank->memory);
    dp_pca_free(&bank->projection);
    dp_bank_pictures_free(&bank->pictures);
    dp_roi_close(&bank->roi);
    dp_choices_free(&bank->choices);
    dp_memory_free(bank->orientation);
    dp_memory_free(bank->layer_norm);
    dp_memory_free(bank->channels);
    dp_moments_close(&bank->moments);
    dp_reference_close(&bank->reference);
    dp_memory_free(bank->model.path);
    dp_memory_free(bank->file.path);
    dp_safetensors_close(&bank->file.mapped);
    dp_memory_free(bank);
    *bank_pointer = NULL;
}

const dp_choice *dp_bank_choices(const dp_bank *bank, size_t *n)
{
    *n = bank->choices.n;
    return bank->choices.all;
}

void dp_bank_link_rows(dp_bank *bank)
{
    const dp_recipe *recipe = &bank->recipe;
    dp_rows *rows = &bank->rows;
    rows->name = bank->file.path;
    rows->blocks = recipe->layer_mix == DP_LAYERS_SEPARATE && recipe->n_layers ? recipe->n_layers : 1;
    rows->flat = recipe->layout == DP_LAYOUT_FLAT;
    rows->complete = recipe->kmeans == 0 && !(recipe->coreset > 0) && !(recipe->thin > 0)
                     && recipe->background != DP_BACKGROUND_REFERENCE
                     && (recipe->layout != DP_LAYOUT_MOMENTS || rows->n_rows);
    rows->moments = bank->moments.cells ? &bank->moments : NULL;
    rows->rule = (dp_moments_rule){recipe->moments, recipe->moments_ridge, recipe->moments_variance};
    rows->retrieval = recipe->retrieval;
    rows->n_vector = bank->pictures.n_vector;
    rows->vectors = bank->pictures.vectors;
    rows->equal = recipe->layer_weights == DP_WEIGHTS_EQUAL;
    rows->mapped = bank->file.mapped != NULL;
    rows->centred = false;
    for (size_t d = 0; bank->projection.basis && d < bank->projection.dim_in; d++)
        rows->centred = rows->centred || bank->projection.mean[d] != 0;
}

dp_status dp_bank_measure(dp_bank *bank, dp_pool *pool, dp_error *err)
{
    const bool shared = bank->recipe.moments == DP_MOMENTS_SUBSPACE;
    dp_moments measured = {0};
    dp_status status = dp_moments_open(shared ? 1 : dp_rows_cells(&bank->rows), bank->rows.dim, &measured, err);
    if (!status)
        status = dp_moments_of_rows(&bank->rows, 0, bank->pictures.n, pool, &measured, err);
    if (status) {
        dp_moments_close(&measured);
        return status;
    }
    dp_bank_take_moments(bank, &measured);
    return DP_OK;
}

void dp_bank_take_moments(dp_bank *bank, dp_moments *moments)
{
    dp_moments_close(&bank->moments);
    bank->moments = *moments;
    *moments = (dp_moments){0};
    dp_bank_link_rows(bank);
}

void dp_bank_drop_rows(dp_bank *bank)
{
    dp_row_memory_free(&bank->memory);
    bank->rows.n_rows = 0;
    dp_row_memory_show(&bank->memory, &bank->rows);
    dp_bank_link_rows(bank);
}

bool dp_bank_set_channels(dp_bank *bank, const int32_t *channels)
{
    dp_memory_free(bank->channels);
    bank->channels = dp_malloc(bank->projection.dim_in, sizeof *channels);
    if (bank->channels)
        memcpy(bank->channels, channels, bank->projection.dim_in * sizeof *channels);
    return bank->channels != NULL;
}

bool dp_bank_set_layer_norm(dp_bank *bank, const float *norm)
{
    const size_t dim = bank->projection.dim_in;
    bank->layer_norm = dp_malloc(dim, 2 * sizeof *norm);
    if (bank->layer_norm)
        memcpy(bank->layer_norm, norm, 2 * dim * sizeof *norm);
    return bank->layer_norm != NULL;
}

bool dp_pca_copy(const dp_pca *from, dp_pca *to)
{
    dp_pca copy = {.dim_in = from->dim_in, .dim = from->dim, .kept = from->kept};
    copy.mean = dp_malloc(from->dim_in, sizeof *copy.mean);
    copy.basis = dp_malloc_2d(from->dim, from->dim_in, sizeof *copy.basis);
    dp_pca_free(to);
    if (!copy.mean || !copy.basis) {
        dp_pca_free(&copy);
        return false;
    }
    memcpy(copy.mean, from->mean, from->dim_in * sizeof *copy.mean);
    memcpy(copy.basis, from->basis, from->dim * from->dim_in * sizeof *copy.basis);
    *to = copy;
    return true;
}

void dp_pca_free(dp_pca *pca)
{
    dp_memory_free(pca->mean);
    dp_memory_free(pca->basis);
    *pca = (dp_pca){0};
}

bool dp_bank_is_sha256(const char *text)
{
    return text && strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

bool dp_bank_canvas_fits(const dp_recipe *recipe, size_t grid_rows, size_t grid_cols)
{
    size_t height = recipe->canvas_height_px, width = recipe->canvas_width_px;
    return height && height % grid_rows == 0 && width % grid_cols == 0 && height / grid_rows == width / grid_cols;
}

dp_recipe dp_bank_recipe_for(const dp_bank *bank, size_t rows, size_t cols)
{
    dp_recipe recipe = bank->recipe;
    if (dp_own_canvas(&recipe)) {
        recipe.canvas_height_px = dp_cells_to_canvas(rows, bank->patch_px);
        recipe.canvas_width_px = dp_cells_to_canvas(cols, bank->patch_px);
    }
    return recipe;
}

size_t dp_bank_background_bytes(const dp_bank *bank, size_t picture)
{
    return bank->rows.rows_per_picture * dp_rows_picture_cells(&bank->rows, picture);
}

const uint8_t *dp_bank_inspected_background(const dp_bank *bank, size_t picture)
{
    return dp_masks_inspected(&bank->recipe) && bank->pictures.background ? bank->pictures.background[picture] : NULL;
}

size_t dp_bank_held_bytes(const dp_bank *bank)
{
    const dp_pca *projection = &bank->projection;
    return dp_rows_bytes(&bank->rows) + dp_moments_bytes(&bank->moments)
           + (bank->layer_norm ? 2 * projection->dim_in * sizeof(float) : 0)
           + (projection->basis ? (projection->dim + 1) * projection->dim_in * sizeof(float) : 0);
}

static void widen(dp_interval *interval, double x)
{
    interval->low = fmin(interval->low, x); /* fmin of NaN and a number is the number */
    interval->high = fmax(interval->high, x);
}

static dp_good_range range_of(const dp_bank *bank)
{
    const dp_interval none = {NAN, NAN};
    dp_good_range range = {.min_ratio = NAN, .max_ratio = NAN, .dark = none, .bright = none, .fine = none};
    for (size_t p = 0; p < bank->pictures.n; p++) {
        size_t width = bank->pictures.poses[p].picture_width_px, height = bank->pictures.poses[p].picture_height_px;
        widen(&range.dark, bank->pictures.lights[p].dark);
        widen(&range.bright, bank->pictures.lights[p].bright);
        widen(&range.fine, bank->pictures.lights[p].fine);
        if (!width || !height)
            continue;
        range.min_ratio = fmin(range.min_ratio, (double)width / (double)height);
        range.max_ratio = fmax(range.max_ratio, (double)width / (double)height);
        range.min_width_px = !range.min_width_px || width < range.min_width_px ? width : range.min_width_px;
        range.max_width_px = width > range.max_width_px ? width : range.max_width_px;
        range.min_height_px = !range.min_height_px || height < range.min_height_px ? height : range.min_height_px;
        range.max_height_px = height > range.max_height_px ? height : range.max_height_px;
    }
    return range;
}

static size_t count_scored(const dp_bank *bank)
{
    size_t n = 0;
    for (size_t p = 0; p < bank->pictures.n; p++)
        n += !isnan(bank->pictures.loo_scores[p]);
    return n;
}

void dp_bank_get_details(const dp_bank *bank, dp_bank_details *info)
{
    *info = (dp_bank_details){
        .grid_rows = bank->rows.grid_rows,
        .grid_cols = bank->rows.grid_cols,
        .dim = bank->rows.dim,
        .dim_in = bank->projection.dim_in,
        .n_pictures = bank->pictures.n,
        .n_rows = bank->rows.n_rows,
        .threshold = bank->levels.threshold,
        .threshold_origin = bank->levels.origin,
        .cell_threshold = bank->levels.cell_threshold,
        .drift = bank->learned.drift > 0 ? bank->learned.drift : NAN,
        .patch_px = bank->patch_px,
        .model_path = bank->model.path,
        .model_licence = *bank->model.licence || strcmp(bank->model.sha256, DP_NETWORK_NANO_SHA256) != 0
                             ? bank->model.licence
                             : "Apache-2.0", /* the licence of nano, for a bank that does not record it */
        .model_stand_in = bank->model.stand_in,
        .recipe = bank->recipe,
        .range = range_of(bank),
        .n_scored = count_scored(bank),
        .feature_bytes = dp_bank_held_bytes(bank),
        .file_bytes = bank->file.mapped ? dp_safetensors_bytes(bank->file.mapped).bytes : 0,
    };
    memcpy(info->model_sha256, bank->model.sha256, sizeof info->model_sha256);
}

const char *dp_bank_picture_name(const dp_bank *bank, size_t picture)
{
    return picture < bank->pictures.n ? bank->pictures.names[picture] : NULL;
}

double dp_bank_picture_score(const dp_bank *bank, size_t picture)
{
    return picture < bank->pictures.n ? bank->pictures.loo_scores[picture] : NAN;
}

const unsigned char *dp_bank_picture_digest(const dp_bank *bank, size_t picture)
{
    return picture < bank->pictures.n ? dp_bank_pictures_digest(&bank->pictures, picture) : NULL;
}

const dp_pose *dp_bank_picture_pose(const dp_bank *bank, size_t picture)
{
    return picture < bank->pictures.n ? &bank->pictures.poses[picture] : NULL;
}

void dp_view_init(const dp_bank *bank, dp_view *view)
{
    const dp_bank_pictures *pictures = &bank->pictures;
    const dp_scoring scoring = dp_bank_scoring(bank);
    *view = (dp_view){
        .good_scores = pictures->loo_scores,
        .good_peaks = pictures->peaks_known ? pictures->loo_peaks : NULL,
        .n_good_scores = pictures->n,
    };
    dp_scoring_to_view(&scoring, view);
}
