/* SPDX-License-Identifier: Apache-2.0 */
/* part.c - rows seen through a window of their numbers. */
#include "search/part.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

#define BLOCK 256 /* rows of a task */

struct norms {
    const dp_rows *bank;
    float *rows;  /* [threads, dim] */
    float *norms; /* [locations, n_rows] */
};

static void norms_task(void *context, size_t index, size_t worker)
{
    const struct norms *n = context;
    const dp_rows *bank = n->bank;
    float *x = n->rows + worker * bank->dim;
    size_t places = dp_rows_places(bank), end = (index + 1) * BLOCK;
    for (size_t place = index * BLOCK; place < end && place < places; place++) {
        n->norms[place] = 0;
        if (bank->valid[place]) {
            dp_rows_widen(bank, place / bank->n_rows, place % bank->n_rows, 1, x);
            n->norms[place] = dp_norm_f32(x, bank->dim);
        }
    }
}

static dp_status find_norms(dp_part *part, dp_pool *pool, dp_error *err)
{
    size_t places = dp_rows_places(&part->rows), tasks = (places + BLOCK - 1) / BLOCK;
    struct norms n = {&part->rows, dp_malloc_2d(dp_pool_threads(pool), part->rows.dim, sizeof(float)),
                      dp_malloc(places, sizeof(float))};
    if (!n.rows || !n.norms) {
        dp_memory_free(n.rows);
        dp_memory_free(n.norms);
        return dp_fail_memory(err, "the norms of features", places * sizeof(float));
    }
    dp_pool_run(pool, tasks, norms_task, &n);
    dp_memory_free(n.rows);
    part->rows.norms = part->norms = n.norms;
    return DP_OK;
}

dp_status dp_part_open(const dp_rows *bank, size_t block, bool norms, dp_pool *pool, dp_part *part, dp_error *err)
{
    size_t blocks = bank->blocks, dim = bank->dim / blocks;
    if (block >= blocks || dim * blocks != bank->dim)
        return dp_fail(err, DP_E_ARGUMENT, "block %zu does not exist: features of %zu numbers hold %zu blocks", block,
                       bank->dim, blocks);
    *part = (dp_part){.rows = dp_rows_block(bank, block), .first = block * dim};
    return blocks > 1 && norms ? find_norms(part, pool, err) : DP_OK;
}

void dp_part_close(dp_part *part)
{
    dp_memory_free(part->norms);
    *part = (dp_part){0};
}

void dp_part_pick(const dp_part *part, const float *features, size_t n, float *out)
{
    size_t dim = part->rows.dim, whole = dim + part->rows.skip;
    for (size_t i = 0; i < n; i++)
        memcpy(out + i * dim, features + i * whole + part->first, dim * sizeof *out);
}
