/* SPDX-License-Identifier: Apache-2.0 */
/* add.c - adds pictures to a bank and removes them. */
#include "edit/add.h"
#include "edit/join_moments.h"
#include "bank/builder.h"
#include "base/error.h"
#include "base/memory.h"
#include "network/session.h"
#include "reduce/reduce.h"
#include "pipeline/bank_match.h"
#include "pipeline/fit.h"
#include "score/leave_one_out.h"
#include "pipeline/memory_plan.h"
#include "score/near.h"
#include "extract/extractor.h"
#include "dinopatch/edit.h"

dp_status dp_bank_needs_pictures(const dp_bank *bank, dp_error *err)
{
    if (dp_bank_has_pictures(bank))
        return DP_OK;
    return dp_fail(err, DP_E_MISMATCH, "%s: holds %s, so pictures cannot be added or removed; fit it again",
                   dp_bank_name(bank),
                   bank->rows.moments    ? "moments, not the features of its pictures (bank.features=yes keeps them)"
                   : bank->recipe.kmeans ? "centres of k-means, which belong to no single picture"
                   : bank->recipe.coreset > 0 ? "a coreset, not all rows of its pictures"
                   : bank->recipe.thin > 0    ? "thinned rows, not all rows of its pictures"
                                              : "rows of the object alone (background=reference)");
}

dp_status dp_bank_assemble_within(const dp_bank *pattern, const dp_bank_pick *picks, size_t n, const float *orientation,
                                  const dp_run *run, dp_bank **out, dp_error *err)
{
    const dp_bank_shape shape = {.recipe = &pattern->recipe,
                                 .n_rows = dp_picks_rows(picks, n),
                                 .dim = pattern->rows.dim,
                                 .owners = pattern->rows.row_picture != NULL};
    size_t bytes;
    if (!dp_bank_shape_bytes(pattern, &shape, &bytes))
        return dp_fail_memory(err, "the bank", SIZE_MAX);
    dp_status status = dp_memory_check("the new bank", bytes, "compress the old banks first", run, err);
    return status ? status : dp_bank_assemble(pattern, picks, n, orientation, out, err);
}

void dp_bank_keep_decided(const dp_bank *pattern, dp_bank *bank)
{
    const dp_levels *before = &pattern->levels;
    switch (before->origin.by) {
    case DP_ORIGIN_UNKNOWN:
    case DP_ORIGIN_LEAVE_ONE_OUT: break;
    case DP_ORIGIN_CALIBRATE: bank->levels.origin.by = DP_ORIGIN_CALIBRATE; break;
    case DP_ORIGIN_TUNE:
    case DP_ORIGIN_HELD_OUT: bank->levels.cell_threshold = before->cell_threshold; /* fallthrough */
    case DP_ORIGIN_VALUE:
        bank->levels.threshold = before->threshold;
        bank->levels.origin = before->origin;
        break;
    }
}

dp_status dp_bank_score_again(dp_bank *bank, const dp_bank *pattern, dp_pool *pool, const dp_run *run, dp_error *err)
{
    dp_status status = pattern->rows.moments ? dp_bank_measure(bank, pool, err) : DP_OK;
    if (!status)
        status = dp_bank_leave_one_out(bank, run->isa, pool, run, NULL, err);
    if (!status)
        dp_bank_keep_decided(pattern, bank);
    return status;
}

dp_status dp_bank_assemble_scored(const dp_bank *pattern, const dp_bank_pick *picks, size_t n, const float *orientation,
                                  dp_pool *pool, const dp_run *run, dp_bank **out, dp_error *err)
{
    dp_bank *bank = NULL;
    dp_status status = dp_bank_assemble_within(pattern, picks, n, orientation, run, &bank, err);
    if (!status)
        status = dp_bank_score_again(bank, pattern, pool, run, err);
    for (size_t i = 0; i < n && !status; i++)
        if (i == 0 || picks[i].bank != picks[i - 1].bank)
            status = dp_bank_check_unchanged(picks[i].bank, err);
    if (status)
        dp_bank_close(&bank);
    else
        *out = bank;
    return status;
}

