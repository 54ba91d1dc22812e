/* SPDX-License-Identifier: Apache-2.0 */
/* tune.c - random search over post-processing and score, with held-out metrics.
 *
 * The pictures are divided into K folds, each class separately. A trial is one configuration. It scores every picture
 * once, and these scores give K + 1 metrics: one over all pictures, and for each fold one over the pictures outside
 * it. The best trial by the first metric is stored. The best trial by each of the others is applied to the fold that
 * it did not see, and these K results are the held-out metrics. Scores of different configurations are not
 * comparable, so AUROC is computed within each fold and averaged. Decisions (above the threshold or not) are
 * comparable, and are counted together.
 *
 * Cost: one trial on one map is a post-processing and a score. If few cells are kept, only these are processed
 * (sparse_map.c). A map whose largest distance stays below the trial's thresholds becomes empty without any work. */
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/pool.h"
#include "base/random.h"
#include "base/statistics.h"
#include "dinopatch/eval.h"
#include "score/cell_score.h"
#include "score/postprocess.h"
#include "options/check.h"
#include "eval/sparse_map.h"
#include "eval/steps.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TRIALS_PER_TASK 16
#define TASKS_PER_BATCH 16
#define MAX_FOLDS 100
#define QUANTILES 4096
#define NO_FOLD SIZE_MAX

struct trial {
    dp_post post;
    dp_score score;
};

/* The best trial so far on one subset of the pictures. */
struct best {
    double auroc, margin;
    uint64_t trial;
};

struct worker {
    dp_post_work post;
    dp_sparse_work sparse;
    float *map, *scratch; /* [rows, cols] */
    double *scores;       /* [n] */
    size_t *order;        /* [n] pictures, largest score first */
};

struct search {
    const dp_tune_set *set;
    const dp_tune_settings *settings;
    size_t cells, folds;
    const float **maps;     /* [n] of [rows, cols], filtered, 0 where not valid */
    float *filtered;        /* [n, rows, cols] */
    const uint8_t **valid;  /* [n], entries may be NULL */
    dp_sorted_map *sorted;  /* [n] */
    float *largest;         /* [n] of each map */
    size_t *fold;           /* [n] */
    float *quantiles;       /* [QUANTILES] of all valid distances, rising */
    struct worker *workers; /* [n_workers] */
    size_t n_workers;
    struct best *found;   /* [TASKS_PER_BATCH, folds + 1] */
    uint64_t first, last; /* trials of the current batch */
};

void dp_tune_settings_init(dp_tune_settings *settings)
{
    dp_recipe recipe;
    dp_recipe_init(&recipe);
    *settings = (dp_tune_settings){.trials = 20000, .folds = 5, .score = recipe.score};
    dp_post_init(&settings->post);
}

/* ---------------------------------------------------------------------------------------------------------- a trial */

/* Returns the distance that the share `tail` of all cells exceeds. */
static double quantile(const struct search *s, double tail)
{
    double position = (1 - tail) * (QUANTILES - 1);
    size_t i = position > 0 ? (size_t)position : 0;
    return (double)s->quantiles[i < QUANTILES ? i : QUANTILES - 1];
}

/* Draws a trial. Trial 0 is the one that the others are compared with. Thresholds: the share of cells above `low` is
 * log-uniform between all cells and one in 10,000; the share above `high` is smaller by a log-uniform factor down to
 * 1/1000; a quarter of the trials has no `low`, and a quarter no `high`. Sizes: none in half of the trials, else
 * log-uniform up to an eighth of the map's side, squared. */
static struct trial draw_trial(const struct search *s, uint64_t index)
{
    struct trial t = {s->settings->post, s->settings->score};
    t.post.gaussian = 0; /* the maps are already filtered */
    t.post.median = 0;
    if (index == 0)
        return t;
    dp_random random = dp_random_at(s->settings->seed, index);
    double tail = 1, side = sqrt((double)s->cells) / 8;
    double largest_size = log(fmax(2, side * side));
    dp_post_init(&t.post);
    double without_low = dp_random_unit(&random), low = dp_random_unit(&random);
    double without_high = dp_random_unit(&random), high = dp_random_unit(&random);
    if (without_low >= 0.25) {
        tail = pow(10, -4 * low);
        t.post.low = fmax(0, quantile(s, tail));
    }
    if (without_high >= 0.25)
        t.post.high = fmax(t.post.low, quantile(s, tail * pow(10, -3 * high)));
    double object = dp_random_unit(&random), object_size = dp_random_unit(&random);
    double hole = dp_random_unit(&random), hole_size = dp_random_unit(&random);
    if (object >= 0.5)
        t.post.min_object = 1 + (size_t)exp(object_size * largest_size);
    if (hole >= 0.5)
        t.post.max_hole = (size_t)exp(hole_size * largest_size);
    t.score = (dp_score)dp_random_below(&random, 4);
    return t;
}

