/* compress.c - banks made smaller, and what that does to their scores.
 *
 * Order: principal components, then k-means (of a grid) or a coreset (of a pool) in what is left of the dimensions, then the type.
 *
 * Calibration.  A bank that still holds its pictures' rows is scored by leaving each picture out, as ever.  Centres of k-means belong to
 * no picture: a picture scored against centres that it helped to place would look better than a new one.  So the pictures are dealt
 * out into n folds (5, or as many as there are pictures where these are 20 or fewer); for each fold a bank is made in the same way
 * from the pictures of the others, against which those of the fold are scored (cross-fitting; with as many folds as pictures it is
 * leave-one-out).  A coreset's rows are pictures' own: each picture is scored with the features it had before the cut, against the
 * rows that are not its own.  A fold's bank has been made of fewer pictures than the final one, so that its scores err to the safe side.
 * The principal components come from all pictures: hundreds of directions from many thousands of vectors owe next to nothing to one. */
#include "run/compress.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "search/searcher.h"
#include "search/distance.h"
#include "reduce/coreset.h"
#include "reduce/reduce.h"
#include "run/judge.h"
#include "run/leave_one_out.h"
#include "run/memory_plan.h"
#include "run/show.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEW_PICTURES 20
#define FOLDS 5
#define TIMED 3 /* searches of which the fastest counts */

/* A picture of a bank as a query to the bank that was made of it. */
struct query {
    const dp_bank *bank;
    const dp_pca *pca;      /* NULL: its rows as they are */
    float *stored;          /* [rows, cols, bank->dim] */
    float *scratch;         /* the same */
    float *projected;       /* [rows, cols, pca->dim] */
    const float *features;  /* what is searched for */
    uint8_t *valid, *map_valid; /* [rows, cols] */
    float *map;             /* [rows, cols] */
    dp_judge judge;
    dp_neighbour *nearest;  /* [rows, cols, knn] */
    dp_regions regions;     /* the bank's */
    dp_good_maps *maps;     /* what its map shows goes there; NULL: nothing does */
};

static dp_status query_open(const dp_bank *bank, const dp_pca *pca, struct query *query, dp_error *err)
{
    size_t most = 0, rows, cols;
    for (size_t p = 0; p < bank->n_pictures; p++) {
        dp_bank_picture_grid(bank, p, &rows, &cols);
        most = rows * cols > most ? rows * cols : most;
    }
    *query = (struct query){
        .bank = bank,
        .pca = pca,
        .stored = dp_malloc_2d(most, bank->dim, sizeof(float)),
        .scratch = dp_malloc_2d(pca ? most : 0, bank->dim, sizeof(float)),
        .projected = dp_malloc_2d(most, pca ? pca->dim : 0, sizeof(float)),
        .valid = dp_malloc(most, 1),
        .map_valid = dp_malloc(most, 1),
        .map = dp_malloc(most, sizeof(float)),
        .nearest = dp_malloc_2d(most, bank->recipe.knn, sizeof(dp_neighbour)),
    };
    query->regions.own = bank->roi; /* borrowed */
    if (query->stored && query->scratch && query->projected && query->valid && query->map_valid && query->map && query->nearest)
        return dp_judge_open(&bank->recipe.post, bank->recipe.score, &query->judge, err);
    return dp_fail_memory(err, "the features of one picture", most * bank->dim * sizeof(float));
}

static void query_close(struct query *query)
{
    dp_memory_free(query->stored);
    dp_memory_free(query->scratch);
    dp_memory_free(query->projected);
    dp_memory_free(query->valid);
    dp_memory_free(query->map_valid);
    dp_memory_free(query->map);
    dp_judge_close(&query->judge);
    dp_memory_free(query->nearest);
}

/* How a bank searches by its own recipe. */
static dp_status searched_open(const dp_bank *bank, dp_isa isa, dp_pool *pool, dp_components *components, dp_error *err)
{
    dp_view view;
    dp_view_init(bank, &view);
    return dp_components_open(bank, &view, isa, pool, components, err);
}

