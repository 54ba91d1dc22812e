/* SPDX-License-Identifier: Apache-2.0 */
/* lot.c - judges the pictures of a lot by each other, with none known to be good.
 *
 *     own_i   = the recipe's score of the map of picture i (score/mutual.h)
 *     w_ij    = cosine of the pooled features of i and j, at least 0;   N_k(i): the k pictures with the largest, i itself among them
 *     score_i = mean over k in {1, 2, 3} of  sum over j in N_k(i) of w_ij own_j / sum of w_ij            (MuSc's RsCIN)
 *     z_i     = (score_i - median) / (1.4826 median of those of median - score_j that are not negative)
 *
 * The spread is that of the lower half, which defects do not widen as long as they are the smaller half. */
#include "base/error.h"
#include "base/memory.h"
#include "base/statistics.h"
#include "bank/bank.h"
#include "dinopatch/edit.h"
#include "edit/add.h"
#include "pipeline/memory_plan.h"
#include "score/cell_score.h"
#include "score/mutual.h"

#include <math.h>
#include <string.h>

#define ALIKE 3 /* most pictures that a score is the mean of */
#define TRUSTED_Z 2

static dp_status check(const dp_bank *bank, dp_error *err)
{
    const size_t n = bank->pictures.n;
    if (bank->recipe.layout != DP_LAYOUT_GRID || !dp_bank_has_pictures(bank) || bank->projection.basis)
        return dp_fail(err, DP_E_MISMATCH,
                       "%s: a lot is judged by the whole features of each picture on one grid; fit it with "
                       "bank.layout=grid, no bank.kmeans and no bank.pca",
                       dp_bank_name(bank));
    if (n < DP_LOT_FEWEST)
        return dp_fail(err, DP_E_MISMATCH,
                       "a lot of %zu picture%s is too small to be judged by itself; give at least %d", n,
                       n == 1 ? "" : "s", DP_LOT_FEWEST);
    return DP_OK;
}

/* What dp_mutual_maps takes, but for what each thread needs. */
static dp_status check_memory(const dp_bank *bank, size_t compared, const dp_run *run, dp_error *err)
{
    const size_t n = bank->pictures.n, cells = dp_rows_cells(&bank->rows),
                 k = compared && compared < n - 1 ? compared : n - 1;
    size_t places, bytes = SIZE_MAX;
    if (!dp_mul_size(n, cells, &places) || !dp_mul_size(places, (bank->rows.dim + k + 4) * sizeof(float), &bytes))
        bytes = SIZE_MAX;
    return dp_memory_check("comparing the pictures with each other", bytes,
                           "give fewer pictures, compare each with fewer, or a smaller size", run, err);
}

static double cosine(const double *a, const double *b, size_t dim)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t d = 0; d < dim; d++) {
        ab += a[d] * b[d];
        aa += a[d] * a[d];
        bb += b[d] * b[d];
    }
    const double product = sqrt(aa) * sqrt(bb);
    return product > 0 && ab > 0 ? ab / product : 0;
}

static void reweigh(const dp_mutual *mutual, size_t dim, dp_lot_picture *pictures)
{
    for (size_t i = 0; i < mutual->n; i++) {
        double weights[ALIKE] = {1}, scores[ALIKE] = {pictures[i].alone}, mean = 0, sum = 0, weight = 0;
        size_t n = 1;
        for (size_t j = 0; j < mutual->n; j++) {
            const double w = j == i ? 0 : cosine(mutual->pooled + i * dim, mutual->pooled + j * dim, dim);
            size_t at = n;
            if (!(w > 0) || isnan(pictures[j].alone))
                continue;
            for (; at > 1 && w > weights[at - 1]; at--) /* the picture itself stays first */
                if (at < ALIKE) {
                    weights[at] = weights[at - 1];
                    scores[at] = scores[at - 1];
                }
            if (at < ALIKE) {
                weights[at] = w;
                scores[at] = pictures[j].alone;
                n += n < ALIKE;
            }
        }
        for (size_t k = 0; k < n; k++) {
            sum += weights[k] * scores[k];
            weight += weights[k];
            mean += sum / weight / (double)n;
        }
        pictures[i].score = mean;
    }
}

