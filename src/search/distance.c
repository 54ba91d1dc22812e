/* SPDX-License-Identifier: Apache-2.0 */
/* distance.c - the distance map: which rows are searched for each cell, and which of them are nearest.
 *
 *     D(r, c) = mean of the knn smallest  d(f(r, c), m)  over the valid rows m at (r', c'),
 *               |r - r'| <= window, |c - c'| <= window
 *
 * or, with order statistics, a mean of the distances to each picture: order_statistics.h. Source: DinoPatch (window 0,
 * one neighbour, Euclidean); AnomalyDINO and PatchCore search everywhere.
 *
 * Order of the work. With window 0 each row is needed once, so the bank streams through memory cell by cell. With a
 * wider window a row serves all queries around it: the queries of a square of TILE_SIDE x TILE_SIDE cells are searched
 * together, so that a row in the cache serves up to TILE_SIDE^2 of them. Leave-one-out compares all pictures at the
 * same cell, up to MAX_QUERIES at a time. If the window covers the whole bank, the search is a matrix product:
 * global.c.
 *
 * A task is a tile. Tiles depend only on the sizes, are visited in the bank's order, and the first of equal rows wins.
 * So the result does not depend on the number of threads. */
#include "search/distance.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "base/statistics.h"
#include "search/elsewhere.h"
#include "search/global.h"
#include "search/order_statistics.h"

#include <math.h>
#include <string.h>

#define TILE_SIDE 8
#define MAX_QUERIES ((size_t)TILE_SIDE * TILE_SIDE)
#define BLOCK_ROWS 64
#define WIDEN_QUERIES 16              /* from so many queries on, rows are widened once, not again by every tile */
#define TASK_FLOATS ((size_t)1 << 17) /* least size of a task of single cells: half a megabyte of the bank */
#define SLICE_QUERIES ((size_t)1536)  /* queries of a global leave-one-out between two calls of progress */
#define EACH_BYTES ((size_t)64 << 20) /* distances to each picture that are joined at a time */
#define SLICE_PRODUCTS 2e10           /* between two calls of progress: some tenths of a second */

/* What all tasks of a run share. */
struct job {
    const dp_rows *bank;
    dp_distance_kernels kernels;
    dp_search search; /* with isa and the picture's grid settled; for a flat bank the window is global */
    float *wide;  /* [threads, BLOCK_ROWS + MAX_QUERIES, dim] rows and queries as floats; NULL if the bank holds floats
                  * or each query is searched alone */
    float *each;  /* [threads, MAX_QUERIES, n_pictures] distances to each picture; NULL: not asked for. Where the search
                  * goes on, [cells, n_pictures] */
    bool goes_on; /* the results are those of some rows: they are neither cleared nor concluded */
    /* the map of one picture */
    const float *features;
    const uint8_t *valid;
    size_t tiles_across, cells_per_task;
    /* leave-one-out */
    size_t first_picture, n_pictures, first_task;
    /* results: of the map, or of each picture */
    dp_distances out;
    atomic_bool not_finite;
};

/* ------------------------------------------------------------------------------------------- one group of queries */

/* Offers the values of a block to one query. values: squared distances or inner products of rows begin .. begin+n-1,
 * counted over all cells. */
static void offer(struct job *job, const dp_query *query, const float *values, const float *inverse_norms, size_t begin,
                  size_t n)
{
    const dp_rows *bank = job->bank;
    float worst = query->nearest[job->search.knn - 1].distance;
    for (size_t i = 0; i < n; i++) {
        float distance = dp_distance_of(job->search.metric, values[i], query->inverse_norm, inverse_norms[i]);
        if (distance >= worst && distance < INFINITY)
            continue;
        size_t cell = (begin + i) / bank->n_rows, row = (begin + i) % bank->n_rows;
        if (!bank->valid[begin + i] || (query->among && !query->among[dp_rows_picture(bank, cell, row)])
            || (query->leave_out != DP_NO_PICTURE && dp_rows_picture(bank, cell, row) == query->leave_out))
            continue;
        if (!(distance < INFINITY)) {
            atomic_store_explicit(&job->not_finite, true, memory_order_relaxed);
            continue;
        }
        dp_neighbour_insert(query->nearest, job->search.knn, (dp_neighbour){distance, (uint32_t)cell, (uint32_t)row});
        worst = query->nearest[job->search.knn - 1].distance;
    }
}

