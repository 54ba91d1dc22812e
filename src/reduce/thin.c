/* SPDX-License-Identifier: Apache-2.0 */
/* thin.c - thins the rows of a flat bank by their density, as SuperADD (2026) does.
 *
 * With c_i(tau) other rows nearer to row i than tau, row i stays with the probability 1 / (1 + c_i(tau)), and tau is raised until
 * no more rows are left than asked for. Each row draws u_i, uniform in 0..1, once; so it stays while u_i < 1 / (1 + c_i(tau)), which
 * is while its k_i-th neighbour is no nearer than tau, k_i = ceil(1 / u_i - 1). The distance to that neighbour is all that has to be
 * known of a row: the rows that are left are those where it is largest, and the smallest of these distances is tau.
 *
 * Neighbours are counted in random subsets of at most SUBSET rows, which is what bounds the cost: n SUBSET distances. The distance of
 * two rows is sqrt(sum over blocks b of |x_b - y_b|^2 / L_b^2) with the scales L_b of the blocks.
 *
 * A task is one subset, and each row is of one: the number of threads changes nothing. */
#include "reduce/thin.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "base/random.h"
#include "reduce/coreset.h"
#include "search/distance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SUBSET ((size_t)2048)
#define QUERIES ((size_t)16)
#define STREAM 2 /* of the seed; k-means and coreset have others */

struct job {
    const dp_rows *bank;
    const double *scales;
    size_t n, n_subsets, first; /* first: subset of the first task of a round */
    uint32_t *order;            /* [n] rows, subset by subset */
    double *draws;              /* [n] u of each row */
    float *reach;     /* [n] distance to the k-th neighbour of each row, squared; infinite: it has not so many */
    float *x;         /* [threads, SUBSET, dim] */
    float *distances; /* [threads, QUERIES, SUBSET] */
    dp_distance_kernels kernels;
};

size_t dp_thinned_rows(double asked, size_t n)
{
    double k = asked < 1 ? floor(asked * (double)n) : floor(asked);
    return k < 1 ? 1 : k > (double)n ? n : (size_t)k;
}

/* Returns the k-th smallest (from 1) of x [n], whose order it changes. */
static float kth(float *x, size_t n, size_t k)
{
    size_t low = 0, high = n - 1;
    while (low < high) { /* Hoare's selection; the middle as pivot serves sorted and equal values too */
        const float pivot = x[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;;) {
            while (x[i] < pivot)
                i++;
            while (x[j] > pivot)
                j--;
            if (i >= j)
                break;
            const float keep = x[i];
            x[i++] = x[j];
            x[j--] = keep;
        }
        if (k - 1 <= j) /* all up to j are at most the pivot, all behind it at least */
            high = j;
        else
            low = j + 1;
    }
    return x[low];
}

static void load_rows(const struct job *job, const uint32_t *rows, size_t m, float *x)
{
    const size_t dim = job->bank->dim, part = dim / job->bank->blocks;
    for (size_t i = 0; i < m; i++) {
        dp_rows_widen(job->bank, 0, rows[i], 1, x + i * dim);
        for (size_t d = 0; d < dim && job->scales; d++)
            x[i * dim + d] = (float)((double)x[i * dim + d] / job->scales[d / part]);
    }
}

static void subset_task(void *context, size_t index, size_t worker)
{
    const struct job *job = context;
    const size_t dim = job->bank->dim, subset = job->first + index, begin = subset * job->n / job->n_subsets,
                 m = (subset + 1) * job->n / job->n_subsets - begin;
    const uint32_t *rows = job->order + begin;
    float *x = job->x + worker * SUBSET * dim, *distances = job->distances + worker * QUERIES * SUBSET;
    load_rows(job, rows, m, x);
    for (size_t first = 0; first < m; first += QUERIES) {
        const float *queries[QUERIES];
        const size_t n = m - first < QUERIES ? m - first : QUERIES;
        for (size_t q = 0; q < n; q++)
            queries[q] = x + (first + q) * dim;
        job->kernels.l2(queries, n, x, m, dim, distances, SUBSET);
        for (size_t q = 0; q < n; q++) {
            const double u = job->draws[rows[first + q]], k = ceil(1 / u - 1);
            float *own = distances + q * SUBSET;
            own[first + q] = own[m - 1]; /* no neighbour of itself */
            job->reach[rows[first + q]] = k <= (double)(m - 1) ? kth(own, m - 1, k < 1 ? 1 : (size_t)k) : INFINITY;
        }
    }
}

