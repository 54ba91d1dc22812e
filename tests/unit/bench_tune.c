/* SPDX-License-Identifier: Apache-2.0 */
/* Measures trials per minute of dp_tune: 60 maps of 56 x 56 of noise, every third with a blob, 5 folds. bench_tune
 * [THREADS] */
#include "dinopatch/eval.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SIDE 56
#define N 60

int main(int argc, char **argv)
{
    static float maps[N][SIDE * SIDE];
    const float *map[N];
    uint8_t labels[N];
    uint64_t seed = 1;
    for (size_t p = 0; p < N; p++) {
        labels[p] = p % 3 == 0;
        map[p] = maps[p];
        for (size_t i = 0; i < SIDE * SIDE; i++) {
            double y = (double)(i / SIDE) - 20, x = (double)(i % SIDE) - 30;
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            maps[p][i] =
                (float)(10 + 3 * (double)(seed >> 40) / 16777216 + (labels[p] ? 2.5 * exp(-(x * x + y * y) / 12) : 0));
        }
    }
    dp_tune_set set = {.rows = SIDE, .cols = SIDE, .n = N, .maps = map, .labels = labels};
    dp_tune_settings settings;
    dp_tune_settings_init(&settings);
    settings.trials = 3000;
    dp_run run;
    dp_run_init(&run);
    run.threads = argc > 1 ? (size_t)atoi(argv[1]) : 0;
    for (int i = 0; i < 3; i++) {
        struct timespec a, b;
        dp_tune_result result;
        dp_error err;
        clock_gettime(CLOCK_MONOTONIC, &a);
        if (dp_tune(&set, &settings, &run, &result, &err)) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        clock_gettime(CLOCK_MONOTONIC, &b);
        double seconds = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
        printf("%.0f trials a minute; tuned %.17g, held out %.17g, margin %.17g\n",
               60 * (double)settings.trials / seconds, result.tuned.auroc, result.held_out.auroc, result.margin);
    }
    return 0;
}