/* Returns the weight of the cell with the largest distance, and of equal ones the first, as inspection does. */
static double weight_of_largest(const struct search *s, size_t picture, const float *map)
{
    const uint8_t *valid = s->valid[picture];
    size_t top = s->cells;
    for (size_t i = 0; i < s->cells; i++)
        if ((!valid || valid[i]) && (top == s->cells || map[i] > map[top]))
            top = i;
    return top < s->cells ? (double)s->set->weights[picture][top] : 1;
}

static double score_map(const struct search *s, const struct trial *t, size_t picture, struct worker *w)
{
    double largest = (double)s->largest[picture];
    if (largest < fmax(t->post.low, t->post.high))
        return 0;
    const float *map = s->maps[picture];
    double score;
    bool weighted = s->set->weights && t->score == DP_SCORE_MAX;
    if (!weighted && dp_sparse_score(&t->post, t->score, &s->sorted[picture], &w->sparse, &score))
        return score;
    if (dp_post_active(&t->post)) {
        dp_post_run(&t->post, map, s->valid[picture], s->set->rows, s->set->cols, 1, &w->post, w->map);
        map = w->map;
    }
    score = dp_score_cells(t->score, map, s->valid[picture], s->cells, w->scratch);
    return weighted ? score * weight_of_largest(s, picture, map) : score;
}

static void score_trial(const struct search *s, const struct trial *t, struct worker *w)
{
    size_t n = s->set->n;
    for (size_t i = 0; i < n; i++)
        w->scores[i] = score_map(s, t, i, w);
    /* Insertion into a sorted list: n is at most some hundreds, and qsort would need the scores as a global variable. */
    for (size_t i = 0; i < n; i++) {
        size_t low = 0, high = i;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (w->scores[w->order[middle]] >= w->scores[i])
                low = middle + 1;
            else
                high = middle;
        }
        memmove(w->order + low + 1, w->order + low, (i - low) * sizeof *w->order);
        w->order[low] = i;
    }
}

/* Computes AUROC and margin over the pictures outside fold `without` (NO_FOLD: all), or only inside `within`. */
static struct best figures(const struct search *s, const struct worker *w, size_t without, size_t within)
{
    double wins = 0, good = 0, bad = 0, tied_good = 0, tied_bad = 0, before = 0;
    double least_bad = INFINITY, largest_good = -INFINITY, top = -INFINITY, bottom = INFINITY;
    for (size_t k = 0; k <= s->set->n; k++) {
        size_t i = k < s->set->n ? w->order[k] : 0;
        if (k < s->set->n && (s->fold[i] == without || (within != NO_FOLD && s->fold[i] != within)))
            continue;
        double score = k < s->set->n ? w->scores[i] : 0;
        if (k == s->set->n || score != before) {
            /* A group of ties is complete: its good items lie below all anomalous items seen before it. */
            wins += tied_good * (bad + 0.5 * tied_bad);
            good += tied_good;
            bad += tied_bad;
            tied_good = tied_bad = 0;
            before = score;
        }
        if (k == s->set->n)
            break;
        if (s->set->labels[i]) {
            tied_bad++;
            least_bad = score;
        } else {
            tied_good++;
            largest_good = fmax(largest_good, score);
        }
        top = fmax(top, score);
        bottom = score;
    }
    struct best b = {.auroc = good > 0 && bad > 0 ? wins / (good * bad) : (double)NAN};
    b.margin = top > bottom ? (least_bad - largest_good) / (top - bottom) : -1;
    return b;
}

static int better(const struct best *a, const struct best *b)
{
    if (a->auroc != b->auroc)
        return a->auroc > b->auroc;
    if (a->margin != b->margin)
        return a->margin > b->margin;
    return a->trial < b->trial;
}

