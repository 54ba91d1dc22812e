/* SPDX-License-Identifier: Apache-2.0 */
/* mutual.c - mutual scoring of a lot, as MuSc (Li et al. 2024) does it.
 *
 *     x_r(i, m)      feature of cell m of picture i, its mean over the r x r cells around it that are valid
 *     d_r(i, m, j) = min over valid cells n of picture j of |x_r(i, m) - x_r(j, n)|
 *     a(i, m)      = mean over r in {1, 3, 5} of the mean of the lowest 30 % (one at least) of d_r(i, m, j) over the others j
 *
 * The others: all, or those next to i in a ring of all pictures in an order that the seed draws, the same number to both sides. Being
 * beside each other goes both ways, so a pair of pictures is compared once and serves both. Those at an odd distance in the ring, and
 * those at an even one, are the two halves.
 *
 * A task is one pair; it writes to places of its own, and minima do not depend on an order. */
#include "score/mutual.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/statistics.h"
#include "search/distance.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#define QUERIES ((size_t)16)
#define LOWEST 0.3
#define STREAM 3 /* of the seed */

static const size_t sides[] = {1, 3, 5};
#define N_SIDES (sizeof sides / sizeof *sides)

struct job {
    const dp_rows *rows;
    dp_mutual *mutual;
    dp_distance_kernels kernels;
    size_t side;                  /* r */
    size_t reach;                 /* pictures of the ring to each side */
    bool opposite;                /* also the one across the ring, which is the same to both sides */
    size_t *ring;                 /* [n] */
    uint8_t *given;               /* [n, cells] 1: the cell has a feature */
    float *x;                     /* [n, cells, dim] */
    float *nearest;               /* [n, cells, compared] */
    float *scratch;               /* [threads, (QUERIES + 1) cells], or [threads, cells dim] */
    size_t scratch_floats, first; /* first: the first task of a round */
    atomic_bool not_finite;
};

/* -------------------------------------------------------------------------------------------------------- features */

static void average_task(void *context, size_t p, size_t worker)
{
    struct job *job = context;
    const size_t rows = job->rows->grid_rows, cols = job->rows->grid_cols, dim = job->rows->dim, cells = rows * cols,
                 half = job->side / 2;
    uint8_t *given = job->given + p * cells;
    float *out = job->x + p * cells * dim, *own = job->side > 1 ? job->scratch + worker * job->scratch_floats : out;
    dp_rows_get(job->rows, p, 0, own, given);
    for (size_t cell = 0; cell < cells && job->side > 1; cell++) {
        const size_t r = cell / cols, c = cell % cols;
        float *to = out + cell * dim, n = 0;
        memset(to, 0, dim * sizeof *to);
        for (size_t y = r < half ? 0 : r - half; y <= r + half && y < rows; y++)
            for (size_t x = c < half ? 0 : c - half; x <= c + half && x < cols; x++) {
                const float *from = own + (y * cols + x) * dim;
                if (!given[y * cols + x])
                    continue;
                for (size_t d = 0; d < dim; d++)
                    to[d] += from[d];
                n++;
            }
        for (size_t d = 0; d < dim && n > 1; d++)
            to[d] /= n;
    }
    if (job->side > 1)
        return;
    double *pooled = job->mutual->pooled + p * dim;
    for (size_t d = 0; d < dim; d++) {
        double sum = 0;
        size_t n = 0;
        for (size_t cell = 0; cell < cells; cell++)
            if (given[cell]) {
                sum += (double)out[cell * dim + d];
                n++;
            }
        pooled[d] = n ? sum / (double)n : 0;
    }
}

/* ----------------------------------------------------------------------------------------------------------- pairs */

