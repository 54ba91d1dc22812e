/* SPDX-License-Identifier: Apache-2.0 */
/* part.h - a view of some of the numbers of each row.
 *
 * The features of several blocks of a transformer lie behind one another in each row.  A part is the rows as if they
 * had been made of one of them: a view of the same memory that is searched like any other rows. */
#ifndef DP_SEARCH_PART_H
#define DP_SEARCH_PART_H

#include "bank/rows.h"
#include "base/pool.h"

typedef struct dp_part {
    dp_rows rows; /* borrow everything from the whole */
    size_t first; /* of the numbers of a whole row */
    float *norms; /* [locations, n_rows] of the parts of the rows; NULL: not asked for, or the bank's own */
} dp_part;

/* Block number `block` of bank->blocks.  norms: false if no search will need them (Euclidean, the same cell
 * only), which saves reading the bank once.  The rows must outlive the part; dp_part_close frees it.  pool may be NULL.
 * Errors: DP_E_MEMORY. */
dp_status dp_part_open(const dp_rows *bank, size_t block, bool norms, dp_pool *pool, dp_part *part, dp_error *err);
void dp_part_close(dp_part *part);

/* Extracts the part's numbers from features [n, numbers of a whole row]: out [n, part->rows.dim]. */
void dp_part_pick(const dp_part *part, const float *features, size_t n, float *out);

static inline bool dp_part_is_whole(const dp_part *part)
{
    return part->rows.skip == 0;
}

#endif