/* Fills robust_z and trusted; scratch [n]. Returns how many are trusted. */
static size_t trust(dp_lot_picture *pictures, size_t n, double *scratch)
{
    size_t m = 0, below = 0, trusted = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(pictures[i].score))
            scratch[m++] = pictures[i].score;
    const double middle = dp_median(scratch, m);
    for (size_t i = 0; i < m; i++)
        if (scratch[i] <= middle)
            scratch[below++] = middle - scratch[i];
    const double spread = 1.4826 * dp_median(scratch, below);
    for (size_t i = 0; i < n; i++) {
        const double off = pictures[i].score - middle;
        pictures[i].robust_z = spread > 0 ? off / spread
                               : off > 0  ? INFINITY
                               : off < 0  ? -INFINITY
                               : off == 0 ? 0
                                          : NAN;
        pictures[i].trusted = pictures[i].robust_z <= TRUSTED_Z;
        trusted += pictures[i].trusted != 0;
    }
    return trusted;
}

static dp_status judge(const dp_bank *bank, const dp_mutual *mutual, dp_lot *lot, dp_error *err)
{
    const size_t n = mutual->n, cells = mutual->cells;
    float *scratch;
    double *halves;
    const dp_need needs[] = {{&scratch, cells, 1, sizeof *scratch}, {&halves, n, 2, sizeof *halves}};
    dp_status status = dp_memory_take(needs, 2, "the scores of a lot", err);
    if (status)
        return status;
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        double score[DP_MUTUAL_SETS];
        for (size_t set = 0; set < DP_MUTUAL_SETS; set++)
            score[set] = dp_score_cells(bank->recipe.score, mutual->maps[set] + i * cells, mutual->valid + i * cells,
                                        cells, scratch);
        lot->pictures[i].alone = score[DP_MUTUAL_ALL];
        halves[m] = score[DP_MUTUAL_ODD];
        halves[n + m] = score[DP_MUTUAL_EVEN];
        m += !isnan(score[DP_MUTUAL_ALL]);
    }
    reweigh(mutual, bank->rows.dim, lot->pictures);
    if (!dp_rank_correlation(halves, halves + n, m, &lot->agreement))
        status = dp_fail_memory(err, "the ranks", n * sizeof *halves);
    lot->n_trusted = trust(lot->pictures, n, halves);
    dp_memory_free(scratch);
    dp_memory_free(halves);
    return status;
}

dp_status dp_lot_judge(const dp_bank *bank, size_t compared, const dp_run *given, dp_lot *lot, dp_error *err)
{
    dp_run run;
    dp_pool *pool = NULL;
    dp_mutual mutual = {0};
    dp_lot made = {.n = bank->pictures.n};
    dp_status status = check(bank, err);
    if (!status)
        status = dp_edit_begin(given, &run, &pool, err);
    if (!status)
        status = check_memory(bank, compared, &run, err);
    if (!status && !(made.pictures = dp_calloc(made.n, sizeof *made.pictures)))
        status = dp_fail_memory(err, "the scores of a lot", made.n * sizeof *made.pictures);
    if (!status)
        status = dp_mutual_maps(&bank->rows, compared, bank->recipe.seed, pool, &run, &mutual, err);
    made.compared = mutual.compared;
    if (!status)
        status = judge(bank, &mutual, &made, err);
    dp_mutual_close(&mutual);
    dp_pool_close(&pool);
    if (status)
        dp_lot_close(&made);
    else
        *lot = made;
    return status;
}

void dp_lot_close(dp_lot *lot)
{
    dp_memory_free(lot->pictures);
    *lot = (dp_lot){0};
}
