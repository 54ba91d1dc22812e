/* SPDX-License-Identifier: Apache-2.0 */
/* builder.c - builds a bank from rows and pictures. */
#include "bank/builder.h"
#include "bank/roi_mask.h"
#include "base/error.h"
#include "options/check.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool cells_times_rows(const dp_bank_spec *spec, size_t *places)
{
    return dp_mul_size(spec->grid_rows, spec->grid_cols, places) && dp_mul_size(*places, spec->capacity, places)
           && dp_mul_size(*places, spec->rows_per_picture, places);
}

bool dp_bank_bytes(const dp_bank_spec *spec, size_t *bytes)
{
    size_t places, each;
    bool flat = spec->recipe->layout == DP_LAYOUT_FLAT;
    return cells_times_rows(spec, &places) && dp_row_bytes(spec->dim, spec->recipe->storage, flat, flat, &each)
           && dp_mul_size(places, each, bytes);
}

/* Allocates memory for so many rows. For a flat bank it keeps the rows and the pictures' grids. */
static bool make_room(dp_bank_builder *builder, size_t places)
{
    dp_bank *bank = builder->bank;
    dp_row_memory memory;
    if (!dp_row_memory_new(&bank->rows, places, false, &memory))
        return false;
    if (bank->rows.flat && builder->room && bank->rows.n_rows) { /* the bank grows */
        dp_rows_copy(&bank->rows, 0, bank->rows.n_rows, &memory, 0);
        memcpy(memory.row_picture, bank->memory.row_picture, bank->rows.n_rows * sizeof *memory.row_picture);
        memcpy(memory.row_cell, bank->memory.row_cell, bank->rows.n_rows * sizeof *memory.row_cell);
    }
    memory.grids = bank->memory.grids;
    bank->memory.grids = NULL;
    dp_row_memory_free(&bank->memory);
    bank->memory = memory;
    dp_row_memory_show(&bank->memory, &bank->rows);
    builder->room = places;
    return true;
}

static dp_bank_builder *new_builder(size_t capacity)
{
    dp_bank_builder *builder = dp_calloc(1, sizeof *builder);
    if (builder)
        *builder = (dp_bank_builder){.bank = dp_calloc(1, sizeof *builder->bank), .capacity = capacity};
    if (builder && !builder->bank)
        dp_bank_builder_close(&builder);
    return builder;
}

