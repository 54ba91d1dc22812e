/* SPDX-License-Identifier: Apache-2.0 */
/* compress.c - makes a bank smaller, and reports what that does to its scores.
 *
 * Order: principal components first; then, in the dimensions that are left, k-means (grid bank) or a coreset (flat bank);
 * then the storage type.
 *
 * Calibration. A bank that still holds its pictures' rows is scored by leaving each picture out. Centres of k-means belong
 * to no picture: a picture would look better against centres that it helped to place than a new one does. So the pictures
 * are divided into n folds (5, or one for each of 20 pictures or fewer). For each fold, a bank is made in the same way from
 * the pictures of the other folds, and the pictures of the fold are scored against it (cross-fitting; with one picture a
 * fold this is leave-one-out). Rows of a coreset belong to pictures: each picture is scored with the features that it had
 * before the cut, against the rows of other pictures. The bank of a fold has fewer pictures than the final one, so its
 * scores err to the safe side. The principal components come from all pictures: hundreds of directions from many thousands
 * of vectors hardly depend on one picture. */
#include "pipeline/compress.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/statistics.h"
#include "search/searcher.h"
#include "search/distance.h"
#include "options/check.h"
#include "reduce/coreset.h"
#include "reduce/reduce.h"
#include "score/good_scorer.h"
#include "score/leave_one_out.h"
#include "pipeline/memory_plan.h"
#include "dinopatch/edit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEW_PICTURES 20
#define FOLDS 5
#define TIMED 3 /* searches; the fastest one counts */

/* A picture of a bank as a query to the bank that was made of it. */
struct query {
    const dp_rows *rows;        /* the bank's */
    const dp_pca *pca;          /* NULL: the rows are not projected */
    float *stored;              /* [rows, cols, rows->dim] */
    float *scratch;             /* the same */
    float *projected;           /* [rows, cols, pca->dim] */
    uint8_t *valid, *map_valid; /* [rows, cols] */
    float *map;                 /* [rows, cols] */
    dp_neighbour *nearest;      /* [rows, cols, knn] */
};

static dp_status query_open(const dp_bank *bank, const dp_pca *pca, struct query *query, dp_error *err)
{
    size_t most = dp_rows_most_cells(&bank->rows), dim = bank->rows.dim;
    *query = (struct query){
        .rows = &bank->rows,
        .pca = pca,
        .stored = dp_malloc_2d(most, dim, sizeof(float)),
        .scratch = dp_malloc_2d(pca ? most : 0, dim, sizeof(float)),
        .projected = dp_malloc_2d(most, pca ? pca->dim : 0, sizeof(float)),
        .valid = dp_malloc(most, 1),
        .map_valid = dp_malloc(most, 1),
        .map = dp_malloc(most, sizeof(float)),
        .nearest = dp_malloc_2d(most, bank->recipe.knn, sizeof(dp_neighbour)),
    };
    if (query->stored && query->scratch && query->projected && query->valid && query->map_valid && query->map
        && query->nearest)
        return DP_OK;
    return dp_fail_memory(err, "the features of one picture", most * dim * sizeof(float));
}

static void query_close(struct query *query)
{
    dp_memory_free(query->stored);
    dp_memory_free(query->scratch);
    dp_memory_free(query->projected);
    dp_memory_free(query->valid);
    dp_memory_free(query->map_valid);
    dp_memory_free(query->map);
    dp_memory_free(query->nearest);
}

/* Opens a search of a bank by its own recipe. */
static dp_status searcher_open(const dp_bank *bank, dp_isa isa, dp_pool *pool, dp_searcher *searcher, dp_error *err)
{
    const dp_scoring scoring = dp_bank_scoring(bank);
    return dp_searcher_open(&bank->rows, &scoring, isa, pool, searcher, err);
}

