/* SPDX-License-Identifier: Apache-2.0 */
/* planted.c - makes data races on purpose: some that the thread sanitizer must report, and some that it must not.
 *
 *     planted PLACE [PICTURE]      runs one race; run.sh checks the report
 *
 * A report is useful only if libraries that are not built for the sanitizer (libvips, GLib, oneDNN, OpenMP) neither add
 * many findings of their own nor hide ours. So each place does what tasks of this library do, and then races. */
#include "base/pool.h"
#include "dinopatch/io.h"

#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define THREADS 2
#define REPEATS 1000 /* the sanitizer may miss one pair of accesses at the very same moment */

struct job {
    const char *picture; /* NULL: none is loaded */
    bool multiply, careful;
    pthread_barrier_t both;
    size_t sum; /* the race */
    atomic_size_t safe_sum;
    atomic_int failures;
};

static void add(void *context, size_t index, size_t worker)
{
    struct job *job = context;
    pthread_barrier_wait(&job->both); /* two tasks, two threads: nobody takes both */
    if (job->picture) {
        dp_picture *picture = NULL;
        if (dp_picture_load(job->picture, 1 << 20, &picture, NULL) != DP_OK)
            atomic_fetch_add(&job->failures, 1);
        dp_picture_free(&picture);
    }
    if (job->multiply) {
        float a[64 * 64] = {1}, b[64 * 64] = {2}, c[64 * 64] = {0};
        if (dnnl_sgemm('N', 'N', 64, 64, 64, 1, a, 64, b, 64, 0, c, 64) != dnnl_success || c[0] != 2)
            atomic_fetch_add(&job->failures, 1);
    }
    for (size_t i = 0; i < REPEATS; i++) {
        if (job->careful)
            atomic_fetch_add(&job->safe_sum, index + 1);
        else
            job->sum += index + 1;
    }
}

struct loan {
    float *canvas;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool full;
};

/* A loader that hands its canvas over and goes on writing. */
static void *lend(void *argument)
{
    struct loan *loan = argument;
    for (size_t i = 0; i < REPEATS; i++)
        loan->canvas[i] = 1;
    pthread_mutex_lock(&loan->lock);
    loan->full = true;
    pthread_cond_signal(&loan->moved);
    pthread_mutex_unlock(&loan->lock);
    for (size_t i = 0; i < REPEATS; i++)
        loan->canvas[i] = 2;
    return NULL;
}

static int hand_over_too_early(void)
{
    float canvas[REPEATS] = {0}, sum = 0;
    struct loan loan = {.canvas = canvas};
    pthread_t loader;
    pthread_mutex_init(&loan.lock, NULL);
    pthread_cond_init(&loan.moved, NULL);
    if (pthread_create(&loader, NULL, lend, &loan) != 0)
        return 1;
    pthread_mutex_lock(&loan.lock);
    while (!loan.full)
        pthread_cond_wait(&loan.moved, &loan.lock);
    pthread_mutex_unlock(&loan.lock);
    for (size_t i = 0; i < REPEATS; i++)
        sum += canvas[i];
    pthread_join(loader, NULL);
    printf("sum %g\n", (double)sum);
    return 0;
}

int main(int argc, char **argv)
{
    const char *place = argc > 1 ? argv[1] : "";
    if (!strcmp(place, "hand-over"))
        return hand_over_too_early();
    struct job job = {
        .picture = !strcmp(place, "picture") || !strcmp(place, "none") ? argv[2] : NULL,
        .multiply = !strcmp(place, "product") || !strcmp(place, "none"),
        .careful = !strcmp(place, "none"),
    };
    dp_pool *pool = NULL;
    if (dp_pool_open(THREADS, &pool, NULL) != DP_OK || pthread_barrier_init(&job.both, NULL, THREADS) != 0)
        return 1;
    dp_pool_run(pool, THREADS, add, &job);
    dp_pool_close(&pool);
    pthread_barrier_destroy(&job.both);
    printf("sum %zu\n", job.sum + atomic_load(&job.safe_sum));
    return atomic_load(&job.failures) != 0;
}
