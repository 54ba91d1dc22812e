/* SPDX-License-Identifier: Apache-2.0 */
/* linear.h - the transformer's linear layers, on oneDNN's matrix product or, for the reference, in plain C.
 *
 * A layer computes y = x W^T + b, x [rows, k], W [n, k] as in checkpoints. Its outputs are cut into groups of
 * columns, and the caller cuts its rows into tiles. A (tile, group) pair is one task, computed on one thread by the
 * same code on any thread. Both operands of a task are dense, because oneDNN's fast kernels accept nothing else. A
 * task writes to a small tile of its worker, and the caller moves the tile to its destination while it is in the
 * cache (docs/speed.md compares this with oneDNN's own post-ops and strides). Weights are packed once, in the layout
 * that oneDNN prefers, and shared by all sessions. */
#ifndef DP_NETWORK_LINEAR_H
#define DP_NETWORK_LINEAR_H

#include "dinopatch/experimental.h"
#include "network/int8.h"

#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>

/* Rows of a tile, see dp_tiles. */
#define DP_TILE_ROWS 112
/* Columns of a task, except for layers that no width divides. */
#define DP_WIDEST_GROUP 384

/* How the weights of a layer are held. */
typedef enum dp_backing {
    DP_BACKING_PLAIN = 0, /* float, plain rows */
    DP_BACKING_ONEDNN,    /* float, packed */
    DP_BACKING_INT8,      /* 8-bit, packed (int8.h); not run by a plan */
    DP_BACKINGS
} dp_backing;

typedef struct dp_linear {
    size_t k, n, group, n_groups; /* group: columns of a task, n = group * n_groups; INT8: the last group may be
                                   * narrower */
    dp_backing backing;
    float *bias;                /* [n] */
    float *plain;               /* [n, k], reference only */
    dp_int8_matrix bytes;       /* INT8 only */
    dnnl_memory_t *weights;     /* [n_groups] packed, oneDNN only */
    dnnl_memory_t *bias_memory; /* [n_groups] views of bias */
} dp_linear;

/* Limits oneDNN's kernels to an instruction set too. oneDNN accepts this once per process, before its first use.
 * Returns false if oneDNN is already in use with a higher one. */
bool dp_linear_hold_isa(dp_isa isa);

/* A layer to be packed. */
typedef struct dp_linear_source {
    size_t k, n;         /* inputs and outputs */
    dp_int8_input input; /* for DP_BACKING_INT8 */
    const float *weights /* [n, k] */, *bias /* [n] */;
} dp_linear_source;

/* Copies weights and bias. engine: used by DP_BACKING_ONEDNN; must outlive the layer. */
dp_status dp_linear_pack(const dp_linear_source *source, dp_backing backing, dnnl_engine_t engine, dp_linear *linear,
                         dp_error *err);
void dp_linear_free(dp_linear *linear);
/* Returns the bytes of the packed weights and the bias. */
size_t dp_linear_bytes(const dp_linear *linear);

/* What one session needs to run layers of one shape: primitives for the row counts met so far, and operands for each
 * worker. */
typedef struct dp_linear_plan dp_linear_plan;

/* Opens a plan. linear represents all layers of its shape and must outlive the plan. */
dp_status dp_linear_plan_open(const dp_linear *linear, dnnl_engine_t engine, size_t workers, dp_linear_plan **plan,
                              dp_error *err);
void dp_linear_plan_close(dp_linear_plan **plan);
/* Prepares tiles of this many rows; allocates only for a new row count. Call it where OpenMP is told to use one
 * thread (inside a dp_pool run), because oneDNN chooses its blocking by the number of threads. */
dp_status dp_linear_plan_rows(dp_linear_plan *plan, size_t rows, dp_error *err);
/* Runs one task: columns [group * linear->group, ...) of a tile. x [rows, k], y [rows, linear->group]. */
void dp_linear_run(dp_linear_plan *plan, const dp_linear *linear, size_t group, size_t rows, const float *x, float *y,
                   size_t worker);
/* Returns whether a task of this plan could not be run. */
bool dp_linear_plan_failed(const dp_linear_plan *plan);

/* Rows cut into tiles of about DP_TILE_ROWS: at most two sizes, which differ by one. */
typedef struct dp_tiles {
    size_t rows, count, base, longer; /* the first `longer` tiles have base + 1 rows, the others base */
} dp_tiles;
dp_tiles dp_tiles_of(size_t rows);
size_t dp_tile_begin(const dp_tiles *tiles, size_t tile);
size_t dp_tile_rows(const dp_tiles *tiles, size_t tile);

#endif
