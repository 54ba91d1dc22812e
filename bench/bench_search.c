/* SPDX-License-Identifier: Apache-2.0 */
/* bench_search.c - times the search of a whole bank beside a matrix product of the same sizes, and prints one JSON line.
 * usage: bench_search ROWS.f32 QUERIES.f32 DIM l2|cosine K [REPEAT] [THREADS] [f32|f16|int8] [ISA] [NEIGHBOURS]
 * ROWS and QUERIES: float vectors of DIM numbers, one after the other, no header.  NEIGHBOURS: file that receives the rows found, [queries, K]
 * uint32, then their distances, [queries, K] float.  The product is oneDNN's sgemm over blocks of 4096 rows with as many threads.
 * bench/search_faiss.py runs it beside FAISS. */
#include "bank/rows.h"
#include "search/distance.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/statistics.h"

#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRODUCT_ROWS 4096
#define MAX_REPEAT 101

extern void omp_set_num_threads(int n);

static float *read_floats(const char *path, size_t dim, size_t *n)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) {
        fprintf(stderr, "bench_search: %s cannot be read\n", path);
        exit(4);
    }
    *n = (size_t)ftell(file) / sizeof(float) / dim;
    rewind(file);
    float *x = dp_malloc(*n * dim, sizeof *x);
    if (!x || fread(x, sizeof *x, *n * dim, file) != *n * dim)
        exit(4);
    fclose(file);
    return x;
}

static double median(double *x, size_t n)
{
    dp_sort_f64(x, n);
    return x[n / 2];
}

static void product(const float *queries, size_t n_queries, const float *rows, size_t n_rows, size_t dim, float *out)
{
    for (size_t begin = 0; begin < n_rows; begin += PRODUCT_ROWS) {
        size_t n = n_rows - begin < PRODUCT_ROWS ? n_rows - begin : PRODUCT_ROWS;
        dnnl_sgemm('N', 'T', (dnnl_dim_t)n_queries, (dnnl_dim_t)n, (dnnl_dim_t)dim, 1, queries, (dnnl_dim_t)dim,
                   rows + begin * dim, (dnnl_dim_t)dim, 0, out, (dnnl_dim_t)n);
    }
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: bench_search ROWS.f32 QUERIES.f32 DIM l2|cosine K [REPEAT] [THREADS] [f32|f16|int8] "
                        "[ISA] [NEIGHBOURS]\n");
        return 2;
    }
    dp_error err = {0};
    size_t dim = strtoul(argv[3], NULL, 10), n_rows, n_queries, repeat = argc > 6 ? strtoul(argv[6], NULL, 10) : 5;
    size_t threads = argc > 7 ? strtoul(argv[7], NULL, 10) : 0;
    repeat = repeat < 1 ? 1 : repeat > MAX_REPEAT ? MAX_REPEAT : repeat;
    float *rows = read_floats(argv[1], dim, &n_rows), *queries = read_floats(argv[2], dim, &n_queries);
    dp_search search = {.metric = strcmp(argv[4], "cosine") ? DP_METRIC_L2 : DP_METRIC_COSINE,
                        .window = DP_WINDOW_GLOBAL,
                        .knn = strtoul(argv[5], NULL, 10),
                        .leave_out = DP_NO_PICTURE,
                        .rows = 1,
                        .cols = n_queries};
    if (argc > 9 && dp_isa_parse(argv[9], &search.isa, &err))
        return 2;
    dp_storage storage = argc <= 8 || !strcmp(argv[8], "f32") ? DP_STORAGE_F32
                         : !strcmp(argv[8], "f16")            ? DP_STORAGE_F16
                                                              : DP_STORAGE_I8;
    dp_rows bank = {.grid_rows = 1,
                    .grid_cols = 1,
                    .n_rows = n_rows,
                    .dim = dim,
                    .blocks = 1,
                    .n_pictures = 1,
                    .rows_per_picture = n_rows,
                    .flat = true,
                    .storage = storage};
    dp_row_memory memory;
    if (!dp_row_memory_new(&bank, n_rows, false, &memory))
        return 4;
    dp_row_memory_show(&memory, &bank);
    for (size_t i = 0; i < n_rows; i++)
        dp_rows_encode(&bank, &memory, i, rows + i * dim);
    dp_pool *pool = NULL;
    if (dp_pool_open(threads, &pool, &err))
        return 4;
    threads = dp_pool_threads(pool);
    omp_set_num_threads((int)threads);
    dp_neighbour *nearest = dp_malloc(n_queries * search.knn, sizeof *nearest);
    float *grid = dp_malloc(n_queries, sizeof *grid), *out = dp_malloc(n_queries * PRODUCT_ROWS, sizeof *out);
    uint8_t *valid = dp_malloc(n_queries, 1);
    double search_s[MAX_REPEAT] = {0}, product_s[MAX_REPEAT] = {0}, search_cpu_s[MAX_REPEAT] = {0},
           product_cpu_s[MAX_REPEAT] = {0};
    product(queries, n_queries, rows, n_rows < PRODUCT_ROWS ? n_rows : PRODUCT_ROWS, dim,
            out); /* oneDNN makes its code once */
    for (size_t i = 0; i < repeat; i++) {
        double start = dp_now_seconds();
        clock_t product_ticks = clock(); /* of all threads */
        product(queries, n_queries, rows, n_rows, dim, out);
        product_s[i] = dp_now_seconds() - start;
        product_cpu_s[i] = (double)(clock() - product_ticks) / CLOCKS_PER_SEC;
        start = dp_now_seconds();
        clock_t search_ticks = clock();
        if (dp_distance_map(&bank, queries, NULL, &search, pool, &(dp_distances){nearest, grid, valid}, &err)) {
            fprintf(stderr, "bench_search: %s\n", err.message);
            return 4;
        }
        search_s[i] = dp_now_seconds() - start;
        search_cpu_s[i] = (double)(clock() - search_ticks) / CLOCKS_PER_SEC;
    }
    FILE *file = argc > 10 ? fopen(argv[10], "wb") : NULL;
    for (size_t i = 0; file && i < n_queries * search.knn; i++)
        fwrite(&nearest[i].row, sizeof nearest[i].row, 1, file);
    for (size_t i = 0; file && i < n_queries * search.knn; i++)
        fwrite(&nearest[i].distance, sizeof nearest[i].distance, 1, file);
    if (file)
        fclose(file);
    double gflop = 2e-9 * (double)n_rows * (double)n_queries * (double)dim, s = median(search_s, repeat),
           p = median(product_s, repeat);
    printf("{\"rows\":%zu,\"queries\":%zu,\"dim\":%zu,\"metric\":\"%s\",\"k\":%zu,\"storage\":\"%s\",\"threads\":%zu,"
           "\"search_s\":%.4f,"
           "\"product_s\":%.4f,\"search_gflop_per_s\":%.1f,\"product_gflop_per_s\":%.1f,\"share_of_product\":%.3f,"
           "\"search_cpu_s\":%.4f,\"product_cpu_s\":%.4f}\n",
           n_rows, n_queries, dim, argv[4], search.knn, argc > 8 ? argv[8] : "f32", threads, s, p, gflop / s, gflop / p,
           p / s, median(search_cpu_s, repeat), median(product_cpu_s, repeat));
    return 0;
}
