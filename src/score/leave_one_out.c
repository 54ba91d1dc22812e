/* SPDX-License-Identifier: Apache-2.0 */
/* leave_one_out.c - what each good picture would score if the bank did not hold it, and the first threshold.
 *
 * For picture p with its own row x_p: score_p = score(distance map of x_p against all rows of other pictures). The
 * network does not run again. All pictures are compared cell by cell, so that the rows of a cell are read once for
 * MAX_QUERIES pictures, not once for each. The cost is n_pictures * n_rows * dim multiplications for each cell
 * searched.
 *
 * A coreset holds only some rows of each picture, those that differ most from the rest. So its pictures are scored with
 * all their features, from the flat bank before it was cut, against the coreset without their own rows.
 *
 * The thresholds are order statistics of these scores and of the largest distances in the maps (score/picture_map.h),
 * without a margin: see dp_calibrate. Each score misses one picture that a new picture would be compared with, so it
 * may be slightly too high: the error goes to the safe side (fewer false alarms). */
#include "score/leave_one_out.h"
#include "bank/origin.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/statistics.h"
#include "search/searcher.h"
#include "search/distance_scales.h"
#include "score/good_scorer.h"
#include "score/learning.h"
#include "search/reweight.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_PICTURES 64                   /* pictures whose maps are held at a time */
#define CHUNK_NEIGHBOURS ((size_t)16 << 20) /* neighbours of all of them; at least one picture */

struct scoring {
    const dp_bank *bank;     /* the bank to search */
    const dp_bank *pictures; /* the bank whose pictures are scored: the same, or the one that it was cut from */
    const dp_scoring *scoring;
    dp_pool *pool;
    const dp_run *run;
    dp_good_scorer scorer;
    dp_searcher searcher;
    double *scores;
    size_t done_before, total; /* progress */
};

static int report(void *user, size_t done, size_t total)
{
    const struct scoring *s = user;
    (void)total;
    if (!s->run || !s->run->progress)
        return 0;
    return s->run->progress(s->run->user, "leave one out", s->done_before + done, s->total);
}

/* Replaces the score of a picture where the score is not one of its map. */
static void take_likeness(struct scoring *s, size_t p)
{
    if (s->scoring->score == DP_SCORE_RETRIEVED && !isnan(s->scores[p]))
        s->scores[p] = dp_searcher_likeness(&s->searcher, p).distance;
}

/* Scores the pictures of a flat bank one after another, because each may have its own grid. */
static dp_status score_flat(struct scoring *s, size_t most, dp_error *err)
{
    const dp_bank *bank = s->bank;
    const size_t knn = s->scoring->knn;
    size_t count, values;
    bool fits = dp_mul_size(most, knn, &count) && dp_mul_size(most, bank->rows.dim, &values);
    dp_neighbour *nearest = fits ? dp_malloc(count, sizeof *nearest) : NULL;
    float *features = fits ? dp_malloc(values, sizeof *features) : NULL, *grid = dp_malloc(most, sizeof *grid);
    uint8_t *valid = dp_malloc(most, 2);
    dp_status status = DP_OK;
    if (!nearest || !features || !grid || !valid)
        status = dp_fail_memory(err, "the leave-one-out scores", most * bank->rows.dim * sizeof *features);
    s->total = bank->pictures.n;
    for (size_t p = 0; !status && p < bank->pictures.n; p++) {
        size_t rows, cols;
        double factor = 1;
        dp_rows_picture_grid(&bank->rows, p, &rows, &cols);
        dp_rows_get(&s->pictures->rows, p, 0, features, valid);
        const float *vector = bank->rows.vectors ? bank->rows.vectors + p * bank->rows.n_vector : NULL;
        status = dp_searcher_map(&s->searcher, &(dp_cells){features, valid, rows, cols, 0, 0, p, vector}, s->pool,
                                 &(dp_distances){nearest, grid, valid + most}, err);
        if (status == DP_E_NUMERIC)
            dp_error_prefix(err, status, "%s", bank->pictures.names[p]);
        if (!status)
            status = dp_good_scorer_picture(&s->scorer, p, grid, valid + most, &s->scores[p], err);
        if (!status)
            take_likeness(s, p);
        if (!status && dp_scoring_reweighs(s->scoring)) {
            const dp_search search = dp_searcher_search(&s->searcher, rows, cols, p);
            const dp_found found = {features, nearest, grid, valid + most, rows * cols};
            status = dp_reweight(&bank->rows, &search, &found, s->scoring->reweight, s->pool, &factor, err);
        }
        if (!status)
            s->scores[p] *= factor;
        if (!status && report(s, p + 1, 0))
            status = dp_fail(err, DP_E_CANCELLED, "stopped while comparing the good pictures with each other");
    }
    dp_memory_free(nearest);
    dp_memory_free(features);
    dp_memory_free(grid);
    dp_memory_free(valid);
    return status;
}