/* Searches for picture p of the query's bank in a bank that was made from it; the result is query->map. */
static dp_status search(struct query *query, size_t p, dp_searcher *in, dp_pool *pool, double *seconds, dp_error *err)
{
    const float *features = query->stored,
                *vector = query->rows->vectors ? query->rows->vectors + p * query->rows->n_vector : NULL;
    size_t rows, cols;
    dp_rows_picture_grid(query->rows, p, &rows, &cols);
    dp_rows_get(query->rows, p, 0, query->stored, query->valid);
    dp_status status = DP_OK;
    if (query->pca) {
        status = dp_pca_project(query->pca, query->stored, rows * cols, query->scratch, query->projected, err);
        features = query->projected;
    }
    double start = dp_now_seconds();
    if (!status)
        status = dp_searcher_map(in, &(dp_cells){features, query->valid, rows, cols, 0, 0, DP_NO_PICTURE, vector}, pool,
                                 &(dp_distances){query->nearest, query->map, query->map_valid}, err);
    *seconds = dp_now_seconds() - start;
    return status;
}

/* Scores the pictures by folds, as described above. `how` made a bank from `from`. */
static dp_status score_by_folds(const dp_bank *from, const dp_reduction *how, dp_pool *pool, const dp_run *run,
                                dp_loo *found, dp_error *err)
{
    const dp_scoring scoring = dp_bank_scoring(from);
    dp_reduction part = *how;
    size_t n = from->pictures.n;
    struct query query = {0};
    dp_good_scorer scorer;
    double seconds;
    dp_status status = dp_good_scorer_open(from, &scoring, NULL, found->peaks, pool, &scorer, err);
    if (status)
        return status;
    status = query_open(from, how->pca, &query, err);
    part.n_folds = n <= FEW_PICTURES ? n : FOLDS;
    for (part.fold = 0; !status && part.fold < part.n_folds; part.fold++) {
        dp_bank *others = NULL;
        dp_searcher in = {0};
        found->scores[part.fold] = NAN;
        if (n < 2)
            break;
        status = dp_bank_reduce(from, &part, pool, run, &others, err);
        if (!status)
            status = searcher_open(others, how->isa, pool, &in, err);
        for (size_t p = part.fold; !status && p < n; p += part.n_folds) {
            status = search(&query, p, &in, pool, &seconds, err);
            if (!status)
                status = dp_good_scorer_picture(&scorer, p, query.map, query.map_valid, &found->scores[p], err);
        }
        dp_searcher_close(&in);
        dp_bank_close(&others);
    }
    found->heat = dp_good_scorer_heat(&scorer);
    query_close(&query);
    dp_good_scorer_close(&scorer);
    return status;
}

static dp_status calibrate(const dp_bank *from, const dp_reduction *how, dp_bank *to, dp_pool *pool, const dp_run *run,
                           dp_error *err)
{
    if (!dp_bank_has_pictures(from)) /* nothing can be scored again, so the scores that it had stay */
        return DP_OK;
    if (!how->kmeans)
        return dp_bank_leave_one_out(to, how->isa, pool, run, NULL, err);
    size_t n = from->pictures.n;
    dp_loo found = {.scores = dp_malloc(n, sizeof(double)), .peaks = dp_malloc(n, sizeof(double))};
    dp_status status = found.scores && found.peaks
                           ? score_by_folds(from, how, pool, run, &found, err)
                           : dp_fail_memory(err, "the scores of the good pictures", 2 * n * sizeof(double));
    if (!status)
        status = dp_bank_set_good(to, &found, NULL, err);
    dp_memory_free(found.scores);
    dp_memory_free(found.peaks);
    return status;
}

static dp_status find_components(const dp_bank *bank, const dp_compression *how, dp_pool *pool, dp_pca *pca,
                                 dp_error *err)
{
    return how->pca > 0 ? dp_pca_fit(&bank->rows, how->pca, bank->recipe.metric != DP_METRIC_COSINE, pool, pca, err)
                        : DP_OK;
}