/* The same, kept apart by picture. */
static void offer_each(struct job *job, const dp_query *query, const float *values, const float *inverse_norms,
                       size_t begin, size_t n)
{
    const dp_rows *bank = job->bank;
    for (size_t i = 0; i < n; i++) {
        const size_t cell = (begin + i) / bank->n_rows, row = (begin + i) % bank->n_rows,
                     picture = dp_rows_picture(bank, cell, row);
        if (!bank->valid[begin + i] || picture == query->leave_out || (query->among && !query->among[picture]))
            continue;
        float distance = dp_distance_of(job->search.metric, values[i], query->inverse_norm, inverse_norms[i]);
        if (!(distance < INFINITY)) {
            atomic_store_explicit(&job->not_finite, true, memory_order_relaxed);
            continue;
        }
        if (distance < query->each[picture])
            query->each[picture] = distance;
        if (distance < query->nearest->distance)
            *query->nearest = (dp_neighbour){distance, (uint32_t)cell, (uint32_t)row};
    }
}

/* Compares a block of rows with some queries: values [n, BLOCK_ROWS]. */
static void compare(const struct job *job, const float *const *x, size_t n, size_t begin, size_t rows, size_t worker,
                    float *values)
{
    const dp_rows *bank = job->bank;
    const dp_distance_kernels *k = &job->kernels;
    const void *stored = dp_rows_stored(bank, 0, begin);
    bool cosine = job->search.metric == DP_METRIC_COSINE;
    if (job->wide && (n >= WIDEN_QUERIES || bank->skip)) {
        float *wide = job->wide + worker * (BLOCK_ROWS + MAX_QUERIES) * bank->dim;
        dp_kernels_widen(k, bank, begin, rows, wide);
        (cosine ? k->dot : k->l2)(x, n, wide, rows, bank->dim, values, BLOCK_ROWS);
        return;
    }
    switch (bank->storage) {
    case DP_STORAGE_F32: (cosine ? k->dot : k->l2)(x, n, stored, rows, bank->dim, values, BLOCK_ROWS); break;
    case DP_STORAGE_F16: (cosine ? k->dot_f16 : k->l2_f16)(x, n, stored, rows, bank->dim, values, BLOCK_ROWS); break;
    case DP_STORAGE_I8:
        (cosine ? k->dot_i8 : k->l2_i8)(x, n, stored, bank->scales + begin, rows, bank->dim, values, BLOCK_ROWS);
        break;
    }
}

/* Whether all queries that are searched together want the same pictures: those of a map. */
static bool shares_pictures(const struct job *job)
{
    return job->search.among && !job->n_pictures;
}

/* Returns the end of the rows from begin on, at most BLOCK_ROWS, that are compared together, and moves *begin to the first
 * of them: where only some pictures are searched, a run of rows of those. The kernels do not depend on the block. */
static size_t next_block(const struct job *job, size_t *begin, size_t end)
{
    const dp_rows *bank = job->bank;
    size_t last = *begin;
    if (!shares_pictures(job))
        return end - *begin < BLOCK_ROWS ? end : *begin + BLOCK_ROWS;
    while (*begin < end && !job->search.among[dp_rows_picture(bank, *begin / bank->n_rows, *begin % bank->n_rows)])
        ++*begin;
    for (last = *begin; last < end && last < *begin + BLOCK_ROWS; last++)
        if (!job->search.among[dp_rows_picture(bank, last / bank->n_rows, last % bank->n_rows)])
            break;
    return last;
}

/* Compares rows begin .. end-1, counted over all cells, with every query. */
static void search_rows(struct job *job, const dp_query *const *queries, size_t n, size_t begin, size_t end,
                        size_t worker)
{
    const dp_rows *bank = job->bank;
    float values[MAX_QUERIES * BLOCK_ROWS], inverse_norms[BLOCK_ROWS];
    const float *x[MAX_QUERIES];
    for (size_t q = 0; q < n; q++)
        x[q] = queries[q]->x;
    for (size_t last; begin < end; begin = last) {
        last = next_block(job, &begin, end);
        size_t rows = last - begin;
        if (!rows || !memchr(bank->valid + begin, 1, rows))
            continue;
        compare(job, x, n, begin, rows, worker, values);
        if (job->search.metric == DP_METRIC_COSINE)
            for (size_t r = 0; r < rows; r++)
                inverse_norms[r] = bank->norms[begin + r] > 0 ? 1 / bank->norms[begin + r] : 0;
        for (size_t q = 0; q < n; q++)
            (queries[q]->each ? offer_each : offer)(job, queries[q], values + q * BLOCK_ROWS, inverse_norms, begin,
                                                    rows);
    }
}

