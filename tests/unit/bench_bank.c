/* SPDX-License-Identifier: Apache-2.0 */
/* bench_bank - measures the time of searching, leave-one-out, saving and opening for a bank of a given size.
 *
 *     build/tests/unit/bench_bank [rows=56 [cols=56 [dim=768 [pictures=120 [per=2 [threads=0 [FILE]]]]]]]
 *
 * Prints the minimum and the median of several runs; with one thread it is processor time. Features are random, so nothing depends on data. */
#include "bank/builder.h"
#include "search/distance.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/statistics.h"
#include "score/leave_one_out.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* With one thread processor time, which other work on the machine changes little. */
static bool one_thread;
static double now(void)
{
    return one_thread ? (double)clock() / CLOCKS_PER_SEC : dp_now_seconds();
}

static void report(const char *what, double *seconds, size_t n, double bytes, double products)
{
    dp_sort_f64(seconds, n);
    printf("%-34s min %9.2f ms, median %9.2f ms", what, seconds[0] * 1e3, seconds[n / 2] * 1e3);
    if (bytes > 0)
        printf(", %6.2f GB/s", bytes / seconds[0] * 1e-9);
    if (products > 0)
        printf(", %6.2f Gproducts/s", products / seconds[0] * 1e-9);
    printf("\n");
    fflush(stdout);
}