dp_status dp_bank_builder_open(const dp_bank_spec *spec, dp_bank_builder **out, dp_error *err)
{
    bool flat = spec->recipe->layout == DP_LAYOUT_FLAT;
    if ((!flat && (!spec->grid_rows || !spec->grid_cols)) || !spec->dim || !spec->capacity || !spec->rows_per_picture)
        return dp_fail(err, DP_E_ARGUMENT,
                       "a bank of %zu pictures with %zu rows each, %zux%zu cells and %zu features is empty",
                       spec->capacity, spec->rows_per_picture, spec->grid_rows, spec->grid_cols, spec->dim);
    if (!dp_bank_is_sha256(spec->model_sha256))
        return dp_fail(err, DP_E_ARGUMENT, "the checkpoint's hash is not 64 lower-case hexadecimal digits");
    if (!flat
        && (!dp_bank_canvas_fits(spec->recipe, spec->grid_rows, spec->grid_cols)
            || (spec->patch_px && spec->patch_px * spec->grid_rows != spec->recipe->canvas_height_px)))
        return dp_fail(err, DP_E_ARGUMENT, "a canvas of %zux%zu pixels cannot have %zux%zu square patches",
                       spec->recipe->canvas_height_px, spec->recipe->canvas_width_px, spec->grid_rows, spec->grid_cols);
    size_t places, bytes, slots;
    if (!cells_times_rows(spec, &places) || !dp_bank_bytes(spec, &bytes) || places >= UINT32_MAX
        || spec->capacity > INT32_MAX || !dp_mul_size(spec->capacity, spec->rows_per_picture, &slots))
        return dp_fail(err, DP_E_MEMORY, "a bank of %zu pictures with %zu rows each at %zux%zu cells is too large",
                       spec->capacity, spec->rows_per_picture, spec->grid_rows, spec->grid_cols);
    dp_bank_builder *builder = new_builder(spec->capacity);
    if (!builder)
        return dp_fail_memory(err, "the bank", sizeof *builder);
    dp_bank *bank = builder->bank;
    bank->recipe = *spec->recipe;
    bank->rows = (dp_rows){.grid_rows = flat ? 1 : spec->grid_rows,
                           .grid_cols = flat ? 1 : spec->grid_cols,
                           .n_rows = flat ? 0 : slots,
                           .dim = spec->dim,
                           .rows_per_picture = spec->rows_per_picture,
                           .storage = spec->recipe->storage};
    dp_bank_link_rows(bank);
    bank->projection = (dp_pca){.dim_in = spec->dim, .dim = spec->dim};
    bank->levels = dp_levels_none(&bank->recipe);
    bank->patch_recorded = spec->patch_px > 0;
    bank->patch_px = spec->patch_px ? spec->patch_px : flat ? 0 : spec->recipe->canvas_height_px / spec->grid_rows;
    memcpy(bank->model.sha256, spec->model_sha256, sizeof bank->model.sha256);
    bank->model.stand_in = spec->model_stand_in;
    snprintf(bank->model.licence, sizeof bank->model.licence, "%s", spec->model_licence ? spec->model_licence : "");
    bank->model.path = dp_strdup(spec->model_path ? spec->model_path : "");
    bank->orientation = dp_calloc(spec->dim, 2 * sizeof *bank->orientation);
    builder->put = dp_calloc(slots, 1);
    bool good = make_room(builder, places) && dp_bank_pictures_new(spec->capacity, &bank->pictures)
                && (!spec->n_vector || dp_bank_pictures_new_vectors(&bank->pictures, spec->n_vector, spec->capacity));
    if (flat) {
        bank->memory.grids = dp_calloc(spec->capacity, 2 * sizeof *bank->memory.grids);
        bank->rows.grids = bank->memory.grids;
        builder->first_row = dp_calloc(slots, sizeof *builder->first_row);
        good = good && bank->memory.grids && builder->first_row;
    }
    if (!good || !bank->model.path || !bank->orientation || !builder->put) {
        dp_bank_builder_close(&builder);
        return dp_fail_memory(err, "the bank", bytes);
    }
    *out = builder;
    return DP_OK;
}

void dp_bank_builder_close(dp_bank_builder **builder)
{
    if (!builder || !*builder)
        return;
    dp_bank_close(&(*builder)->bank);
    dp_memory_free((*builder)->put);
    dp_memory_free((*builder)->first_row);
    dp_memory_free(*builder);
    *builder = NULL;
}

dp_status dp_bank_builder_add(dp_bank_builder *builder, const char *name, const dp_pose *pose, size_t *picture,
                              dp_error *err)
{
    dp_bank *bank = builder->bank;
    if (bank->pictures.n == builder->capacity)
        return dp_fail(err, DP_E_ARGUMENT, "the bank has room for %zu pictures only", builder->capacity);
    if (!dp_bank_pictures_add(&bank->pictures, name, pose))
        return dp_fail_memory(err, "the name of a picture", strlen(name) + 1);
    bank->rows.n_pictures = bank->pictures.n;
    builder->before = bank->rows.n_rows;
    *picture = bank->pictures.n - 1;
    return DP_OK;
}

void dp_bank_builder_set_digest(dp_bank_builder *builder, size_t picture, const unsigned char *digest)
{
    memcpy(builder->bank->pictures.digests + picture * DP_DIGEST_BYTES, digest, DP_DIGEST_BYTES);
}

void dp_bank_builder_set_vector(dp_bank_builder *builder, size_t picture, const float *vector)
{
    const dp_bank_pictures *pictures = &builder->bank->pictures;
    memcpy(pictures->vectors + picture * pictures->n_vector, vector, pictures->n_vector * sizeof *vector);
}