static bool within(size_t a, size_t b, size_t window)
{
    return (a < b ? b - a : a - b) <= window;
}

static size_t less_down_to_0(size_t a, size_t b)
{
    return a > b ? a - b : 0;
}

static size_t plus_up_to(size_t a, size_t b, size_t limit)
{
    return b < limit - a ? a + b : limit;
}

/* Visits every cell within the window of some query, in the bank's order. */
static void search(struct job *job, const dp_query *queries, size_t n, size_t worker)
{
    const dp_rows *bank = job->bank;
    const dp_query *active[MAX_QUERIES];
    const size_t here = dp_rows_begin(bank), there = dp_rows_end(bank);
    size_t top = SIZE_MAX, bottom = 0, left = SIZE_MAX, right = 0;
    for (size_t q = 0; q < n; q++) {
        top = queries[q].row < top ? queries[q].row : top;
        bottom = queries[q].row > bottom ? queries[q].row : bottom;
        left = queries[q].col < left ? queries[q].col : left;
        right = queries[q].col > right ? queries[q].col : right;
    }
    size_t last_row = plus_up_to(bottom, job->search.window, bank->grid_rows - 1);
    size_t last_col = plus_up_to(right, job->search.window, bank->grid_cols - 1);
    for (size_t r = less_down_to_0(top, job->search.window); r <= last_row; r++) {
        for (size_t c = less_down_to_0(left, job->search.window); c <= last_col; c++) {
            size_t n_active = 0, cell = r * bank->grid_cols + c;
            for (size_t q = 0; q < n; q++)
                if (within(queries[q].row, r, job->search.window) && within(queries[q].col, c, job->search.window))
                    active[n_active++] = &queries[q];
            const size_t begin = cell * bank->n_rows, end = begin + bank->n_rows;
            if (n_active)
                search_rows(job, active, n_active, begin > here ? begin : here, end < there ? end : there, worker);
        }
    }
}

/* -------------------------------------------------------------------------------------------------------- results */

static void clear(const struct job *job, size_t result)
{
    dp_neighbours_clear(job->out.nearest + result * job->search.knn, job->search.knn);
    job->out.grid[result] = 0;
    job->out.valid[result] = 0;
}

/* The distances to each picture, and room for them: query number q of a worker's group, whose result is this one. */
static float *each_of(const struct job *job, size_t worker, size_t q, size_t result)
{
    const size_t n = job->bank->n_pictures;
    if (job->goes_on)
        return job->each ? job->each + result * n : NULL;
    float *each = job->each ? job->each + (worker * MAX_QUERIES + q) * n : NULL;
    for (size_t p = 0; each && p < n; p++)
        each[p] = INFINITY;
    return each;
}

static void conclude_each(const struct job *job, float *each, size_t result)
{
    size_t found = 0;
    for (size_t p = 0; p < job->bank->n_pictures; p++)
        if (each[p] < INFINITY)
            each[found++] = job->search.metric == DP_METRIC_L2 ? sqrtf(each[p]) : each[p]; /* found <= p */
    if (!found)
        return;
    dp_sort_f32(each, found);
    job->out.grid[result] = (float)dp_mean_smallest(each, found, job->search.order);
}

static void conclude(const struct job *job, size_t result)
{
    if (dp_neighbours_conclude(job->search.metric, job->out.nearest + result * job->search.knn, job->search.knn,
                               &job->out.grid[result]))
        job->out.valid[result] = 1;
}

static void conclude_all(const struct job *job, const dp_query *queries, const size_t *results, size_t n)
{
    for (size_t q = 0; q < n && !job->goes_on; q++) {
        conclude(job, results[q]);
        if (queries[q].each)
            conclude_each(job, queries[q].each, results[q]);
    }
}

