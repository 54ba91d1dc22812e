/* SPDX-License-Identifier: Apache-2.0 */
/* moment_model.c - distances from moments: n, mean m, scatter M of the good features.
 *
 * gaussian, at each place (PaDiM, Defard et al. 2021):
 *     S = M / (n - 1) + r I          (r I alone for n = 1)
 *     s = sqrt((x - m)^T S^-1 (x - m)) = |L^-1 (x - m)|,   S = L L^T
 *
 * subspace, over all places (SubspaceAD, 2026): C the fewest leading eigenvectors of M with the share f of its trace,
 *     s = |x - m|^2 - |C^T (x - m)|^2 = |R^T (x - m)|^2,   R the other eigenvectors; the sum over R loses no digits.
 *
 * Leaving one feature x out of n, with d = x - m: the others have the mean m - d / (n - 1) and the scatter
 * M - d d^T n / (n - 1). So x - mean = d n / (n - 1), S = A - c d d^T with A = M / (n - 2) + r I and
 * c = n / ((n - 1) (n - 2)), and by Sherman and Morrison, q = d^T A^-1 d:
 *     s = n / (n - 1) sqrt(q / (1 - c q)).
 * One factor of A serves all pictures. A picture with augmentations, and the subspace, take the moments of the picture
 * away and derive the rest anew. */
#include "search/moment_model.h"
#include "base/error.h"
#include "base/memory.h"
#include "search/global.h"

#include <lapacke.h>
#include <math.h>
#include <string.h>

#define BLOCK 64   /* cells of a task */
#define LEAST 1e-6 /* of 1 - c q: below it too many digits are gone */
#define LEFT_OUT(rows) ((rows)->rows_per_picture > 1)

/* a [dp_moments_size(dim)] = M / divisor + ridge I; divisor 0: ridge I alone. */
static void covariance(const double *scatter, size_t dim, double divisor, double ridge, double *a)
{
    for (size_t i = 0; i < dp_moments_size(dim); i++)
        a[i] = divisor > 0 ? scatter[i] / divisor : 0;
    for (size_t j = 0; j < dim; a += dim - j, j++)
        *a += ridge;
}

/* a = L L^T in place. False: a is not positive definite. */
static bool factorise(double *a, size_t dim)
{
    for (size_t j = 0; j < dim; a += dim - j, j++) {
        if (!(*a > 0 && *a < INFINITY))
            return false;
        const double root = sqrt(*a);
        double *other = a + dim - j;
        for (size_t i = 0; i < dim - j; i++)
            a[i] /= root;
        for (size_t k = 1; k < dim - j; other += dim - j - k, k++)
            for (size_t i = k; i < dim - j; i++)
                other[i - k] -= a[k] * a[i];
    }
    return true;
}

/* Returns |L^-1 d|^2; d [dim] is overwritten. */
static double solve(const double *factor, size_t dim, double *d)
{
    double sum = 0;
    for (size_t j = 0; j < dim; factor += dim - j, j++) {
        const double y = d[j] / *factor;
        sum += y * y;
        for (size_t i = j + 1; i < dim; i++)
            d[i] -= factor[i - j] * y;
    }
    return sum;
}

/* ----------------------------------------------------------------------------------------------------- the model */

struct factors {
    const dp_moment_model *model;
    size_t fewer; /* features left out of each place */
    double *factor;
    _Atomic int failed;
};

static double divisor_of(double n)
{
    return n > 1 ? n - 1 : 0;
}

static void factor_task(void *context, size_t cell, size_t worker)
{
    (void)worker;
    struct factors *f = context;
    const dp_moments *m = f->model->moments;
    const size_t size = dp_moments_size(m->dim);
    double *a = f->factor + cell * size;
    covariance(m->scatter + cell * size, m->dim, divisor_of(m->n[cell] - (double)f->fewer), f->model->rule.ridge, a);
    if (m->n[cell] > 0 && !factorise(a, m->dim))
        f->failed = 1;
}

static dp_status not_definite(dp_error *err)
{
    return dp_fail(err, DP_E_NUMERIC, "the covariance of the good features has no factor: a feature is too large");
}