void dp_bank_builder_take_back(dp_bank_builder *builder)
{
    dp_bank *bank = builder->bank;
    dp_bank_pictures_take_back(&bank->pictures);
    size_t p = bank->rows.n_pictures = bank->pictures.n;
    bank->rows.n_rows = builder->before;
    if (bank->memory.grids)
        bank->memory.grids[2 * p] = bank->memory.grids[2 * p + 1] = 0;
    memset(builder->put + p * bank->rows.rows_per_picture, 0, bank->rows.rows_per_picture);
}

/* Finds the place of the rows of a picture and augmentation: cell c goes to *first + c * *step. */
static dp_status find_place(dp_bank_builder *builder, size_t picture, size_t augmentation, size_t rows, size_t cols,
                            size_t *first, size_t *step, dp_error *err)
{
    dp_bank *bank = builder->bank;
    size_t slot = picture * bank->rows.rows_per_picture + augmentation, cells = rows * cols, room = builder->room;
    if (!bank->rows.flat) {
        if (rows != bank->rows.grid_rows || cols != bank->rows.grid_cols)
            return dp_fail(err, DP_E_ARGUMENT, "%s: has %zux%zu cells, but the bank has %zux%zu",
                           bank->pictures.names[picture], rows, cols, bank->rows.grid_rows, bank->rows.grid_cols);
        *first = slot;
        *step = bank->rows.n_rows;
        return DP_OK;
    }
    int32_t *grid = bank->memory.grids + 2 * picture;
    if (!grid[0]) {
        if (!rows || !cols || rows > INT32_MAX || cols > INT32_MAX || cells > (size_t)DP_MAX_GRID_CELLS
            || cells > INT32_MAX / bank->rows.rows_per_picture)
            return dp_fail(err, DP_E_ARGUMENT, "%s: a grid of %zux%zu cells is empty or too large",
                           bank->pictures.names[picture], rows, cols);
        grid[0] = (int32_t)rows;
        grid[1] = (int32_t)cols;
    }
    if ((size_t)grid[0] != rows || (size_t)grid[1] != cols)
        return dp_fail(err, DP_E_ARGUMENT, "%s: has %zux%zu cells, but it had %dx%d before",
                       bank->pictures.names[picture], rows, cols, grid[0], grid[1]);
    if (!builder->put[slot]) {
        if (room - bank->rows.n_rows < cells) {
            room = bank->rows.n_rows + cells > room + room / 2 ? bank->rows.n_rows + cells : room + room / 2;
            if (room >= UINT32_MAX || !make_room(builder, room))
                return dp_fail_memory(err, "the bank", room * bank->rows.dim * sizeof(float));
        }
        builder->first_row[slot] = bank->rows.n_rows;
        for (size_t cell = 0; cell < cells; cell++) {
            bank->memory.row_picture[bank->rows.n_rows + cell] = (int32_t)picture;
            bank->memory.row_cell[bank->rows.n_rows + cell] = (int32_t)(augmentation * cells + cell);
        }
        bank->rows.n_rows += cells;
    }
    *first = builder->first_row[slot];
    *step = 1;
    return DP_OK;
}

dp_status dp_bank_builder_put_grid(dp_bank_builder *builder, size_t picture, size_t augmentation, const float *features,
                                   const uint8_t *valid, size_t rows, size_t cols, dp_error *err)
{
    dp_bank *bank = builder->bank;
    size_t dim = bank->rows.dim, cells = rows * cols, first, step;
    for (size_t cell = 0; cell < cells; cell++)
        if ((!valid || valid[cell]) && !dp_all_finite(features + cell * dim, dim))
            return dp_fail(err, DP_E_NUMERIC, "%s: a feature is not finite", bank->pictures.names[picture]);
    dp_status status = find_place(builder, picture, augmentation, rows, cols, &first, &step, err);
    if (status)
        return status;
    for (size_t cell = 0; cell < cells; cell++) {
        bool counts = !valid || valid[cell];
        dp_rows_encode(&bank->rows, &bank->memory, first + cell * step, counts ? features + cell * dim : NULL);
        if (!isfinite(bank->memory.norms[first + cell * step]))
            return dp_fail(err, DP_E_NUMERIC, "%s: a feature is too large for the bank to hold",
                           bank->pictures.names[picture]);
    }
    builder->put[picture * bank->rows.rows_per_picture + augmentation] = 1;
    return DP_OK;
}

