/* SPDX-License-Identifier: Apache-2.0 */
/* coreset.h - keeps the rows of a flat bank that cover the others best. */
#ifndef DP_REDUCE_CORESET_H
#define DP_REDUCE_CORESET_H

#include "bank/bank.h"
#include "base/pool.h"

/* What to choose. */
typedef struct dp_coreset {
    double asked;  /* a share of the rows below 1, or their number */
    uint64_t seed; /* draws the first row */
    dp_isa isa;
} dp_coreset;

/* Chooses rows of a finished flat bank by greedy k-centre. *rows [*n] is ascending; free it with dp_memory_free. It
 * holds fewer rows than asked for if all others are copies of these. The result is the same for any number of threads.
 * run (may be NULL): progress is called, stage "coreset". Errors: DP_E_ARGUMENT (not a flat bank, asked not above 0),
 * DP_E_UNSUPPORTED (isa), DP_E_MEMORY, DP_E_NUMERIC, DP_E_CANCELLED. */
dp_status dp_coreset_choose(const dp_rows *bank, const dp_coreset *coreset, dp_pool *pool, const dp_run *run,
                            uint32_t **rows, size_t *n, dp_error *err);

/* Makes a finished bank of these rows [n] of a flat bank. recipe: that of the new bank, with the coreset option and the
 * storage. Scores and thresholds are those of `from`. Errors: DP_E_MEMORY, DP_E_NUMERIC. */
dp_status dp_bank_keep_rows(const dp_bank *from, const uint32_t *rows, size_t n, const dp_recipe *recipe, dp_bank **out,
                            dp_error *err);

/* Does both: chooses rows as the recipe asks (coreset, seed, storage) and makes the bank. Errors: those of both. */
dp_status dp_bank_coreset(const dp_bank *from, const dp_recipe *recipe, dp_isa isa, dp_pool *pool, const dp_run *run,
                          dp_bank **out, dp_error *err);

#endif
