/* SPDX-License-Identifier: Apache-2.0 */
/* learning.c - the learning curve of a bank, and its drift, from one search that keeps the distance to each picture.
 *
 * A cell of a good picture has the distances d(1) <= .. <= d(n) to the n other pictures. If the bank held only m of
 * them, the nearest would be the smallest of m distances; search/order_statistics.h has the mean of this over all
 * subsets of m pictures. The score for m pictures is that of the map of these means (for top1p the mean of its largest
 * hundredth). A point of the curve is the mean score of the sampled pictures. At m = n it is the leave-one-out score
 * with one neighbour. A cell that fewer than m pictures show uses all of them. If a distance is a mean of several, as
 * with separate layers, so is its E.
 *
 * Drift: the pictures, in the order of their names, are cut into five parts. Each sampled picture is scored without its
 * own part, and without itself alone. The ratio of the mean scores is near 1 if the order means nothing. It is higher
 * if neighbours share what others do not have: light, lens, batch. */
#include "score/learning.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "base/statistics.h"
#include "score/good_scorer.h"
#include "search/order_statistics.h"
#include "search/per_picture.h"
#include "search/searcher.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PARTS 5
#define ENOUGH_FOR_DRIFT 20 /* pictures, so that a part has 4 */
#define MOST 32             /* most pictures sampled */
#define FEWEST 8            /* fewest pictures sampled */
#define PRODUCTS 1e11       /* fewer than MOST are sampled if the search takes more multiplications: a second or two */

int dp_compare_names(const char *a, const char *b)
{
    while (*a && *b) {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            while (*a == '0')
                a++;
            while (*b == '0')
                b++;
            size_t i = 0, j = 0;
            while (isdigit((unsigned char)a[i]))
                i++;
            while (isdigit((unsigned char)b[j]))
                j++;
            int digits = i != j ? (i < j ? -1 : 1) : strncmp(a, b, i);
            if (digits)
                return digits;
            a += i;
            b += j;
        } else {
            if (*a != *b)
                return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
            a++;
            b++;
        }
    }
    return *a ? 1 : *b ? -1 : 0;
}

struct named {
    const char *name;
    size_t picture;
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = dp_compare_names(x->name, y->name);
    return order ? order : (x->picture > y->picture) - (x->picture < y->picture);
}

struct study {
    const dp_bank *bank;
    const dp_learning_curve *curve;
    const uint8_t *part; /* [n_pictures] */
    size_t cells, maps;  /* of a picture: maps for each point of the curve, and one without its part */
    const size_t *pictures;
    double weight;  /* of the current component */
    double *sums;   /* [DP_PER_PICTURE_QUERIES, maps, cells] */
    uint8_t *valid; /* [DP_PER_PICTURE_QUERIES, cells] 1: every component found a neighbour */
    uint8_t *now;   /* the same for the current component */
};

static void on_cell(void *user, size_t query, size_t cell, float *distances)
{
    struct study *s = user;
    const size_t own = s->pictures[query], all = s->bank->pictures.n;
    float outside = INFINITY;
    size_t n = 0;
    for (size_t p = 0; p < all; p++) {
        float distance = distances[p];
        if (p == own || !(distance < INFINITY))
            continue;
        if (s->part[p] != s->part[own] && distance < outside)
            outside = distance;
        distances[n++] = distance; /* n <= p */
    }
    if (!n)
        return;
    dp_sort_f32(distances, n);
    double *sums = s->sums + query * s->maps * s->cells + cell;
    for (size_t i = 0; i < s->curve->n_points; i++)
        sums[i * s->cells] += s->weight * dp_mean_smallest(distances, n, s->curve->pictures[i]);
    sums[s->curve->n_points * s->cells] += s->weight * (double)(outside < INFINITY ? outside : distances[0]);
    s->now[query * s->cells + cell] = 1;
}