static void draw(struct job *job, uint64_t seed)
{
    dp_random random = dp_random_at(seed, STREAM);
    for (size_t i = 0; i < job->n; i++)
        job->order[i] = (uint32_t)i;
    for (size_t i = 0; i + 1 < job->n; i++) {
        const size_t other = i + (size_t)dp_random_below(&random, job->n - i);
        const uint32_t keep = job->order[i];
        job->order[i] = job->order[other];
        job->order[other] = keep;
    }
    for (size_t i = 0; i < job->n; i++)
        job->draws[i] = dp_random_unit(&random);
}

struct reach {
    float distance;
    uint32_t row;
};

/* Farthest first; equal ones in the bank's order. */
static int farther(const void *a, const void *b)
{
    const struct reach *x = a, *y = b;
    return x->distance != y->distance ? (x->distance < y->distance) - (x->distance > y->distance)
                                      : (x->row > y->row) - (x->row < y->row);
}

static int rising(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static dp_status measure(struct job *job, dp_pool *pool, const dp_run *run, dp_error *err)
{
    const size_t round = 4 * dp_pool_threads(pool);
    for (job->first = 0; job->first < job->n_subsets; job->first += round) {
        const size_t left = job->n_subsets - job->first, n = left < round ? left : round;
        dp_pool_run(pool, n, subset_task, job);
        if (run && run->progress && run->progress(run->user, "thin", job->first + n, job->n_subsets))
            return dp_fail(err, DP_E_CANCELLED, "stopped while thinning the rows");
    }
    for (size_t i = 0; i < job->n; i++)
        if (isnan(job->reach[i]))
            return dp_fail(err, DP_E_NUMERIC, "a feature of the bank is too large to compare");
    return DP_OK;
}

dp_status dp_thin_choose(const dp_rows *bank, const dp_thinning *thinning, dp_pool *pool, const dp_run *run,
                         uint32_t **rows, size_t *n, dp_error *err)
{
    const size_t threads = dp_pool_threads(pool), keep = dp_thinned_rows(thinning->asked, bank->n_rows);
    dp_isa isa;
    dp_status status = dp_isa_resolve(thinning->isa, &isa, err);
    if (status)
        return status;
    struct job job = {.bank = bank,
                      .scales = thinning->scales,
                      .n = bank->n_rows,
                      .n_subsets = (bank->n_rows + SUBSET - 1) / SUBSET,
                      .kernels = dp_distance_kernels_get(isa)};
    struct reach *sorted;
    uint32_t *chosen;
    const dp_need needs[] = {{&job.order, job.n, 1, sizeof *job.order},
                             {&job.draws, job.n, 1, sizeof *job.draws},
                             {&job.reach, job.n, 1, sizeof *job.reach},
                             {&job.x, threads * SUBSET, bank->dim, sizeof *job.x},
                             {&job.distances, threads * SUBSET, QUERIES, sizeof *job.distances},
                             {&sorted, job.n, 1, sizeof *sorted},
                             {&chosen, keep, 1, sizeof *chosen}};
    status = dp_memory_take(needs, sizeof needs / sizeof *needs, "the thinning of the rows", err);
    if (status)
        return status;
    draw(&job, thinning->seed);
    status = measure(&job, pool, run, err);
    for (size_t i = 0; i < job.n && !status; i++)
        sorted[i] = (struct reach){job.reach[i], (uint32_t)i};
    if (!status) {
        qsort(sorted, job.n, sizeof *sorted, farther);
        for (size_t i = 0; i < keep; i++)
            chosen[i] = sorted[i].row;
        qsort(chosen, keep, sizeof *chosen, rising);
        *rows = chosen;
        *n = keep;
    } else {
        dp_memory_free(chosen);
    }
    dp_memory_free(job.order);
    dp_memory_free(job.draws);
    dp_memory_free(job.reach);
    dp_memory_free(job.x);
    dp_memory_free(job.distances);
    dp_memory_free(sorted);
    return status;
}

dp_status dp_bank_thin(const dp_bank *from, const dp_recipe *recipe, dp_isa isa, dp_pool *pool, const dp_run *run,
                       dp_bank **out, dp_error *err)
{
    uint32_t *rows = NULL;
    size_t n;
    const dp_thinning thinning = {recipe->thin, recipe->seed, from->rows.blocks > 1 ? from->levels.scales.local : NULL,
                                  isa};
    dp_status status = dp_thin_choose(&from->rows, &thinning, pool, run, &rows, &n, err);
    if (!status)
        status = dp_bank_keep_rows(from, rows, n, recipe, out, err);
    dp_memory_free(rows);
    return status;
}
