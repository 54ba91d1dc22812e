/* SPDX-License-Identifier: Apache-2.0 */
#include "bank/moments.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

#define STRIP 32 /* columns of a task, where all cells share one set */

dp_status dp_moments_open(size_t cells, size_t dim, dp_moments *moments, dp_error *err)
{
    dp_moments m = {.cells = cells, .dim = dim};
    if (!cells || !dim || dim > DP_MOMENTS_DIM)
        return dp_fail(err, DP_E_ARGUMENT, "moments of %zu features at %zu places are impossible", dim, cells);
    m.n = dp_calloc(cells, sizeof *m.n);
    m.mean = dp_calloc_2d(cells, dim, sizeof *m.mean);
    m.scatter = dp_calloc_2d(cells, dp_moments_size(dim), sizeof *m.scatter);
    if (!m.n || !m.mean || !m.scatter) {
        dp_moments_close(&m);
        return dp_fail_memory(err, "the moments of the features", cells * dp_moments_size(dim) * sizeof *m.scatter);
    }
    *moments = m;
    return DP_OK;
}

void dp_moments_close(dp_moments *moments)
{
    dp_memory_free(moments->n);
    dp_memory_free(moments->mean);
    dp_memory_free(moments->scatter);
    *moments = (dp_moments){0};
}

dp_status dp_moments_copy(const dp_moments *from, dp_moments *to, dp_error *err)
{
    dp_status status = dp_moments_open(from->cells, from->dim, to, err);
    if (status)
        return status;
    memcpy(to->n, from->n, from->cells * sizeof *to->n);
    memcpy(to->mean, from->mean, from->cells * from->dim * sizeof *to->mean);
    memcpy(to->scatter, from->scatter, from->cells * dp_moments_size(from->dim) * sizeof *to->scatter);
    return DP_OK;
}

size_t dp_moments_bytes(const dp_moments *moments)
{
    return moments->cells * (1 + moments->dim + dp_moments_size(moments->dim)) * sizeof(double);
}

/* ---------------------------------------------------------------------------------------------- parts put together */

struct pair {
    dp_moments *a;
    const dp_moments *b;
    size_t strips; /* tasks of a cell */
    bool away;
};

/* Columns of one cell's scatter; the mean is still the old one. */
static void scatter_task(void *context, size_t index, size_t worker)
{
    (void)worker;
    const struct pair *pair = context;
    const size_t dim = pair->a->dim, cell = index / pair->strips, first = index % pair->strips * STRIP;
    const size_t last = first + STRIP < dim ? first + STRIP : dim;
    const double *ma = pair->a->mean + cell * dim, *mb = pair->b->mean + cell * dim;
    const double na = pair->a->n[cell], nb = pair->b->n[cell];
    const size_t skip = first * dim - first * (first - 1) / 2; /* first 0: 0 */
    double *a = pair->a->scatter + cell * dp_moments_size(dim) + skip;
    const double *b = pair->b->scatter + cell * dp_moments_size(dim) + skip;
    /* Away: with n the number that is left, d = mean_a - mean_b is n_left / n of the distance between both parts, so
     * that n_left n_b / n (d n / n_left)^2 = n_b n / n_left d^2. */
    const double sign = pair->away ? -1 : 1, left = na - nb,
                 factor = pair->away ? (left > 0 ? na * nb / left : 0) : na * nb / (na + nb);
    if (!(nb > 0))
        return;
    for (size_t j = first; j < last; j++) {
        const double d = (ma[j] - mb[j]) * factor;
        for (size_t i = j; i < dim; i++, a++, b++)
            *a += sign * (*b + d * (ma[i] - mb[i]));
    }
}

static void combine(dp_moments *a, const dp_moments *b, bool away, dp_pool *pool)
{
    const size_t dim = a->dim;
    struct pair pair = {a, b, (dim + STRIP - 1) / STRIP, away};
    dp_pool_run(pool, a->cells * pair.strips, scatter_task, &pair);
    for (size_t cell = 0; cell < a->cells; cell++) {
        const double na = a->n[cell], nb = b->n[cell], n = away ? na - nb : na + nb;
        double *mean = a->mean + cell * dim;
        const double *other = b->mean + cell * dim;
        if (!(nb > 0))
            continue;
        for (size_t i = 0; i < dim; i++)
            mean[i] += away ? (n > 0 ? (mean[i] - other[i]) * (nb / n) : -mean[i]) : (other[i] - mean[i]) * (nb / n);
        a->n[cell] = n;
        if (!(n > 0))
            memset(a->scatter + cell * dp_moments_size(dim), 0, dp_moments_size(dim) * sizeof *a->scatter);
    }
}

void dp_moments_add(dp_moments *a, const dp_moments *b, dp_pool *pool)
{
    combine(a, b, false, pool);
}

void dp_moments_subtract(dp_moments *a, const dp_moments *b, dp_pool *pool)
{
    combine(a, b, true, pool);
}

