/* SPDX-License-Identifier: Apache-2.0 */
/* thin.h - keeps fewer rows of a flat bank where they lie dense. */
#ifndef DP_REDUCE_THIN_H
#define DP_REDUCE_THIN_H

#include "bank/bank.h"
#include "base/pool.h"

/* What to keep. */
typedef struct dp_thinning {
    double asked;         /* a share of the rows below 1, or their number */
    uint64_t seed;        /* of the draws */
    const double *scales; /* [blocks] what the distances of each block are divided by; NULL: 1 */
    dp_isa isa;
} dp_thinning;

/* Returns how many of n rows are asked for: all n, or fewer. */
size_t dp_thinned_rows(double asked, size_t n);

/* Chooses rows of a finished flat bank: *rows [*n] is ascending; free it with dp_memory_free. The result is the same for any
 * number of threads. run (may be NULL): progress is called, stage "thin". Errors: DP_E_UNSUPPORTED (isa), DP_E_MEMORY,
 * DP_E_NUMERIC, DP_E_CANCELLED. */
dp_status dp_thin_choose(const dp_rows *bank, const dp_thinning *thinning, dp_pool *pool, const dp_run *run,
                         uint32_t **rows, size_t *n, dp_error *err);

/* Chooses rows as the recipe asks (thin, seed, storage), by the distance scales of `from`, and makes the bank: its scores and
 * thresholds are those of `from`. Errors: those above. */
dp_status dp_bank_thin(const dp_bank *from, const dp_recipe *recipe, dp_isa isa, dp_pool *pool, const dp_run *run,
                       dp_bank **out, dp_error *err);

#endif