static dp_status check(const dp_bank *bank, const dp_compression *how, dp_error *err)
{
    const dp_reduction_rule rule = {.flat = bank->recipe.layout == DP_LAYOUT_FLAT,
                                    .separate = bank->rows.blocks > 1,
                                    .pca = how->pca,
                                    .coreset = how->coreset,
                                    .kmeans = how->kmeans,
                                    .retrieves = bank->rows.vectors != NULL};
    if (bank->rows.moments)
        return dp_fail(err, DP_E_MISMATCH,
                       "%s: holds moments, which have the same size for any number of pictures: there is nothing to "
                       "compress",
                       dp_bank_name(bank));
    dp_status status = dp_check_reduction(&rule, err);
    if (status)
        return status;
    if (how->coreset > 0 && bank->recipe.coreset > 0)
        return dp_fail(err, DP_E_ARGUMENT, "the bank's rows are a coreset already");
    if (how->coreset > 0 && bank->recipe.thin > 0)
        return dp_fail(err, DP_E_ARGUMENT, "the bank's rows are thinned already");
    if (how->kmeans > bank->rows.n_rows || how->coreset > (double)bank->rows.n_rows)
        return dp_fail(err, DP_E_ARGUMENT, "%s is %.0f, but the bank has %zu features%s",
                       how->kmeans ? "bank.kmeans" : "bank.coreset", how->kmeans ? (double)how->kmeans : how->coreset,
                       bank->rows.n_rows, how->kmeans ? " of each cell" : "");
    return DP_OK;
}

/* Makes a coreset of a flat bank, whose dimensions stay, and scores the pictures against it. */
static dp_status choose_coreset(const dp_bank *from, const dp_compression *how, dp_isa isa, dp_pool *pool,
                                const dp_run *run, dp_bank **out, dp_error *err)
{
    dp_bank *smaller = NULL;
    dp_recipe recipe = from->recipe;
    recipe.coreset = how->coreset;
    recipe.seed = how->seed;
    recipe.storage = how->storage;
    dp_status status = dp_bank_coreset(from, &recipe, isa, pool, run, &smaller, err);
    if (!status)
        status = dp_bank_leave_one_out_of(from, smaller, isa, pool, run, NULL, err);
    if (status)
        dp_bank_close(&smaller);
    else
        *out = smaller;
    return status;
}

dp_status dp_bank_shrink(const dp_bank *bank, const dp_compression *how, dp_isa isa, dp_pool *pool, const dp_run *run,
                         dp_bank **out, double *kept, dp_error *err)
{
    dp_pca pca = {0};
    dp_bank *smaller = NULL;
    const bool choose = how->coreset > 0;
    dp_status status = check(bank, how, err);
    if (!status)
        status = find_components(bank, how, pool, &pca, err);
    const dp_reduction reduction = {.pca = pca.basis ? &pca : NULL,
                                    .pca_asked = how->pca,
                                    .kmeans = how->kmeans,
                                    .seed = how->seed,
                                    .storage = choose ? DP_STORAGE_F32 : how->storage,
                                    .isa = isa};
    if (!status && (!choose || pca.basis))
        status = dp_bank_reduce(bank, &reduction, pool, run, &smaller, err);
    if (!status && choose) {
        dp_bank *projected = smaller;
        smaller = NULL;
        status = choose_coreset(projected ? projected : bank, how, isa, pool, run, &smaller, err);
        dp_bank_close(&projected);
    } else if (!status) {
        status = calibrate(bank, &reduction, smaller, pool, run, err);
    }
    if (kept)
        *kept = pca.basis ? pca.kept : 1;
    dp_pca_free(&pca);
    if (status)
        dp_bank_close(&smaller);
    else
        *out = smaller;
    return status;
}

/* ------------------------------------------------------------------------------------------------------------- the report */

static dp_status compare_scores(const dp_bank *before, const dp_bank *after, dp_compression_report *report,
                                dp_error *err)
{
    size_t n = before->pictures.n, m = 0;
    double *x = dp_malloc(n, 2 * sizeof *x), sum = 0, largest = 0;
    if (!x)
        return dp_fail_memory(err, "the scores", 2 * n * sizeof *x);
    double *y = x + n;
    for (size_t p = 0; p < n; p++) {
        if (isnan(before->pictures.loo_scores[p]) || isnan(after->pictures.loo_scores[p]))
            continue;
        x[m] = before->pictures.loo_scores[p];
        y[m] = after->pictures.loo_scores[p];
        double change = x[m] > 0 ? y[m] / x[m] - 1 : 0;
        sum += change;
        largest = fabs(change) > fabs(largest) ? change : largest;
        m++;
    }
    report->mean_change = m ? sum / (double)m : NAN;
    report->max_change = m ? largest : NAN;
    const bool enough = dp_rank_correlation(x, y, m, &report->rank_correlation);
    dp_memory_free(x);
    return enough ? DP_OK : dp_fail_memory(err, "the ranks", 4 * m * sizeof *x);
}