/* ------------------------------------------------------------------------------------------------------- from rows */

struct measuring {
    const dp_rows *rows;
    size_t first, n; /* pictures */
    dp_moments *part;
    const double *centred; /* [features, dim] where all cells share one set */
    size_t n_centred;
    float *x;  /* [threads, dim] */
    double *d; /* [threads, dim] */
};

/* One place: mean, then scatter. */
static void cell_task(void *context, size_t cell, size_t worker)
{
    const struct measuring *m = context;
    const dp_rows *rows = m->rows;
    const size_t dim = rows->dim, from = m->first * rows->rows_per_picture, to = from + m->n * rows->rows_per_picture;
    float *x = m->x + worker * dim;
    double *d = m->d + worker * dim, *mean = m->part->mean + cell * dim, n = 0;
    for (size_t row = from; row < to; row++) {
        if (!rows->valid[cell * rows->n_rows + row])
            continue;
        dp_rows_widen(rows, cell, row, 1, x);
        for (size_t i = 0; i < dim; i++)
            mean[i] += (double)x[i];
        n++;
    }
    for (size_t i = 0; i < dim && n > 0; i++)
        mean[i] /= n;
    m->part->n[cell] = n;
    for (size_t row = from; row < to; row++) {
        double *s = m->part->scatter + cell * dp_moments_size(dim);
        if (!rows->valid[cell * rows->n_rows + row])
            continue;
        dp_rows_widen(rows, cell, row, 1, x);
        for (size_t i = 0; i < dim; i++)
            d[i] = (double)x[i] - mean[i];
        for (size_t j = 0; j < dim; j++)
            for (size_t i = j; i < dim; i++)
                *s++ += d[j] * d[i];
    }
}

/* Some columns of the scatter of all cells. */
static void strip_task(void *context, size_t index, size_t worker)
{
    (void)worker;
    const struct measuring *m = context;
    const size_t dim = m->rows->dim, first = index * STRIP, last = first + STRIP < dim ? first + STRIP : dim;
    double *start = m->part->scatter + first * dim - first * (first - 1) / 2;
    for (size_t k = 0; k < m->n_centred; k++) {
        const double *d = m->centred + k * dim;
        double *s = start;
        for (size_t j = first; j < last; j++)
            for (size_t i = j; i < dim; i++)
                *s++ += d[j] * d[i];
    }
}

/* All places of one picture and augmentation as one set: *n_valid features centred about their mean. */
static void centre(const dp_rows *rows, size_t row, dp_moments *part, double *centred, float *x)
{
    const size_t dim = rows->dim, cells = dp_rows_cells(rows);
    size_t n = 0;
    memset(part->mean, 0, dim * sizeof *part->mean);
    memset(part->scatter, 0, dp_moments_size(dim) * sizeof *part->scatter);
    for (size_t cell = 0; cell < cells; cell++) {
        if (!rows->valid[cell * rows->n_rows + row])
            continue;
        dp_rows_widen(rows, cell, row, 1, x);
        for (size_t i = 0; i < dim; i++) {
            centred[n * dim + i] = (double)x[i];
            part->mean[i] += (double)x[i];
        }
        n++;
    }
    part->n[0] = (double)n;
    for (size_t i = 0; i < dim && n; i++)
        part->mean[i] /= (double)n;
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < dim; i++)
            centred[k * dim + i] -= part->mean[i];
}

dp_status dp_moments_of_rows(const dp_rows *rows, size_t first, size_t n, dp_pool *pool, dp_moments *moments,
                             dp_error *err)
{
    const size_t dim = rows->dim, threads = dp_pool_threads(pool), per = rows->rows_per_picture;
    const bool shared = moments->cells == 1;
    dp_moments part = {0};
    double *centred = NULL;
    struct measuring m = {.rows = rows, .first = first, .n = n, .part = &part};
    const dp_need needs[] = {{&m.x, threads, dim, sizeof *m.x},
                             {&m.d, threads, dim, sizeof *m.d},
                             {&centred, shared ? dp_rows_cells(rows) : 0, dim, sizeof *centred}};
    dp_status status = dp_memory_take(needs, 3, "the moments of the features", err);
    if (!status)
        status = dp_moments_open(moments->cells, dim, &part, err);
    if (!status && !shared) {
        dp_pool_run(pool, moments->cells, cell_task, &m);
        dp_moments_add(moments, &part, pool);
    }
    m.centred = centred;
    for (size_t row = first * per; !status && shared && row < (first + n) * per; row++) {
        centre(rows, row, &part, centred, m.x);
        m.n_centred = (size_t)part.n[0];
        dp_pool_run(pool, (dim + STRIP - 1) / STRIP, strip_task, &m);
        dp_moments_add(moments, &part, pool);
    }
    dp_moments_close(&part);
    dp_memory_free(m.x);
    dp_memory_free(m.d);
    dp_memory_free(centred);
    return status;
}
