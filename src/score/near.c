/* SPDX-License-Identifier: Apache-2.0 */
/* near.c - finds pictures that are nearly the same: a part photographed twice, a picture saved again with loss. Each is
 * the nearest picture of the other, so their leave-one-out scores show the noise, not how much good parts differ.
 *
 * A picture is checked if its leave-one-out score is below NEAR times the upper quartile of all scores. The quartile
 * holds even if three quarters of the pictures have such a twin. Its partner is the checked picture whose features are
 * nearest, cell by cell.
 *
 * Measured on two sets of photographs (24 pictures each, a small transformer, canvas 224), as a share of the quartile:
 * the lowest score of a picture without a twin is .80; saved again as JPEG of quality 90: .17 and .18; with noise of 3
 * grey levels: .06 and .18; 5 % brighter: .16 and .40; shifted by a pixel: .47, and .89 on a texture. */
#include "score/near.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/statistics.h"

#include <math.h>

#define NEAR 0.5
#define MOST_TOLD 10
#define MOST 64 /* most pictures that are checked, each against each */

/* Finds the limit: a lower score is that of a near picture; 0: there is none. */
static dp_status find_limit(const dp_bank *bank, double *limit, dp_error *err)
{
    size_t n = 0;
    double *sorted = dp_malloc(bank->pictures.n, sizeof *sorted);
    if (!sorted)
        return dp_fail_memory(err, "the scores", bank->pictures.n * sizeof *sorted);
    for (size_t p = 0; p < bank->pictures.n; p++)
        if (!isnan(bank->pictures.loo_scores[p]))
            sorted[n++] = bank->pictures.loo_scores[p];
    dp_sort_f64(sorted, n);
    *limit = n < 3 ? 0 : NEAR * sorted[n - 1 - (n - 1) / 4];
    dp_memory_free(sorted);
    return DP_OK;
}

/* Returns the mean distance between the cells of two pictures at the same places; infinite if their grids differ. work
 * [2, cells, dim] floats, valid [2, cells]. */
static double distance(const dp_bank *bank, size_t p, size_t q, float *work, uint8_t *valid, size_t cells)
{
    size_t rows, cols, other_rows, other_cols, n = 0, dim = bank->rows.dim;
    dp_rows_picture_grid(&bank->rows, p, &rows, &cols);
    dp_rows_picture_grid(&bank->rows, q, &other_rows, &other_cols);
    if (rows != other_rows || cols != other_cols)
        return INFINITY;
    dp_rows_get(&bank->rows, p, 0, work, valid);
    dp_rows_get(&bank->rows, q, 0, work + cells * dim, valid + cells);
    double sum = 0;
    for (size_t cell = 0; cell < rows * cols; cell++) {
        double square = 0;
        if (!valid[cell] || !valid[cells + cell])
            continue;
        for (size_t d = 0; d < dim; d++) {
            double off = (double)work[cell * dim + d] - (double)work[(cells + cell) * dim + d];
            square += off * off;
        }
        sum += sqrt(square);
        n++;
    }
    return n ? sum / (double)n : INFINITY;
}

static void report_pair(const dp_bank *bank, size_t p, size_t q, const dp_run *run)
{
    dp_error line;
    dp_fail(&line, DP_OK,
            "%s and %s are nearly the same picture (leave-one-out scores %.3g and %.3g, far below the others), and "
            "both are kept; if they show the same part, remove one",
            bank->pictures.names[p], bank->pictures.names[q], bank->pictures.loo_scores[p],
            bank->pictures.loo_scores[q]);
    run->log(run->user, DP_LOG_WARNING, line.message);
}

dp_status dp_bank_report_near(const dp_bank *bank, const dp_run *run, dp_error *err)
{
    double limit = 0;
    size_t near[MOST], partner[MOST], n = 0, cells = 0, places;
    if (!run || !run->log || !dp_bank_has_pictures(bank))
        return DP_OK;
    dp_status status = find_limit(bank, &limit, err);
    for (size_t p = 0; p < bank->pictures.n && !status && n < MOST; p++) {
        size_t rows, cols;
        if (!(bank->pictures.loo_scores[p] < limit))
            continue;
        dp_rows_picture_grid(&bank->rows, p, &rows, &cols);
        cells = rows * cols > cells ? rows * cols : cells;
        near[n++] = p;
    }
    if (status || n < 2)
        return status;
    float *work = dp_mul_size(cells, bank->rows.dim, &places) ? dp_malloc_2d(places, 2, sizeof *work) : NULL;
    uint8_t *valid = dp_malloc(cells, 2);
    if (!work || !valid)
        status = dp_fail_memory(err, "the features of two pictures", cells * bank->rows.dim * 2 * sizeof *work);
    for (size_t i = 0; i < n && !status; i++) {
        double least = INFINITY;
        partner[i] = MOST;
        for (size_t j = 0; j < n; j++) {
            double d = j == i ? INFINITY : distance(bank, near[i], near[j], work, valid, cells);
            if (d < least) {
                least = d;
                partner[i] = j;
            }
        }
    }
    size_t n_pairs = 0;
    for (size_t i = 0; i < n && !status; i++) /* reports two mutual partners once */
        if (partner[i] < MOST && (partner[i] > i || partner[partner[i]] != i) && n_pairs++ < MOST_TOLD)
            report_pair(bank, near[i], near[partner[i]], run);
    if (n_pairs > MOST_TOLD) {
        dp_error line;
        dp_fail(&line, DP_OK, "%zu more pairs of pictures are nearly the same", n_pairs - MOST_TOLD);
        run->log(run->user, DP_LOG_WARNING, line.message);
    }
    dp_memory_free(work);
    dp_memory_free(valid);
    return status;
}