static void stop(const dp_error *err)
{
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

/* Reads memory and does almost nothing with it: the speed that the machine can deliver. */
struct reading {
    const uint64_t *data;
    size_t words_per_task;
    uint64_t sums[4096];
};

static void read_task(void *context, size_t index, size_t worker)
{
    (void)worker;
    struct reading *reading = context;
    const uint64_t *p = reading->data + index * reading->words_per_task;
    uint64_t sums[32] = {0};
    for (size_t i = 0; i + 32 <= reading->words_per_task; i += 32)
        for (size_t k = 0; k < 32; k++)
            sums[k] ^= p[i + k];
    for (size_t k = 1; k < 32; k++)
        sums[0] ^= sums[k];
    reading->sums[index % 4096] = sums[0];
}

#define RUNS 7

int main(int argc, char **argv)
{
    size_t sizes[6] = {56, 56, 768, 120, 2, 0};
    for (int i = 0; i < 6 && i + 1 < argc; i++)
        sizes[i] = strtoul(argv[i + 1], NULL, 10);
    size_t rows = sizes[0], cols = sizes[1], dim = sizes[2], pictures = sizes[3], per = sizes[4], cells = rows * cols;
    dp_error err;
    dp_recipe recipe;
    one_thread = sizes[5] == 1;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.canvas_height_px = rows * 14;
    recipe.canvas_width_px = cols * 14;
    dp_bank_spec spec = {.recipe = &recipe,
                         .grid_rows = rows,
                         .grid_cols = cols,
                         .dim = dim,
                         .capacity = pictures,
                         .rows_per_picture = per,
                         .model_sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
    dp_bank *bank = NULL;
    dp_bank_builder *builder = NULL;
    dp_pool *pool = NULL;
    if (dp_pool_open(sizes[5], &pool, &err) || dp_bank_builder_open(&spec, &builder, &err))
        stop(&err);
    float *features = dp_malloc(cells * dim, sizeof *features), *grid = dp_malloc(cells, sizeof *grid);
    uint8_t *valid = dp_malloc(cells, 1);
    dp_neighbour *nearest = dp_malloc(cells, sizeof *nearest);
    if (!features || !grid || !valid || !nearest)
        return 1;
    uint64_t seed = 1;
    dp_pose pose = {0};
    double put = 0;
    for (size_t p = 0; p < pictures; p++) {
        size_t index;
        if (dp_bank_builder_add(builder, "p", &pose, &index, &err))
            stop(&err);
        for (size_t a = 0; a < per; a++) {
            for (size_t i = 0; i < cells * dim; i++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                features[i] = (float)(seed >> 40) / 8388608.0f - 1;
            }
            double start = now();
            if (dp_bank_builder_put(builder, p, a, features, NULL, &err))
                stop(&err);
            put += now() - start;
        }
    }
    if (dp_bank_builder_finish(&builder, &bank, &err))
        stop(&err);
    double bytes = (double)cells * (double)bank->rows.n_rows * (double)dim * 4, products = bytes / 4;
    printf("%zux%zu cells, dim %zu, %zu rows a cell: %.2f GB; %zu threads, %s; putting a picture in %.1f ms\n", rows,
           cols, dim, bank->rows.n_rows, bytes * 1e-9, dp_pool_threads(pool), dp_isa_name(dp_isa_detect()),
           put * 1e3 / (double)pictures);

    double seconds[RUNS];
    struct reading *reading = dp_calloc(1, sizeof *reading);
    *reading = (struct reading){.data = (const uint64_t *)(const void *)bank->rows.features,
                                .words_per_task = bank->rows.n_rows * dim / 2};
    for (size_t i = 0; i < RUNS; i++) {
        double start = now();
        dp_pool_run(pool, cells, read_task, reading);
        seconds[i] = now() - start;
    }
    report("reading the features", seconds, RUNS, bytes, 0);

    const struct {
        const char *name;
        dp_metric metric;
        size_t window, knn, runs;
        dp_isa isa;
    } searches[] = {
        {"l2, window 0", DP_METRIC_L2, 0, 1, RUNS, DP_ISA_AUTO},
        {"l2, window 0, avx2", DP_METRIC_L2, 0, 1, RUNS, DP_ISA_AVX2},
        {"l2, window 0, c", DP_METRIC_L2, 0, 1, 3, DP_ISA_C},
        {"cosine, window 0", DP_METRIC_COSINE, 0, 1, RUNS, DP_ISA_AUTO},
        {"l2, window 0, 3 neighbours", DP_METRIC_L2, 0, 3, 3, DP_ISA_AUTO},
        {"l2, window 1", DP_METRIC_L2, 1, 1, 3, DP_ISA_AUTO},
        {"l2, window 2", DP_METRIC_L2, 2, 1, 3, DP_ISA_AUTO},
        {"l2, window 2, avx2", DP_METRIC_L2, 2, 1, 1, DP_ISA_AVX2},
        {"cosine, global", DP_METRIC_COSINE, DP_WINDOW_GLOBAL, 1, 1, DP_ISA_AUTO},
    };
    for (size_t s = 0; s < sizeof searches / sizeof *searches; s++) {
        dp_search search = {.metric = searches[s].metric,
                            .window = searches[s].window,
                            .knn = searches[s].knn,
                            .leave_out = DP_NO_PICTURE,
                            .isa = searches[s].isa};
        dp_neighbour *found = dp_malloc(cells * search.knn, sizeof *found);
        bool global = search.window == DP_WINDOW_GLOBAL;
        if (!found || (global && bytes > 1e9))
            continue; /* minutes */
        size_t side = 2 * search.window + 1;
        dp_status status = DP_OK;
        for (size_t i = 0; i < searches[s].runs && !status; i++) {
            double start = now();
            status =
                dp_distance_map(&bank->rows, features, NULL, &search, pool, &(dp_distances){found, grid, valid}, &err);
            seconds[i] = now() - start;
        }
        if (!status)
            report(searches[s].name, seconds, searches[s].runs, search.window ? 0 : bytes,
                   products * (global ? (double)cells : (double)(side * side)));
        dp_memory_free(found);
    }
    for (size_t i = 0; i < 3; i++) {
        double start = now();
        if (dp_bank_leave_one_out(bank, DP_ISA_AUTO, pool, NULL, NULL, &err))
            stop(&err);
        seconds[i] = now() - start;
    }
    report("leave one out, window 0", seconds, 3, 0, products * (double)pictures);

    if (argc > 7) {
        double start = now();
        dp_bank *opened = NULL;
        if (dp_bank_save(bank, argv[7], &err))
            stop(&err);
        printf("saving %.0f ms", (now() - start) * 1e3);
        start = now();
        if (dp_bank_open(argv[7], &opened, &err))
            stop(&err);
        printf(", opening %.1f ms", (now() - start) * 1e3);
        start = now();
        if (dp_bank_verify(opened, &err))
            stop(&err);
        printf(", verifying %.0f ms\n", (now() - start) * 1e3);
        dp_search search = {DP_METRIC_L2, 0, 1, DP_NO_PICTURE, DP_ISA_AUTO, 0, 0};
        for (size_t i = 0; i < RUNS; i++) {
            start = now();
            if (dp_distance_map(&opened->rows, features, NULL, &search, pool, &(dp_distances){nearest, grid, valid},
                                &err))
                stop(&err);
            seconds[i] = now() - start;
        }
        report("l2, window 0, from the mapped file", seconds, RUNS, bytes, 0);
        dp_bank_close(&opened);
    }
    dp_memory_free(reading);
    dp_memory_free(features);
    dp_memory_free(grid);
    dp_memory_free(valid);
    dp_memory_free(nearest);
    dp_bank_close(&bank);
    dp_pool_close(&pool);
    return 0;
}