/* Picture p of the query's bank, searched in another, which was made of it. */
static dp_status search(struct query *query, size_t p, dp_components *in, size_t leave_out, dp_pool *pool, double *score, double *seconds,
                        dp_error *err)
{
    size_t rows, cols;
    dp_bank_picture_grid(query->bank, p, &rows, &cols);
    size_t cells = rows * cols;
    dp_bank_get(query->bank, p, 0, query->stored, query->valid);
    query->features = query->stored;
    dp_status status = DP_OK;
    if (query->pca) {
        status = dp_pca_project(query->pca->mean, query->pca->basis, query->pca->dim_in, query->pca->dim, query->stored, cells,
                                query->scratch, query->projected, err);
        query->features = query->projected;
    }
    double start = dp_now_seconds();
    if (!status)
        status = dp_components_map(in, query->features, query->valid, rows, cols, leave_out, pool, query->nearest, query->map,
                                   query->map_valid, err);
    *seconds = dp_now_seconds() - start;
    const uint8_t *background = dp_bank_inspected_background(query->bank, p);
    const dp_recipe recipe = dp_bank_recipe_for(query->bank, rows, cols);
    if (!status && background)
        dp_grid_mask(&query->bank->recipe, background, cells, query->map, query->map_valid);
    if (!status && query->bank->roi) {
        memset(query->valid, 1, cells);
        status = dp_regions_cells(&query->regions, &recipe, &query->bank->poses[p], query->bank->polarities[p], rows, cols,
                                  query->bank->names[p], query->valid, err);
        if (!status)
            dp_grid_narrow(query->valid, cells, query->map, query->map_valid);
    }
    if (!status)
        status = dp_judge_grid(&query->judge, query->map, query->map_valid, rows, cols,
                               dp_cell_area_px(&recipe, &query->bank->poses[p], rows, cols), score, err);
    if (!status && query->maps)
        status = dp_good_maps_add(query->maps, query->bank, p, &query->regions, query->map, query->map_valid, err);
    return status;
}

/* Scores and maps of the pictures from folds; `how` is what made a bank from `from`. */
static dp_status score_by_folds(const dp_bank *from, const dp_reduction *how, dp_pool *pool, const dp_run *run, dp_loo *found, dp_error *err)
{
    dp_reduction part = *how;
    size_t n = from->n_pictures;
    struct query query;
    dp_good_maps maps;
    double seconds;
    dp_status status = dp_good_maps_open(from, pool, found->peaks, &maps, err);
    if (status)
        return status;
    status = query_open(from, how->pca, &query, err);
    query.maps = &maps;
    part.n_folds = n <= FEW_PICTURES ? n : FOLDS;
    for (part.fold = 0; !status && part.fold < part.n_folds; part.fold++) {
        dp_bank *others = NULL;
        dp_components in = {0};
        found->scores[part.fold] = NAN;
        if (n < 2)
            break;
        status = dp_bank_reduce(from, &part, pool, run, &others, err);
        if (!status)
            status = searched_open(others, how->isa, pool, &in, err);
        for (size_t p = part.fold; !status && p < n; p += part.n_folds)
            status = search(&query, p, &in, DP_NO_PICTURE, pool, &found->scores[p], &seconds, err);
        dp_components_close(&in);
        dp_bank_close(&others);
    }
    found->heat = dp_good_maps_heat(&maps);
    query_close(&query);
    dp_good_maps_close(&maps);
    return status;
}

static dp_status calibrate(const dp_bank *from, const dp_reduction *how, dp_bank *to, dp_pool *pool, const dp_run *run, dp_error *err)
{
    if (!dp_bank_has_pictures(from)) /* nothing to score anew: what was found when the pictures were there still stands */
        return DP_OK;
    if (!how->kmeans)
        return dp_bank_leave_one_out(to, how->isa, pool, run, NULL, err);
    size_t n = from->n_pictures;
    dp_loo found = {.scores = dp_malloc(n, sizeof(double)), .peaks = dp_malloc(n, sizeof(double))};
    dp_status status = found.scores && found.peaks ? score_by_folds(from, how, pool, run, &found, err)
                                                   : dp_fail_memory(err, "the scores of the good pictures", 2 * n * sizeof(double));
    if (!status)
        status = dp_bank_set_good(to, &found, NULL, err);
    dp_memory_free(found.scores);
    dp_memory_free(found.peaks);
    return status;
}

static dp_status find_components(const dp_bank *bank, const dp_compression *how, dp_pool *pool, dp_pca *pca, dp_error *err)
{
    return how->pca > 0 ? dp_pca_fit(bank, how->pca, bank->recipe.metric != DP_METRIC_COSINE, pool, pca, err) : DP_OK;
}