dp_status dp_bank_builder_put(dp_bank_builder *builder, size_t picture, size_t augmentation, const float *features,
                              const uint8_t *valid, dp_error *err)
{
    return dp_bank_builder_put_grid(builder, picture, augmentation, features, valid, builder->bank->rows.grid_rows,
                                    builder->bank->rows.grid_cols, err);
}

dp_status dp_bank_builder_set_background(dp_bank_builder *builder, size_t picture, size_t augmentation,
                                         const uint8_t *mask, dp_error *err)
{
    dp_bank *bank = builder->bank;
    dp_bank_pictures *pictures = &bank->pictures;
    size_t cells = dp_rows_picture_cells(&bank->rows, picture), bytes = dp_bank_background_bytes(bank, picture);
    if (!cells || augmentation >= bank->rows.rows_per_picture)
        return dp_fail(err, DP_E_ARGUMENT, "%s: has a mask but no grid", pictures->names[picture]);
    if (!pictures->background && !dp_bank_pictures_new_backgrounds(pictures, builder->capacity))
        return dp_fail_memory(err, "the masks of the background", builder->capacity * sizeof *pictures->background);
    if (!pictures->background[picture] && !(pictures->background[picture] = dp_calloc(bytes, 1)))
        return dp_fail_memory(err, "the mask of the background", bytes);
    memcpy(pictures->background[picture] + augmentation * cells, mask, cells);
    return DP_OK;
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

static void swap_rows(const dp_rows *rows, const dp_row_memory *memory, size_t a, size_t b)
{
    swap_bytes(memory->features, rows->dim * dp_storage_bytes(rows->storage), a, b);
    swap_bytes(memory->norms, sizeof *memory->norms, a, b);
    swap_bytes(memory->valid, sizeof *memory->valid, a, b);
    if (memory->scales)
        swap_bytes(memory->scales, sizeof *memory->scales, a, b);
}

void dp_bank_builder_mirror(dp_bank_builder *builder, size_t picture)
{
    dp_bank *bank = builder->bank;
    size_t rows, cols, first, step;
    dp_rows_picture_grid(&bank->rows, picture, &rows, &cols);
    for (size_t a = 0; a < bank->rows.rows_per_picture; a++) {
        if (find_place(builder, picture, a, rows, cols, &first, &step, NULL))
            continue;
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols / 2; c++)
                swap_rows(&bank->rows, &bank->memory, first + (r * cols + c) * step,
                          first + (r * cols + cols - 1 - c) * step);
    }
    if (bank->pictures.background && bank->pictures.background[picture])
        dp_masks_mirror(bank->pictures.background[picture], bank->rows.rows_per_picture, rows, cols);
}

void dp_bank_builder_set_orientation(dp_bank_builder *builder, const float *reference, const float *bias)
{
    size_t dim = builder->bank->projection.dim_in;
    memcpy(builder->bank->orientation, reference, dim * sizeof *reference);
    memcpy(builder->bank->orientation + dim, bias, dim * sizeof *bias);
}

void dp_bank_builder_set_roi(dp_bank_builder *builder, dp_roi *roi)
{
    dp_roi_close(&builder->bank->roi);
    builder->bank->roi = roi;
}

/* ------------------------------------------------------------------------------------------ a bank made of others */

bool dp_bank_shape_bytes(const dp_bank *pattern, const dp_bank_shape *shape, size_t *bytes)
{
    bool flat = pattern->rows.flat;
    size_t places, each;
    return dp_mul_size(dp_rows_cells(&pattern->rows), shape->n_rows, &places)
           && dp_row_bytes(shape->dim, shape->recipe->storage, shape->owners || flat, flat, &each)
           && dp_mul_size(places, each, bytes);
}