static void run_trials(void *context, size_t task, size_t worker)
{
    struct search *s = context;
    struct worker *w = &s->workers[worker];
    struct best *found = s->found + task * (s->folds + 1);
    for (size_t k = 0; k <= s->folds; k++)
        found[k] = (struct best){-1, -1, UINT64_MAX};
    uint64_t first = s->first + task * TRIALS_PER_TASK;
    uint64_t last = first + TRIALS_PER_TASK < s->last ? first + TRIALS_PER_TASK : s->last;
    for (uint64_t index = first; index < last; index++) {
        struct trial t = draw_trial(s, index);
        score_trial(s, &t, w);
        for (size_t k = 0; k <= s->folds; k++) {
            struct best b = figures(s, w, k < s->folds ? k : NO_FOLD, NO_FOLD);
            b.trial = index;
            if (better(&b, &found[k]))
                found[k] = b;
        }
    }
}

/* ----------------------------------------------------------------------------------------------------- preparations */

static void search_close(struct search *s)
{
    for (size_t i = 0; s->workers && i < s->n_workers; i++) {
        dp_post_work_close(&s->workers[i].post);
        dp_sparse_work_close(&s->workers[i].sparse);
        dp_memory_free(s->workers[i].map);
        dp_memory_free(s->workers[i].scratch);
        dp_memory_free(s->workers[i].scores);
        dp_memory_free(s->workers[i].order);
    }
    for (size_t i = 0; s->sorted && i < s->set->n; i++)
        dp_sorted_map_close(&s->sorted[i]);
    dp_memory_free(s->sorted);
    dp_memory_free(s->workers);
    dp_memory_free(s->maps);
    dp_memory_free(s->filtered);
    dp_memory_free(s->valid);
    dp_memory_free(s->largest);
    dp_memory_free(s->fold);
    dp_memory_free(s->quantiles);
    dp_memory_free(s->found);
}

/* Computes quantiles of at most a million of the valid distances, evenly spaced. */
static dp_status find_quantiles(struct search *s, dp_error *err)
{
    size_t total = 0, kept = 0, seen = 0;
    for (size_t i = 0; i < s->set->n; i++)
        for (size_t c = 0; c < s->cells; c++)
            total += !s->valid[i] || s->valid[i][c];
    if (total == 0)
        return dp_fail(err, DP_E_ARGUMENT, "no map has a valid cell");
    size_t every = total / 1000000 + 1;
    float *values = dp_malloc(total / every + 1, sizeof *values);
    if (!values)
        return dp_fail_memory(err, "the quantiles of the distances", total / every * sizeof *values);
    for (size_t i = 0; i < s->set->n; i++)
        for (size_t c = 0; c < s->cells; c++)
            if ((!s->valid[i] || s->valid[i][c]) && seen++ % every == 0)
                values[kept++] = s->maps[i][c];
    dp_sort_f32(values, kept);
    for (size_t q = 0; q < QUANTILES; q++)
        s->quantiles[q] = values[(size_t)((double)q / (QUANTILES - 1) * (double)(kept - 1))];
    dp_memory_free(values);
    return DP_OK;
}

/* Shuffles the pictures of each class and deals them into the folds. */
static void deal_folds(struct search *s, size_t *order)
{
    size_t dealt = 0;
    for (int bad = 0; bad < 2; bad++) {
        size_t m = 0;
        for (size_t i = 0; i < s->set->n; i++)
            if (!s->set->labels[i] == !bad)
                order[m++] = i;
        dp_random random = dp_random_at(s->settings->seed, UINT64_MAX - (uint64_t)bad);
        for (size_t i = m; i > 1; i--) {
            size_t k = (size_t)dp_random_below(&random, i), keep = order[i - 1];
            order[i - 1] = order[k];
            order[k] = keep;
        }
        for (size_t i = 0; i < m; i++)
            s->fold[order[i]] = s->folds ? dealt++ % s->folds : 0;
    }
}