static dp_status check(const dp_bank *bank, const dp_compression *how, dp_error *err)
{
    if (!(how->pca >= 0) || (how->pca >= 1 && how->pca != floor(how->pca)))
        return dp_fail(err, DP_E_ARGUMENT, "%g principal components: a share below 1, or a whole number", how->pca);
    if (how->pca > 0 && dp_bank_blocks(bank) > 1)
        return dp_fail(err, DP_E_ARGUMENT, "principal components are of all layers together: not with separate layers");
    if (!(how->coreset >= 0) || (how->coreset >= 1 && how->coreset != floor(how->coreset)))
        return dp_fail(err, DP_E_ARGUMENT, "a coreset of %g: a share of the rows below 1, or a whole number", how->coreset);
    if (how->coreset > 0 && how->kmeans)
        return dp_fail(err, DP_E_ARGUMENT, "a coreset of a pool, or k-means at each place: there is no bank for both");
    if (how->coreset > 0 && bank->recipe.layout != DP_LAYOUT_POOL)
        return dp_fail(err, DP_E_ARGUMENT, "a coreset is chosen from a pool, and this bank keeps its rows place by place; k-means does it there");
    if (how->coreset > 0 && bank->recipe.coreset > 0)
        return dp_fail(err, DP_E_ARGUMENT, "the bank's rows are a coreset already");
    return DP_OK;
}

/* The rows of a pool that cover it best, in the dimensions they have there, with the scores that makes for the pictures. */
static dp_status cut(const dp_bank *from, const dp_compression *how, dp_isa isa, dp_pool *pool, const dp_run *run, dp_bank **out,
                     dp_error *err)
{
    uint32_t *rows = NULL;
    size_t n;
    dp_bank *smaller = NULL;
    dp_status status = dp_coreset_choose(from, how->coreset, how->seed, isa, pool, run, &rows, &n, err);
    if (!status)
        status = dp_bank_cut(from, rows, n, how->coreset, how->storage, &smaller, err);
    if (!status) {
        smaller->recipe.seed = how->seed;
        status = dp_bank_leave_one_out_of(from, smaller, isa, pool, run, NULL, err);
    }
    dp_memory_free(rows);
    if (status)
        dp_bank_close(&smaller);
    else
        *out = smaller;
    return status;
}

dp_status dp_bank_shrink(const dp_bank *bank, const dp_compression *how, dp_isa isa, dp_pool *pool, const dp_run *run, dp_bank **out,
                         double *kept, dp_error *err)
{
    dp_pca pca = {0};
    dp_bank *smaller = NULL;
    const bool choose = how->coreset > 0;
    dp_status status = check(bank, how, err);
    if (!status)
        status = find_components(bank, how, pool, &pca, err);
    const dp_reduction reduction = {.pca = pca.basis ? &pca : NULL, .pca_asked = how->pca, .kmeans = how->kmeans, .seed = how->seed,
                                    .storage = choose ? DP_STORAGE_F32 : how->storage, .isa = isa};
    if (!status && (!choose || pca.basis))
        status = dp_bank_reduce(bank, &reduction, pool, run, &smaller, err);
    if (!status && choose) {
        dp_bank *projected = smaller;
        smaller = NULL;
        status = cut(projected ? projected : bank, how, isa, pool, run, &smaller, err);
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

struct ranked {
    double score;
    size_t picture;
};

static int ascending(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->score != y->score ? (x->score > y->score) - (x->score < y->score) : (x->picture > y->picture) - (x->picture < y->picture);
}

/* Ranks [n], equal scores share the mean of theirs; list [n] is scratch. */
static void rank(const double *scores, size_t n, struct ranked *list, double *ranks)
{
    for (size_t i = 0; i < n; i++)
        list[i] = (struct ranked){scores[i], i};
    qsort(list, n, sizeof *list, ascending);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && list[end].score == list[i].score;)
            end++;
        for (size_t j = i; j < end; j++)
            ranks[list[j].picture] = (double)(i + end - 1) / 2;
    }
}