static dp_status search(struct study *s, const dp_searcher *searcher, size_t n, const dp_workers *with, dp_error *err)
{
    dp_status status = DP_OK;
    memset(s->sums, 0, n * s->maps * s->cells * sizeof *s->sums);
    memset(s->valid, 1, n * s->cells);
    for (size_t i = 0; !status && i < searcher->n; i++) {
        const dp_search how = {.metric = searcher->metric,
                               .window = searcher->list[i].window,
                               .knn = 1,
                               .leave_out = DP_NO_PICTURE,
                               .isa = with->isa};
        s->weight = searcher->list[i].weight;
        memset(s->now, 0, n * s->cells);
        status = dp_distance_per_picture(searcher->list[i].rows, s->pictures, n, &how, with->pool, on_cell, s, err);
        for (size_t c = 0; c < n * s->cells; c++)
            s->valid[c] &= s->now[c];
    }
    return status;
}

static dp_status study(struct study *s, const dp_searcher *searcher, dp_good_scorer *scorer, const size_t *sample,
                       size_t n_sample, const dp_workers *with, double *means, dp_error *err)
{
    float *grid = dp_malloc(s->cells, sizeof *grid);
    uint8_t *valid = dp_malloc(s->cells, 1);
    double *scores = dp_malloc(s->maps, sizeof *scores);
    size_t scored = 0;
    dp_status status = DP_OK;
    if (!grid || !valid || !scores)
        status = dp_fail_memory(err, "the learning curve", s->cells * sizeof *grid);
    for (size_t at = 0; !status && at < n_sample; at += DP_PER_PICTURE_QUERIES) {
        size_t n = n_sample - at < DP_PER_PICTURE_QUERIES ? n_sample - at : DP_PER_PICTURE_QUERIES;
        s->pictures = sample + at;
        status = search(s, searcher, n, with, err);
        for (size_t q = 0; !status && q < n; q++) {
            bool whole = true;
            for (size_t m = 0; !status && m < s->maps; m++) {
                const double *sums = s->sums + (q * s->maps + m) * s->cells;
                memcpy(valid, s->valid + q * s->cells, s->cells);
                for (size_t c = 0; c < s->cells; c++)
                    grid[c] = valid[c] ? (float)sums[c] : 0;
                status = dp_good_scorer_picture(scorer, s->pictures[q], grid, valid, &scores[m], err);
                whole = whole && !status && isfinite(scores[m]);
            }
            for (size_t m = 0; whole && m < s->maps; m++)
                means[m] += scores[m];
            scored += whole;
        }
        if (!status && with->run && with->run->progress
            && with->run->progress(with->run->user, "learning curve", at + n, n_sample))
            status = dp_fail(err, DP_E_CANCELLED, "stopped while computing the learning curve");
    }
    for (size_t m = 0; m < s->maps; m++)
        means[m] = scored ? means[m] / (double)scored : (double)NAN;
    dp_memory_free(grid);
    dp_memory_free(valid);
    dp_memory_free(scores);
    return status;
}

/* Returns the number of multiplications of one picture with the whole bank. */
static double cost(const dp_rows *rows, size_t window)
{
    double side = 2.0 * (double)(window < dp_rows_cells(rows) ? window : dp_rows_cells(rows)) + 1;
    return fmin(side, (double)rows->grid_rows) * fmin(side, (double)rows->grid_cols) * (double)dp_rows_cells(rows)
           * (double)rows->n_rows * (double)rows->dim;
}

