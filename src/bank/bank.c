/* bank.c - building a bank in memory, and asking it. */
#include "bank/bank.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/safetensors.h"

#include <math.h>
#include <string.h>

/* Four sums, so that the additions need not wait for one another; the same on every machine. */
float dp_norm_f32(const float *x, size_t dim)
{
    double sums[4] = {0};
    size_t d = 0;
    for (; d + 4 <= dim; d += 4)
        for (size_t i = 0; i < 4; i++)
            sums[i] += (double)x[d + i] * x[d + i];
    for (size_t i = 0; d + i < dim; i++)
        sums[i] += (double)x[d + i] * x[d + i];
    return (float)sqrt((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

static bool cells_times_rows(const dp_bank_spec *spec, size_t *places)
{
    return dp_mul_size(spec->grid_rows, spec->grid_cols, places) && dp_mul_size(*places, spec->capacity, places)
           && dp_mul_size(*places, spec->rows_per_picture, places);
}

bool dp_bank_bytes(const dp_bank_spec *spec, size_t *bytes)
{
    size_t places, each;
    return cells_times_rows(spec, &places) && dp_mul_size(spec->dim, sizeof(float), &each)
           && dp_add_size(each, sizeof(float) + 1, &each) && dp_mul_size(places, each, bytes);
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

dp_status dp_bank_new(const dp_bank_spec *spec, dp_bank **out, dp_error *err)
{
    if (!spec->grid_rows || !spec->grid_cols || !spec->dim || !spec->capacity || !spec->rows_per_picture)
        return dp_fail(err, DP_E_ARGUMENT,
                       "a bank of %zu pictures with %zu rows each, %zux%zu cells and %zu features has nothing in it",
                       spec->capacity, spec->rows_per_picture, spec->grid_rows, spec->grid_cols, spec->dim);
    if (!dp_bank_is_sha256(spec->model_sha256))
        return dp_fail(err, DP_E_ARGUMENT, "the checkpoint's hash is not 64 lower-case hexadecimal digits");
    if (!dp_bank_canvas_fits(spec->recipe, spec->grid_rows, spec->grid_cols))
        return dp_fail(err, DP_E_ARGUMENT, "a canvas of %zux%zu pixels is not %zux%zu square patches",
                       spec->recipe->canvas_height_px, spec->recipe->canvas_width_px, spec->grid_rows, spec->grid_cols);
    size_t places, bytes;
    if (!cells_times_rows(spec, &places) || !dp_bank_bytes(spec, &bytes) || places >= UINT32_MAX)
        return dp_fail(err, DP_E_MEMORY, "a bank of %zu pictures with %zu rows each at %zux%zu cells is too large",
                       spec->capacity, spec->rows_per_picture, spec->grid_rows, spec->grid_cols);
    dp_bank *bank = dp_calloc(1, sizeof *bank);
    if (!bank)
        return dp_fail_memory(err, "the bank", sizeof *bank);
    bank->grid_rows = spec->grid_rows;
    bank->grid_cols = spec->grid_cols;
    bank->dim = spec->dim;
    bank->capacity = spec->capacity;
    bank->rows_per_picture = spec->rows_per_picture;
    bank->n_rows = spec->capacity * spec->rows_per_picture;
    bank->recipe = *spec->recipe;
    memcpy(bank->model_sha256, spec->model_sha256, sizeof bank->model_sha256);
    bank->model_stand_in = spec->model_stand_in;
    bank->model_path = dp_strdup(spec->model_path ? spec->model_path : "");
    bank->threshold = NAN;
    /* Not zeroed: pages are taken as pictures come in.  The large ones first: what cannot be had is known at once. */
    bank->features = bank->own_features = dp_malloc(places, spec->dim * sizeof(float));
    bank->norms = bank->own_norms = bank->features ? dp_malloc(places, sizeof(float)) : NULL;
    if (!bank->norms)
        goto no_memory;
    bank->valid = bank->own_valid = dp_calloc(places, 1);
    bank->names = dp_calloc(spec->capacity, sizeof *bank->names);
    bank->poses = dp_calloc(spec->capacity, sizeof *bank->poses);
    bank->polarities = dp_calloc(spec->capacity, 1);
    bank->loo_scores = dp_malloc(spec->capacity, sizeof *bank->loo_scores);
    bank->orientation = dp_calloc(spec->dim, 2 * sizeof *bank->orientation);
    bank->put = dp_calloc(bank->n_rows, 1);
    if (!bank->valid || !bank->names || !bank->poses || !bank->polarities || !bank->loo_scores || !bank->orientation
        || !bank->put || !bank->model_path)
        goto no_memory;
    *out = bank;
    return DP_OK;
no_memory:
    dp_bank_close(&bank);
    return dp_fail_memory(err, "the bank", bytes);
}

void dp_bank_close(dp_bank **bank_pointer)
{
    if (!bank_pointer || !*bank_pointer)
        return;
    dp_bank *bank = *bank_pointer;
    dp_memory_free(bank->own_features);
    dp_memory_free(bank->own_norms);
    dp_memory_free(bank->own_valid);
    for (size_t p = 0; bank->names && p < bank->n_pictures; p++)
        dp_memory_free(bank->names[p]);
    dp_memory_free(bank->names);
    dp_memory_free(bank->poses);
    dp_memory_free(bank->polarities);
    dp_memory_free(bank->loo_scores);
    dp_memory_free(bank->orientation);
    dp_memory_free(bank->put);
    dp_memory_free(bank->model_path);
    dp_memory_free(bank->path);
    dp_safetensors_close(&bank->file);
    dp_memory_free(bank);
    *bank_pointer = NULL;
}

dp_status dp_bank_add_picture(dp_bank *bank, const char *name, const dp_pose *pose, size_t *picture, dp_error *err)
{
    if (bank->n_pictures == bank->capacity)
        return dp_fail(err, DP_E_ARGUMENT, "the bank has room for %zu pictures, no more", bank->capacity);
    char *copy = dp_strdup(name);
    if (!copy)
        return dp_fail_memory(err, "the name of a picture", strlen(name) + 1);
    size_t p = bank->n_pictures++;
    bank->names[p] = copy;
    bank->poses[p] = *pose;
    bank->polarities[p] = 1;
    bank->loo_scores[p] = NAN;
    *picture = p;
    return DP_OK;
}

bool dp_all_finite(const float *x, size_t n)
{
    uint32_t broken = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        broken |= (bits & 0x7f800000) == 0x7f800000;
    }
    return !broken;
}

dp_status dp_bank_put(dp_bank *bank, size_t picture, size_t augmentation, const float *features, const uint8_t *valid,
                      dp_error *err)
{
    size_t row = picture * bank->rows_per_picture + augmentation, dim = bank->dim, cells = dp_bank_cells(bank);
    for (size_t cell = 0; cell < cells; cell++)
        if ((!valid || valid[cell]) && !dp_all_finite(features + cell * dim, dim))
            return dp_fail(err, DP_E_NUMERIC, "%s: a feature is not finite", bank->names[picture]);
    for (size_t cell = 0; cell < cells; cell++) {
        size_t place = cell * bank->n_rows + row;
        bool counts = !valid || valid[cell];
        if (counts)
            memcpy(bank->own_features + place * dim, features + cell * dim, dim * sizeof *features);
        else
            memset(bank->own_features + place * dim, 0, dim * sizeof *features);
        bank->own_norms[place] = counts ? dp_norm_f32(features + cell * dim, dim) : 0;
        bank->own_valid[place] = counts;
    }
    bank->put[row] = 1;
    return DP_OK;
}

void dp_bank_get(const dp_bank *bank, size_t picture, size_t augmentation, float *features, uint8_t *valid)
{
    size_t row = picture * bank->rows_per_picture + augmentation, dim = bank->dim, cells = dp_bank_cells(bank);
    for (size_t cell = 0; cell < cells; cell++) {
        if (features)
            memcpy(features + cell * dim, dp_bank_rows(bank, cell) + row * dim, dim * sizeof *features);
        if (valid)
            valid[cell] = bank->valid[cell * bank->n_rows + row];
    }
}

void dp_bank_mirror_picture(dp_bank *bank, size_t picture)
{
    size_t step = bank->n_rows * bank->dim, per = bank->rows_per_picture, first = picture * per;
    for (size_t r = 0; r < bank->grid_rows; r++) {
        for (size_t c = 0; c < bank->grid_cols / 2; c++) {
            size_t a = r * bank->grid_cols + c, b = r * bank->grid_cols + bank->grid_cols - 1 - c;
            float *x = bank->own_features + a * step + first * bank->dim,
                  *y = bank->own_features + b * step + first * bank->dim;
            for (size_t i = 0; i < per * bank->dim; i++) {
                float keep = x[i];
                x[i] = y[i];
                y[i] = keep;
            }
            for (size_t i = first; i < first + per; i++) {
                float norm = bank->own_norms[a * bank->n_rows + i];
                uint8_t valid = bank->own_valid[a * bank->n_rows + i];
                bank->own_norms[a * bank->n_rows + i] = bank->own_norms[b * bank->n_rows + i];
                bank->own_valid[a * bank->n_rows + i] = bank->own_valid[b * bank->n_rows + i];
                bank->own_norms[b * bank->n_rows + i] = norm;
                bank->own_valid[b * bank->n_rows + i] = valid;
            }
        }
    }
}

void dp_bank_set_orientation(dp_bank *bank, const float *reference, const float *bias)
{
    memcpy(bank->orientation, reference, bank->dim * sizeof *reference);
    memcpy(bank->orientation + bank->dim, bias, bank->dim * sizeof *bias);
}

dp_status dp_bank_finish(dp_bank *bank, dp_error *err)
{
    if (bank->n_pictures == 0)
        return dp_fail(err, DP_E_ARGUMENT, "no picture is in the bank");
    size_t used = bank->n_pictures * bank->rows_per_picture, room = bank->n_rows;
    for (size_t row = 0; row < used; row++)
        if (!bank->put[row])
            return dp_fail(err, DP_E_ARGUMENT, "%s: has no features in the bank",
                           bank->names[row / bank->rows_per_picture]);
    /* Towards the front: nothing is overwritten unread. */
    for (size_t cell = 1; used < room && cell < dp_bank_cells(bank); cell++) {
        memmove(bank->own_features + cell * used * bank->dim, bank->own_features + cell * room * bank->dim,
                used * bank->dim * sizeof(float));
        memmove(bank->own_norms + cell * used, bank->own_norms + cell * room, used * sizeof(float));
        memmove(bank->own_valid + cell * used, bank->own_valid + cell * room, used);
    }
    bank->n_rows = used;
    dp_memory_free(bank->put);
    bank->put = NULL;
    return DP_OK;
}

void dp_bank_get_info(const dp_bank *bank, dp_bank_info *info)
{
    *info = (dp_bank_info){
        .grid_rows = bank->grid_rows,
        .grid_cols = bank->grid_cols,
        .dim = bank->dim,
        .n_pictures = bank->n_pictures,
        .n_rows = bank->n_rows,
        .threshold = bank->threshold,
        .model_path = bank->model_path,
        .model_stand_in = bank->model_stand_in,
        .recipe = bank->recipe,
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
        .post = bank->recipe.post,
        .score = bank->recipe.score,
        .threshold = bank->threshold,
    };
}