/* The leading components of one set of moments go, *rest [dim, *n_rest] stays. */
static dp_status find_rest(const dp_moments *m, double share, double **rest, size_t *n_rest, dp_error *err)
{
    const size_t dim = m->dim;
    double *v = dp_malloc_2d(dim, dim, sizeof *v), *values = dp_malloc(dim, sizeof *values), total = 0, sum = 0;
    if (!v || !values || dim > INT32_MAX) {
        dp_memory_free(v);
        dp_memory_free(values);
        return dp_fail_memory(err, "the components of the features", dim * dim * sizeof *v);
    }
    const double *s = m->scatter;
    for (size_t j = 0; j < dim; j++)
        for (size_t i = j; i < dim; i++)
            v[j * dim + i] = *s++;
    dp_status status = DP_OK;
    if (LAPACKE_dsyevd(LAPACK_ROW_MAJOR, 'V', 'U', (lapack_int)dim, v, (lapack_int)dim, values) != 0)
        status = dp_fail(err, DP_E_NUMERIC, "cannot find the components of the bank's features");
    size_t left = dim;
    for (size_t i = 0; i < dim; i++) /* ascending */
        total += fmax(values[i], 0);
    for (; !status && left > 0 && sum < share * total; left--)
        sum += fmax(values[left - 1], 0);
    if (!status && !(*rest = dp_malloc_2d(dim, left, sizeof **rest)))
        status = dp_fail_memory(err, "the components of the features", dim * left * sizeof **rest);
    for (size_t d = 0; !status && d < dim; d++)
        memcpy(*rest + d * left, v + d * dim, left * sizeof *v);
    *n_rest = left;
    dp_memory_free(v);
    dp_memory_free(values);
    return status;
}

dp_status dp_moment_model_open(const dp_rows *rows, dp_pool *pool, dp_moment_model *model, dp_error *err)
{
    const dp_moments *moments = rows->moments;
    dp_moment_model m = {.moments = moments, .rule = rows->rule};
    const bool gaussian = m.rule.of == DP_MOMENTS_GAUSSIAN;
    const dp_need needs[] = {
        {&m.scratch, dp_pool_threads(pool), 2 * moments->dim, sizeof *m.scratch},
        {&m.factor, gaussian ? moments->cells : 0, dp_moments_size(moments->dim), sizeof *m.factor}};
    dp_status status = dp_memory_take(needs, 2, "the moments of the features", err);
    if (!status && gaussian) {
        struct factors f = {&m, 0, m.factor, 0};
        dp_pool_run(pool, moments->cells, factor_task, &f);
        status = f.failed ? not_definite(err) : DP_OK;
    } else if (!status) {
        status = find_rest(moments, m.rule.variance, &m.rest, &m.n_rest, err);
    }
    if (status)
        dp_moment_model_close(&m);
    else
        *model = m;
    return status;
}

void dp_moment_model_close(dp_moment_model *model)
{
    dp_memory_free(model->factor);
    dp_memory_free(model->rest);
    dp_memory_free(model->scratch);
    *model = (dp_moment_model){0};
}

/* -------------------------------------------------------------------------------------------------------- the map */

/* Returns |R^T (x - mean)|^2; work [2 dim]. */
static double residual(const double *rest, size_t n_rest, const double *mean, size_t dim, const float *x, double *work)
{
    double sum = 0;
    memset(work, 0, n_rest * sizeof *work);
    for (size_t d = 0; d < dim; d++) {
        const double t = (double)x[d] - mean[d];
        const double *r = rest + d * n_rest;
        for (size_t i = 0; i < n_rest; i++)
            work[i] += t * r[i];
    }
    for (size_t i = 0; i < n_rest; i++)
        sum += work[i] * work[i];
    return sum;
}

struct mapping {
    const dp_moment_model *model;
    const float *features;
    const uint8_t *valid;
    size_t first, n;
    dp_distances out;
    _Atomic int not_finite;
};

static void put(const dp_distances *out, size_t at, double distance)
{
    dp_neighbours_clear(out->nearest + at, 1);
    out->valid[at] = !isnan(distance);
    out->grid[at] = isnan(distance) ? 0 : (float)distance;
}

static void map_task(void *context, size_t index, size_t worker)
{
    struct mapping *job = context;
    const dp_moment_model *model = job->model;
    const dp_moments *m = model->moments;
    const size_t dim = m->dim, end = (index + 1) * BLOCK;
    double *work = model->scratch + worker * 2 * dim;
    for (size_t i = index * BLOCK; i < end && i < job->n; i++) {
        const size_t set = m->cells > 1 ? job->first + i : 0;
        const float *x = job->features + i * dim;
        double s;
        put(&job->out, i, NAN);
        if ((job->valid && !job->valid[i]) || !(m->n[set] > 0))
            continue;
        if (model->rule.of == DP_MOMENTS_SUBSPACE) {
            s = residual(model->rest, model->n_rest, m->mean, dim, x, work);
        } else {
            for (size_t d = 0; d < dim; d++)
                work[d] = (double)x[d] - m->mean[set * dim + d];
            s = sqrt(solve(model->factor + set * dp_moments_size(dim), dim, work));
        }
        if (!((float)s < INFINITY))
            job->not_finite = 1;
        else
            put(&job->out, i, s);
    }
}