static float inverse_norm(const struct job *job, const float *x)
{
    return dp_inverse_norm(job->search.metric, x, job->bank->dim);
}

/* ------------------------------------------------------------------------------------------- the map of a picture */

static void search_square(struct job *job, size_t top, size_t left, size_t bottom, size_t right, size_t worker)
{
    dp_query queries[MAX_QUERIES];
    size_t results[MAX_QUERIES], n = 0;
    for (size_t r = top; r < bottom; r++) {
        for (size_t c = left; c < right; c++) {
            size_t cell = r * job->search.cols + c;
            if (!job->goes_on)
                clear(job, cell);
            if (job->valid && !job->valid[cell])
                continue;
            const float *x = job->features + cell * job->bank->dim;
            results[n] = cell;
            queries[n] = (dp_query){.x = x,
                                    .inverse_norm = inverse_norm(job, x),
                                    .row = job->search.top + r,
                                    .col = c,
                                    .leave_out = job->search.leave_out,
                                    .among = job->search.among,
                                    .nearest = job->out.nearest + cell * job->search.knn,
                                    .each = each_of(job, worker, n, cell)};
            n++;
        }
    }
    if (n)
        search(job, queries, n, worker);
    conclude_all(job, queries, results, n);
}

static void single_cells_task(void *context, size_t index, size_t worker)
{
    struct job *job = context;
    size_t cols = job->search.cols, end = (index + 1) * job->cells_per_task,
           cells = job->search.band * job->search.cols;
    for (size_t cell = index * job->cells_per_task; cell < end && cell < cells; cell++)
        search_square(job, cell / cols, cell % cols, cell / cols + 1, cell % cols + 1, worker);
}

static void square_task(void *context, size_t index, size_t worker)
{
    struct job *job = context;
    size_t top = index / job->tiles_across * TILE_SIDE, left = index % job->tiles_across * TILE_SIDE;
    size_t bottom = top + TILE_SIDE, right = left + TILE_SIDE;
    search_square(job, top, left, bottom < job->search.band ? bottom : job->search.band,
                  right < job->search.cols ? right : job->search.cols, worker);
}

static bool everywhere(const struct job *job)
{
    return !job->search.order && job->search.window >= job->bank->grid_rows
           && job->search.window >= job->bank->grid_cols;
}

/* Searches for all valid cells of the picture together. */
static dp_status map_everywhere(struct job *job, dp_pool *pool, dp_error *err)
{
    size_t cells = job->search.band * job->search.cols, n = 0;
    dp_query *queries = dp_malloc(cells, sizeof *queries);
    if (!queries)
        return dp_fail_memory(err, "the search of the whole bank", cells * sizeof *queries);
    for (size_t cell = 0; cell < cells; cell++) {
        if (!job->goes_on)
            clear(job, cell);
        const float *x = job->features + cell * job->bank->dim;
        if (!job->valid || job->valid[cell])
            queries[n++] = (dp_query){.x = x,
                                      .inverse_norm = inverse_norm(job, x),
                                      .leave_out = job->search.leave_out,
                                      .among = job->search.among,
                                      .nearest = job->out.nearest + cell * job->search.knn};
    }
    dp_status status = dp_search_global(job->bank, &job->search, queries, n, pool, &job->not_finite, err);
    for (size_t cell = 0; cell < cells && !status && !job->goes_on; cell++)
        conclude(job, cell);
    dp_memory_free(queries);
    return status;
}