static dp_status score_grids(struct scoring *s, size_t cells, dp_error *err)
{
    const dp_bank *bank = s->bank;
    const size_t knn = s->scoring->knn;
    size_t chunk = bank->pictures.n < CHUNK_PICTURES ? bank->pictures.n : CHUNK_PICTURES, count, neighbours;
    while (chunk > 1 && chunk > CHUNK_NEIGHBOURS / cells / knn)
        chunk = (chunk + 1) / 2;
    bool fits = dp_mul_size(cells, chunk, &count) && dp_mul_size(count, knn, &neighbours);
    dp_neighbour *nearest = fits ? dp_malloc(neighbours, sizeof *nearest) : NULL;
    float *grid = fits ? dp_malloc(count, sizeof *grid) : NULL;
    uint8_t *valid = fits ? dp_malloc(count, 1) : NULL;
    dp_status status = DP_OK;
    if (!nearest || !grid || !valid)
        status = dp_fail_memory(err, "the leave-one-out scores", chunk * cells * knn * sizeof *nearest);
    s->total = bank->pictures.n * cells;
    for (size_t first = 0; !status && first < bank->pictures.n; first += chunk) {
        size_t n = bank->pictures.n - first < chunk ? bank->pictures.n - first : chunk;
        s->done_before = first * cells;
        const dp_distances out = {nearest, grid, valid};
        status = dp_searcher_leave_one_out(&s->searcher, first, n, s->pool, &(dp_progress){report, s}, &out, err);
        if (status == DP_E_NUMERIC) { /* find the picture for the message */
            size_t p = first;
            while (p + 1 < first + n && !dp_searcher_leave_one_out(&s->searcher, p, 1, s->pool, NULL, &out, NULL))
                p++;
            dp_error_prefix(err, status, "%s", bank->pictures.names[p]);
        }
        for (size_t p = 0; !status && p < n; p++) {
            status = dp_good_scorer_picture(&s->scorer, first + p, grid + p * cells, valid + p * cells,
                                            &s->scores[first + p], err);
            if (!status)
                take_likeness(s, first + p);
        }
    }
    dp_memory_free(nearest);
    dp_memory_free(grid);
    dp_memory_free(valid);
    return status;
}

/* Whether more than half of the rows of a picture are in quarantine: what is left says nothing of a whole picture. */
static bool is_a_part(const dp_rows *rows, size_t p)
{
    size_t n = 0, held = 0, first = 0, count = 0;
    if (rows->flat)
        dp_rows_flat_range(rows, p, &first, &count);
    for (size_t i = 0; i < (rows->flat ? count : dp_rows_cells(rows)); i++) {
        size_t place = rows->flat ? first + i : i * rows->n_rows + p * rows->rows_per_picture;
        n += rows->valid[place];
        held += rows->valid[place] || rows->norms[place] > 0;
    }
    return 2 * n < held;
}

