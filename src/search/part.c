/* SPDX-License-Identifier: Apache-2.0 */
/* part.c - a view of some of the numbers of each row. */
#include "search/part.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

dp_status dp_part_open(const dp_rows *bank, size_t block, bool norms, dp_pool *pool, dp_part *part, dp_error *err)
{
    size_t blocks = bank->blocks, dim = bank->dim / blocks;
    if (block >= blocks || dim * blocks != bank->dim)
        return dp_fail(err, DP_E_ARGUMENT, "block %zu does not exist; features of %zu numbers hold %zu blocks", block,
                       bank->dim, blocks);
    *part = (dp_part){.rows = dp_rows_block(bank, block), .first = block * dim};
    if (blocks == 1 || !norms)
        return DP_OK;
    dp_status status = dp_rows_norms(&part->rows, pool, &part->norms, err);
    part->rows.norms = part->norms;
    return status;
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
