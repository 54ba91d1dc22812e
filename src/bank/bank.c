/* bank.c - building a bank in memory. */
#include "bank/bank.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/safetensors.h"

#include <math.h>
#include <string.h>

static bool cells_times_rows(const dp_bank_spec *spec, size_t *places)
{
    return dp_mul_size(spec->grid_rows, spec->grid_cols, places) && dp_mul_size(*places, spec->capacity, places)
           && dp_mul_size(*places, spec->rows_per_picture, places);
}

bool dp_bank_bytes(const dp_bank_spec *spec, size_t *bytes)
{
    dp_storage storage = spec->recipe->storage;
    size_t places, each, table = spec->recipe->layout == DP_LAYOUT_POOL ? 2 * sizeof(int32_t) : 0;
    table += storage == DP_STORAGE_I8 ? sizeof(float) : 0;
    return cells_times_rows(spec, &places) && dp_mul_size(spec->dim, dp_storage_bytes(storage), &each)
           && dp_add_size(each, sizeof(float) + 1 + table, &each) && dp_mul_size(places, each, bytes);
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

static void free_rows(dp_bank *bank)
{
    dp_memory_free(bank->own_features);
    dp_memory_free(bank->own_scales);
    dp_memory_free(bank->own_norms);
    dp_memory_free(bank->own_valid);
    dp_memory_free(bank->own_row_picture);
    dp_memory_free(bank->own_row_cell);
}

/* Memory for that many rows in all, those there are carried over.  Not zeroed but for the validity: pages are taken as
 * pictures come in.  The large ones first: what cannot be had is known at once. */
static bool make_room(dp_bank *bank, size_t places)
{
    size_t used = bank->n_rows, row_bytes = bank->dim * dp_storage_bytes(bank->storage);
    bool pool = dp_bank_is_pool(bank), scaled = bank->storage == DP_STORAGE_I8;
    void *features = dp_malloc(places, row_bytes);
    float *norms = dp_malloc(places, sizeof *norms), *scales = scaled ? dp_malloc(places, sizeof *scales) : NULL;
    uint8_t *valid = features ? dp_calloc(places, 1) : NULL;
    int32_t *pictures = pool ? dp_malloc(places, sizeof *pictures) : NULL, *cells = pool ? dp_malloc(places, sizeof *cells) : NULL;
    if (!features || !norms || !valid || (scaled && !scales) || (pool && (!pictures || !cells))) {
        dp_memory_free(features);
        dp_memory_free(norms);
        dp_memory_free(scales);
        dp_memory_free(valid);
        dp_memory_free(pictures);
        dp_memory_free(cells);
        return false;
    }
    if (pool && bank->room && used) { /* it grows */
        memcpy(features, bank->own_features, used * row_bytes);
        memcpy(norms, bank->own_norms, used * sizeof *norms);
        memcpy(valid, bank->own_valid, used);
        memcpy(pictures, bank->own_row_picture, used * sizeof *pictures);
        memcpy(cells, bank->own_row_cell, used * sizeof *cells);
        if (scaled)
            memcpy(scales, bank->own_scales, used * sizeof *scales);
    }
    free_rows(bank);
    bank->features = bank->own_features = features;
    bank->scales = bank->own_scales = scales;
    bank->norms = bank->own_norms = norms;
    bank->valid = bank->own_valid = valid;
    bank->row_picture = bank->own_row_picture = pictures;
    bank->row_cell = bank->own_row_cell = cells;
    bank->room = places;
    return true;
}

dp_status dp_bank_new(const dp_bank_spec *spec, dp_bank **out, dp_error *err)
{
    bool pool = spec->recipe->layout == DP_LAYOUT_POOL;
    if ((!pool && (!spec->grid_rows || !spec->grid_cols)) || !spec->dim || !spec->capacity || !spec->rows_per_picture)
        return dp_fail(err, DP_E_ARGUMENT,
                       "a bank of %zu pictures with %zu rows each, %zux%zu cells and %zu features has nothing in it",
                       spec->capacity, spec->rows_per_picture, spec->grid_rows, spec->grid_cols, spec->dim);
    if (!dp_bank_is_sha256(spec->model_sha256))
        return dp_fail(err, DP_E_ARGUMENT, "the checkpoint's hash is not 64 lower-case hexadecimal digits");
    if (!pool && (!dp_bank_canvas_fits(spec->recipe, spec->grid_rows, spec->grid_cols)
                  || (spec->patch_px && spec->patch_px * spec->grid_rows != spec->recipe->canvas_height_px)))
        return dp_fail(err, DP_E_ARGUMENT, "a canvas of %zux%zu pixels is not %zux%zu square patches",
                       spec->recipe->canvas_height_px, spec->recipe->canvas_width_px, spec->grid_rows, spec->grid_cols);
    size_t places, bytes, slots;
    if (!cells_times_rows(spec, &places) || !dp_bank_bytes(spec, &bytes) || places >= UINT32_MAX
        || spec->capacity > INT32_MAX || !dp_mul_size(spec->capacity, spec->rows_per_picture, &slots))
        return dp_fail(err, DP_E_MEMORY, "a bank of %zu pictures with %zu rows each at %zux%zu cells is too large",
                       spec->capacity, spec->rows_per_picture, spec->grid_rows, spec->grid_cols);
    dp_bank *bank = dp_calloc(1, sizeof *bank);
    if (!bank)
        return dp_fail_memory(err, "the bank", sizeof *bank);
    bank->recipe = *spec->recipe;
    bank->storage = spec->recipe->storage;
    bank->grid_rows = pool ? 1 : spec->grid_rows;
    bank->grid_cols = pool ? 1 : spec->grid_cols;
    bank->dim = bank->dim_in = spec->dim;
    bank->capacity = spec->capacity;
    bank->rows_per_picture = spec->rows_per_picture;
    bank->n_rows = pool ? 0 : slots;
    memcpy(bank->model_sha256, spec->model_sha256, sizeof bank->model_sha256);
    bank->model_stand_in = spec->model_stand_in;
    bank->model_path = dp_strdup(spec->model_path ? spec->model_path : "");
    bank->threshold = bank->cell_threshold = NAN;
    bank->patch_recorded = spec->patch_px > 0;
    bank->patch_px = spec->patch_px ? spec->patch_px : pool ? 0 : spec->recipe->canvas_height_px / spec->grid_rows;
    bank->heat = (dp_interval){NAN, NAN};
    dp_distance_scales_none(&bank->recipe, &bank->distance_scales);
    if (!make_room(bank, places))
        goto no_memory;
    if (pool) {
        bank->grids = dp_calloc(spec->capacity, 2 * sizeof *bank->grids);
        bank->first_row = dp_calloc(slots, sizeof *bank->first_row);
    }
    bank->names = dp_calloc(spec->capacity, sizeof *bank->names);
    bank->poses = dp_calloc(spec->capacity, sizeof *bank->poses);
    bank->lights = dp_malloc(spec->capacity, sizeof *bank->lights);
    bank->polarities = dp_calloc(spec->capacity, 1);
    bank->picture_digests = dp_calloc(spec->capacity, DP_DIGEST_BYTES);
    bank->loo_scores = dp_malloc(spec->capacity, sizeof *bank->loo_scores);
    bank->loo_peaks = dp_malloc(spec->capacity, sizeof *bank->loo_peaks);
    bank->orientation = dp_calloc(spec->dim, 2 * sizeof *bank->orientation);
    bank->put = dp_calloc(slots, 1);
    if ((pool && (!bank->grids || !bank->first_row)) || !bank->names || !bank->poses || !bank->lights || !bank->polarities || !bank->loo_scores || !bank->loo_peaks || !bank->orientation
        || !bank->picture_digests || !bank->put || !bank->model_path)
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
    free_rows(bank);
    dp_memory_free(bank->grids);
    dp_memory_free(bank->mean);
    dp_memory_free(bank->basis);
    dp_memory_free(bank->first_row);
    for (size_t p = 0; bank->names && p < bank->n_pictures; p++)
        dp_memory_free(bank->names[p]);
    dp_memory_free(bank->names);
    for (size_t p = 0; bank->background && p < bank->n_pictures; p++)
        dp_memory_free(bank->background[p]);
    dp_memory_free(bank->background);
    dp_roi_close(&bank->roi);
    dp_memory_free(bank->poses);
    dp_memory_free(bank->lights);
    dp_memory_free(bank->polarities);
    dp_memory_free(bank->picture_digests);
    dp_memory_free(bank->loo_scores);
    dp_memory_free(bank->loo_peaks);
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
    bank->lights[p] = (dp_light)DP_NO_LIGHT;
    bank->polarities[p] = 1;
    bank->loo_scores[p] = bank->loo_peaks[p] = NAN;
    *picture = p;
    return DP_OK;
}

void dp_bank_set_digest(dp_bank *bank, size_t picture, const unsigned char *digest)
{
    memcpy(bank->picture_digests + picture * DP_DIGEST_BYTES, digest, DP_DIGEST_BYTES);
}

void dp_bank_take_back(dp_bank *bank, size_t n_rows)
{
    size_t p = --bank->n_pictures;
    dp_memory_free(bank->names[p]);
    bank->names[p] = NULL;
    bank->n_rows = n_rows;
    if (bank->grids)
        bank->grids[2 * p] = bank->grids[2 * p + 1] = 0;
    if (bank->background) {
        dp_memory_free(bank->background[p]);
        bank->background[p] = NULL;
    }
    memset(bank->put + p * bank->rows_per_picture, 0, bank->rows_per_picture);
}

/* Where the rows of a picture and augmentation lie that is being put: cell c of it at *first + c * *step. */
static dp_status find_place(dp_bank *bank, size_t picture, size_t augmentation, size_t rows, size_t cols, size_t *first,
                            size_t *step, dp_error *err)
{
    size_t slot = picture * bank->rows_per_picture + augmentation, cells = rows * cols, room = bank->room;
    if (!dp_bank_is_pool(bank)) {
        if (rows != bank->grid_rows || cols != bank->grid_cols)
            return dp_fail(err, DP_E_ARGUMENT, "%s: has %zux%zu cells, the bank %zux%zu", bank->names[picture], rows, cols,
                           bank->grid_rows, bank->grid_cols);
        *first = slot;
        *step = bank->n_rows;
        return DP_OK;
    }
    int32_t *grid = bank->grids + 2 * picture;
    if (!grid[0]) {
        if (!rows || !cols || rows > INT32_MAX || cols > INT32_MAX || cells > (size_t)DP_MAX_GRID_CELLS || cells > INT32_MAX / bank->rows_per_picture)
            return dp_fail(err, DP_E_ARGUMENT, "%s: a grid of %zux%zu cells", bank->names[picture], rows, cols);
        grid[0] = (int32_t)rows;
        grid[1] = (int32_t)cols;
    }
    if ((size_t)grid[0] != rows || (size_t)grid[1] != cols)
        return dp_fail(err, DP_E_ARGUMENT, "%s: has %zux%zu cells, and %dx%d before", bank->names[picture], rows, cols, grid[0],
                       grid[1]);
    if (!bank->put[slot]) {
        if (room - bank->n_rows < cells) {
            room = bank->n_rows + cells > room + room / 2 ? bank->n_rows + cells : room + room / 2;
            if (room >= UINT32_MAX || !make_room(bank, room))
                return dp_fail_memory(err, "the bank", room * bank->dim * sizeof(float));
        }
        bank->first_row[slot] = bank->n_rows;
        for (size_t cell = 0; cell < cells; cell++) {
            bank->own_row_picture[bank->n_rows + cell] = (int32_t)picture;
            bank->own_row_cell[bank->n_rows + cell] = (int32_t)(augmentation * cells + cell);
        }
        bank->n_rows += cells;
    }
    *first = bank->first_row[slot];
    *step = 1;
    return DP_OK;
}

dp_status dp_bank_put_grid(dp_bank *bank, size_t picture, size_t augmentation, const float *features, const uint8_t *valid,
                           size_t rows, size_t cols, dp_error *err)
{
    size_t dim = bank->dim, cells = rows * cols, first, step;
    for (size_t cell = 0; cell < cells; cell++)
        if ((!valid || valid[cell]) && !dp_all_finite(features + cell * dim, dim))
            return dp_fail(err, DP_E_NUMERIC, "%s: a feature is not finite", bank->names[picture]);
    dp_status status = find_place(bank, picture, augmentation, rows, cols, &first, &step, err);
    if (status)
        return status;
    for (size_t cell = 0; cell < cells; cell++) {
        bool counts = !valid || valid[cell];
        dp_bank_encode(bank, first + cell * step, counts ? features + cell * dim : NULL);
        if (!isfinite(bank->own_norms[first + cell * step]))
            return dp_fail(err, DP_E_NUMERIC, "%s: a feature is too large for the bank to hold", bank->names[picture]);
    }
    bank->put[picture * bank->rows_per_picture + augmentation] = 1;
    return DP_OK;
}

dp_status dp_bank_put(dp_bank *bank, size_t picture, size_t augmentation, const float *features, const uint8_t *valid,
                      dp_error *err)
{
    return dp_bank_put_grid(bank, picture, augmentation, features, valid, bank->grid_rows, bank->grid_cols, err);
}

static void swap_bytes(void *array, size_t size, size_t a, size_t b)
{
    char *x = (char *)array + a * size, *y = (char *)array + b * size;
    for (size_t i = 0; i < size; i++) {
        char keep = x[i];
        x[i] = y[i];
        y[i] = keep;
    }
}

static void swap_rows(dp_bank *bank, size_t a, size_t b)
{
    swap_bytes(bank->own_features, bank->dim * dp_storage_bytes(bank->storage), a, b);
    swap_bytes(bank->own_norms, sizeof *bank->own_norms, a, b);
    swap_bytes(bank->own_valid, sizeof *bank->own_valid, a, b);
    if (bank->own_scales)
        swap_bytes(bank->own_scales, sizeof *bank->own_scales, a, b);
}

void dp_bank_mirror_picture(dp_bank *bank, size_t picture)
{
    size_t rows, cols, first, step;
    dp_bank_picture_grid(bank, picture, &rows, &cols);
    for (size_t a = 0; a < bank->rows_per_picture; a++) {
        if (find_place(bank, picture, a, rows, cols, &first, &step, NULL))
            continue;
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols / 2; c++)
                swap_rows(bank, first + (r * cols + c) * step, first + (r * cols + cols - 1 - c) * step);
    }
    if (bank->background && bank->background[picture])
        dp_bank_mirror_background(bank, picture, bank->background[picture]);
}

