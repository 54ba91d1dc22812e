/* SPDX-License-Identifier: Apache-2.0 */
/* rows.c - feature vectors as a bank stores them: floats, halves, or 8-bit integers with a scale.
 *
 *     int8:  scale = max |x| / 127,  q = round(x / scale),  x is read back as scale q
 *
 * So the largest number of a vector is exact, and no other number is off by more than half a scale. Each vector has its
 * own scale, because features of different cells differ in length. Norms are those of the vectors as they are read
 * back. */
#include "bank/rows.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Returns the norm of a row as it will be read back; storage is a constant at each call. Four sums, so that additions
 * do not wait for one another; the same on every machine. */
static inline __attribute__((always_inline)) float norm(dp_storage storage, const void *stored, float scale, size_t dim)
{
    double sums[4] = {0}, x;
    size_t d = 0;
    for (; d + 4 <= dim; d += 4)
        for (size_t i = 0; i < 4; i++) {
            x = (double)dp_stored_number(storage, stored, scale, d + i);
            sums[i] += x * x;
        }
    for (size_t i = 0; d + i < dim; i++) {
        x = (double)dp_stored_number(storage, stored, scale, d + i);
        sums[i] += x * x;
    }
    return (float)sqrt((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

float dp_norm_f32(const float *x, size_t dim)
{
    return norm(DP_STORAGE_F32, x, 0, dim);
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

bool dp_stored_finite(dp_storage storage, const void *x, size_t n)
{
    if (storage == DP_STORAGE_F32)
        return dp_all_finite(x, n);
    const uint16_t *halves = x;
    uint32_t broken = 0;
    for (size_t i = 0; storage == DP_STORAGE_F16 && i < n; i++)
        broken |= (halves[i] & 0x7c00) == 0x7c00;
    return !broken;
}

/* Reads back the numbers of one row. */
static void decode(dp_storage storage, const void *stored, float scale, size_t dim, float *out)
{
    switch (storage) {
    case DP_STORAGE_F32: memcpy(out, stored, dim * sizeof *out); break;
    case DP_STORAGE_F16:
        for (size_t d = 0; d < dim; d++)
            out[d] = dp_stored_number(DP_STORAGE_F16, stored, scale, d);
        break;
    case DP_STORAGE_I8:
        for (size_t d = 0; d < dim; d++)
            out[d] = dp_stored_number(DP_STORAGE_I8, stored, scale, d);
        break;
    }
}

void dp_rows_widen(const dp_rows *rows, size_t cell, size_t first, size_t n, float *out)
{
    size_t dim = rows->dim;
    for (size_t row = first; row < first + n; row++)
        decode(rows->storage, dp_rows_stored(rows, cell, row),
               rows->scales ? rows->scales[cell * rows->n_rows + row] : 0, dim, out + (row - first) * dim);
}

void dp_rows_forget(const dp_rows *rows, size_t cell, size_t first, size_t n)
{
    const size_t asked = cell * rows->n_rows + first, from = asked > dp_rows_begin(rows) ? asked : dp_rows_begin(rows),
                 to = asked + n < dp_rows_end(rows) ? asked + n : dp_rows_end(rows);
    if (!rows->mapped || from >= to)
        return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *begin = (char *)dp_rows_stored(rows, 0, from), *end = (char *)dp_rows_stored(rows, 0, to);
    size_t before = (page - (uintptr_t)begin % page) % page, bytes = (size_t)(end - begin),
           after = (uintptr_t)end % page;
    if (before + after < bytes)
        /* only advice, so its result does not matter */
        (void)madvise(begin + before, bytes - before - after, MADV_DONTNEED);
}

dp_rows dp_rows_block(const dp_rows *rows, size_t block)
{
    dp_rows view = *rows;
    if (rows->blocks <= 1)
        return view;
    view.dim = rows->dim / rows->blocks;
    view.skip = rows->skip + rows->dim - view.dim;
    view.features = (const char *)rows->features + block * view.dim * dp_storage_bytes(rows->storage);
    view.norms = NULL;
    view.blocks = 1;
    view.block = block;
    return view;
}

/* ---------------------------------------------------------------------------------------------- rows and pictures */

void dp_rows_picture_grid(const dp_rows *rows, size_t picture, size_t *grid_rows, size_t *grid_cols)
{
    *grid_rows = rows->flat ? (size_t)rows->grids[2 * picture] : rows->grid_rows;
    *grid_cols = rows->flat ? (size_t)rows->grids[2 * picture + 1] : rows->grid_cols;
}

size_t dp_rows_picture_cells(const dp_rows *rows, size_t picture)
{
    size_t grid_rows, grid_cols;
    dp_rows_picture_grid(rows, picture, &grid_rows, &grid_cols);
    return grid_rows * grid_cols;
}

size_t dp_rows_most_cells(const dp_rows *rows)
{
    size_t most = 0;
    for (size_t p = 0; p < rows->n_pictures; p++) {
        size_t cells = dp_rows_picture_cells(rows, p);
        most = cells > most ? cells : most;
    }
    return most;
}

size_t dp_rows_cell(const dp_rows *rows, size_t cell, size_t row)
{
    if (!rows->row_cell)
        return cell;
    return (size_t)rows->row_cell[row] % dp_rows_picture_cells(rows, dp_rows_picture(rows, cell, row));
}

/* Returns the first row of a flat bank that belongs to this picture or a later one; pictures ascend. */
static size_t first_of(const dp_rows *rows, size_t picture)
{
    size_t low = 0, high = rows->n_rows;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((size_t)rows->row_picture[middle] < picture)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void dp_rows_flat_range(const dp_rows *rows, size_t picture, size_t *first, size_t *n)
{
    *first = first_of(rows, picture);
    *n = first_of(rows, picture + 1) - *first;
}

static void get_from_pool(const dp_rows *rows, size_t picture, size_t augmentation, float *features, uint8_t *valid)
{
    size_t cells = dp_rows_picture_cells(rows, picture), dim = rows->dim, first, n;
    if (features)
        memset(features, 0, cells * dim * sizeof *features);
    if (valid)
        memset(valid, 0, cells);
    dp_rows_flat_range(rows, picture, &first, &n);
    for (size_t row = first; row < first + n; row++) {
        size_t cell = (size_t)rows->row_cell[row];
        if (cell / cells != augmentation)
            continue;
        if (features)
            dp_rows_widen(rows, 0, row, 1, features + cell % cells * dim);
        if (valid)
            valid[cell % cells] = rows->valid[row];
    }
}

void dp_rows_get(const dp_rows *rows, size_t picture, size_t augmentation, float *features, uint8_t *valid)
{
    size_t row = picture * rows->rows_per_picture + augmentation;
    if (rows->flat) {
        get_from_pool(rows, picture, augmentation, features, valid);
        return;
    }
    for (size_t cell = 0; cell < dp_rows_cells(rows); cell++) {
        if (features)
            dp_rows_widen(rows, cell, row, 1, features + cell * rows->dim);
        if (valid)
            valid[cell] = rows->valid[cell * rows->n_rows + row];
    }
}

/* ------------------------------------------------------------------------------------------------- memory of rows */

bool dp_row_bytes(size_t dim, dp_storage storage, bool owners, bool flat, size_t *bytes)
{
    size_t tables = sizeof(float) + 1 + (storage == DP_STORAGE_I8 ? sizeof(float) : 0) + (owners ? sizeof(int32_t) : 0)
                    + (flat ? sizeof(int32_t) : 0);
    return dp_mul_size(dim, dp_storage_bytes(storage), bytes) && dp_add_size(*bytes, tables, bytes);
}

/* ------------------------------------------------------------------------------------------------------------- norms */

#define BLOCK 256 /* rows of a task */

struct norms {
    const dp_rows *rows;
    float *widened; /* [threads, dim] */
    float *norms;   /* [locations, n_rows] */
};

static void norms_task(void *context, size_t index, size_t worker)
{
    const struct norms *n = context;
    const dp_rows *rows = n->rows;
    float *x = n->widened + worker * rows->dim;
    size_t places = dp_rows_places(rows), end = (index + 1) * BLOCK;
    for (size_t place = index * BLOCK; place < end && place < places; place++) {
        n->norms[place] = 0;
        if (rows->valid[place] && place >= dp_rows_begin(rows) && place < dp_rows_end(rows)) {
            dp_rows_widen(rows, place / rows->n_rows, place % rows->n_rows, 1, x);
            n->norms[place] = dp_norm_f32(x, rows->dim);
        }
    }
}

dp_status dp_rows_norms(const dp_rows *rows, dp_pool *pool, float **norms, dp_error *err)
{
    const size_t places = dp_rows_places(rows);
    struct norms n = {.rows = rows};
    const dp_need needs[] = {{&n.widened, dp_pool_threads(pool), rows->dim, sizeof(float)},
                             {&n.norms, places, 1, sizeof(float)}};
    dp_status status = dp_memory_take(needs, 2, "the norms of features", err);
    if (status)
        return status;
    dp_pool_run(pool, (places + BLOCK - 1) / BLOCK, norms_task, &n);
    dp_memory_free(n.widened);
    *norms = n.norms;
    return DP_OK;
}

size_t dp_rows_bytes(const dp_rows *rows)
{
    size_t each = 0;
    (void)dp_row_bytes(rows->dim, rows->storage, rows->row_picture != NULL, rows->row_cell != NULL,
                       &each); /* cannot fail: they fit already */
    return dp_rows_places(rows) * each;
}

bool dp_row_memory_new(const dp_rows *rows, size_t places, bool owners, dp_row_memory *memory)
{
    bool scaled = rows->storage == DP_STORAGE_I8;
    /* Allocates the large parts first, so that a lack of memory shows at once. */
    dp_row_memory m = {.features = dp_malloc_2d(places, rows->dim, dp_storage_bytes(rows->storage))};
    m.norms = dp_malloc(places, sizeof *m.norms);
    m.scales = scaled ? dp_malloc(places, sizeof *m.scales) : NULL;
    m.valid = m.features ? dp_calloc(places, 1) : NULL;
    m.row_picture = owners || rows->flat ? dp_malloc(places, sizeof *m.row_picture) : NULL;
    m.row_cell = rows->flat ? dp_malloc(places, sizeof *m.row_cell) : NULL;
    if (m.features && m.norms && m.valid && (!scaled || m.scales) && ((!owners && !rows->flat) || m.row_picture)
        && (!rows->flat || m.row_cell)) {
        *memory = m;
        return true;
    }
    dp_row_memory_free(&m);
    return false;
}

void dp_row_memory_free(dp_row_memory *memory)
{
    dp_memory_free(memory->features);
    dp_memory_free(memory->scales);
    dp_memory_free(memory->norms);
    dp_memory_free(memory->valid);
    dp_memory_free(memory->row_picture);
    dp_memory_free(memory->row_cell);
    dp_memory_free(memory->grids);
    *memory = (dp_row_memory){0};
}

void dp_row_memory_show(const dp_row_memory *memory, dp_rows *rows)
{
    rows->features = memory->features;
    rows->scales = memory->scales;
    rows->norms = memory->norms;
    rows->valid = memory->valid;
    rows->row_picture = memory->row_picture;
    rows->row_cell = memory->row_cell;
    rows->grids = memory->grids;
}

void dp_rows_encode(const dp_rows *rows, const dp_row_memory *to, size_t place, const float *x)
{
    size_t dim = rows->dim, bytes = dim * dp_storage_bytes(rows->storage);
    void *stored = (char *)to->features + place * bytes;
    to->valid[place] = x != NULL;
    to->norms[place] = 0;
    if (to->scales)
        to->scales[place] = 0;
    if (!x) {
        memset(stored, 0, bytes);
        return;
    }
    if (rows->storage == DP_STORAGE_F32) {
        memcpy(stored, x, bytes);
        to->norms[place] = dp_norm_f32(x, dim);
    } else if (rows->storage == DP_STORAGE_F16) {
        uint16_t *halves = stored;
        bool fits = true; /* dp_f32_to_f16 clamps to the largest half */
        for (size_t d = 0; d < dim; d++) {
            halves[d] = dp_f32_to_f16(x[d]);
            fits &= fabsf(x[d]) < 65520;
        }
        to->norms[place] = fits ? norm(DP_STORAGE_F16, halves, 0, dim) : INFINITY;
    } else if (to->scales) {
        int8_t *integers = stored;
        float largest = 0;
        for (size_t d = 0; d < dim; d++)
            largest = fabsf(x[d]) > largest ? fabsf(x[d]) : largest;
        float scale = largest / 127, inverse = scale > 0 ? 1 / scale : 0;
        if (!(inverse < INFINITY)) /* too small to divide by */
            scale = inverse = 0;
        for (size_t d = 0; d < dim; d++) {
            float q = rintf(x[d] * inverse);
            integers[d] = (int8_t)(q > 127 ? 127 : q < -127 ? -127 : q);
        }
        to->scales[place] = scale;
        to->norms[place] = norm(DP_STORAGE_I8, integers, scale, dim);
    }
}

dp_status dp_rows_encoded(const dp_rows *rows, dp_error *err)
{
    if (dp_all_finite(rows->norms, dp_rows_places(rows)))
        return DP_OK;
    return dp_fail(err, DP_E_NUMERIC, "a feature is too large for the bank's type %s; set bank.storage=f32",
                   rows->storage == DP_STORAGE_F16 ? "half floats" : "floats");
}

void dp_rows_copy(const dp_rows *from, size_t first, size_t n, const dp_row_memory *to, size_t place)
{
    size_t bytes = from->dim * dp_storage_bytes(from->storage);
    memmove((char *)to->features + place * bytes, (const char *)from->features + first * bytes, n * bytes);
    memmove(to->norms + place, from->norms + first, n * sizeof *to->norms);
    memmove(to->valid + place, from->valid + first, n);
    if (to->scales)
        memmove(to->scales + place, from->scales + first, n * sizeof *to->scales);
}
