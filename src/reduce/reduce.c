/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.c - one pass over a bank: projects the rows of each cell, replaces them by centres, and stores them in another
 * type. */
#include "reduce/reduce.h"
#include "bank/builder.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "options/check.h"
#include "search/distance.h"
#include "reduce/kmeans.h"

#include <stdatomic.h>
#include <string.h>

#define BLOCK 256 /* rows of a task if they are not clustered */
#define ROUND 64  /* tasks between two calls of progress */

struct work {       /* Memory of a worker. */
    float *x;       /* [rows, dim_in] */
    float *scratch; /* [rows, dim_in] */
    float *y;       /* [rows, dim] */
    float *centres; /* [kmeans, dim] */
    float *kmeans_scratch;
    uint32_t *members; /* [rows] */
    uint32_t *rows;    /* [rows] the row that each vector comes from */
    int64_t *owner;    /* [kmeans] picture of a centre's vectors: -2 none yet, -1 several pictures */
};

struct reduction {
    const dp_rows *from;
    dp_bank_builder *to;
    size_t dim, n_rows; /* of the new rows */
    const dp_reduction *how;
    dp_tile_f32_fn l2;
    size_t blocks; /* tasks for each cell */
    size_t first_task;
    struct work *work; /* [threads] */
    atomic_bool failed;
};

static bool left_out(const struct reduction *job, size_t cell, size_t row)
{
    const dp_reduction *how = job->how;
    return how->n_folds && dp_rows_picture(job->from, cell, row) % how->n_folds == how->fold;
}

/* Reads the valid rows among first .. first + n - 1 of a cell into work->y; none of pictures that are left out. */
static size_t load(struct reduction *job, struct work *work, size_t cell, size_t first, size_t n, const float **vectors)
{
    const dp_rows *from = job->from;
    size_t found = 0;
    for (size_t row = first; row < first + n; row++) {
        if (!from->valid[cell * from->n_rows + row] || left_out(job, cell, row))
            continue;
        dp_rows_widen(from, cell, row, 1, work->x + found * from->dim);
        work->rows[found++] = (uint32_t)row;
    }
    dp_rows_forget(from, cell, first, n);
    *vectors = work->x;
    const dp_pca *pca = job->how->pca;
    if (pca) {
        if (dp_pca_project(pca, work->x, found, work->scratch, work->y, NULL))
            atomic_store(&job->failed, true);
        *vectors = work->y;
    }
    return found;
}

static void keep_task(void *context, size_t index, size_t worker)
{
    struct reduction *job = context;
    const dp_rows *from = job->from;
    index += job->first_task;
    size_t cell = index / job->blocks, first = index % job->blocks * BLOCK, begin = cell * from->n_rows;
    size_t n = from->n_rows - first < BLOCK ? from->n_rows - first : BLOCK;
    const float *vectors;
    struct work *work = &job->work[worker];
    size_t found = load(job, work, cell, first, n, &vectors);
    for (size_t row = first, i = 0; row < first + n; row++) {
        bool here = i < found && work->rows[i] == row;
        dp_bank_builder_set_row(job->to, begin + row, here ? vectors + i * job->dim : NULL);
        i += here;
        if (from->row_picture)
            dp_bank_builder_set_owner(job->to, begin + row, from->row_picture[begin + row],
                                      from->row_cell ? from->row_cell[row] : 0);
    }
}

static void centres_task(void *context, size_t index, size_t worker)
{
    struct reduction *job = context;
    struct work *work = &job->work[worker];
    const float *vectors;
    size_t dim = job->dim, n_rows = job->n_rows, cell = job->first_task + index,
           n = load(job, work, cell, 0, job->from->n_rows, &vectors);
    size_t k = n ? dp_kmeans(&(dp_vectors){vectors, n, dim}, n_rows, job->how->seed ^ cell * 0x9e3779b97f4a7c15u,
                             job->l2, work->kmeans_scratch, work->centres, work->members)
                 : 0;
    for (size_t c = 0; c < k; c++)
        work->owner[c] = -2;
    for (size_t i = 0; i < n; i++) {
        int64_t picture = (int64_t)dp_rows_picture(job->from, cell, work->rows[i]),
                *owner = &work->owner[work->members[i]];
        *owner = *owner == -2 || *owner == picture ? picture : -1;
    }
    for (size_t c = 0; c < n_rows; c++) {
        dp_bank_builder_set_row(job->to, cell * n_rows + c,
                                c < k && work->owner[c] != -2 ? work->centres + c * dim : NULL);
        dp_bank_builder_set_owner(job->to, cell * n_rows + c,
                                  c < k && work->owner[c] >= 0 ? (int32_t)work->owner[c] : -1, 0);
    }
}

/* Joins two projections of a bank into one. With orthonormal rows A of the first and B of the second:
 *     B (A (x - m) - n) = BA (x - (m + A^T n)). */
