/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h - a fixed set of worker threads that share numbered tasks.
 *
 * The problem alone determines the tasks of a run, not the number of threads. Each task computes the same numbers on
 * any worker, so results do not depend on the number of threads. */
#ifndef DP_BASE_POOL_H
#define DP_BASE_POOL_H

#include "dinopatch/experimental.h"

typedef struct dp_pool dp_pool;

/* index: number of the task. worker: number of its thread, below dp_pool_threads, for scratch memory per worker. */
typedef void (*dp_task_fn)(void *context, size_t index, size_t worker);

/* threads 0: one for each processor that this process may use; never more than these, or 16 where they are fewer. The
 * caller's thread is worker 0. */
dp_status dp_pool_open(size_t threads, dp_pool **pool, dp_error *err);
void dp_pool_close(dp_pool **pool);
/* Returns the number of threads; 1 if pool is NULL. */
size_t dp_pool_threads(const dp_pool *pool);

/* Runs tasks 0..n_tasks-1 and returns when all are done. Workers take them in order as they become free. If pool is
 * NULL, the tasks run on the calling thread. A pool does one run at a time; tasks must not start runs of the same
 * pool. */
void dp_pool_run(dp_pool *pool, size_t n_tasks, dp_task_fn task, void *context);

#endif