dp_status dp_learning(const dp_bank *bank, const dp_workers *with, dp_learning_curve *curve, dp_error *err)
{
    const size_t n = bank->pictures.n;
    const dp_scoring scoring = dp_bank_scoring(bank);
    dp_learning_curve c = {.drift = NAN}, unknown = c;
    *curve = unknown;
    if (dp_rows_retrieve(&bank->rows) || scoring.score == DP_SCORE_RETRIEVED)
        return DP_OK; /* fewer pictures would be others */
    if (n < 2 || bank->rows.flat || bank->rows.moments || !dp_bank_has_pictures(bank))
        return DP_OK;
    for (size_t m = 1; m < n - 1 && c.n_points < DP_MOST_POINTS - 1; m *= 2)
        c.pictures[c.n_points++] = m;
    c.pictures[c.n_points++] = n - 1;

    struct named *named = dp_malloc(n, sizeof *named);
    uint8_t *part = dp_malloc(n, 1);
    size_t *sample = dp_malloc(n, sizeof *sample), n_sample = 0, maps = c.n_points + 1, values;
    struct study s = {.bank = bank, .curve = &c, .part = part, .cells = dp_rows_cells(&bank->rows), .maps = maps};
    if (dp_mul_size(maps * DP_PER_PICTURE_QUERIES, s.cells, &values)) {
        s.sums = dp_malloc(values, sizeof *s.sums);
        s.valid = dp_malloc(DP_PER_PICTURE_QUERIES * s.cells, 1);
        s.now = dp_malloc(DP_PER_PICTURE_QUERIES * s.cells, 1);
    }
    double means[DP_MOST_POINTS + 1] = {0};
    dp_searcher searcher = {0};
    dp_good_scorer scorer = {0};
    dp_status status = DP_OK;
    if (!named || !part || !sample || !s.sums || !s.valid || !s.now)
        status = dp_fail_memory(err, "the learning curve", maps * DP_PER_PICTURE_QUERIES * s.cells * sizeof *s.sums);
    if (!status)
        status = dp_good_scorer_open(bank, &scoring, NULL, NULL, with->pool, &scorer, err);
    if (!status)
        status = dp_searcher_open(&bank->rows, &scoring, with->isa, with->pool, &searcher, err);
    if (!status) {
        double each = 0;
        for (size_t i = 0; i < searcher.n; i++)
            each += cost(searcher.list[i].rows, searcher.list[i].window);
        double enough = fmin(fmin(MOST, fmax(PRODUCTS / each, FEWEST)), (double)n);
        n_sample = (size_t)enough;
        for (size_t p = 0; p < n; p++)
            named[p] = (struct named){bank->pictures.names[p], p};
        qsort(named, n, sizeof *named, by_name);
        for (size_t i = 0; i < n; i++)
            part[named[i].picture] = (uint8_t)(i * PARTS / n);
        for (size_t i = 0; i < n_sample; i++) /* spaced evenly, so that each part has its share */
            sample[i] = named[(2 * i + 1) * n / (2 * n_sample)].picture;
        status = study(&s, &searcher, &scorer, sample, n_sample, with, means, err);
    }
    dp_searcher_close(&searcher);
    dp_good_scorer_close(&scorer);
    dp_memory_free(named);
    dp_memory_free(part);
    dp_memory_free(sample);
    dp_memory_free(s.sums);
    dp_memory_free(s.valid);
    dp_memory_free(s.now);
    if (status)
        return status;
    memcpy(c.scores, means, c.n_points * sizeof *means);
    c.n_sampled = n_sample;
    if (n >= ENOUGH_FOR_DRIFT && means[c.n_points - 1] > 0)
        c.drift = means[c.n_points] / means[c.n_points - 1];
    *curve = isfinite(means[c.n_points - 1]) ? c : unknown;
    return DP_OK;
}

dp_status dp_bank_learning_curve(const dp_bank *bank, const dp_run *run, dp_learning_curve *curve, dp_error *err)
{
    dp_workers with = {.run = run};
    if (bank->learned.n_points) {
        *curve = bank->learned;
        return DP_OK;
    }
    dp_status status = dp_isa_resolve(run ? run->isa : DP_ISA_AUTO, &with.isa, err);
    if (!status)
        status = dp_pool_open(run ? run->threads : 0, &with.pool, err);
    if (!status)
        status = dp_learning(bank, &with, curve, err);
    if (!status)
        status = dp_bank_check_unchanged(bank, err);
    dp_pool_close(&with.pool);
    return status;
}