static dp_status fail_infinite(dp_error *err)
{
    return dp_fail(err, DP_E_NUMERIC,
                   "a distance to the bank is not finite: the features of the picture or of the bank are damaged");
}

dp_status dp_moment_map(const dp_moment_model *model, const float *features, const uint8_t *valid, size_t first,
                        size_t n, dp_pool *pool, const dp_distances *out, dp_error *err)
{
    struct mapping job = {model, features, valid, first, n, *out, 0};
    dp_pool_run(pool, (n + BLOCK - 1) / BLOCK, map_task, &job);
    return job.not_finite ? fail_infinite(err) : DP_OK;
}

/* -------------------------------------------------------------------------------------------------- leave-one-out */

struct leaving {
    const dp_moment_model *model;
    const dp_rows *rows;
    const double *factor; /* gaussian: of A at each place */
    size_t first, n, cells, from;
    dp_distances out;
    float *x;  /* [threads, dim] */
    double *a; /* gaussian: [threads, 2 dp_moments_size(dim)] */
    _Atomic int failed, not_finite;
};

static void put_left(struct leaving *job, size_t at, double s)
{
    if (!isnan(s) && !((float)s < INFINITY))
        job->not_finite = 1;
    else
        put(&job->out, at, s);
}

/* One place of one picture with all moments derived anew. work [2 dim], a [2 sizes]. */
static double left_out_whole(struct leaving *job, size_t p, size_t cell, double *work, double *a, float *x)
{
    const dp_rows *rows = job->rows;
    const dp_moments *all = job->model->moments;
    const size_t dim = all->dim, size = dp_moments_size(dim), per = rows->rows_per_picture;
    double n = all->n[cell], *mean = work + dim;
    memcpy(mean, all->mean + cell * dim, dim * sizeof *mean);
    memcpy(a, all->scatter + cell * size, size * sizeof *a);
    for (size_t row = p * per; row < (p + 1) * per; row++) {
        if (!rows->valid[cell * rows->n_rows + row])
            continue;
        dp_rows_widen(rows, cell, row, 1, x);
        const double left = n - 1, factor = left > 0 ? n / left : 0;
        double *s = a;
        for (size_t d = 0; d < dim; d++)
            work[d] = (double)x[d] - mean[d];
        for (size_t j = 0; j < dim; j++)
            for (size_t i = j; i < dim; i++)
                *s++ -= factor * work[j] * work[i];
        for (size_t d = 0; d < dim && left > 0; d++)
            mean[d] -= work[d] / left;
        n = left;
    }
    if (!(n > 0))
        return NAN;
    covariance(a, dim, divisor_of(n), job->model->rule.ridge, a + size);
    if (!factorise(a + size, dim)) {
        job->failed = 1;
        return NAN;
    }
    dp_rows_widen(rows, cell, p * per, 1, x);
    for (size_t d = 0; d < dim; d++)
        work[d] = (double)x[d] - mean[d];
    return sqrt(solve(a + size, dim, work));
}

static double left_out(struct leaving *job, size_t p, size_t cell, double *work, double *a, float *x)
{
    const dp_moments *m = job->model->moments;
    const size_t dim = m->dim;
    const double n = m->n[cell], *mean = m->mean + cell * dim;
    if (LEFT_OUT(job->rows))
        return left_out_whole(job, p, cell, work, a, x);
    if (!(n > 1))
        return NAN;
    dp_rows_widen(job->rows, cell, p, 1, x);
    for (size_t d = 0; d < dim; d++)
        work[d] = (double)x[d] - mean[d];
    const double q = solve(job->factor + cell * dp_moments_size(dim), dim, work),
                 c = n > 2 ? n / ((n - 1) * (n - 2)) : 0, least = 1 - c * q;
    return least > LEAST ? n / (n - 1) * sqrt(q / least) : left_out_whole(job, p, cell, work, a, x);
}

static void cell_task(void *context, size_t index, size_t worker)
{
    struct leaving *job = context;
    const dp_rows *rows = job->rows;
    const size_t dim = rows->dim, cell = job->from + index;
    double *work = job->model->scratch + worker * 2 * dim, *a = job->a + worker * 2 * dp_moments_size(dim);
    for (size_t p = 0; p < job->n; p++) {
        const size_t picture = job->first + p, row = picture * rows->rows_per_picture;
        put(&job->out, p * job->cells + cell, NAN);
        if (rows->valid[cell * rows->n_rows + row])
            put_left(job, p * job->cells + cell, left_out(job, picture, cell, work, a, job->x + worker * dim));
    }
}

static dp_status stopped(dp_error *err)
{
    return dp_fail(err, DP_E_CANCELLED, "stopped while comparing the good pictures with each other");
}

