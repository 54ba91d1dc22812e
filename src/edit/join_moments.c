/* SPDX-License-Identifier: Apache-2.0 */
/* join_moments.c - adds pictures to a bank that holds only their moments, and merges two of them. */
#include "edit/join_moments.h"
#include "bank/builder.h"
#include "base/error.h"
#include "base/memory.h"
#include "score/leave_one_out.h"
#include "dinopatch/edit.h"

#include <string.h>

/* The table of a, then that of b. */
static dp_status take_pictures(const dp_bank *a, const dp_bank *b, dp_bank **out, dp_error *err)
{
    const dp_bank_shape shape = {.recipe = &a->recipe, .n_rows = 0, .dim = a->rows.dim};
    dp_bank_builder *builder = NULL;
    dp_status status = dp_bank_builder_begin(a, &shape, a->pictures.n + b->pictures.n, &builder, err);
    for (size_t i = 0; !status && i < a->pictures.n + b->pictures.n; i++)
        status = i < a->pictures.n ? dp_bank_builder_take(builder, a, i, err)
                                   : dp_bank_builder_take(builder, b, i - a->pictures.n, err);
    if (!status)
        builder->bank->recipe.shots = 0; /* the pictures are no longer a selection from those given to fit */
    if (!status)
        status = dp_bank_builder_finish(&builder, out, err);
    dp_bank_builder_close(&builder);
    return status;
}

/* Makes the bank of all pictures with these moments, which it takes. */
static dp_status join(const dp_bank *a, const dp_bank *b, dp_moments *sum, dp_bank **out, dp_error *err)
{
    const size_t n = a->pictures.n, m = b->pictures.n;
    dp_bank *made = NULL;
    dp_loo found = {
        .scores = dp_malloc(n + m, sizeof(double)), .peaks = dp_malloc(n + m, sizeof(double)), .heat = a->levels.heat};
    dp_status status = found.scores && found.peaks ? take_pictures(a, b, &made, err)
                                                   : dp_fail_memory(err, "the scores", 2 * (n + m) * sizeof(double));
    if (!status) {
        dp_bank_take_moments(made, sum);
        memcpy(found.scores, a->pictures.loo_scores, n * sizeof *found.scores);
        memcpy(found.peaks, a->pictures.loo_peaks, n * sizeof *found.peaks);
        memcpy(found.scores + n, b->pictures.loo_scores, m * sizeof *found.scores);
        memcpy(found.peaks + n, b->pictures.loo_peaks, m * sizeof *found.peaks);
        status = dp_bank_set_good(made, &found, NULL, err);
    }
    if (!status)
        status = dp_bank_check_unchanged(a, err);
    if (!status)
        status = dp_bank_check_unchanged(b, err);
    dp_memory_free(found.scores);
    dp_memory_free(found.peaks);
    if (status)
        dp_bank_close(&made);
    else
        *out = made;
    return status;
}

dp_status dp_moments_merge(const dp_bank *a, const dp_bank *b, dp_pool *pool, dp_bank **out, dp_error *err)
{
    dp_moments sum = {0};
    dp_status status = dp_moments_copy(&a->moments, &sum, err);
    if (!status)
        dp_moments_add(&sum, &b->moments, pool);
    if (!status)
        status = join(a, b, &sum, out, err);
    dp_moments_close(&sum);
    return status;
}

dp_status dp_moments_grow(const dp_bank *a, dp_bank *b, dp_pool *pool, const dp_run *run, dp_bank **out, dp_error *err)
{
    dp_moments sum = {0};
    dp_status status = dp_bank_measure(b, pool, err);
    if (!status)
        status = dp_moments_copy(&a->moments, &sum, err);
    if (status)
        return status;
    dp_moments_add(&sum, &b->moments, pool);
    dp_bank_take_moments(b, &sum);
    status = dp_bank_leave_one_out(b, run->isa, pool, run, NULL, err);
    if (!status)
        status = dp_moments_copy(&b->moments, &sum, err);
    if (!status)
        status = join(a, b, &sum, out, err);
    dp_moments_close(&sum);
    return status;
}
