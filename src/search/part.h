/* SPDX-License-Identifier: Apache-2.0 */
/* part.h - a view of some of the numbers of each row.
 *
 * Each row holds the features of several blocks of a transformer, one block after another. A part shows the rows as if
 * they had one block only: a view of the same memory, which is searched like any other rows. */
#ifndef DP_SEARCH_PART_H
#define DP_SEARCH_PART_H

#include "bank/rows.h"
#include "base/pool.h"

typedef struct dp_part {
    dp_rows rows; /* borrows everything from the whole rows */
    size_t first; /* offset in a whole row */
    float *norms; /* [cells, n_rows] norms of the parts of the rows; NULL: not needed, or the bank's own */
} dp_part;

/* Opens block number `block` of bank->blocks. norms: false if no search will need them (Euclidean, same cell only),
 * which saves one pass over the bank. The rows must outlive the part; dp_part_close frees it. pool may be NULL. Errors:
 * DP_E_MEMORY. */
dp_status dp_part_open(const dp_rows *bank, size_t block, bool norms, dp_pool *pool, dp_part *part, dp_error *err);
void dp_part_close(dp_part *part);

/* Copies the part's numbers from features [n, numbers of a whole row] to out [n, part->rows.dim]. */
void dp_part_pick(const dp_part *part, const float *features, size_t n, float *out);

static inline bool dp_part_is_whole(const dp_part *part)
{
    return part->rows.skip == 0;
}

#endif
