/* SPDX-License-Identifier: Apache-2.0 */
/* coreset.c - greedy k-centre selection (Sener and Savarese 2018), as PatchCore (Roth et al. 2022, algorithm 1) uses
 * it.
 *
 *     c_0 drawn by the seed;   c_k = argmax over rows i of min over j < k of | z_i - z_(c_j) |
 *
 * The distance of each row to the nearest centre so far is kept, so each new centre costs one pass over the rows: n k
 * distances in all. They are squared, which does not change their order. The selection is exact: every row is compared.
 * Of equally far rows the first is taken.
 *
 * More than 128 dimensions are projected first, as in the paper (Johnson and Lindenstrauss): z = R x, with entries of R
 * drawn from sqrt(3 / 128) {-1 with 1/6, 0 with 2/3, +1 with 1/6} (Achlioptas 2003), so that distances keep their
 * expectation. A seed gives the same numbers on every machine, because the mathematical library is not used.
 *
 * Tasks are blocks of rows of a fixed size. The farthest row of each block is noted, and the blocks are compared in
 * order. */
#include "reduce/coreset.h"
#include "bank/builder.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "options/check.h"
#include "base/random.h"
#include "search/distance.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PROJECTED 128 /* most dimensions without projection */
#define BLOCK 2048    /* rows of a task */
#define ROUND 64      /* centres between two calls of progress */

struct farthest {
    float distance; /* squared */
    size_t row;
};

struct choice {
    const dp_rows *bank;
    size_t n, dim;           /* number of rows, and of dimensions for the comparison */
    float *projection;       /* [dim, bank->dim] or NULL */
    float *z;                /* [n, dim] */
    float *least;            /* [n] squared distance to the nearest centre */
    float *x;                /* [threads, bank->dim] */
    float *out;              /* [threads, BLOCK] */
    struct farthest *blocks; /* [n_blocks] */
    dp_distance_kernels kernels;
    size_t centre; /* the newest centre */
};

static size_t block_rows(const struct choice *job, size_t index)
{
    size_t left = job->n - index * BLOCK;
    return left < BLOCK ? left : BLOCK;
}

static void project_task(void *context, size_t index, size_t worker)
{
    struct choice *job = context;
    size_t first = index * BLOCK, n = block_rows(job, index), dim_in = job->bank->dim;
    if (!job->projection) {
        dp_rows_widen(job->bank, 0, first, n, job->z + first * job->dim);
        return;
    }
    float *x = job->x + worker * dim_in;
    const float *query = x;
    for (size_t row = first; row < first + n; row++) {
        dp_rows_widen(job->bank, 0, row, 1, x);
        job->kernels.dot(&query, 1, job->projection, job->dim, dim_in, job->z + row * job->dim, job->dim);
    }
}

static void cover_task(void *context, size_t index, size_t worker)
{
    struct choice *job = context;
    size_t first = index * BLOCK, n = block_rows(job, index);
    float *out = job->out + worker * BLOCK, *least = job->least + first;
    const float *centre = job->z + job->centre * job->dim;
    job->kernels.l2(&centre, 1, job->z + first * job->dim, n, job->dim, out, BLOCK);
    struct farthest best = {-1, first};
    for (size_t i = 0; i < n; i++) {
        least[i] = out[i] < least[i] ? out[i] : least[i];
        if (least[i] > best.distance)
            best = (struct farthest){least[i], first + i};
    }
    job->blocks[index] = best;
}

static float *draw_projection(size_t dim, size_t dim_in, uint64_t seed)
{
    float *projection = dp_malloc_2d(dim, dim_in, sizeof *projection), size = sqrtf(3.0f / (float)dim);
    dp_random random = dp_random_at(seed, 1);
    for (size_t i = 0; projection && i < dim * dim_in; i++) {
        uint64_t side = dp_random_below(&random, 6);
        projection[i] = side == 0 ? -size : side == 1 ? size : 0;
    }
    return projection;
}

static size_t centres_asked(size_t n, double asked)
{
    double k = asked < 1 ? floor(asked * (double)n) : floor(asked);
    return k < 1 ? 1 : k > (double)n ? n : (size_t)k;
}

/* Fills chosen [n]: 1 for a row that is a centre. */
static dp_status choose(struct choice *job, size_t k, uint64_t seed, dp_pool *pool, const dp_run *run, uint8_t *chosen,
                        size_t *found, dp_error *err)
{
    size_t n_blocks = (job->n + BLOCK - 1) / BLOCK;
    dp_random random = dp_random_at(seed, 0);
    dp_pool_run(pool, n_blocks, project_task, job);
    if (!dp_all_finite(job->z, job->n * job->dim))
        return dp_fail(err, DP_E_NUMERIC, "a feature of the bank is too large to project");
    for (size_t i = 0; i < job->n; i++)
        job->least[i] = INFINITY;
    job->centre = (size_t)dp_random_below(&random, job->n);
    for (*found = 0;;) {
        chosen[job->centre] = 1;
        ++*found;
        if (run && run->progress && (*found % ROUND == 0 || *found == k)
            && run->progress(run->user, "coreset", *found, k))
            return dp_fail(err, DP_E_CANCELLED, "stopped while choosing the coreset");
        if (*found == k)
            return DP_OK;
        dp_pool_run(pool, n_blocks, cover_task, job);
        struct farthest best = job->blocks[0];
        for (size_t b = 1; b < n_blocks; b++)
            if (job->blocks[b].distance > best.distance)
                best = job->blocks[b];
        if (!(best.distance > 0)) /* all other rows are copies of centres */
            return DP_OK;
        job->centre = best.row;
    }
}

