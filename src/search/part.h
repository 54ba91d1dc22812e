/* part.h - a bank that looks at some of the numbers of its rows only.
 *
 * The features of several blocks of a transformer lie behind one another in each row.  A part is the bank as if it had been made of one
 * of them: it shares the bank's memory and is searched like any other bank. */
#ifndef DP_SEARCH_PART_H
#define DP_SEARCH_PART_H

#include "bank/bank.h"
#include "base/pool.h"

typedef struct dp_part {
    dp_bank bank;  /* borrows everything from the whole; never closed or saved */
    size_t first;  /* of the numbers of a whole row */
    float *norms;  /* [locations, n_rows] of the parts of the rows; NULL: not asked for, or the bank's own */
} dp_part;

/* Block number `block` of dp_bank_blocks.  norms: false where no search will ask for them (Euclidean, the same place only), which
 * saves reading the bank once.  The bank must outlive the part; dp_part_close frees it.  pool may be NULL.  Errors: DP_E_MEMORY. */
dp_status dp_part_open(const dp_bank *bank, size_t block, bool norms, dp_pool *pool, dp_part *part, dp_error *err);
void dp_part_close(dp_part *part);

/* The part's numbers out of features [n, numbers of a whole row]: out [n, part->bank.dim]. */
void dp_part_pick(const dp_part *part, const float *features, size_t n, float *out);

static inline bool dp_part_is_whole(const dp_part *part)
{
    return part->bank.skip == 0;
}

#endif