/* Makes a bank of all pictures of a, then all of b. */
static dp_status both(const dp_bank *a, const dp_bank *b, dp_pool *pool, const dp_run *run, dp_bank **out,
                      dp_error *err)
{
    size_t n = a->pictures.n + b->pictures.n;
    dp_bank_pick *picks = dp_malloc(n, sizeof *picks);
    if (!picks)
        return dp_fail_memory(err, "the pictures", n * sizeof *picks);
    for (size_t i = 0; i < n; i++)
        picks[i] = i < a->pictures.n ? (dp_bank_pick){a, i, false} : (dp_bank_pick){b, i - a->pictures.n, false};
    dp_status status = dp_bank_assemble_scored(a, picks, n, NULL, pool, run, out, err);
    dp_memory_free(picks);
    return status;
}

dp_status dp_bank_add_from(dp_session *session, const dp_bank *bank, const dp_fit_input *input, dp_bank **larger,
                           dp_fit_counts *report, dp_error *err)
{
    dp_bank *fresh = NULL, *alike = NULL, *made = NULL; /* made stays NULL if the bank already holds all pictures */
    dp_fit_counts found = {0};
    dp_isa isa = dp_session_isa(session);
    dp_pool *pool = dp_session_pool(session);
    const dp_run *run = dp_session_run(session);
    if (!input->source->n)
        return dp_fail(err, DP_E_ARGUMENT, "no pictures to add");
    dp_status status = bank->rows.moments ? DP_OK : dp_bank_needs_pictures(bank, err);
    if (!status)
        status = dp_session_fits_bank(session, bank, err);
    if (!status)
        status = dp_fit_more(session, bank, input, &fresh, &found, err);
    if (!status && fresh && (bank->projection.basis || fresh->rows.storage != bank->rows.storage)) {
        const dp_reduction how = {.pca = bank->projection.basis ? &bank->projection : NULL,
                                  .pca_asked = bank->recipe.pca,
                                  .storage = bank->rows.storage,
                                  .isa = isa};
        status = dp_bank_reduce(fresh, &how, pool, run, &alike, err);
    }
    if (!status && fresh && bank->rows.moments && !dp_bank_has_pictures(bank))
        status = dp_moments_grow(bank, fresh, pool, run, &made, err);
    else if (!status && fresh)
        status = both(bank, alike ? alike : fresh, pool, run, &made, err);
    if (!status && made && !dp_bank_has_pictures(made))
        dp_bank_keep_decided(bank, made);
    if (!status && made)
        status = dp_bank_report_near(made, run, err);
    if (status)
        dp_bank_close(&made);
    if (!status) {
        *larger = made;
        if (report)
            *report = found;
    }
    dp_bank_close(&fresh);
    dp_bank_close(&alike);
    return status;
}

dp_status dp_edit_begin(const dp_run *given, dp_run *run, dp_pool **pool, dp_error *err)
{
    dp_run_init(run);
    if (given)
        *run = *given;
    return dp_pool_open(run->threads, pool, err);
}

dp_status dp_bank_remove(const dp_bank *bank, const size_t *pictures, size_t n, const dp_run *given_run,
                         dp_bank **smaller, dp_error *err)
{
    dp_run run;
    dp_pool *pool = NULL;
    size_t kept = 0;
    dp_status status = dp_bank_needs_pictures(bank, err);
    dp_bank_pick *picks = dp_malloc(bank->pictures.n, sizeof *picks);
    uint8_t *gone = dp_calloc(bank->pictures.n, 1);
    if (!status && (!picks || !gone))
        status = dp_fail_memory(err, "the pictures", bank->pictures.n * sizeof *picks);
    for (size_t i = 0; !status && i < n; i++) {
        if (pictures[i] >= bank->pictures.n)
            status =
                dp_fail(err, DP_E_ARGUMENT, "there is no picture %zu in a bank of %zu", pictures[i], bank->pictures.n);
        else
            gone[pictures[i]] = 1;
    }
    for (size_t p = 0; !status && p < bank->pictures.n; p++)
        if (!gone[p])
            picks[kept++] = (dp_bank_pick){bank, p, false};
    if (!status && !kept)
        status = dp_fail(err, DP_E_ARGUMENT, "no picture would be left in the bank");
    if (!status)
        status = dp_edit_begin(given_run, &run, &pool, err);
    if (!status)
        status = dp_bank_assemble_scored(bank, picks, kept, NULL, pool, &run, smaller, err);
    dp_pool_close(&pool);
    dp_memory_free(picks);
    dp_memory_free(gone);
    return status;
}
