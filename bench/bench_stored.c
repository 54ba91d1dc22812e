/* SPDX-License-Identifier: Apache-2.0 */
/* bench_stored.c - the search of one picture in banks of floats, halves and bytes, in alternation, with windows from 0 to 3.
 * usage: bench_stored [CELLS_ACROSS=28 [DIM=768 [ROWS=120 [REPEAT=7 [THREADS=0 [ISA=auto [LARGEST_WINDOW=3]]]]]]]
 * Random features, the same in the three.  Printed for each window: wall time and processor time (of all threads: other work on the machine
 * disturbs it less), medians; bytes of features read a second (window 0); products of queries and rows a second, two operations
 * to a number; and the ratio to the bank of floats. */
#include "bank/rows.h"
#include "search/distance.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/statistics.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MAX_REPEAT 101

static double median(double *x, size_t n)
{
    dp_sort_f64(x, n);
    return x[n / 2];
}

static dp_rows make(const float *x, size_t side, size_t dim, size_t rows, dp_storage storage)
{
    size_t places = side * side * rows;
    dp_rows bank = {.grid_rows = side,
                    .grid_cols = side,
                    .n_rows = rows,
                    .dim = dim,
                    .blocks = 1,
                    .n_pictures = rows,
                    .rows_per_picture = 1,
                    .storage = storage};
    dp_row_memory memory;
    if (!dp_row_memory_new(&bank, places, false, &memory))
        exit(4);
    dp_row_memory_show(&memory, &bank);
    for (size_t i = 0; i < places; i++)
        dp_rows_encode(&bank, &memory, i, x + i * dim);
    return bank;
}

static float *random_numbers(size_t n)
{
    float *x = dp_malloc(n, sizeof *x);
    uint64_t seed = 1;
    for (size_t i = 0; x && i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        x[i] = (float)(seed >> 40) / 8388608.0f - 1;
    }
    return x ? x : (exit(4), NULL);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"f32", "f16", "int8"};
    size_t numbers[5] = {28, 768, 120, 7, 0};
    dp_error err = {0};
    dp_search search = {.metric = DP_METRIC_L2, .knn = 1, .leave_out = DP_NO_PICTURE};
    for (int i = 0; i < 5 && i + 1 < argc; i++)
        numbers[i] = strtoul(argv[i + 1], NULL, 10);
    if (argc > 6 && dp_isa_parse(argv[6], &search.isa, &err))
        return 2;
    size_t side = numbers[0], dim = numbers[1], rows = numbers[2], repeat = numbers[3], cells = side * side;
    size_t largest = argc > 7 ? strtoul(argv[7], NULL, 10) : 3;
    repeat = repeat < 1 ? 1 : repeat > MAX_REPEAT ? MAX_REPEAT : repeat;
    float *x = random_numbers(cells * rows * dim);
    dp_rows banks[3];
    for (int s = 0; s < 3; s++)
        banks[s] = make(x, side, dim, rows, (dp_storage)s);
    dp_pool *pool = NULL;
    dp_neighbour *nearest = dp_malloc(cells, sizeof *nearest);
    float *grid = dp_malloc(cells, sizeof *grid);
    uint8_t *valid = dp_malloc(cells, 1);
    if (!nearest || !grid || !valid || dp_pool_open(numbers[4], &pool, &err))
        return 4;
    printf("%zux%zu cells, dim %zu, %zu rows a cell, %zu threads, %s\n", side, side, dim, rows, dp_pool_threads(pool),
           dp_isa_name(search.isa ? search.isa : dp_isa_detect()));
    for (search.window = 0; search.window <= largest; search.window++) {
        double wall[3][MAX_REPEAT], cpu[3][MAX_REPEAT], pairs = 0, base_wall = 0, base_cpu = 0;
        for (size_t i = 0; i < cells; i++) {
            size_t r = i / side, c = i % side, w = search.window;
            size_t down = (r + w < side ? r + w : side - 1) - (r > w ? r - w : 0) + 1;
            size_t across = (c + w < side ? c + w : side - 1) - (c > w ? c - w : 0) + 1;
            pairs += (double)(down * across * rows);
        }
        for (size_t i = 0; i < repeat; i++) {
            for (int s = 0; s < 3; s++) {
                double start = dp_now_seconds();
                clock_t ticks = clock();
                if (dp_distance_map(&banks[s], x, NULL, &search, pool, &(dp_distances){nearest, grid, valid}, &err)) {
                    fprintf(stderr, "bench_stored: %s\n", err.message);
                    return 4;
                }
                wall[s][i] = dp_now_seconds() - start;
                cpu[s][i] = (double)(clock() - ticks) / CLOCKS_PER_SEC;
            }
        }
        for (int s = 0; s < 3; s++) {
            double w = median(wall[s], repeat), c = median(cpu[s], repeat);
            base_wall = s ? base_wall : w, base_cpu = s ? base_cpu : c;
            printf("window %zu %-4s  %8.2f ms, processor %8.2f ms, %6.1f GFLOP/s", search.window, names[s], 1e3 * w,
                   1e3 * c, 2e-9 * pairs * (double)dim / c * (double)dp_pool_threads(pool));
            if (!search.window)
                printf(", %5.1f GB/s", 1e-9 * pairs * (double)dim * (double)dp_storage_bytes((dp_storage)s) / w);
            printf(", %.2f (processor %.2f) times f32\n", base_wall / w, base_cpu / c);
        }
    }
    return 0;
}
