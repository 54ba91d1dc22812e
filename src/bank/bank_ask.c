/* bank_ask.c - what a bank holds. */
#include "bank/bank.h"
#include "format/safetensors.h"

#include <math.h>
#include <string.h>

void dp_bank_picture_grid(const dp_bank *bank, size_t picture, size_t *rows, size_t *cols)
{
    *rows = dp_bank_is_pool(bank) ? (size_t)bank->grids[2 * picture] : bank->grid_rows;
    *cols = dp_bank_is_pool(bank) ? (size_t)bank->grids[2 * picture + 1] : bank->grid_cols;
}

dp_recipe dp_bank_recipe_for(const dp_bank *bank, size_t rows, size_t cols)
{
    dp_recipe recipe = bank->recipe;
    if (recipe.edge_px && !recipe.crop_px) {
        recipe.canvas_height_px = rows * bank->patch_px;
        recipe.canvas_width_px = cols * bank->patch_px;
    }
    return recipe;
}

size_t dp_bank_row_cell(const dp_bank *bank, size_t cell, size_t row)
{
    if (!bank->row_cell)
        return cell;
    size_t rows, cols;
    dp_bank_picture_grid(bank, dp_bank_row_picture(bank, cell, row), &rows, &cols);
    return (size_t)bank->row_cell[row] % (rows * cols);
}

