/* part.c - rows seen through a window of their numbers. */
#include "search/part.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

#define BLOCK 256 /* rows of a task */

struct norms {
    const dp_bank *bank;
    float *rows;  /* [threads, dim] */
    float *norms; /* [locations, n_rows] */
};

static void norms_task(void *context, size_t index, size_t worker)
{
    const struct norms *n = context;
    const dp_bank *bank = n->bank;
    float *x = n->rows + worker * bank->dim;
    size_t places = dp_bank_cells(bank) * bank->n_rows, end = (index + 1) * BLOCK;
    for (size_t place = index * BLOCK; place < end && place < places; place++) {
        n->norms[place] = 0;
        if (bank->valid[place]) {
            dp_bank_widen(bank, place / bank->n_rows, place % bank->n_rows, 1, x);
            n->norms[place] = dp_norm_f32(x, bank->dim);
        }
    }
}

static dp_status find_norms(dp_part *part, dp_pool *pool, dp_error *err)
{
    size_t places = dp_bank_cells(&part->bank) * part->bank.n_rows, tasks = (places + BLOCK - 1) / BLOCK;
    struct norms n = {&part->bank, dp_malloc_2d(dp_pool_threads(pool), part->bank.dim, sizeof(float)),
                      dp_malloc(places, sizeof(float))};
    if (!n.rows || !n.norms) {
        dp_memory_free(n.rows);
        dp_memory_free(n.norms);
        return dp_fail_memory(err, "the norms of features", places * sizeof(float));
    }
    dp_pool_run(pool, tasks, norms_task, &n);
    dp_memory_free(n.rows);
    part->bank.norms = part->norms = n.norms;
    return DP_OK;
}

dp_status dp_part_open(const dp_bank *bank, size_t block, bool norms, dp_pool *pool, dp_part *part, dp_error *err)
{
    size_t blocks = dp_bank_blocks(bank), dim = bank->dim / blocks;
    if (block >= blocks || dim * blocks != bank->dim || (blocks > 1 && bank->basis))
        return dp_fail(err, DP_E_ARGUMENT, "block %zu of features of %zu numbers from %zu blocks%s", block, bank->dim, blocks,
                       bank->basis ? ", projected together" : "");
    *part = (dp_part){.bank = *bank, .first = block * dim};
    if (blocks == 1)
        return DP_OK;
    part->bank.dim = part->bank.dim_in = dim;
    part->bank.skip = bank->dim - dim;
    part->bank.features = (const char *)bank->features + part->first * dp_storage_bytes(bank->storage);
    part->bank.norms = NULL;
    return norms ? find_norms(part, pool, err) : DP_OK;
}

void dp_part_close(dp_part *part)
{
    dp_memory_free(part->norms);
    *part = (dp_part){0};
}

void dp_part_pick(const dp_part *part, const float *features, size_t n, float *out)
{
    size_t dim = part->bank.dim, whole = dim + part->bank.skip;
    for (size_t i = 0; i < n; i++)
        memcpy(out + i * dim, features + i * whole + part->first, dim * sizeof *out);
}