void dp_bank_set_orientation(dp_bank *bank, const float *reference, const float *bias)
{
    memcpy(bank->orientation, reference, bank->dim_in * sizeof *reference);
    memcpy(bank->orientation + bank->dim_in, bias, bank->dim_in * sizeof *bias);
}

bool dp_bank_set_projection(dp_bank *bank, const float *mean, const float *basis)
{
    size_t dim_in = bank->dim_in, dim = bank->dim;
    bank->mean = dp_malloc(dim_in, sizeof *mean);
    bank->basis = dp_malloc_2d(dim, dim_in, sizeof *basis);
    if (!bank->mean || !bank->basis)
        return false;
    memcpy(bank->mean, mean, dim_in * sizeof *mean);
    memcpy(bank->basis, basis, dim * dim_in * sizeof *basis);
    bank->centred = false;
    for (size_t d = 0; d < dim_in; d++)
        bank->centred = bank->centred || mean[d] != 0;
    return true;
}

/* Rows from .. from + n - 1 to places to .. to + n - 1, counted through all locations; to <= from. */
static void move_rows(dp_bank *bank, size_t to, size_t from, size_t n)
{
    size_t bytes = bank->dim * dp_storage_bytes(bank->storage);
    char *features = bank->own_features;
    memmove(features + to * bytes, features + from * bytes, n * bytes);
    memmove(bank->own_norms + to, bank->own_norms + from, n * sizeof *bank->own_norms);
    memmove(bank->own_valid + to, bank->own_valid + from, n);
    if (bank->own_scales)
        memmove(bank->own_scales + to, bank->own_scales + from, n * sizeof *bank->own_scales);
}