static void pair_task(void *context, size_t index, size_t worker)
{
    struct job *job = context;
    const size_t n = job->mutual->n, cells = job->mutual->cells, dim = job->rows->dim, k = job->mutual->compared,
                 task = job->first + index, offset = task / n + 1, at = task % n;
    const bool across = offset > job->reach;
    const size_t i = job->ring[at], j = job->ring[(at + (across ? n / 2 : offset)) % n],
                 slot = 2 * (offset - 1); /* of i for j; that of j for i is the next, or the same across the ring */
    const uint8_t *given_i = job->given + i * cells, *given_j = job->given + j * cells;
    const float *x = job->x + i * cells * dim, *y = job->x + j * cells * dim, *queries[QUERIES];
    float *out = job->scratch + worker * job->scratch_floats, *back = out + QUERIES * cells;
    float *to_i = job->nearest + i * cells * k + slot, *to_j = job->nearest + j * cells * k + slot + !across;
    for (size_t c = 0; c < cells; c++)
        back[c] = to_i[c * k] = INFINITY;
    for (size_t cell = 0; cell < cells;) {
        size_t which[QUERIES], m = 0;
        for (; cell < cells && m < QUERIES; cell++)
            if (given_i[cell]) {
                queries[m] = x + cell * dim;
                which[m++] = cell;
            }
        if (!m)
            break;
        job->kernels.l2(queries, m, y, cells, dim, out, cells);
        for (size_t q = 0; q < m; q++) {
            const float *found = out + q * cells;
            float least = INFINITY;
            bool bad = false;
            for (size_t c = 0; c < cells; c++) {
                if (!given_j[c])
                    continue;
                bad = bad || !(found[c] < INFINITY);
                least = found[c] < least ? found[c] : least;
                back[c] = found[c] < back[c] ? found[c] : back[c];
            }
            if (bad)
                atomic_store_explicit(&job->not_finite, true, memory_order_relaxed);
            to_i[which[q] * k] = sqrtf(least);
        }
    }
    for (size_t c = 0; c < cells; c++)
        to_j[c * k] = sqrtf(back[c]);
}

/* ------------------------------------------------------------------------------------------------------------ maps */

/* Mean of the lowest of n distances that are finite, which it sorts; infinite where there is none. */
static float lowest(float *x, size_t n)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (x[i] < INFINITY)
            x[m++] = x[i];
    if (!m)
        return INFINITY;
    dp_sort_f32(x, m);
    const size_t take = (size_t)(LOWEST * (double)m) > 1 ? (size_t)(LOWEST * (double)m) : 1;
    double sum = 0;
    for (size_t i = 0; i < take; i++)
        sum += (double)x[i];
    return (float)(sum / (double)take);
}

/* Slots of pictures at an odd distance in the ring, at an even one. */
static bool is_of(size_t set, size_t slot)
{
    return set == DP_MUTUAL_ALL || (slot / 2 % 2 == 0) == (set == DP_MUTUAL_ODD);
}

static void map_task(void *context, size_t p, size_t worker)
{
    struct job *job = context;
    const size_t cells = job->mutual->cells, k = job->mutual->compared;
    float *some = job->scratch + worker * job->scratch_floats;
    for (size_t cell = p * cells; cell < (p + 1) * cells; cell++)
        for (size_t set = 0; set < DP_MUTUAL_SETS && job->mutual->valid[cell]; set++) {
            size_t n = 0;
            for (size_t slot = 0; slot < k; slot++)
                if (is_of(set, slot))
                    some[n++] = job->nearest[cell * k + slot];
            const float value = job->given[cell] ? lowest(some, n) : INFINITY;
            if (value < INFINITY)
                job->mutual->maps[set][cell] += value / (float)N_SIDES;
            else
                job->mutual->valid[cell] = 0;
        }
}

/* ------------------------------------------------------------------------------------------------------- all of it */

static void draw_ring(struct job *job, size_t n, uint64_t seed)
{
    dp_random random = dp_random_at(seed, STREAM);
    for (size_t i = 0; i < n; i++)
        job->ring[i] = i;
    for (size_t i = 0; i + 1 < n; i++) {
        const size_t other = i + (size_t)dp_random_below(&random, n - i), keep = job->ring[i];
        job->ring[i] = job->ring[other];
        job->ring[other] = keep;
    }
}