/* Measures the search for the first picture in both banks. */
static dp_status time_searches(const dp_bank *before, const dp_bank *after, dp_isa isa, dp_pool *pool,
                               dp_compression_report *report, dp_error *err)
{
    report->search_before_s = report->search_after_s = NAN;
    if (!dp_bank_has_pictures(before))
        return DP_OK;
    /* The bank before holds the picture's features as a new picture would have them there. */
    dp_pca pca = {.dim_in = before->rows.dim, .dim = after->rows.dim};
    struct query old = {0}, new = {0};
    dp_searcher in_old = {0}, in_new = {0};
    size_t zeros = after->rows.dim * before->rows.dim;
    bool projected = after->rows.dim != before->rows.dim; /* the time does not depend on the numbers */
    if (projected) {
        pca.mean = dp_calloc(before->rows.dim, sizeof(float));
        pca.basis = dp_calloc(zeros, sizeof(float));
    }
    dp_status status =
        projected && (!pca.mean || !pca.basis) ? dp_fail_memory(err, "the projection", zeros * sizeof(float)) : DP_OK;
    for (size_t i = 0; !status && projected && i < after->rows.dim; i++)
        pca.basis[i * before->rows.dim + i] = 1;
    if (!status)
        status = query_open(before, NULL, &old, err);
    if (!status)
        status = query_open(before, projected ? &pca : NULL, &new, err);
    if (!status)
        status = searcher_open(before, isa, pool, &in_old, err);
    if (!status)
        status = searcher_open(after, isa, pool, &in_new, err);
    for (int i = 0; !status && i < TIMED; i++) {
        double seconds;
        status = search(&old, 0, &in_old, pool, &seconds, err);
        report->search_before_s = fmin(report->search_before_s, seconds); /* fmin of a number and NaN is the number */
        if (!status)
            status = search(&new, 0, &in_new, pool, &seconds, err);
        report->search_after_s = fmin(report->search_after_s, seconds);
    }
    dp_searcher_close(&in_old);
    dp_searcher_close(&in_new);
    query_close(&old);
    query_close(&new);
    dp_pca_free(&pca);
    return status;
}

void dp_compression_init(const dp_bank *bank, dp_compression *compression)
{
    *compression = (dp_compression){.storage = bank->rows.storage};
}

dp_status dp_bank_compress(const dp_bank *bank, const dp_compression *how, const dp_run *given_run,
                           dp_bank **compressed, dp_compression_report *out, dp_error *err)
{
    dp_run run;
    dp_pool *pool = NULL;
    dp_bank *smaller = NULL;
    dp_run_init(&run);
    if (given_run)
        run = *given_run;
    dp_status status = dp_memory_plan_compression(bank, how, &run, err);
    if (status)
        return status;
    dp_compression_report report = {.bytes_before = dp_bank_held_bytes(bank),
                                    .threshold_before = bank->levels.threshold};
    status = dp_pool_open(run.threads, &pool, err);
    if (!status)
        status = dp_bank_shrink(bank, how, run.isa, pool, &run, &smaller, &report.kept_variance, err);
    if (!status)
        status = compare_scores(bank, smaller, &report, err);
    if (!status)
        status = time_searches(bank, smaller, run.isa, pool, &report, err);
    if (!status)
        status = dp_bank_check_unchanged(bank, err);
    dp_pool_close(&pool);
    if (status) {
        dp_bank_close(&smaller);
        return status;
    }
    report.bytes_after = dp_bank_held_bytes(smaller);
    report.threshold_after = smaller->levels.threshold;
    report.calibrated = dp_bank_has_pictures(bank);
    *compressed = smaller;
    if (out)
        *out = report;
    return DP_OK;
}