static dp_status check(const dp_tune_set *set, const dp_tune_settings *settings, size_t *smaller_class, dp_error *err)
{
    size_t bad = 0, cells;
    if (!set->rows || !set->cols || !dp_mul_size(set->rows, set->cols, &cells) || set->n > UINT32_MAX)
        return dp_fail(err, DP_E_ARGUMENT, "tuning: %zu maps of %zux%zu cells are none or too many", set->n, set->rows,
                       set->cols);
    for (size_t i = 0; i < set->n; i++)
        bad += set->labels[i] != 0;
    if (bad == 0 || bad == set->n)
        return dp_fail(err, DP_E_ARGUMENT,
                       "tuning needs good and anomalous pictures; there are %zu good and %zu anomalous", set->n - bad,
                       bad);
    if (settings->trials == 0 && !(settings->seconds > 0 && isfinite(settings->seconds)))
        return dp_fail(err, DP_E_ARGUMENT, "tuning: give a number of trials or a time");
    if (settings->folds > MAX_FOLDS)
        return dp_fail(err, DP_E_ARGUMENT, "tuning: %zu folds are too many; give at most %d", settings->folds,
                       MAX_FOLDS);
    if (settings->score == DP_SCORE_RETRIEVED)
        return dp_fail(
            err, DP_E_ARGUMENT,
            "tuning searches how a score comes from a map, and score=retrieved comes from none; give another "
            "score, or keep the bank as it is");
    if ((int)settings->score < DP_SCORE_MAX || settings->score > DP_SCORE_TOP10)
        return dp_fail(err, DP_E_ARGUMENT, "tuning: unknown score %d", (int)settings->score);
    if (settings->post.unit != DP_UNIT_CELLS)
        return dp_fail(err, DP_E_ARGUMENT,
                       "tuning searches the sizes of objects and holes in cells; set map.unit=cells");
    *smaller_class = bad < set->n - bad ? bad : set->n - bad;
    return dp_post_check(&settings->post, err);
}

static dp_status search_open(struct search *s, size_t n_workers, dp_error *err)
{
    const dp_tune_set *set = s->set;
    size_t n = set->n, bytes = 0;
    dp_status status;
    s->cells = set->rows * set->cols;
    s->maps = dp_malloc(n, sizeof *s->maps);
    s->valid = dp_malloc(n, sizeof *s->valid);
    s->filtered = dp_mul_size(n, s->cells, &bytes) ? dp_malloc(bytes, sizeof *s->filtered) : NULL;
    s->largest = dp_malloc(n, sizeof *s->largest);
    s->sorted = dp_calloc(n, sizeof *s->sorted);
    s->fold = dp_malloc(n, sizeof *s->fold);
    s->quantiles = dp_malloc(QUANTILES, sizeof *s->quantiles);
    s->found = dp_malloc(s->folds + 1, TASKS_PER_BATCH * sizeof *s->found);
    s->workers = dp_calloc(n_workers, sizeof *s->workers);
    if (!s->maps || !s->valid || !s->filtered || !s->largest || !s->sorted || !s->fold || !s->quantiles || !s->found
        || !s->workers)
        return dp_fail_memory(err, "the maps to tune on", bytes * sizeof *s->filtered);
    s->n_workers = n_workers;
    for (size_t i = 0; i < n_workers; i++) {
        struct worker *w = &s->workers[i];
        if ((status = dp_post_work_open(set->rows, set->cols, &w->post, err)) != DP_OK
            || (status = dp_sparse_work_open(set->rows, set->cols, &w->sparse, err)) != DP_OK)
            return status;
        w->map = dp_malloc(s->cells, sizeof *w->map);
        w->scratch = dp_malloc(s->cells, sizeof *w->scratch);
        w->scores = dp_malloc(n, sizeof *w->scores);
        w->order = dp_malloc(n, sizeof *w->order);
        if (!w->map || !w->scratch || !w->scores || !w->order)
            return dp_fail_memory(err, "the workspace of the tuning", s->cells * 2 * sizeof *w->map);
    }
    dp_post filters;
    dp_post_init(&filters);
    filters.gaussian = s->settings->post.gaussian;
    filters.median = s->settings->post.median;
    for (size_t i = 0; i < n; i++) {
        float *map = s->filtered + i * s->cells;
        const uint8_t *valid = set->valid ? set->valid[i] : NULL;
        size_t inside = 0;
        for (size_t c = 0; c < s->cells; c++) {
            inside += !valid || valid[c];
            if ((!valid || valid[c]) && !(set->maps[i][c] >= 0 && isfinite(set->maps[i][c])))
                return dp_fail(err, DP_E_NUMERIC, "map %zu of %zu: cell %zu is %f", i + 1, n, c,
                               (double)set->maps[i][c]);
        }
        if (!inside)
            return dp_fail(err, DP_E_ARGUMENT, "map %zu of %zu has no valid cell", i + 1, n);
        dp_post_run(&filters, set->maps[i], valid, set->rows, set->cols, 1, &s->workers[0].post, map);
        if ((status = dp_sorted_map_open(map, valid, set->rows, set->cols, &s->sorted[i], err)) != DP_OK)
            return status;
        s->maps[i] = map;
        s->valid[i] = valid;
        s->largest[i] = 0;
        for (size_t c = 0; c < s->cells; c++)
            s->largest[i] = map[c] > s->largest[i] ? map[c] : s->largest[i];
    }
    deal_folds(s, s->workers[0].order);
    return find_quantiles(s, err);
}