/* Keeps the valid rows, in the order of pictures, augmentations and cells in which they were put. */
static dp_status close_pool(dp_bank *bank, dp_error *err)
{
    size_t n = 0, previous = 0;
    bool ordered = true;
    for (size_t slot = 0; slot < bank->n_pictures * bank->rows_per_picture; slot++) {
        ordered = ordered && bank->first_row[slot] >= previous;
        previous = bank->first_row[slot];
    }
    if (!ordered)
        return dp_fail(err, DP_E_ARGUMENT, "the pictures of a pool were not put one after the other");
    for (size_t row = 0; row < bank->n_rows; row++) {
        if (!bank->own_valid[row])
            continue;
        if (n < row) {
            move_rows(bank, n, row, 1);
            bank->own_row_picture[n] = bank->own_row_picture[row];
            bank->own_row_cell[n] = bank->own_row_cell[row];
        }
        n++;
    }
    if (!n)
        return dp_fail(err, DP_E_PICTURE, "no cell of any picture counts: there is nothing to compare with");
    bank->n_rows = n;
    dp_memory_free(bank->first_row);
    bank->first_row = NULL;
    return DP_OK;
}

dp_status dp_bank_finish(dp_bank *bank, dp_error *err)
{
    dp_status status;
    if (bank->n_pictures == 0)
        return dp_fail(err, DP_E_ARGUMENT, "no picture is in the bank");
    size_t used = bank->n_pictures * bank->rows_per_picture, room = bank->n_rows;
    for (size_t slot = 0; slot < used; slot++)
        if (!bank->put[slot])
            return dp_fail(err, DP_E_ARGUMENT, "%s: has no features in the bank",
                           bank->names[slot / bank->rows_per_picture]);
    if (dp_bank_is_pool(bank)) {
        status = close_pool(bank, err);
        if (status)
            return status;
    } else {
        /* Towards the front: nothing is overwritten unread. */
        for (size_t cell = 1; used < room && cell < dp_bank_cells(bank); cell++)
            move_rows(bank, cell * used, cell * room, used);
        bank->n_rows = used;
    }
    dp_memory_free(bank->put);
    bank->put = NULL;
    return DP_OK;
}