static dp_status leave_gaussian(struct leaving *job, dp_pool *pool, const dp_progress *progress, dp_error *err)
{
    const dp_moment_model *model = job->model;
    const size_t dim = model->moments->dim, size = dp_moments_size(dim), threads = dp_pool_threads(pool);
    const size_t slice = 64 * threads;
    struct factors f = {.model = model, .fewer = 1};
    const dp_need needs[] = {{&job->x, threads, dim, sizeof *job->x},
                             {&job->a, threads, 2 * size, sizeof *job->a},
                             {&f.factor, LEFT_OUT(job->rows) ? 0 : job->cells, size, sizeof *f.factor}};
    dp_status status = dp_memory_take(needs, 3, "the moments of the features", err);
    if (!status && f.factor)
        dp_pool_run(pool, job->cells, factor_task, &f);
    job->factor = f.factor;
    if (!status && f.failed)
        status = not_definite(err);
    for (job->from = 0; !status && job->from < job->cells; job->from += slice) {
        const size_t n = job->cells - job->from < slice ? job->cells - job->from : slice;
        dp_pool_run(pool, n, cell_task, job);
        if (progress && progress->report(progress->user, (job->from + n) * job->n, job->cells * job->n))
            status = stopped(err);
    }
    dp_memory_free(job->x);
    dp_memory_free(job->a);
    dp_memory_free(f.factor);
    return status;
}

/* A picture in the subspace of the others. */
static dp_status leave_from_subspace(const struct leaving *job, size_t p, float *x, double *work, dp_error *err)
{
    const dp_moments *all = job->model->moments;
    const dp_rows *rows = job->rows;
    const size_t picture = job->first + p, row = picture * rows->rows_per_picture, dim = all->dim;
    dp_moments others = {0}, own = {0};
    double *rest = NULL;
    size_t n_rest = 0;
    dp_status status = dp_moments_copy(all, &others, err);
    if (!status)
        status = dp_moments_open(1, dim, &own, err);
    if (!status)
        status = dp_moments_of_rows(rows, picture, 1, NULL, &own, err);
    if (!status)
        dp_moments_subtract(&others, &own, NULL);
    if (!status && others.n[0] > 0)
        status = find_rest(&others, job->model->rule.variance, &rest, &n_rest, err);
    for (size_t cell = 0; !status && cell < job->cells; cell++) {
        const size_t at = p * job->cells + cell;
        double s = NAN;
        if (rest && rows->valid[cell * rows->n_rows + row]) {
            dp_rows_widen(rows, cell, row, 1, x);
            s = residual(rest, n_rest, others.mean, dim, x, work);
        }
        if (!isnan(s) && !((float)s < INFINITY))
            status = fail_infinite(err);
        else
            put(&job->out, at, s);
    }
    dp_memory_free(rest);
    dp_moments_close(&own);
    dp_moments_close(&others);
    return status;
}

static void picture_task(void *context, size_t index, size_t worker)
{
    struct leaving *job = context;
    const size_t dim = job->rows->dim;
    dp_error own;
    dp_status status = leave_from_subspace(job, job->from + index, job->x + worker * dim,
                                           job->model->scratch + worker * 2 * dim, &own);
    if (status == DP_E_NUMERIC)
        job->not_finite = 1;
    else if (status)
        job->failed = 1;
}

static dp_status leave_subspace(struct leaving *job, dp_pool *pool, const dp_progress *progress, dp_error *err)
{
    const size_t threads = dp_pool_threads(pool);
    dp_status status =
        dp_memory_take(&(dp_need){&job->x, threads, job->rows->dim, sizeof *job->x}, 1, "a row of the bank", err);
    for (job->from = 0; !status && job->from < job->n; job->from += threads) {
        const size_t n = job->n - job->from < threads ? job->n - job->from : threads;
        dp_pool_run(pool, n, picture_task, job);
        if (job->failed)
            status = dp_fail_memory(err, "the moments of the features", 2 * dp_moments_bytes(job->model->moments));
        else if (progress && progress->report(progress->user, (job->from + n) * job->cells, job->n * job->cells))
            status = stopped(err);
    }
    dp_memory_free(job->x);
    return status;
}

dp_status dp_moment_leave_one_out(const dp_moment_model *model, const dp_rows *rows, size_t first, size_t n,
                                  dp_pool *pool, const dp_progress *progress, const dp_distances *out, dp_error *err)
{
    struct leaving job = {
        .model = model, .rows = rows, .first = first, .n = n, .cells = dp_rows_cells(rows), .out = *out};
    dp_status status = model->rule.of == DP_MOMENTS_GAUSSIAN ? leave_gaussian(&job, pool, progress, err)
                                                             : leave_subspace(&job, pool, progress, err);
    if (!status && job.failed)
        status = not_definite(err);
    if (!status && job.not_finite)
        status = fail_infinite(err);
    return status;
}