dp_status dp_bank_builder_begin(const dp_bank *pattern, const dp_bank_shape *shape, size_t capacity,
                                dp_bank_builder **out, dp_error *err)
{
    size_t places, bytes = 0;
    dp_bank_builder *builder = dp_bank_shape_bytes(pattern, shape, &bytes)
                                       && dp_mul_size(dp_rows_cells(&pattern->rows), shape->n_rows, &places)
                                   ? new_builder(capacity)
                                   : NULL;
    if (!builder)
        return dp_fail_memory(err, "the bank", bytes);
    dp_bank *bank = builder->bank;
    bank->recipe = *shape->recipe;
    bank->rows = (dp_rows){.grid_rows = pattern->rows.grid_rows,
                           .grid_cols = pattern->rows.grid_cols,
                           .n_rows = shape->n_rows,
                           .dim = shape->dim,
                           .rows_per_picture = pattern->rows.rows_per_picture,
                           .storage = shape->recipe->storage};
    dp_bank_link_rows(bank);
    bank->projection = (dp_pca){.dim_in = pattern->projection.dim_in, .dim = shape->dim};
    bank->levels = pattern->levels;
    bank->patch_px = pattern->patch_px;
    bank->patch_recorded = pattern->patch_recorded;
    memcpy(bank->model.sha256, pattern->model.sha256, sizeof bank->model.sha256);
    bank->model.stand_in = pattern->model.stand_in;
    memcpy(bank->model.licence, pattern->model.licence, sizeof bank->model.licence);
    bank->model.path = dp_strdup(pattern->model.path);
    bank->orientation = dp_malloc(pattern->projection.dim_in, 2 * sizeof *bank->orientation);
    bool good = bank->model.path && bank->orientation
                && dp_row_memory_new(&bank->rows, places, shape->owners, &bank->memory)
                && dp_bank_pictures_new(capacity, &bank->pictures);
    if (good && bank->rows.flat)
        good = (bank->memory.grids = dp_malloc(capacity, 2 * sizeof *bank->memory.grids)) != NULL;
    dp_row_memory_show(&bank->memory, &bank->rows);
    const dp_roi *roi = pattern->roi;
    if (good && roi)
        good = dp_roi_new(roi->frame, roi->settled, roi->height, roi->width, roi->mask, &bank->roi, NULL) == DP_OK;
    if (good && pattern->projection.basis && shape->dim == pattern->rows.dim)
        good = dp_pca_copy(&pattern->projection, &bank->projection);
    if (good && pattern->layer_norm)
        good = dp_bank_set_layer_norm(bank, pattern->layer_norm);
    if (good && pattern->channels)
        good = dp_bank_set_channels(bank, pattern->channels);
    if (good && pattern->reference)
        good = (bank->reference = dp_reference_copy(pattern->reference)) != NULL;
    good = good && dp_choices_copy(&pattern->choices, &bank->choices, NULL) == DP_OK;
    if (!good) {
        dp_bank_builder_close(&builder);
        return dp_fail_memory(err, "the bank", bytes);
    }
    memcpy(bank->orientation, pattern->orientation, 2 * pattern->projection.dim_in * sizeof *bank->orientation);
    *out = builder;
    return DP_OK;
}

dp_status dp_bank_builder_take(dp_bank_builder *builder, const dp_bank *from, size_t picture, dp_error *err)
{
    dp_bank *bank = builder->bank;
    size_t p = bank->pictures.n;
    if (!dp_bank_pictures_copy(&from->pictures, picture, dp_bank_background_bytes(from, picture), builder->capacity,
                               &bank->pictures))
        return dp_fail_memory(err, "the pictures", builder->capacity * sizeof *bank->pictures.poses);
    bank->rows.n_pictures = bank->pictures.n;
    if (bank->memory.grids)
        memcpy(bank->memory.grids + 2 * p, from->rows.grids + 2 * picture, 2 * sizeof *bank->memory.grids);
    return DP_OK;
}