/* --------------------------------------------------------------------------------------------------------- figures */

/* Finds the threshold of the best F1 on the pictures outside a fold (NO_FOLD: all), for the trial that w holds. */
static dp_status threshold_outside(const struct search *s, const struct worker *w, size_t without, double *threshold,
                                   dp_error *err)
{
    size_t n = s->set->n, m = 0;
    double *scores = dp_malloc(n, sizeof *scores);
    uint8_t *labels = dp_malloc(n, sizeof *labels);
    dp_measures measures;
    dp_status status = DP_OK;
    if (!scores || !labels)
        status = dp_fail_memory(err, "the figures of the tuning", n * sizeof *scores);
    for (size_t i = 0; status == DP_OK && i < n; i++)
        if (without == NO_FOLD || s->fold[i] != without) {
            scores[m] = w->scores[i];
            labels[m++] = s->set->labels[i];
        }
    if (status == DP_OK)
        status = dp_measure(scores, labels, m, &measures, err);
    if (status == DP_OK)
        /* A picture without any distance is good, whatever the labels say: a bank's threshold is 0 or more. */
        *threshold = measures.decision_threshold < 0 ? 0 : measures.decision_threshold;
    dp_memory_free(scores);
    dp_memory_free(labels);
    return status;
}

/* Adds the decisions on the pictures of one fold (NO_FOLD: all). */
static void count_calls(const struct search *s, const struct worker *w, size_t within, double threshold,
                        dp_confusion *c)
{
    for (size_t i = 0; i < s->set->n; i++) {
        if (within != NO_FOLD && s->fold[i] != within)
            continue;
        int alarm = w->scores[i] > threshold;
        if (s->set->labels[i])
            *(alarm ? &c->true_positives : &c->false_negatives) += 1;
        else
            *(alarm ? &c->false_positives : &c->true_negatives) += 1;
    }
}

/* Computes the metrics of trials [folds], one for each fold, each on its own fold. */
static dp_status on_folds(struct search *s, const struct best *chosen, dp_tune_figures *out, double *deviation,
                          dp_error *err)
{
    struct worker *w = &s->workers[0];
    double sum = 0, weights = 0, plain = 0, squares = 0;
    *out = (dp_tune_figures){0};
    for (size_t k = 0; k < s->folds; k++) {
        struct trial t = draw_trial(s, chosen[k].trial);
        double threshold = 0, good = 0, bad = 0;
        score_trial(s, &t, w);
        dp_status status = threshold_outside(s, w, k, &threshold, err);
        if (status != DP_OK)
            return status;
        count_calls(s, w, k, threshold, &out->confusion);
        for (size_t i = 0; i < s->set->n; i++)
            if (s->fold[i] == k)
                *(s->set->labels[i] ? &bad : &good) += 1;
        double auroc = figures(s, w, NO_FOLD, k).auroc;
        sum += auroc * good * bad;
        weights += good * bad;
        plain += auroc;
        squares += auroc * auroc;
    }
    double folds = (double)s->folds;
    out->auroc = sum / weights;
    dp_confusion_rates(&out->confusion);
    if (deviation)
        *deviation = folds > 1 ? sqrt(fmax(0, squares - plain * plain / folds) / (folds - 1)) : (double)NAN;
    return DP_OK;
}