static dp_status begin(struct job *job, const dp_rows *bank, const dp_search *settings, dp_pool *pool, dp_error *err)
{
    dp_isa isa;
    if (settings->leave_out != DP_NO_PICTURE && settings->leave_out >= bank->n_pictures)
        return dp_fail(err, DP_E_ARGUMENT, "cannot leave picture %zu out of a bank of %zu", settings->leave_out,
                       bank->n_pictures);
    if (settings->metric == DP_METRIC_COSINE && bank->centred)
        return dp_fail(err, DP_E_MISMATCH,
                       "the bank's features were projected about their mean, so angles between them mean nothing; give "
                       "search.metric=cosine to fit, together with bank.pca");
    if (settings->knn == 0)
        return dp_fail(err, DP_E_ARGUMENT, "search.knn is 0; give at least 1");
    if (settings->order && (bank->row_picture || settings->knn > 1))
        return dp_fail(err, DP_E_ARGUMENT, "search.order needs rows of single pictures in a grid, and search.knn=1");
    if (settings->among && !bank->flat && bank->row_picture)
        return dp_fail(err, DP_E_ARGUMENT, "retrieval needs rows of single pictures");
    dp_status status = dp_isa_resolve(settings->isa, &isa, err);
    if (status)
        return status;
    job->bank = bank;
    job->kernels = dp_distance_kernels_get(isa);
    job->search = *settings;
    job->search.isa = isa;
    job->search.window = bank->flat ? DP_WINDOW_GLOBAL : settings->window;
    job->search.rows = settings->rows ? settings->rows : bank->grid_rows;
    job->search.cols = settings->cols ? settings->cols : bank->grid_cols;
    job->search.band = settings->band ? settings->band : job->search.rows;
    if (!bank->flat && (job->search.rows != bank->grid_rows || job->search.cols != bank->grid_cols))
        return dp_fail(err, DP_E_ARGUMENT, "a picture of %zux%zu cells does not fit a bank of %zux%zu",
                       job->search.rows, job->search.cols, bank->grid_rows, bank->grid_cols);
    if (job->search.top > job->search.rows || job->search.band > job->search.rows - job->search.top)
        return dp_fail(err, DP_E_ARGUMENT, "cannot search rows %zu to %zu of a picture of %zux%zu cells",
                       job->search.top, job->search.top + job->search.band - 1, job->search.rows, job->search.cols);
    if (!dp_rows_are_plain(bank)) {
        size_t floats, rows = dp_pool_threads(pool) * (BLOCK_ROWS + MAX_QUERIES);
        job->wide = dp_mul_size(rows, bank->dim, &floats) ? dp_malloc(floats, sizeof *job->wide) : NULL;
        if (!job->wide)
            return dp_fail_memory(err, "rows of the bank", rows * bank->dim * sizeof *job->wide);
    }
    if (job->search.order && !job->goes_on) {
        const size_t queries = dp_pool_threads(pool) * MAX_QUERIES;
        job->each = dp_malloc_2d(queries, bank->n_pictures, sizeof *job->each);
        if (!job->each) {
            dp_memory_free(job->wide);
            return dp_fail_memory(err, "the distances to each picture", queries * bank->n_pictures * sizeof *job->each);
        }
    }
    return DP_OK;
}

static dp_status end(struct job *job, dp_error *err)
{
    dp_memory_free(job->wide);
    if (!job->goes_on)
        dp_memory_free(job->each);
    if (!job->not_finite)
        return DP_OK;
    return dp_fail(err, DP_E_NUMERIC,
                   "%s%sa distance to the bank is not finite: the features of the picture or of the bank are damaged",
                   job->bank->name ? job->bank->name : "", job->bank->name ? ": " : "");
}

/* Searches for the cells of a picture, once the job has begun. */
static dp_status run_map(struct job *job, dp_pool *pool, dp_error *err)
{
    size_t cells = job->search.band * job->search.cols, floats = job->bank->n_rows * job->bank->dim;
    dp_status status = DP_OK;
    if (job->search.window == 0) {
        job->cells_per_task = floats < TASK_FLOATS ? (TASK_FLOATS + floats - 1) / floats : 1;
        dp_pool_run(pool, (cells + job->cells_per_task - 1) / job->cells_per_task, single_cells_task, job);
    } else if (everywhere(job)) {
        status = map_everywhere(job, pool, err);
    } else {
        job->tiles_across = (job->search.cols + TILE_SIDE - 1) / TILE_SIDE;
        dp_pool_run(pool, job->tiles_across * ((job->search.band + TILE_SIDE - 1) / TILE_SIDE), square_task, job);
    }
    return status ? (end(job, NULL), status) : end(job, err);
}

