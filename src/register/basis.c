/* SPDX-License-Identifier: Apache-2.0 */
/* basis.c - principal directions of the cells of some pictures.
 *
 *     C = sum (x - m)(x - m)^T,   C v_i = l_i v_i,   l_1 >= l_2 >= ...,   y = V (x - m),  V = rows v_1 .. v_dim
 *
 * An inner product of two y is that of the two x - m but for what they have along the directions left out.  Eigenvectors by LAPACK
 * (dsyevd), their largest component made positive. */
#include "register/basis.h"
#include "base/error.h"
#include "base/memory.h"

#include <lapacke.h>
#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>
#include <string.h>

static void subtract(float *x, size_t n, const float *mean, size_t dim)
{
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < dim; d++)
            x[i * dim + d] -= mean[d];
}

static dp_status mean_of(const float *x, size_t n, size_t dim, float *mean, dp_error *err)
{
    double *sum = dp_calloc(dim, sizeof *sum);
    if (!sum)
        return dp_fail_memory(err, "the directions of features", dim * sizeof *sum);
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < dim; d++)
            sum[d] += x[i * dim + d];
    for (size_t d = 0; d < dim; d++)
        mean[d] = (float)(sum[d] / (double)n);
    dp_memory_free(sum);
    return DP_OK;
}

static void take(const float *vectors, size_t dim_in, dp_basis *basis)
{
    for (size_t i = 0; i < basis->dim; i++) {
        size_t column = dim_in - 1 - i, largest = 0;
        for (size_t d = 1; d < dim_in; d++)
            if (fabsf(vectors[d * dim_in + column]) > fabsf(vectors[largest * dim_in + column]))
                largest = d;
        float sign = vectors[largest * dim_in + column] < 0 ? -1 : 1;
        for (size_t d = 0; d < dim_in; d++)
            basis->rows[i * dim_in + d] = sign * vectors[d * dim_in + column];
    }
}

/* Moments and directions; a task of the pool, for only there products and LAPACK stay on one thread. */
struct search {
    float *x; /* [n, dim_in] about their mean */
    size_t n, dim_in;
    float *moments, *values; /* [dim_in, dim_in], [dim_in] */
    bool no_memory, no_directions;
};

static void find_directions(void *context, size_t index, size_t worker)
{
    (void)index, (void)worker;
    struct search *s = context;
    const dnnl_dim_t d = (dnnl_dim_t)s->dim_in;
    s->no_memory = dnnl_sgemm('T', 'N', d, d, (dnnl_dim_t)s->n, 1, s->x, d, s->x, d, 0, s->moments, d) != dnnl_success;
    if (!s->no_memory)
        s->no_directions = LAPACKE_ssyevd(LAPACK_ROW_MAJOR, 'V', 'U', (lapack_int)s->dim_in, s->moments,
                                          (lapack_int)s->dim_in, s->values)
                           != 0;
}

dp_status dp_basis_find(const float *x, size_t n, size_t dim_in, dp_pool *pool, dp_basis *out, dp_error *err)
{
    const size_t dim = DP_BASIS_DIM < dim_in ? DP_BASIS_DIM : dim_in;
    dp_basis basis = {dim_in, dim, dp_malloc(dim_in, sizeof(float)), dp_malloc_2d(dim, dim_in, sizeof(float))};
    struct search search = {.x = dp_malloc_2d(n, dim_in, sizeof(float)),
                            .n = n,
                            .dim_in = dim_in,
                            .moments = dp_malloc_2d(dim_in, dim_in, sizeof(float)),
                            .values = dp_malloc(dim_in, sizeof(float))};
    dp_status status = basis.mean && basis.rows && search.x && search.moments && search.values
                           ? mean_of(x, n, dim_in, basis.mean, err)
                           : dp_fail_memory(err, "the directions of features", (n + dim_in) * dim_in * sizeof(float));
    if (!status) {
        memcpy(search.x, x, n * dim_in * sizeof *x);
        subtract(search.x, n, basis.mean, dim_in);
        dp_pool_run(pool, 1, find_directions, &search);
        if (search.no_memory)
            status = dp_fail_memory(err, "the directions of features", dim_in * dim_in * sizeof(float));
        else if (search.no_directions)
            status = dp_fail(err, DP_E_NUMERIC, "the principal directions of the pictures' features cannot be found");
    }
    if (!status)
        take(search.moments, dim_in, &basis);
    dp_memory_free(search.x);
    dp_memory_free(search.moments);
    dp_memory_free(search.values);
    if (status) {
        dp_memory_free(basis.mean);
        dp_memory_free(basis.rows);
    } else {
        *out = basis;
    }
    return status;
}

#define BLOCK 32

struct projection {
    const dp_basis *basis;
    float *x, *out;
    size_t n;
    _Atomic int failed;
};

static void project(void *context, size_t index, size_t worker)
{
    (void)worker;
    struct projection *p = context;
    const size_t first = index * BLOCK, n = p->n - first < BLOCK ? p->n - first : BLOCK;
    const dnnl_dim_t in = (dnnl_dim_t)p->basis->dim_in, dim = (dnnl_dim_t)p->basis->dim;
    float *x = p->x + first * p->basis->dim_in;
    subtract(x, n, p->basis->mean, p->basis->dim_in);
    if (dnnl_sgemm('N', 'T', (dnnl_dim_t)n, dim, in, 1, x, in, p->basis->rows, in, 0, p->out + first * p->basis->dim,
                   dim)
        != dnnl_success)
        p->failed = 1;
}

dp_status dp_basis_apply(const dp_basis *basis, float *x, size_t n, dp_pool *pool, float *out, dp_error *err)
{
    struct projection projection = {.basis = basis, .x = x, .out = out, .n = n};
    dp_pool_run(pool, (n + BLOCK - 1) / BLOCK, project, &projection);
    return projection.failed ? dp_fail_memory(err, "features in few numbers", n * basis->dim * sizeof(float)) : DP_OK;
}