static dp_status report(struct search *s, const struct best *best, size_t trials, dp_tune_result *result, dp_error *err)
{
    struct worker *w = &s->workers[0];
    dp_tune_result r = {.trials = trials, .folds = s->folds, .margin = best[s->folds].margin};
    dp_status status;
    double threshold = 0;
    /* The untuned configuration; with folds, its threshold comes from the other folds. */
    struct trial t = draw_trial(s, 0);
    score_trial(s, &t, w);
    r.untuned.auroc = figures(s, w, NO_FOLD, NO_FOLD).auroc;
    if (s->folds) {
        const struct best untuned[MAX_FOLDS] = {0};
        dp_tune_figures folds;
        if ((status = on_folds(s, untuned, &folds, NULL, err)) != DP_OK)
            return status;
        r.untuned.confusion = folds.confusion;
        r.untuned_fold_auroc = folds.auroc;
        if ((status = on_folds(s, best, &r.held_out, &r.held_out_deviation, err)) != DP_OK)
            return status;
    } else {
        if ((status = threshold_outside(s, w, NO_FOLD, &threshold, err)) != DP_OK)
            return status;
        count_calls(s, w, NO_FOLD, threshold, &r.untuned.confusion);
        dp_confusion_rates(&r.untuned.confusion);
        r.held_out.auroc = r.held_out_deviation = r.untuned_fold_auroc = (double)NAN;
        dp_confusion_rates(&r.held_out.confusion);
    }
    t = draw_trial(s, best[s->folds].trial);
    score_trial(s, &t, w);
    if ((status = threshold_outside(s, w, NO_FOLD, &r.threshold, err)) != DP_OK)
        return status;
    r.tuned.auroc = best[s->folds].auroc;
    count_calls(s, w, NO_FOLD, r.threshold, &r.tuned.confusion);
    dp_confusion_rates(&r.tuned.confusion);
    r.post = t.post;
    r.post.gaussian = s->settings->post.gaussian;
    r.post.median = s->settings->post.median;
    r.score = t.score;
    *result = r;
    return DP_OK;
}

dp_status dp_tune(const dp_tune_set *set, const dp_tune_settings *settings, const dp_run *run, dp_tune_result *result,
                  dp_error *err)
{
    struct search s = {.set = set, .settings = settings};
    struct best best[MAX_FOLDS + 1];
    dp_pool *pool = NULL;
    size_t smaller_class = 0;
    dp_status status = check(set, settings, &smaller_class, err);
    if (status != DP_OK)
        return status;
    s.folds = settings->folds < smaller_class ? settings->folds : smaller_class;
    if (s.folds < 2)
        s.folds = 0;
    if ((status = dp_pool_open(run ? run->threads : 0, &pool, err)) != DP_OK)
        return status;
    if ((status = search_open(&s, dp_pool_threads(pool), err)) != DP_OK)
        goto done;
    for (size_t k = 0; k <= s.folds; k++)
        best[k] = (struct best){-1, -1, UINT64_MAX};

    const uint64_t batch = (uint64_t)TRIALS_PER_TASK * TASKS_PER_BATCH;
    const double start = dp_now_seconds();
    uint64_t trials = 0;
    for (;;) {
        double elapsed = dp_now_seconds() - start;
        /* Runs at least the first batch, which holds the untuned configuration. */
        if (settings->trials ? trials >= settings->trials : trials > 0 && elapsed >= settings->seconds)
            break;
        s.first = trials;
        s.last = trials + batch;
        if (settings->trials && s.last > settings->trials)
            s.last = settings->trials;
        size_t tasks = (size_t)((s.last - s.first + TRIALS_PER_TASK - 1) / TRIALS_PER_TASK);
        dp_pool_run(pool, tasks, run_trials, &s);
        for (size_t task = 0; task < tasks; task++)
            for (size_t k = 0; k <= s.folds; k++)
                if (better(&s.found[task * (s.folds + 1) + k], &best[k]))
                    best[k] = s.found[task * (s.folds + 1) + k];
        trials = s.last;
        if (run && run->progress && run->progress(run->user, "tune", (size_t)trials, settings->trials)) {
            status = dp_fail(err, DP_E_CANCELLED, "tuning was stopped after %zu trial%s", (size_t)trials, DP_S(trials));
            goto done;
        }
    }
    status = report(&s, best, (size_t)trials, result, err);
done:
    search_close(&s);
    dp_pool_close(&pool);
    return status;
}