/* Asks those who have the rows, for some lines of the grid at a time where distances to each picture are kept. */
static dp_status map_elsewhere(struct job *job, dp_pool *pool, dp_error *err)
{
    const dp_rows *bank = job->bank;
    const dp_search whole = job->search;
    const size_t cols = whole.cols, row_bytes = cols * bank->n_pictures * sizeof(float),
                 most = !whole.order || row_bytes > EACH_BYTES ? 1 : EACH_BYTES / row_bytes,
                 lines = !whole.order || most > whole.band ? whole.band : most, n_each = whole.order ? lines * cols : 0;
    float *each = n_each ? dp_malloc_2d(n_each, bank->n_pictures, sizeof *each) : NULL;
    dp_status status =
        each || !n_each ? DP_OK : dp_fail_memory(err, "the distances to each picture", lines * row_bytes);
    for (size_t line = 0; line < whole.band && !status; line += lines) {
        dp_search search = whole;
        const size_t first = line * cols;
        search.top = whole.top + line;
        search.band = whole.band - line < lines ? whole.band - line : lines;
        const size_t cells = search.band * cols;
        for (size_t i = 0; i < (n_each ? cells * bank->n_pictures : 0); i++)
            each[i] = INFINITY;
        for (size_t cell = first; cell < first + cells; cell++)
            clear(job, cell);
        const dp_offers into = {job->out.nearest + first * whole.knn, each};
        status = bank->elsewhere->search(bank->elsewhere->user, bank, job->features + first * bank->dim,
                                         job->valid ? job->valid + first : NULL, &search, pool, &into, err);
        for (size_t cell = first; cell < first + cells && !status; cell++) {
            conclude(job, cell);
            if (each)
                conclude_each(job, each + (cell - first) * bank->n_pictures, cell);
        }
    }
    dp_memory_free(each);
    return status ? (end(job, NULL), status) : end(job, err);
}

dp_status dp_distance_map(const dp_rows *bank, const float *features, const uint8_t *valid, const dp_search *settings,
                          dp_pool *pool, const dp_distances *out, dp_error *err)
{
    struct job job = {.features = features, .valid = valid, .out = *out};
    dp_status status = begin(&job, bank, settings, pool, err);
    if (status)
        return status;
    return bank->elsewhere ? map_elsewhere(&job, pool, err) : run_map(&job, pool, err);
}

dp_status dp_distance_offer(const dp_rows *bank, const float *features, const uint8_t *valid, const dp_search *settings,
                            dp_pool *pool, const dp_offers *into, dp_error *err)
{
    struct job job = {
        .features = features, .valid = valid, .out = {.nearest = into->nearest}, .each = into->each, .goes_on = true};
    dp_status status = begin(&job, bank, settings, pool, err);
    return status ? status : run_map(&job, pool, err);
}

/* -------------------------------------------------------------------------------------------------- leave-one-out */

/* The pictures that are searched for the p-th of the run. */
static const uint8_t *among_of(const struct job *job, size_t p)
{
    return job->search.among ? job->search.among + p * job->bank->n_pictures : NULL;
}

/* Searches for all cells of some pictures at a time, about SLICE_QUERIES. */
static dp_status leave_one_out_everywhere(struct job *job, dp_pool *pool, const dp_progress *progress, dp_error *err)
{
    const dp_rows *bank = job->bank;
    size_t cells = dp_rows_cells(bank), total = job->n_pictures * cells,
           most = total < SLICE_QUERIES ? total : SLICE_QUERIES;
    dp_query *queries = dp_malloc(most, sizeof *queries);
    size_t floats;
    float *wide = job->wide && dp_mul_size(most, bank->dim, &floats) ? dp_malloc(floats, sizeof *wide) : NULL;
    dp_status status = DP_OK;
    if (!queries || (job->wide && !wide))
        status = dp_fail_memory(err, "the search of the whole bank", most * bank->dim * sizeof *wide);
    for (size_t begin = 0; begin < total && !status; begin += most) {
        size_t end = begin + most < total ? begin + most : total, n = 0;
        for (size_t result = begin; result < end; result++) {
            size_t picture = job->first_picture + result / cells, cell = result % cells,
                   row = picture * bank->rows_per_picture;
            clear(job, result);
            if (!bank->valid[cell * bank->n_rows + row])
                continue;
            const float *x = dp_rows_stored(bank, cell, row);
            if (wide) {
                dp_rows_widen(bank, cell, row, 1, wide + n * bank->dim);
                x = wide + n * bank->dim;
            }
            queries[n++] = (dp_query){.x = x,
                                      .inverse_norm = inverse_norm(job, x),
                                      .leave_out = picture,
                                      .among = among_of(job, result / cells),
                                      .nearest = job->out.nearest + result * job->search.knn};
        }
        status = dp_search_global(bank, &job->search, queries, n, pool, &job->not_finite, err);
        for (size_t result = begin; result < end && !status; result++)
            conclude(job, result);
        if (!status && progress && progress->report(progress->user, end, total))
            status = dp_fail(err, DP_E_CANCELLED, "stopped while comparing the good pictures with each other");
    }
    dp_memory_free(queries);
    dp_memory_free(wide);
    return status;
}

