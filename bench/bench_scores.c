/* SPDX-License-Identifier: Apache-2.0 */
/* bench_scores.c - scores every picture of one bank against another bank, without embedding anything: what a smaller bank does to the
 * detection of defects, in seconds.
 * usage: bench_scores BANK PICTURES_BANK [THREADS]
 * PICTURES_BANK holds the features of the pictures to be scored (a fit of them, or of all pictures with the others removed), not projected.
 * Printed: a line `bytes N, rows N, dim N, search_ms N` (features with their tables; processor time of all threads, the median over
 * the pictures, their projection included), then for each picture its name and its scores top1p, max, p99 and mean, with tabs between. */
#include "bank/bank.h"
#include "search/distance.h"
#include "reduce/pca.h"
#include "score/cell_score.h"
#include "base/memory.h"
#include "base/statistics.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int stop(const dp_error *err)
{
    fprintf(stderr, "bench_scores: %s\n", err->message);
    return 4;
}

int main(int argc, char **argv)
{
    static const dp_score ways[] = {DP_SCORE_TOP1P, DP_SCORE_MAX, DP_SCORE_P99, DP_SCORE_MEAN};
    if (argc < 3) {
        fprintf(stderr, "usage: bench_scores BANK PICTURES_BANK [THREADS]\n");
        return 2;
    }
    dp_error err;
    dp_bank *bank = NULL, *pictures = NULL;
    dp_pool *pool = NULL;
    if (dp_bank_open(argv[1], &bank, &err) || dp_bank_open(argv[2], &pictures, &err)
        || dp_pool_open(argc > 3 ? strtoul(argv[3], NULL, 10) : 0, &pool, &err))
        return stop(&err);
    size_t cells = dp_rows_cells(&pictures->rows), n = pictures->pictures.n, knn = bank->recipe.knn;
    if (bank->rows.row_cell || pictures->rows.row_cell || cells != dp_rows_cells(&bank->rows)
        || pictures->rows.dim != bank->projection.dim_in) {
        fprintf(stderr, "bench_scores: two banks of one grid are compared, the pictures' not projected\n");
        return 4;
    }
    float *features = dp_malloc(cells * pictures->rows.dim, sizeof *features),
          *projected = dp_malloc(cells * bank->rows.dim, sizeof *projected);
    float *grid = dp_malloc(cells, sizeof *grid), *scratch = dp_malloc(cells, sizeof *scratch);
    uint8_t *valid = dp_malloc(cells, 1), *found = dp_malloc(cells, 1);
    dp_neighbour *nearest = dp_malloc(cells * knn, sizeof *nearest);
    double *scores = dp_malloc(n, 4 * sizeof *scores), *times = dp_malloc(n, sizeof *times);
    const dp_search search = {
        .metric = bank->recipe.metric, .window = bank->recipe.window, .knn = knn, .leave_out = DP_NO_PICTURE};
    if (!features || !projected || !grid || !scratch || !valid || !found || !nearest || !scores || !times)
        return 4;
    for (size_t p = 0; p < n; p++) {
        const float *x;
        dp_rows_get(&pictures->rows, p, 0, features, valid);
        clock_t start = clock();
        if (dp_pca_project_cells(&bank->projection, features, cells, pool, projected, &x, &err)
            || dp_distance_map(&bank->rows, x, valid, &search, pool, &(dp_distances){nearest, grid, found}, &err))
            return stop(&err);
        times[p] = (double)(clock() - start) / CLOCKS_PER_SEC;
        for (size_t w = 0; w < 4; w++)
            scores[4 * p + w] = dp_score_cells(ways[w], grid, found, cells, scratch);
    }
    dp_sort_f64(times, n);
    printf("bytes %zu, rows %zu, dim %zu, search_ms %.3f\n", dp_bank_held_bytes(bank), bank->rows.n_rows,
           bank->rows.dim, 1e3 * times[n / 2]);
    for (size_t p = 0; p < n; p++)
        printf("%s\t%.9g\t%.9g\t%.9g\t%.9g\n", pictures->pictures.names[p], scores[4 * p], scores[4 * p + 1],
               scores[4 * p + 2], scores[4 * p + 3]);
    return 0;
}