/* Spearman's: Pearson's correlation of the ranks. */
static double correlation(const double *a, const double *b, size_t n)
{
    double mean = (double)(n - 1) / 2, ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (a[i] - mean) * (b[i] - mean);
        aa += (a[i] - mean) * (a[i] - mean);
        bb += (b[i] - mean) * (b[i] - mean);
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : NAN;
}

static dp_status compare_scores(const dp_bank *before, const dp_bank *after, dp_compression_report *report, dp_error *err)
{
    size_t n = before->n_pictures, m = 0;
    double *x = dp_malloc(n, 4 * sizeof *x);
    struct ranked *list = dp_malloc(n, sizeof *list);
    double sum = 0, largest = 0;
    if (!x || !list) {
        dp_memory_free(x);
        dp_memory_free(list);
        return dp_fail_memory(err, "the scores", n * sizeof *x);
    }
    double *y = x + n;
    for (size_t p = 0; p < n; p++) {
        if (isnan(before->loo_scores[p]) || isnan(after->loo_scores[p]))
            continue;
        x[m] = before->loo_scores[p];
        y[m] = after->loo_scores[p];
        double change = x[m] > 0 ? y[m] / x[m] - 1 : 0;
        sum += change;
        largest = fabs(change) > fabs(largest) ? change : largest;
        m++;
    }
    report->mean_change = m ? sum / (double)m : NAN;
    report->max_change = m ? largest : NAN;
    rank(x, m, list, x + 2 * n);
    rank(y, m, list, x + 3 * n);
    report->rank_correlation = m > 1 ? correlation(x + 2 * n, x + 3 * n, m) : NAN;
    dp_memory_free(x);
    dp_memory_free(list);
    return DP_OK;
}

/* How long the search for the first picture takes in either. */
static dp_status time_searches(const dp_bank *before, const dp_bank *after, dp_isa isa, dp_pool *pool, dp_compression_report *report,
                               dp_error *err)
{
    report->search_before_s = report->search_after_s = NAN;
    if (!dp_bank_has_pictures(before))
        return DP_OK;
    /* The features of a picture in the bank before are those a new one would have there, projected or not. */
    dp_pca pca = {.dim_in = before->dim, .dim = after->dim};
    struct query old = {0}, new = {0};
    dp_components in_old = {0}, in_new = {0};
    size_t zeros = after->dim * before->dim;
    bool projected = after->dim != before->dim; /* which numbers it searches for does not matter to the time */
    if (projected) {
        pca.mean = dp_calloc(before->dim, sizeof(float));
        pca.basis = dp_calloc(zeros, sizeof(float));
    }
    dp_status status = projected && (!pca.mean || !pca.basis) ? dp_fail_memory(err, "the projection", zeros * sizeof(float)) : DP_OK;
    for (size_t i = 0; !status && projected && i < after->dim; i++)
        pca.basis[i * before->dim + i] = 1;
    if (!status)
        status = query_open(before, NULL, &old, err);
    if (!status)
        status = query_open(before, projected ? &pca : NULL, &new, err);
    if (!status)
        status = searched_open(before, isa, pool, &in_old, err);
    if (!status)
        status = searched_open(after, isa, pool, &in_new, err);
    for (int i = 0; !status && i < TIMED; i++) {
        double score, seconds;
        status = search(&old, 0, &in_old, 0, pool, &score, &seconds, err);
        report->search_before_s = fmin(report->search_before_s, seconds); /* of a number and NaN: the number */
        if (!status)
            status = search(&new, 0, &in_new, 0, pool, &score, &seconds, err);
        report->search_after_s = fmin(report->search_after_s, seconds);
    }
    dp_components_close(&in_old);
    dp_components_close(&in_new);
    query_close(&old);
    query_close(&new);
    dp_pca_free(&pca);
    return status;
}

void dp_compression_init(const dp_bank *bank, dp_compression *compression)
{
    *compression = (dp_compression){.storage = bank->storage};
}

dp_status dp_bank_compress(const dp_bank *bank, const dp_compression *how, const dp_run *given_run, dp_bank **compressed,
                           dp_compression_report *out, dp_error *err)
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
    dp_compression_report report = {.bytes_before = dp_bank_held_bytes(bank), .threshold_before = bank->threshold};
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
    report.threshold_after = smaller->threshold;
    report.calibrated = dp_bank_has_pictures(bank);
    *compressed = smaller;
    if (out)
        *out = report;
    return DP_OK;
}