static dp_status compare(struct job *job, dp_pool *pool, const dp_run *run, dp_error *err)
{
    const size_t n = job->mutual->n, pairs = n * job->reach + (job->opposite ? n / 2 : 0),
                 round = 4 * dp_pool_threads(pool);
    for (size_t s = 0; s < N_SIDES; s++) {
        job->side = sides[s];
        dp_pool_run(pool, n, average_task, job);
        for (job->first = 0; job->first < pairs; job->first += round) {
            const size_t left = pairs - job->first, some = left < round ? left : round;
            dp_pool_run(pool, some, pair_task, job);
            if (run->progress && run->progress(run->user, "lot", s * pairs + job->first + some, N_SIDES * pairs))
                return dp_fail(err, DP_E_CANCELLED, "stopped while comparing the pictures with each other");
        }
        if (job->not_finite)
            return dp_fail(err, DP_E_NUMERIC, "a distance between two pictures is not finite");
        dp_pool_run(pool, n, map_task, job);
    }
    return DP_OK;
}

dp_status dp_mutual_maps(const dp_rows *rows, size_t compared, uint64_t seed, dp_pool *pool, const dp_run *run,
                         dp_mutual *mutual, dp_error *err)
{
    const size_t n = rows->n_pictures, cells = dp_rows_cells(rows), dim = rows->dim, threads = dp_pool_threads(pool);
    const bool all = !compared || compared >= n - 1;
    struct job job = {.rows = rows, .mutual = mutual};
    dp_isa isa;
    dp_status status = dp_isa_resolve(run->isa, &isa, err);
    if (status)
        return status;
    job.kernels = dp_distance_kernels_get(isa);
    job.opposite = all && n % 2 == 0;
    job.reach = all ? (n - 1) / 2 : compared > 3 ? compared / 2 : 2; /* each half has two at least */
    *mutual = (dp_mutual){.n = n, .cells = cells, .compared = 2 * job.reach + job.opposite};
    const size_t k = mutual->compared, averaging = cells * dim, comparing = (QUERIES + 1) * cells;
    job.scratch_floats = averaging > comparing ? averaging : comparing;
    job.scratch_floats = job.scratch_floats > k ? job.scratch_floats : k;
    const dp_need needs[] = {{&mutual->maps[0], n, cells, sizeof(float)},
                             {&mutual->maps[1], n, cells, sizeof(float)},
                             {&mutual->maps[2], n, cells, sizeof(float)},
                             {&mutual->valid, n, cells, 1},
                             {&mutual->pooled, n, dim, sizeof(double)},
                             {&job.ring, n, 1, sizeof *job.ring},
                             {&job.given, n, cells, 1},
                             {&job.x, n * cells, dim, sizeof *job.x},
                             {&job.nearest, n * cells, k, sizeof *job.nearest},
                             {&job.scratch, threads, job.scratch_floats, sizeof *job.scratch}};
    status = dp_memory_take(needs, sizeof needs / sizeof *needs, "the comparison of the pictures", err);
    if (status)
        return status;
    for (size_t set = 0; set < DP_MUTUAL_SETS; set++)
        memset(mutual->maps[set], 0, n * cells * sizeof(float));
    memset(mutual->valid, 1, n * cells);
    draw_ring(&job, n, seed);
    status = compare(&job, pool, run, err);
    dp_memory_free(job.ring);
    dp_memory_free(job.given);
    dp_memory_free(job.x);
    dp_memory_free(job.nearest);
    dp_memory_free(job.scratch);
    if (status)
        dp_mutual_close(mutual);
    return status;
}

void dp_mutual_close(dp_mutual *mutual)
{
    for (size_t set = 0; set < DP_MUTUAL_SETS; set++)
        dp_memory_free(mutual->maps[set]);
    dp_memory_free(mutual->valid);
    dp_memory_free(mutual->pooled);
    *mutual = (dp_mutual){0};
}
