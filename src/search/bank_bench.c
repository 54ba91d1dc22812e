/* SPDX-License-Identifier: Apache-2.0 */
/* bank_bench.c - measures the time of a search in a bank, without the network. */
#include "bank/bank.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "base/statistics.h"
#include "search/searcher.h"
#include "search/reweight.h"

#include <stdlib.h>

struct query {
    const dp_rows *bank;
    dp_searcher searcher;
    size_t reweight; /* number of neighbours that weight the score; 0: none */
    size_t rows, cols;
    float *features;       /* [rows, cols, dim] noise */
    dp_neighbour *nearest; /* [rows, cols, knn] */
    float *grid;           /* [rows, cols] */
    uint8_t *valid;        /* [rows, cols] */
};

/* Fills x with numbers of both signs, about as large as features after a LayerNorm. Their values do not change the
 * time. */
static void fill(float *x, size_t n)
{
    uint32_t state = 12345;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) * 0x1p-23f - 1;
    }
}

static dp_status search_once(struct query *q, dp_pool *pool, double *seconds, dp_error *err)
{
    double start = dp_now_seconds(), factor;
    dp_status status = dp_searcher_map(
        &q->searcher, &(dp_cells){q->features, NULL, q->rows, q->cols, 0, 0, DP_NO_PICTURE, q->searcher.whole->vectors},
        pool, &(dp_distances){q->nearest, q->grid, q->valid}, err);
    if (!status && q->reweight) {
        const dp_search search = dp_searcher_search(&q->searcher, q->rows, q->cols, DP_NO_PICTURE);
        const dp_found found = {q->features, q->nearest, q->grid, q->valid, q->rows * q->cols};
        status = dp_reweight(q->bank, &search, &found, q->reweight, pool, &factor, err);
    }
    *seconds = dp_now_seconds() - start;
    return status;
}

dp_status dp_bank_bench(const dp_bank *bank, const dp_view *view, size_t repeat, const dp_run *run, double *median_s,
                        double *min_s, double *max_s, dp_error *err)
{
    dp_run settings;
    dp_run_init(&settings);
    if (run)
        settings = *run;
    if (!repeat || repeat > 100000 || !view->knn)
        return dp_fail(err, DP_E_ARGUMENT,
                       "%zu repeats of a search for %zu neighbours are impossible; give at least 1 of each", repeat,
                       view->knn);
    const dp_scoring scoring = dp_scoring_of_view(view);
    struct query q = {.bank = &bank->rows, .reweight = dp_scoring_reweighs(&scoring) ? scoring.reweight : 0};
    dp_pool *pool = NULL;
    dp_isa isa;
    dp_rows_picture_grid(&bank->rows, 0, &q.rows, &q.cols);
    size_t cells = q.rows * q.cols;
    q.features = dp_malloc_2d(cells, bank->rows.dim, sizeof *q.features);
    q.nearest = dp_malloc_2d(cells, view->knn, sizeof *q.nearest);
    q.grid = dp_malloc(cells, sizeof *q.grid);
    q.valid = dp_malloc(cells, 1);
    double *seconds = dp_malloc(repeat, sizeof *seconds), warm_up;
    dp_status status = DP_OK;
    if (!q.features || !q.nearest || !q.grid || !q.valid || !seconds)
        status = dp_fail_memory(err, "the features of one picture", cells * bank->rows.dim * sizeof *q.features);
    if (!status)
        status = dp_isa_resolve(settings.isa, &isa, err);
    if (!status)
        status = dp_pool_open(settings.threads, &pool, err);
    if (!status)
        status = dp_searcher_open(&bank->rows, &scoring, isa, pool, &q.searcher, err);
    if (!status) {
        fill(q.features, cells * bank->rows.dim);
        status = search_once(&q, pool, &warm_up, err);
    }
    for (size_t i = 0; i < repeat && !status; i++)
        status = search_once(&q, pool, &seconds[i], err);
    if (!status) {
        double median = dp_median(seconds, repeat);
        if (median_s)
            *median_s = median;
        if (min_s)
            *min_s = seconds[0];
        if (max_s)
            *max_s = seconds[repeat - 1];
    }
    dp_searcher_close(&q.searcher);
    dp_pool_close(&pool);
    dp_memory_free(q.features);
    dp_memory_free(q.nearest);
    dp_memory_free(q.grid);
    dp_memory_free(q.valid);
    dp_memory_free(seconds);
    return status;
}