/* pictures: a bank with all features of the pictures whose rows are in `bank`. */
static dp_status score_all(const dp_bank *pictures, const dp_bank *bank, const dp_scoring *scoring,
                           const dp_roi *narrower, const dp_workers *with, dp_loo *found, dp_error *err)
{
    const char *path = bank->file.path;
    if (!dp_bank_has_pictures(pictures))
        return dp_fail(
            err, DP_E_MISMATCH, "%s%sthe bank holds %s, so its pictures cannot be scored again; fit it again",
            path ? path : "", path ? ": " : "",
            bank->recipe.kmeans        ? "centres of k-means, not the features of its pictures"
            : bank->recipe.coreset > 0 ? "a coreset, not all features of its pictures"
            : bank->recipe.thin > 0    ? "thinned rows, not all features of its pictures"
                                       : "no features of the background, but new pictures are inspected with it");
    struct scoring s = {.bank = bank,
                        .pictures = pictures,
                        .scoring = scoring,
                        .pool = with->pool,
                        .run = with->run,
                        .scores = found->scores};
    dp_status status = dp_good_scorer_open(pictures, scoring, narrower, found->peaks, with->pool, &s.scorer, err);
    if (!status)
        status = dp_searcher_open(&bank->rows, scoring, with->isa, with->pool, &s.searcher, err);
    if (!status)
        status = bank->rows.flat ? score_flat(&s, dp_rows_most_cells(&bank->rows), err)
                                 : score_grids(&s, dp_rows_cells(&bank->rows), err);
    for (size_t p = 0; !status && p < pictures->pictures.n; p++)
        if (is_a_part(&pictures->rows, p)) {
            found->scores[p] = NAN;
            if (found->peaks)
                found->peaks[p] = NAN;
        }
    if (!status && found->peaks)
        found->heat = dp_good_scorer_heat(&s.scorer);
    dp_searcher_close(&s.searcher);
    dp_good_scorer_close(&s.scorer);
    return status;
}

dp_status dp_leave_one_out(const dp_bank *bank, const dp_view *view, const dp_workers *with, dp_loo *found,
                           dp_error *err)
{
    const dp_scoring scoring = dp_scoring_of_view(view);
    return score_all(bank, bank, &scoring, view->roi, with, found, err);
}

dp_status dp_bank_find_scales(const dp_bank *pictures, dp_bank *bank, dp_isa isa, dp_pool *pool, dp_error *err)
{
    dp_scoring scoring = dp_bank_scoring(bank);
    dp_distance_scales_none(scoring.metric, scoring.window, scoring.knn, &bank->levels.scales);
    scoring.levels.scales = bank->levels.scales;
    dp_status status = dp_scoring_settle(&pictures->rows, &scoring, isa, pool, err);
    if (!status)
        bank->levels.scales = scoring.levels.scales;
    return status;
}

dp_status dp_bank_leave_one_out(dp_bank *bank, dp_isa isa, dp_pool *pool, const dp_run *run, double *false_alarms,
                                dp_error *err)
{
    return dp_bank_leave_one_out_of(bank, bank, isa, pool, run, false_alarms, err);
}

dp_status dp_bank_leave_one_out_of(const dp_bank *pictures, dp_bank *bank, dp_isa isa, dp_pool *pool, const dp_run *run,
                                   double *false_alarms, dp_error *err)
{
    dp_status status = dp_bank_find_scales(pictures, bank, isa, pool, err);
    if (status)
        return status;
    const dp_scoring scoring = dp_bank_scoring(bank);
    const dp_workers with = {isa, pool, run};
    dp_loo found = {.scores = dp_malloc(bank->pictures.n, sizeof(double)),
                    .peaks = dp_malloc(bank->pictures.n, sizeof(double))};
    status = found.scores && found.peaks
                 ? score_all(pictures, bank, &scoring, NULL, &with, &found, err)
                 : dp_fail_memory(err, "the leave-one-out scores", 2 * bank->pictures.n * sizeof(double));
    if (!status)
        status = dp_bank_set_good(bank, &found, false_alarms, err);
    bank->learned = (dp_learning_curve){0};
    if (!status && pictures == bank)
        status = dp_learning(bank, &with, &bank->learned, err);
    dp_memory_free(found.scores);
    dp_memory_free(found.peaks);
    return status;
}

dp_status dp_bank_set_good(dp_bank *bank, const dp_loo *found, double *false_alarms, dp_error *err)
{
    dp_calibration of_scores, of_peaks;
    size_t n = bank->pictures.n;
    dp_status status = dp_calibrate(found->scores, n, bank->recipe.fpr, &of_scores, err);
    if (!status)
        status = dp_calibrate(found->peaks, n, bank->recipe.fpr, &of_peaks, err);
    if (status)
        return status;
    dp_bank_take_threshold(bank, &of_scores);
    bank->levels.cell_threshold = of_peaks.threshold;
    bank->pictures.peaks_known = true;
    bank->levels.heat = found->heat;
    memcpy(bank->pictures.loo_scores, found->scores, n * sizeof *found->scores);
    memcpy(bank->pictures.loo_peaks, found->peaks, n * sizeof *found->peaks);
    if (false_alarms)
        *false_alarms = of_scores.fpr;
    return DP_OK;
}
