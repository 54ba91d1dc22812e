/* SPDX-License-Identifier: Apache-2.0 */
/* mutual.h - how far each cell of a picture is from the pictures beside it: the maps of a lot. */
#ifndef DP_SCORE_MUTUAL_H
#define DP_SCORE_MUTUAL_H

#include "base/pool.h"
#include "bank/rows.h"

enum { DP_MUTUAL_ALL, DP_MUTUAL_ODD, DP_MUTUAL_EVEN, DP_MUTUAL_SETS };

/* Memory of dp_mutual_maps. */
typedef struct dp_mutual {
    size_t n, cells, compared;   /* compared: others of each picture */
    float *maps[DP_MUTUAL_SETS]; /* [n, cells] by all others, and by two halves of them */
    uint8_t *valid;              /* [n, cells] */
    double *pooled;              /* [n, dim] mean of the valid cells */
} dp_mutual;

/* Fills *mutual for the pictures of a grid with all their features; dp_mutual_close. compared: at most so many others for each
 * picture, drawn with the seed; 0: all. The result is the same for any number of threads. run: isa, max_memory_bytes and progress.
 * Errors: DP_E_MEMORY, DP_E_UNSUPPORTED, DP_E_NUMERIC, DP_E_CANCELLED. */
dp_status dp_mutual_maps(const dp_rows *rows, size_t compared, uint64_t seed, dp_pool *pool, const dp_run *run,
                         dp_mutual *mutual, dp_error *err);
void dp_mutual_close(dp_mutual *mutual);

#endif