/* The first row of a pool that belongs to that picture or a later one: they ascend. */
static size_t first_of(const dp_bank *bank, size_t picture)
{
    size_t low = 0, high = bank->n_rows;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((size_t)bank->row_picture[middle] < picture)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void dp_bank_pool_range(const dp_bank *bank, size_t picture, size_t *first, size_t *n)
{
    *first = first_of(bank, picture);
    *n = first_of(bank, picture + 1) - *first;
}

static void get_from_pool(const dp_bank *bank, size_t picture, size_t augmentation, float *features, uint8_t *valid)
{
    size_t rows, cols, dim = bank->dim;
    dp_bank_picture_grid(bank, picture, &rows, &cols);
    size_t cells = rows * cols;
    if (features)
        memset(features, 0, cells * dim * sizeof *features);
    if (valid)
        memset(valid, 0, cells);
    size_t first, n;
    dp_bank_pool_range(bank, picture, &first, &n);
    for (size_t row = first; row < first + n; row++) {
        size_t cell = (size_t)bank->row_cell[row];
        if (cell / cells != augmentation)
            continue;
        if (features)
            dp_bank_widen(bank, 0, row, 1, features + cell % cells * dim);
        if (valid)
            valid[cell % cells] = bank->valid[row];
    }
}

void dp_bank_get(const dp_bank *bank, size_t picture, size_t augmentation, float *features, uint8_t *valid)
{
    size_t row = picture * bank->rows_per_picture + augmentation, dim = bank->dim, cells = dp_bank_cells(bank);
    if (dp_bank_is_pool(bank)) {
        get_from_pool(bank, picture, augmentation, features, valid);
        return;
    }
    for (size_t cell = 0; cell < cells; cell++) {
        if (features)
            dp_bank_widen(bank, cell, row, 1, features + cell * dim);
        if (valid)
            valid[cell] = bank->valid[cell * bank->n_rows + row];
    }
}

size_t dp_bank_held_bytes(const dp_bank *bank)
{
    size_t places = dp_bank_cells(bank) * bank->n_rows, each = bank->dim * dp_storage_bytes(bank->storage) + sizeof(float) + 1;
    each += bank->scales ? sizeof(float) : 0;
    each += (bank->row_picture ? sizeof(int32_t) : 0) + (bank->row_cell ? sizeof(int32_t) : 0);
    return places * each + (bank->basis ? (bank->dim + 1) * bank->dim_in * sizeof(float) : 0);
}

static void widen(dp_interval *interval, double x)
{
    interval->low = fmin(interval->low, x); /* of NaN and a number: the number */
    interval->high = fmax(interval->high, x);
}

static dp_good_range range_of(const dp_bank *bank)
{
    const dp_interval none = {NAN, NAN};
    dp_good_range range = {.min_ratio = NAN, .max_ratio = NAN, .dark = none, .bright = none, .fine = none};
    for (size_t p = 0; p < bank->n_pictures; p++) {
        size_t width = bank->poses[p].picture_width_px, height = bank->poses[p].picture_height_px;
        widen(&range.dark, bank->lights[p].dark);
        widen(&range.bright, bank->lights[p].bright);
        widen(&range.fine, bank->lights[p].fine);
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
    for (size_t p = 0; p < bank->n_pictures; p++)
        n += !isnan(bank->loo_scores[p]);
    return n;
}

void dp_bank_get_info(const dp_bank *bank, dp_bank_info *info)
{
    *info = (dp_bank_info){
        .grid_rows = bank->grid_rows,
        .grid_cols = bank->grid_cols,
        .dim = bank->dim,
        .dim_in = bank->dim_in,
        .n_pictures = bank->n_pictures,
        .n_rows = bank->n_rows,
        .threshold = bank->threshold,
        .threshold_origin = bank->origin,
        .cell_threshold = bank->cell_threshold,
        .patch_px = bank->patch_px,
        .model_path = bank->model_path,
        .model_stand_in = bank->model_stand_in,
        .recipe = bank->recipe,
        .range = range_of(bank),
        .n_scored = count_scored(bank),
        .feature_bytes = dp_bank_held_bytes(bank),
        .file_bytes = bank->file ? dp_safetensors_bytes(bank->file).bytes : 0,
    };
    memcpy(info->model_sha256, bank->model_sha256, sizeof info->model_sha256);
}

const char *dp_bank_picture_name(const dp_bank *bank, size_t picture)
{
    return picture < bank->n_pictures ? bank->names[picture] : NULL;
}

double dp_bank_picture_score(const dp_bank *bank, size_t picture)
{
    return picture < bank->n_pictures ? bank->loo_scores[picture] : NAN;
}

const unsigned char *dp_bank_picture_digest(const dp_bank *bank, size_t picture)
{
    static const unsigned char unknown[DP_DIGEST_BYTES];
    if (picture >= bank->n_pictures)
        return NULL;
    const unsigned char *digest = bank->picture_digests + picture * DP_DIGEST_BYTES;
    return memcmp(digest, unknown, sizeof unknown) != 0 ? digest : NULL;
}

const dp_pose *dp_bank_picture_pose(const dp_bank *bank, size_t picture)
{
    return picture < bank->n_pictures ? &bank->poses[picture] : NULL;
}

void dp_view_init(const dp_bank *bank, dp_view *view)
{
    *view = (dp_view){
        .metric = bank->recipe.metric,
        .window = bank->recipe.window,
        .knn = bank->recipe.knn,
        .blend = bank->recipe.blend,
        .scales = bank->distance_scales,
        .post = bank->recipe.post,
        .score = bank->recipe.score,
        .reweight = bank->recipe.reweight,
        .threshold = bank->threshold,
        .origin = bank->origin,
        .cell_threshold = bank->cell_threshold,
        .heat = bank->heat,
        .good_scores = bank->loo_scores,
        .good_peaks = bank->peaks_known ? bank->loo_peaks : NULL,
        .n_good_scores = bank->n_pictures,
    };
}

size_t dp_bank_blocks(const dp_bank *bank)
{
    return bank->recipe.layer_mix == DP_LAYERS_SEPARATE && bank->recipe.n_layers ? bank->recipe.n_layers : 1;
}

void dp_distance_scales_none(const dp_recipe *recipe, dp_distance_scales *scales)
{
    *scales = (dp_distance_scales){.metric = recipe->metric, .window = recipe->window, .knn = recipe->knn};
    for (size_t i = 0; i < DP_MAX_LAYERS; i++)
        scales->local[i] = scales->global[i] = NAN;
}

bool dp_distance_scales_hold(const dp_distance_scales *scales, dp_metric metric, size_t window, size_t knn)
{
    return scales->metric == metric && scales->window == window && scales->knn == knn;
}
