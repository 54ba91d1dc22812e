/* SPDX-License-Identifier: Apache-2.0 */
/* per_picture.c - compares every row of every cell within the window, like distance.c, but keeps the result for each
 * picture. A task is one cell: its queries, one for each picture at work, are compared together. */
#include "search/per_picture.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "search/global.h"

#include <math.h>

#define BLOCK_ROWS 64

struct job {
    const dp_rows *bank;
    const size_t *pictures;
    size_t n;
    dp_search search;
    dp_distance_kernels kernels;
    dp_per_picture_fn found;
    void *user;
    float *wide; /* [threads, DP_PER_PICTURE_QUERIES + BLOCK_ROWS, dim] */
    float *best; /* [threads, DP_PER_PICTURE_QUERIES, n_pictures] */
    atomic_bool not_finite;
};

struct query {
    const float *x;
    float inverse_norm;
    size_t index;
};

static void compare(struct job *job, const struct query *queries, size_t n, size_t place, size_t rows, float *wide,
                    float *best)
{
    const dp_rows *bank = job->bank;
    const bool cosine = job->search.metric == DP_METRIC_COSINE;
    float values[DP_PER_PICTURE_QUERIES * BLOCK_ROWS];
    const float *x[DP_PER_PICTURE_QUERIES], *stored = dp_rows_stored(bank, 0, place);
    for (size_t q = 0; q < n; q++)
        x[q] = queries[q].x;
    if (!dp_rows_are_plain(bank)) {
        dp_kernels_widen(&job->kernels, bank, place, rows, wide);
        stored = wide;
    }
    (cosine ? job->kernels.dot : job->kernels.l2)(x, n, stored, rows, bank->dim, values, BLOCK_ROWS);
    for (size_t r = 0; r < rows; r++) {
        if (!bank->valid[place + r])
            continue;
        size_t picture = dp_rows_picture(bank, (place + r) / bank->n_rows, (place + r) % bank->n_rows);
        float inverse = cosine && bank->norms[place + r] > 0 ? 1 / bank->norms[place + r] : 0;
        for (size_t q = 0; q < n; q++) {
            float distance =
                dp_distance_of(job->search.metric, values[q * BLOCK_ROWS + r], queries[q].inverse_norm, inverse);
            if (!(distance < INFINITY))
                atomic_store_explicit(&job->not_finite, true, memory_order_relaxed);
            else if (distance < best[q * bank->n_pictures + picture])
                best[q * bank->n_pictures + picture] = distance;
        }
    }
}

static void cell_task(void *context, size_t cell, size_t worker)
{
    struct job *job = context;
    const dp_rows *bank = job->bank;
    const size_t dim = bank->dim, window = job->search.window, row = cell / bank->grid_cols,
                 col = cell % bank->grid_cols;
    float *best = job->best + worker * DP_PER_PICTURE_QUERIES * bank->n_pictures,
          *wide = job->wide + worker * (DP_PER_PICTURE_QUERIES + BLOCK_ROWS) * dim,
          *block = wide + DP_PER_PICTURE_QUERIES * dim;
    struct query queries[DP_PER_PICTURE_QUERIES];
    size_t n = 0;
    for (size_t i = 0; i < job->n; i++) {
        size_t own = job->pictures[i] * bank->rows_per_picture;
        if (!bank->valid[cell * bank->n_rows + own])
            continue;
        dp_rows_widen(bank, cell, own, 1, wide + n * dim);
        queries[n] = (struct query){wide + n * dim, dp_inverse_norm(job->search.metric, wide + n * dim, dim), i};
        n++;
    }
    if (!n)
        return;
    for (size_t i = 0; i < n * bank->n_pictures; i++)
        best[i] = INFINITY;
    size_t top = row > window ? row - window : 0, left = col > window ? col - window : 0,
           bottom = window < bank->grid_rows - row ? row + window + 1 : bank->grid_rows,
           right = window < bank->grid_cols - col ? col + window + 1 : bank->grid_cols;
    bottom = bottom < bank->grid_rows ? bottom : bank->grid_rows;
    right = right < bank->grid_cols ? right : bank->grid_cols;
    for (size_t r = top; r < bottom; r++)
        for (size_t c = left; c < right; c++)
            for (size_t at = 0; at < bank->n_rows; at += BLOCK_ROWS)
                compare(job, queries, n, (r * bank->grid_cols + c) * bank->n_rows + at,
                        bank->n_rows - at < BLOCK_ROWS ? bank->n_rows - at : BLOCK_ROWS, block, best);
    for (size_t q = 0; q < n; q++) {
        float *distances = best + q * bank->n_pictures;
        for (size_t p = 0; job->search.metric == DP_METRIC_L2 && p < bank->n_pictures; p++)
            distances[p] = sqrtf(distances[p]);
        job->found(job->user, queries[q].index, cell, distances);
    }
}

dp_status dp_distance_per_picture(const dp_rows *bank, const size_t *pictures, size_t n, const dp_search *search,
                                  dp_pool *pool, dp_per_picture_fn found, void *user, dp_error *err)
{
    struct job job = {.bank = bank, .pictures = pictures, .n = n, .search = *search, .found = found, .user = user};
    size_t threads = dp_pool_threads(pool), floats, bests;
    dp_isa isa;
    dp_status status = dp_isa_resolve(search->isa, &isa, err);
    if (status)
        return status;
    job.kernels = dp_distance_kernels_get(isa);
    bool fits = dp_mul_size(threads * (DP_PER_PICTURE_QUERIES + BLOCK_ROWS), bank->dim, &floats)
                && dp_mul_size(threads * DP_PER_PICTURE_QUERIES, bank->n_pictures, &bests);
    job.wide = fits ? dp_malloc(floats, sizeof *job.wide) : NULL;
    job.best = fits ? dp_malloc(bests, sizeof *job.best) : NULL;
    if (!job.wide || !job.best)
        status = dp_fail_memory(err, "the distances to each picture", threads * bank->n_pictures * sizeof(float));
    else
        dp_pool_run(pool, dp_rows_cells(bank), cell_task, &job);
    dp_memory_free(job.wide);
    dp_memory_free(job.best);
    if (!status && job.not_finite)
        status = dp_fail(err, DP_E_NUMERIC, "%s%sa distance to the bank is not finite", bank->name ? bank->name : "",
                         bank->name ? ": " : "");
    return status;
}