dp_status dp_coreset_choose(const dp_rows *bank, const dp_coreset *coreset, dp_pool *pool, const dp_run *run,
                            uint32_t **rows, size_t *n, dp_error *err)
{
    const double asked = coreset->asked;
    const uint64_t seed = coreset->seed;
    const dp_reduction_rule rule = {.flat = bank->flat, .coreset = asked};
    dp_status status = dp_check_reduction(&rule, err);
    if (!status && !(asked > 0))
        status = dp_fail(err, DP_E_ARGUMENT, "bank.coreset is off, so there is nothing to choose");
    if (status)
        return status;
    dp_isa isa;
    size_t dim_in = bank->dim, dim = dim_in > PROJECTED ? PROJECTED : dim_in, threads = dp_pool_threads(pool),
           found = 0;
    status = dp_isa_resolve(coreset->isa, &isa, err);
    if (status)
        return status;
    struct choice job = {.bank = bank, .n = bank->n_rows, .dim = dim, .kernels = dp_distance_kernels_get(isa)};
    job.projection = dim < dim_in ? draw_projection(dim, dim_in, seed) : NULL;
    job.z = dp_malloc_2d(job.n, dim, sizeof *job.z);
    job.least = dp_malloc(job.n, sizeof *job.least);
    job.x = dp_malloc_2d(threads, dim_in, sizeof *job.x);
    job.out = dp_malloc(threads, BLOCK * sizeof *job.out);
    job.blocks = dp_malloc((job.n + BLOCK - 1) / BLOCK, sizeof *job.blocks);
    uint8_t *chosen = dp_calloc(job.n, 1);
    uint32_t *list = NULL;
    if ((dim < dim_in && !job.projection) || !job.z || !job.least || !job.x || !job.out || !job.blocks || !chosen)
        status = dp_fail_memory(err, "the coreset", job.n * dim * sizeof *job.z);
    if (!status)
        status = choose(&job, centres_asked(job.n, asked), seed, pool, run, chosen, &found, err);
    if (!status && !(list = dp_malloc(found, sizeof *list)))
        status = dp_fail_memory(err, "the coreset", found * sizeof *list);
    for (size_t row = 0, i = 0; !status && row < job.n; row++)
        if (chosen[row])
            list[i++] = (uint32_t)row;
    dp_memory_free(job.projection);
    dp_memory_free(job.z);
    dp_memory_free(job.least);
    dp_memory_free(job.x);
    dp_memory_free(job.out);
    dp_memory_free(job.blocks);
    dp_memory_free(chosen);
    if (status)
        return status;
    *rows = list;
    *n = found;
    return DP_OK;
}

dp_status dp_bank_keep_rows(const dp_bank *from, const uint32_t *rows, size_t n, const dp_recipe *recipe, dp_bank **out,
                            dp_error *err)
{
    const dp_rows *all = &from->rows;
    const dp_bank_shape shape = {.recipe = recipe, .n_rows = n, .dim = all->dim, .owners = true};
    dp_bank_builder *builder = NULL;
    float *x = dp_malloc(all->dim, sizeof *x);
    if (!x)
        return dp_fail_memory(err, "a row of the bank", all->dim * sizeof *x);
    dp_status status = dp_bank_builder_from(from, &shape, &builder, err);
    for (size_t i = 0; !status && i < n; i++) {
        dp_rows_widen(all, 0, rows[i], 1, x);
        dp_bank_builder_set_row(builder, i, x);
        dp_bank_builder_set_owner(builder, i, all->row_picture[rows[i]], all->row_cell[rows[i]]);
    }
    dp_memory_free(x);
    if (!status)
        status = dp_bank_builder_finish(&builder, out, err);
    dp_bank_builder_close(&builder);
    return status;
}

dp_status dp_bank_coreset(const dp_bank *from, const dp_recipe *recipe, dp_isa isa, dp_pool *pool, const dp_run *run,
                          dp_bank **out, dp_error *err)
{
    uint32_t *rows = NULL;
    size_t n, there = from->rows.n_rows;
    dp_recipe kept = *recipe;
    if (recipe->coreset > (double)there) { /* only now the number of features is known */
        char line[DP_ERROR_MESSAGE_BYTES];
        kept.coreset = (double)there;
        snprintf(line, sizeof line, "bank.coreset is %.0f, but the bank has %zu rows: all are kept", recipe->coreset,
                 there);
        if (run && run->log)
            run->log(run->user, DP_LOG_WARNING, line);
    }
    dp_status status =
        dp_coreset_choose(&from->rows, &(dp_coreset){kept.coreset, kept.seed, isa}, pool, run, &rows, &n, err);
    if (!status)
        status = dp_bank_keep_rows(from, rows, n, &kept, out, err);
    dp_memory_free(rows);
    return status;
}