/* A task is one cell and all pictures of the run, MAX_QUERIES at a time. */
static void leave_one_out_task(void *context, size_t index, size_t worker)
{
    struct job *job = context;
    const dp_rows *bank = job->bank;
    size_t cell = job->first_task + index, cells = dp_rows_cells(bank);
    for (size_t begin = 0; begin < job->n_pictures; begin += MAX_QUERIES) {
        dp_query queries[MAX_QUERIES];
        size_t results[MAX_QUERIES], n = 0;
        for (size_t p = begin; p < job->n_pictures && p < begin + MAX_QUERIES; p++) {
            size_t result = p * cells + cell, row = (job->first_picture + p) * bank->rows_per_picture;
            clear(job, result);
            if (!bank->valid[cell * bank->n_rows + row])
                continue;
            const float *x = dp_rows_stored(bank, cell, row);
            if (job->wide) {
                float *wide = job->wide + (worker * (BLOCK_ROWS + MAX_QUERIES) + BLOCK_ROWS + n) * bank->dim;
                dp_rows_widen(bank, cell, row, 1, wide);
                x = wide;
            }
            results[n] = result;
            queries[n] = (dp_query){.x = x,
                                    .inverse_norm = inverse_norm(job, x),
                                    .row = cell / bank->grid_cols,
                                    .col = cell % bank->grid_cols,
                                    .leave_out = job->first_picture + p,
                                    .among = among_of(job, p),
                                    .nearest = job->out.nearest + result * job->search.knn,
                                    .each = each_of(job, worker, n, result)};
            n++;
        }
        if (n)
            search(job, queries, n, worker);
        conclude_all(job, queries, results, n);
    }
}

dp_status dp_distance_leave_one_out(const dp_rows *bank, size_t first, size_t n, const dp_search *settings,
                                    dp_pool *pool, const dp_progress *progress, const dp_distances *out, dp_error *err)
{
    struct job job = {.first_picture = first, .n_pictures = n, .out = *out};
    if (bank->row_picture)
        return dp_fail(err, DP_E_ARGUMENT, "the rows of the bank are not laid out picture by picture");
    if (bank->held)
        return dp_fail(err, DP_E_UNSUPPORTED,
                       "the good pictures cannot be compared with each other: only a part of the "
                       "bank's rows is in this process; do it with the whole bank");
    dp_status status = begin(&job, bank, settings, pool, err);
    if (status)
        return status;
    if (everywhere(&job)) {
        status = leave_one_out_everywhere(&job, pool, progress, err);
        return status ? (end(&job, NULL), status) : end(&job, err);
    }
    size_t cells = dp_rows_cells(bank);
    double side = 2.0 * (double)(settings->window < cells ? settings->window : cells) + 1;
    double searched = fmin(side, (double)bank->grid_rows) * fmin(side, (double)bank->grid_cols);
    double products = searched * (double)n * (double)bank->n_rows * (double)bank->dim;
    size_t threads = dp_pool_threads(pool);
    size_t slice = (size_t)fmin(fmax(SLICE_PRODUCTS / products, 2.0 * (double)threads), (double)cells);
    for (job.first_task = 0; job.first_task < cells; job.first_task += slice) {
        size_t tasks = cells - job.first_task < slice ? cells - job.first_task : slice;
        dp_pool_run(pool, tasks, leave_one_out_task, &job);
        if (progress && progress->report(progress->user, (job.first_task + tasks) * n, cells * n)) {
            end(&job, NULL);
            return dp_fail(err, DP_E_CANCELLED, "stopped while comparing the good pictures with each other");
        }
    }
    return end(&job, err);
}
