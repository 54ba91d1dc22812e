/* leave_one_out.c - what each good picture would score were it not in the bank, and the first threshold.
 *
 * For picture p with its own row x_p:  score_p = score( distance map of x_p against all rows of the pictures other than p ).
 * No picture is embedded again.  All pictures are compared cell by cell, so that a location's rows are read once for
 * MAX_QUERIES pictures and not once for each; the cost is n_pictures * n_rows * dim products a location searched.
 *
 * The threshold is an order statistic of these scores with no margin on top: see dp_threshold_first.  Each score has one
 * picture less to be near to than a new picture has, so that it errs, if at all, to the safe side (fewer false alarms). */
#include "bank/bank.h"
#include "bank/distance.h"
#include "bank/score.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>

#define CHUNK_PICTURES 64 /* whose maps are held at a time */

struct reporter {
    const dp_run *run;
    size_t done_before, total;
};

static int report(void *user, size_t done, size_t total)
{
    const struct reporter *reporter = user;
    (void)total;
    if (!reporter->run || !reporter->run->progress)
        return 0;
    return reporter->run->progress(reporter->run->user, "leave one out", reporter->done_before + done, reporter->total);
}

/* Pictures of a pool may have grids of their own: one after the other. */
static dp_status pool_scores(const dp_bank *bank, const dp_view *view, dp_isa isa, dp_pool *pool, const dp_run *run,
                             double *scores, dp_error *err)
{
    size_t most = 0, count, values;
    for (size_t p = 0; p < bank->n_pictures; p++) {
        size_t rows, cols;
        dp_bank_picture_grid(bank, p, &rows, &cols);
        most = rows * cols > most ? rows * cols : most;
    }
    bool fits = dp_mul_size(most, view->knn, &count) && dp_mul_size(most, bank->dim, &values);
    dp_neighbour *nearest = fits ? dp_malloc(count, sizeof *nearest) : NULL;
    float *features = fits ? dp_malloc(values, sizeof *features) : NULL, *grid = dp_malloc(most, 2 * sizeof *grid);
    uint8_t *valid = dp_malloc(most, 2);
    dp_status status = DP_OK;
    if (!nearest || !features || !grid || !valid)
        status = dp_fail_memory(err, "the leave-one-out scores", most * bank->dim * sizeof *features);
    for (size_t p = 0; !status && p < bank->n_pictures; p++) {
        dp_search search = {.metric = view->metric, .window = view->window, .knn = view->knn, .leave_out = p, .isa = isa};
        dp_bank_picture_grid(bank, p, &search.rows, &search.cols);
        dp_bank_get(bank, p, 0, features, valid);
        status = dp_distance_map(bank, features, valid, &search, pool, nearest, grid, valid + most, err);
        if (!status)
            scores[p] = dp_score_cells(view->score, grid, valid + most, search.rows * search.cols, grid + most);
        if (!status && run && run->progress && run->progress(run->user, "leave one out", p + 1, bank->n_pictures))
            status = dp_fail(err, DP_E_CANCELLED, "stopped while the good pictures were compared with one another");
    }
    dp_memory_free(nearest);
    dp_memory_free(features);
    dp_memory_free(grid);
    dp_memory_free(valid);
    return status;
}

dp_status dp_bank_leave_one_out_scores(const dp_bank *bank, const dp_view *view, dp_isa isa, dp_pool *pool,
                                       const dp_run *run, double *scores, dp_error *err)
{
    size_t cells = dp_bank_cells(bank), chunk = bank->n_pictures < CHUNK_PICTURES ? bank->n_pictures : CHUNK_PICTURES,
           count;
    if (!dp_bank_has_pictures(bank))
        return dp_fail(err, DP_E_MISMATCH, "%s%sthe bank keeps centres of k-means and no picture's own features: its pictures cannot be "
                       "scored anew", bank->path ? bank->path : "", bank->path ? ": " : "");
    if (bank->recipe.layout == DP_LAYOUT_POOL)
        return pool_scores(bank, view, isa, pool, run, scores, err);
    dp_search search = {.metric = view->metric, .window = view->window, .knn = view->knn, .leave_out = DP_NO_PICTURE, .isa = isa};
    dp_status status = DP_OK;
    dp_neighbour *nearest = NULL;
    float *grid = NULL;
    uint8_t *valid = NULL;
    if (dp_mul_size(cells, chunk, &count)) {
        size_t neighbours;
        nearest = dp_mul_size(count, view->knn, &neighbours) ? dp_malloc(neighbours, sizeof *nearest) : NULL;
        grid = dp_malloc(count + cells, sizeof *grid); /* one map more for dp_score_cells to rearrange */
        valid = dp_malloc(count, 1);
    }
    if (!nearest || !grid || !valid) {
        status = dp_fail_memory(err, "the leave-one-out scores", chunk * cells * view->knn * sizeof *nearest);
        goto done;
    }
    for (size_t first = 0; first < bank->n_pictures; first += chunk) {
        size_t n = bank->n_pictures - first < chunk ? bank->n_pictures - first : chunk;
        struct reporter reporter = {run, first * cells, bank->n_pictures * cells};
        status = dp_distance_leave_one_out(bank, first, n, &search, pool, report, &reporter, nearest, grid, valid, err);
        if (status)
            goto done;
        for (size_t p = 0; p < n; p++)
            scores[first + p] =
                dp_score_cells(view->score, grid + p * cells, valid + p * cells, cells, grid + chunk * cells);
    }
done:
    dp_memory_free(nearest);
    dp_memory_free(grid);
    dp_memory_free(valid);
    return status;
}

dp_status dp_bank_leave_one_out(dp_bank *bank, dp_isa isa, dp_pool *pool, const dp_run *run, double *false_alarms,
                                dp_error *err)
{
    dp_view view;
    dp_view_init(bank, &view);
    double *scores = dp_malloc(bank->n_pictures, sizeof *scores);
    if (!scores)
        return dp_fail_memory(err, "the leave-one-out scores", bank->n_pictures * sizeof *scores);
    dp_status status = dp_bank_leave_one_out_scores(bank, &view, isa, pool, run, scores, err);
    if (!status)
        status = dp_threshold_first(scores, bank->n_pictures, bank->recipe.fpr, &bank->threshold, false_alarms, err);
    for (size_t p = 0; !status && p < bank->n_pictures; p++)
        bank->loo_scores[p] = scores[p];
    dp_memory_free(scores);
    return status;
}