dp_status dp_bank_builder_from(const dp_bank *pattern, const dp_bank_shape *shape, dp_bank_builder **out, dp_error *err)
{
    dp_bank_builder *builder;
    dp_status status = dp_bank_builder_begin(pattern, shape, pattern->pictures.n, &builder, err);
    if (status)
        return status;
    for (size_t p = 0; p < pattern->pictures.n && !status; p++)
        status = dp_bank_builder_take(builder, pattern, p, err);
    builder->bank->pictures.peaks_known = pattern->pictures.peaks_known;
    if (status)
        dp_bank_builder_close(&builder);
    else
        *out = builder;
    return status;
}

dp_status dp_bank_builder_set_projection(dp_bank_builder *builder, const dp_pca *projection, dp_error *err)
{
    return dp_pca_copy(projection, &builder->bank->projection) ? DP_OK : dp_fail_memory(err, "the projection", 0);
}

void dp_bank_builder_set_row(const dp_bank_builder *builder, size_t place, const float *x)
{
    dp_rows_encode(&builder->bank->rows, &builder->bank->memory, place, x);
}

void dp_bank_builder_set_owner(const dp_bank_builder *builder, size_t place, int32_t picture, int32_t cell)
{
    const dp_row_memory *memory = &builder->bank->memory;
    if (memory->row_picture)
        memory->row_picture[place] = picture;
    if (memory->row_cell)
        memory->row_cell[place] = cell;
}

/* -------------------------------------------------------------------------------------------------------- the end */

/* Keeps the valid rows, in the order in which pictures, augmentations and cells were put. */
static dp_status close_pool(dp_bank_builder *builder, dp_error *err)
{
    dp_rows *rows = &builder->bank->rows;
    const dp_row_memory *memory = &builder->bank->memory;
    size_t n = 0, previous = 0;
    bool ordered = true;
    for (size_t slot = 0; slot < rows->n_pictures * rows->rows_per_picture; slot++) {
        ordered = ordered && builder->first_row[slot] >= previous;
        previous = builder->first_row[slot];
    }
    if (!ordered)
        return dp_fail(err, DP_E_ARGUMENT, "the pictures of a flat bank were not put one after another");
    for (size_t row = 0; row < rows->n_rows; row++) {
        if (!rows->valid[row])
            continue;
        if (n < row) {
            dp_rows_copy(rows, row, 1, memory, n);
            memory->row_picture[n] = memory->row_picture[row];
            memory->row_cell[n] = memory->row_cell[row];
        }
        n++;
    }
    if (!n)
        return dp_fail(err, DP_E_PICTURE, "no picture has a valid cell, so there is nothing to compare with");
    rows->n_rows = n;
    return DP_OK;
}

/* Closes the gaps of unused capacity. */
static dp_status close_gaps(dp_bank_builder *builder, dp_error *err)
{
    dp_rows *rows = &builder->bank->rows;
    size_t used = rows->n_pictures * rows->rows_per_picture, room = rows->n_rows;
    for (size_t slot = 0; slot < used; slot++)
        if (!builder->put[slot])
            return dp_fail(err, DP_E_ARGUMENT, "%s: has no features in the bank",
                           builder->bank->pictures.names[slot / rows->rows_per_picture]);
    if (rows->flat)
        return close_pool(builder, err);
    /* Moves rows towards the front, so no row is overwritten before it is read. */
    for (size_t cell = 1; used < room && cell < dp_rows_cells(rows); cell++)
        dp_rows_copy(rows, cell * room, used, &builder->bank->memory, cell * used);
    rows->n_rows = used;
    return DP_OK;
}

dp_status dp_bank_builder_finish(dp_bank_builder **builder_pointer, dp_bank **out, dp_error *err)
{
    dp_bank_builder *builder = *builder_pointer;
    dp_bank *bank = builder->bank;
    if (bank->pictures.n == 0)
        return dp_fail(err, DP_E_ARGUMENT, "no picture is in the bank");
    dp_status status = builder->put ? close_gaps(builder, err) : dp_rows_encoded(&bank->rows, err);
    if (status)
        return status;
    dp_bank_link_rows(bank);
    builder->bank = NULL;
    dp_bank_builder_close(builder_pointer);
    *out = bank;
    return DP_OK;
}
