/* SPDX-License-Identifier: Apache-2.0 */
/* bench_inspect.c - what an inspection costs beside the network and the search: canvas, light, gate, score, map, defects.
 *
 *     bench_inspect [SIDE_PX [PICTURES [THREADS]]]       448, 200, 1
 *
 * Learns from 20 drawn pictures of SIDE_PX x SIDE_PX pixels at that size, unaligned, then inspects PICTURES others with
 * one inspector, once without and once with the map. Prints milliseconds: least and median of the whole call, of the
 * network, of the search, and of the rest. The least is what an undisturbed machine does. */
#include "dinopatch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GOOD 20

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int ascending(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* A woven texture with noise; seeds from GOOD on also have a dark spot. */
static void draw(uint8_t *rgb, size_t side, unsigned seed)
{
    uint32_t state = seed * 2654435761u + 1;
    for (size_t y = 0; y < side; y++)
        for (size_t x = 0; x < side; x++) {
            state = state * 1664525u + 1013904223u;
            double value = 128 + 50 * sin((double)x * 0.4) * cos((double)y * 0.3) + (double)(state >> 24) * 0.1;
            if (seed >= GOOD && hypot((double)x - (double)side * 0.6, (double)y - (double)side * 0.4) < 20)
                value *= 0.4;
            memset(rgb + 3 * (y * side + x), (int)value, 3);
        }
}

static void check(dp_status status, const dp_error *err)
{
    if (!status)
        return;
    fprintf(stderr, "bench_inspect: %s\n", err->message);
    exit(1);
}

static void print_row(const char *what, double *values, size_t n)
{
    qsort(values, n, sizeof *values, ascending);
    printf("  %-8s %8.3f %8.3f\n", what, values[0], values[n / 2]);
}

int main(int argc, char **argv)
{
    const size_t side = argc > 1 ? strtoul(argv[1], NULL, 10) : 448, n = argc > 2 ? strtoul(argv[2], NULL, 10) : 200;
    uint8_t *rgb = malloc(3 * side * side);
    double *times = malloc(4 * n * sizeof *times);
    if (!n || !rgb || !times)
        return 1;
    const dp_image image = {.size = sizeof image, .pixels = rgb, .width = side, .height = side, .format = DP_RGB8};
    dp_error err;
    dp_run run;
    dp_options *options = NULL;
    dp_fit *fit = NULL;
    dp_bank *bank = NULL;
    dp_inspector *inspector = NULL;
    char name[32];
    dp_run_init(&run);
    run.threads = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
    check(dp_options_new(&options, &err), &err);
    snprintf(name, sizeof name, "%zu", side);
    check(dp_options_set(options, "size", name, &err), &err);
    check(dp_options_set(options, "align", "none", &err), &err);
    check(dp_fit_begin(NULL, options, &run, &fit, &err), &err);
    for (unsigned i = 0; i < GOOD; i++) {
        snprintf(name, sizeof name, "%u.png", i);
        draw(rgb, side, i);
        check(dp_fit_add(fit, &image, name, &err), &err);
    }
    check(dp_fit_end(fit, &bank, &err), &err);
    check(dp_inspector_open(NULL, bank, &run, &inspector, &err), &err);
    for (unsigned what = 0; what <= DP_RESULT_MAP; what++) {
        for (size_t i = 0; i <= n; i++) {
            const dp_result *result;
            draw(rgb, side, (unsigned)(GOOD + i));
            double begin = now_ms();
            check(dp_inspector_run(inspector, &image, what, &result, &err), &err);
            double all = now_ms() - begin;
            if (!i) /* the first one makes the room */
                continue;
            times[i - 1] = all;
            times[n + i - 1] = result->embed_ms;
            times[2 * n + i - 1] = result->search_ms;
            times[3 * n + i - 1] = all - result->embed_ms - result->search_ms;
        }
        printf("%zu x %zu px, %zu threads, %zu pictures, %s map\n  ms          least   median\n", side, side,
               run.threads, n, what ? "with" : "without");
        print_row("all", times, n);
        print_row("network", times + n, n);
        print_row("search", times + 2 * n, n);
        print_row("rest", times + 3 * n, n);
    }
    dp_inspector_close(&inspector);
    dp_bank_close(&bank);
    dp_fit_close(&fit);
    dp_options_free(&options);
    free(times);
    free(rgb);
    return 0;
}