static dp_status join_projections(const dp_pca *before, const dp_pca *pca, dp_bank_builder *to, dp_error *err)
{
    if (!before->basis)
        return dp_bank_builder_set_projection(to, pca, err);
    size_t dim_in = before->dim_in, middle = before->dim, dim = pca->dim;
    dp_pca both = {.dim_in = dim_in,
                   .dim = dim,
                   .mean = dp_malloc(dim_in, sizeof(float)),
                   .basis = dp_malloc_2d(dim, dim_in, sizeof(float))};
    bool good = both.mean && both.basis;
    for (size_t d = 0; good && d < dim_in; d++) {
        double sum = before->mean[d];
        for (size_t i = 0; i < middle; i++)
            sum += (double)before->basis[i * dim_in + d] * pca->mean[i];
        both.mean[d] = (float)sum;
    }
    for (size_t k = 0; good && k < dim; k++) {
        for (size_t d = 0; d < dim_in; d++) {
            double sum = 0;
            for (size_t i = 0; i < middle; i++)
                sum += (double)pca->basis[k * middle + i] * before->basis[i * dim_in + d];
            both.basis[k * dim_in + d] = (float)sum;
        }
    }
    dp_status status = good ? dp_bank_builder_set_projection(to, &both, err)
                            : dp_fail_memory(err, "the projection", dim * dim_in * sizeof *both.basis);
    dp_pca_free(&both);
    return status;
}

static bool work_open(const struct reduction *job, struct work *work)
{
    size_t dim_in = job->from->dim, dim = job->dim, k = job->n_rows;
    size_t rows = job->how->kmeans ? job->from->n_rows : BLOCK;
    work->x = dp_malloc_2d(rows, dim_in, sizeof(float));
    work->rows = dp_malloc(rows, sizeof *work->rows);
    if (job->how->pca) {
        work->scratch = dp_malloc_2d(rows, dim_in, sizeof(float));
        work->y = dp_malloc_2d(rows, dim, sizeof(float));
    }
    if (job->how->kmeans) {
        work->centres = dp_malloc_2d(k, dim, sizeof(float));
        work->kmeans_scratch = dp_malloc(dp_kmeans_scratch(rows, k, dim), sizeof(float));
        work->members = dp_malloc(rows, sizeof *work->members);
        work->owner = dp_malloc(k, sizeof *work->owner);
    }
    return work->x && work->rows && (!job->how->pca || (work->scratch && work->y))
           && (!job->how->kmeans || (work->centres && work->kmeans_scratch && work->members && work->owner));
}

static void work_close(struct work *work)
{
    dp_memory_free(work->x);
    dp_memory_free(work->rows);
    dp_memory_free(work->scratch);
    dp_memory_free(work->y);
    dp_memory_free(work->centres);
    dp_memory_free(work->kmeans_scratch);
    dp_memory_free(work->members);
    dp_memory_free(work->owner);
}

static dp_status run_tasks(struct reduction *job, dp_pool *pool, const dp_run *run, dp_error *err)
{
    size_t cells = dp_rows_cells(job->from), threads = dp_pool_threads(pool);
    job->blocks = job->how->kmeans ? 1 : (job->from->n_rows + BLOCK - 1) / BLOCK;
    size_t tasks = cells * job->blocks;
    job->work = dp_calloc(threads, sizeof *job->work);
    dp_status status = job->work ? DP_OK : dp_fail_memory(err, "rows of the bank", 0);
    for (size_t i = 0; !status && i < threads; i++)
        if (!work_open(job, &job->work[i]))
            status = dp_fail_memory(err, "rows of the bank", job->from->n_rows * job->from->dim * sizeof(float));
    for (job->first_task = 0; !status && job->first_task < tasks; job->first_task += ROUND) {
        size_t n = tasks - job->first_task < ROUND ? tasks - job->first_task : ROUND;
        dp_pool_run(pool, n, job->how->kmeans ? centres_task : keep_task, job);
        if (job->failed)
            status = dp_fail_memory(err, "the projection of features", 0);
        else if (run && run->progress && run->progress(run->user, "reduce", job->first_task + n, tasks))
            status = dp_fail(err, DP_E_CANCELLED, "stopped while making the bank smaller");
    }
    for (size_t i = 0; job->work && i < threads; i++)
        work_close(&job->work[i]);
    dp_memory_free(job->work);
    return status;
}

dp_status dp_bank_reduce(const dp_bank *bank, const dp_reduction *how, dp_pool *pool, const dp_run *run, dp_bank **out,
                         dp_error *err)
{
    const dp_rows *from = &bank->rows;
    dp_recipe recipe = bank->recipe;
    const dp_reduction_rule rule = {.flat = from->flat, .kmeans = how->kmeans};
    dp_status status = dp_check_reduction(&rule, err);
    if (status)
        return status;
    if (how->kmeans && recipe.kmeans)
        return dp_fail(err, DP_E_ARGUMENT, "the bank's rows are already centres of k-means");
    dp_isa isa;
    status = dp_isa_resolve(how->isa, &isa, err);
    if (status)
        return status;
    recipe.storage = how->storage;
    if (how->pca)
        recipe.pca = how->pca_asked;
    if (how->kmeans) {
        /* at most as many as there are pictures */
        recipe.kmeans = how->kmeans < from->n_rows ? how->kmeans : from->n_rows;
        recipe.seed = (size_t)how->seed;
    }
    const dp_bank_shape shape = {.recipe = &recipe,
                                 .n_rows = how->kmeans && how->kmeans < from->n_rows ? how->kmeans : from->n_rows,
                                 .dim = how->pca ? how->pca->dim : from->dim,
                                 .owners = how->kmeans || from->row_picture};
    struct reduction job = {
        .from = from, .how = how, .dim = shape.dim, .n_rows = shape.n_rows, .l2 = dp_distance_kernels_get(isa).l2};
    status = dp_bank_builder_from(bank, &shape, &job.to, err);
    if (!status && how->pca)
        status = join_projections(&bank->projection, how->pca, job.to, err);
    if (!status)
        status = run_tasks(&job, pool, run, err);
    if (!status)
        status = dp_bank_builder_finish(&job.to, out, err);
    dp_bank_builder_close(&job.to);
    return status;
}
