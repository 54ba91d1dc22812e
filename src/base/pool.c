/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c - workers wait a short while in a loop, then sleep.
 *
 * A transformer block is about ten runs of a few milliseconds each; sleeping between them would cost more than
 * waiting. oneDNN primitives called from a task stay on the calling thread, because its OpenMP runtime is told so,
 * per thread. */
#include "base/pool.h"
#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

/* The two functions of the GNU OpenMP runtime that are used here; its header is not needed for them. */
extern void omp_set_num_threads(int n);
extern int omp_get_max_threads(void);

#define MAX_THREADS 1024
#define ENOUGH_THREADS 16 /* on machines with fewer processors, too: tests compare numbers of threads */
#define SPINS 4000        /* tens of microseconds */

struct dp_pool {
    size_t n_threads;
    pthread_t *workers; /* [n_threads - 1] */
    size_t n_started;
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;

    /* The current run; written under the lock before generation changes. */
    dp_task_fn task;
    void *context;
    size_t n_tasks;
    atomic_size_t next;
    atomic_size_t generation; /* counts runs */
    atomic_size_t busy;       /* workers that are still busy with the current run */
    bool closing;
};

struct seat {
    dp_pool *pool;
    size_t worker;
};

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void take_tasks(dp_pool *pool, size_t worker)
{
    for (;;) {
        size_t index = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (index >= pool->n_tasks)
            return;
        pool->task(pool->context, index, worker);
    }
}

static void *work(void *argument)
{
    struct seat seat = *(struct seat *)argument;
    dp_memory_free(argument);
    dp_pool *pool = seat.pool;
    omp_set_num_threads(1);
    size_t seen = 0;
    for (;;) {
        for (int i = 0; i < SPINS && atomic_load_explicit(&pool->generation, memory_order_acquire) == seen; i++)
            relax();
        pthread_mutex_lock(&pool->lock);
        while (atomic_load(&pool->generation) == seen && !pool->closing)
            pthread_cond_wait(&pool->wake, &pool->lock);
        bool closing = pool->closing;
        seen = atomic_load(&pool->generation);
        pthread_mutex_unlock(&pool->lock);
        if (closing)
            return NULL;
        take_tasks(pool, seat.worker);
        if (atomic_fetch_sub_explicit(&pool->busy, 1, memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->idle);
            pthread_mutex_unlock(&pool->lock);
        }
    }
}

static size_t processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (size_t)CPU_COUNT(&set);
    return 1;
}

dp_status dp_pool_open(size_t threads, dp_pool **out, dp_error *err)
{
    if (threads > MAX_THREADS)
        return dp_fail(err, DP_E_ARGUMENT, "%zu threads are too many; give at most %d", threads, MAX_THREADS);
    dp_pool *pool = dp_calloc(1, sizeof *pool);
    if (!pool)
        return dp_fail_memory(err, "the worker threads", sizeof *pool);
    size_t most = processors();
    if (!threads)
        threads = most;
    else if (most < ENOUGH_THREADS)
        most = ENOUGH_THREADS;
    pool->n_threads = threads < most ? threads : most; /* more only stand in each other's way */
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->idle, NULL);
    pool->workers = dp_calloc(pool->n_threads, sizeof *pool->workers);
    if (!pool->workers)
        goto no_memory;
    for (size_t i = 1; i < pool->n_threads; i++) {
        struct seat *seat = dp_malloc(1, sizeof *seat);
        if (!seat)
            goto no_memory;
        *seat = (struct seat){pool, i};
        if (pthread_create(&pool->workers[i - 1], NULL, work, seat) != 0) {
            dp_memory_free(seat);
            dp_pool_close(&pool);
            return dp_fail(err, DP_E_MEMORY, "cannot start worker thread %zu", i);
        }
        pool->n_started++;
    }
    *out = pool;
    return DP_OK;
no_memory:
    dp_pool_close(&pool);
    return dp_fail_memory(err, "the worker threads", sizeof *pool);
}

void dp_pool_close(dp_pool **pool_pointer)
{
    if (!pool_pointer || !*pool_pointer)
        return;
    dp_pool *pool = *pool_pointer;
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->n_started; i++)
        pthread_join(pool->workers[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->wake);
    pthread_cond_destroy(&pool->idle);
    dp_memory_free(pool->workers);
    dp_memory_free(pool);
    *pool_pointer = NULL;
}

size_t dp_pool_threads(const dp_pool *pool)
{
    return pool ? pool->n_threads : 1;
}

void dp_pool_run(dp_pool *pool, size_t n_tasks, dp_task_fn task, void *context)
{
    int callers_threads = omp_get_max_threads();
    omp_set_num_threads(1);
    if (dp_pool_threads(pool) == 1 || n_tasks <= 1) {
        for (size_t i = 0; i < n_tasks; i++)
            task(context, i, 0);
        omp_set_num_threads(callers_threads);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->task = task;
    pool->context = context;
    pool->n_tasks = n_tasks;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->busy, pool->n_threads - 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pool->generation, 1, memory_order_release);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);

    take_tasks(pool, 0);

    for (int i = 0; i < SPINS && atomic_load_explicit(&pool->busy, memory_order_acquire) != 0; i++)
        relax();
    pthread_mutex_lock(&pool->lock);
    while (atomic_load_explicit(&pool->busy, memory_order_acquire) != 0)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    omp_set_num_threads(callers_threads);
}
