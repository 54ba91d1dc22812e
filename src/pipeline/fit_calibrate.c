/* SPDX-License-Identifier: Apache-2.0 */
/* fit_calibrate.c - ends a fit: scores the good pictures, each against the others, and makes the smaller bank that the
 * recipe asks for. */
#include "pipeline/fit_calibrate.h"
#include "bank/bank.h"
#include "base/error.h"
#include "base/memory.h"
#include "options/recipe_facts.h"
#include "reduce/coreset.h"
#include "reduce/thin.h"
#include "pipeline/compress.h"
#include "score/leave_one_out.h"
#include "dinopatch/edit.h"

/* Keeps the rows of a flat bank that are not background by its masks. */
static dp_status cut_background(const dp_bank *bank, dp_storage storage, dp_bank **out, dp_error *err)
{
    const dp_rows *all = &bank->rows;
    uint32_t *rows = dp_malloc(all->n_rows, sizeof *rows);
    dp_recipe recipe = bank->recipe;
    size_t n = 0;
    if (!rows)
        return dp_fail_memory(err, "the rows of the objects", all->n_rows * sizeof *rows);
    for (size_t row = 0; row < all->n_rows; row++)
        if (!bank->pictures.background[all->row_picture[row]][all->row_cell[row]])
            rows[n++] = (uint32_t)row;
    recipe.background = DP_BACKGROUND_REFERENCE;
    recipe.storage = storage;
    dp_status status =
        dp_bank_keep_rows(bank, rows, n, &recipe, out, err); /* n is not 0: no picture is background alone */
    dp_memory_free(rows);
    return status;
}

/* Replaces a flat bank by a part of its rows: those that are not background, or a coreset or thinned ones. The pictures are scored with all
 * features that they had before. */
static dp_status replace_by_part(const dp_recipe *asked, dp_isa isa, dp_pool *pool, const dp_run *run, dp_bank **bank,
                                 dp_error *err)
{
    const bool fewer = asked->coreset > 0 || asked->thin > 0;
    dp_bank *smaller = NULL;
    dp_status status = DP_OK;
    if (asked->background == DP_BACKGROUND_REFERENCE)
        status = cut_background(*bank, fewer ? DP_STORAGE_F32 : asked->storage, &smaller, err);
    if (!status && asked->thin > 0) /* rows are compared in units of the distances of good cells */
        status = dp_bank_find_scales(*bank, smaller ? smaller : *bank, isa, pool, err);
    if (!status && fewer) {
        dp_bank *objects = smaller;
        const dp_bank *from = objects ? objects : *bank;
        dp_recipe recipe = from->recipe;
        recipe.coreset = asked->coreset;
        recipe.thin = asked->thin;
        recipe.seed = asked->seed;
        recipe.storage = asked->storage;
        smaller = NULL;
        status = (asked->thin > 0 ? dp_bank_thin : dp_bank_coreset)(from, &recipe, isa, pool, run, &smaller, err);
        dp_bank_close(&objects);
    }
    if (!status)
        status = dp_bank_leave_one_out_of(*bank, smaller, isa, pool, run, NULL, err);
    if (status) {
        dp_bank_close(&smaller);
        return status;
    }
    dp_bank_close(bank);
    *bank = smaller;
    return DP_OK;
}

dp_status dp_fit_calibrate(const dp_recipe *wanted, dp_isa isa, dp_pool *pool, const dp_run *run, dp_bank **bank,
                           dp_error *err)
{
    dp_recipe recipe = *wanted;
    const dp_recipe *asked = &recipe;
    if (recipe.thin >= 1 && recipe.thin >= (double)(*bank)->rows.n_rows) /* so few rows all stay */
        recipe.thin = 0;
    if (asked->layout == DP_LAYOUT_MOMENTS) {
        dp_status status = dp_bank_measure(*bank, pool, err);
        if (!status)
            status = dp_bank_leave_one_out(*bank, isa, pool, run, NULL, err);
        if (!status && !asked->keep_features)
            dp_bank_drop_rows(*bank);
        return status;
    }
    if (!dp_shrinks_bank(asked))
        return dp_bank_leave_one_out(*bank, isa, pool, run, NULL, err);
    if ((asked->coreset > 0 && asked->pca == 0) || asked->thin > 0 || asked->background == DP_BACKGROUND_REFERENCE)
        return replace_by_part(asked, isa, pool, run, bank, err);
    const dp_compression how = {.pca = asked->pca,
                                .kmeans = asked->kmeans,
                                .coreset = asked->coreset,
                                .seed = asked->seed,
                                .storage = asked->storage};
    dp_bank *smaller = NULL;
    dp_status status = dp_bank_find_scales(*bank, *bank, isa, pool, err); /* centres of k-means cannot give them */
    if (!status)
        status = dp_bank_shrink(*bank, &how, isa, pool, run, &smaller, NULL, err);
    if (!status) {
        dp_bank_close(bank);
        *bank = smaller;
    }
    return status;
}
