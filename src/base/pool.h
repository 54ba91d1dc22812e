/* pool.h - a fixed set of worker threads that share out numbered tasks.
 *
 * The tasks of a run are fixed by the problem, never by the number of threads: each task computes the same numbers
 * whichever worker takes it, so results do not depend on the thread count. */
#ifndef DP_BASE_POOL_H
#define DP_BASE_POOL_H

#include "dinopatch.h"

typedef struct dp_pool dp_pool;

/* index: which task; worker: who runs it, below dp_pool_threads, for per-worker scratch memory. */
typedef void (*dp_task_fn)(void *context, size_t index, size_t worker);

/* threads 0: one per processor this process may run on.  The caller's thread is worker 0. */
dp_status dp_pool_open(size_t threads, dp_pool **pool, dp_error *err);
void dp_pool_close(dp_pool **pool);
/* 1 of no pool. */
size_t dp_pool_threads(const dp_pool *pool);

/* Runs tasks 0..n_tasks-1, handed out in order as workers become free, and returns when all are done.  pool NULL: on the calling thread.
 * One run at a time per pool; tasks must not start runs of the same pool. */
void dp_pool_run(dp_pool *pool, size_t n_tasks, dp_task_fn task, void *context);

#endif
