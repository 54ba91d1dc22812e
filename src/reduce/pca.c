/* SPDX-License-Identifier: Apache-2.0 */
/* pca.c - principal component analysis of feature vectors.
 *
 *     C = mean of (x - m)(x - m)^T,   C v_i = l_i v_i,   l_1 >= l_2 >= ...,   y = V (x - m),  V = rows v_1 .. v_k
 *
 * with the least k for which l_1 + .. + l_k >= share * trace C. |V x - V y| <= |x - y|; the difference comes from the
 * directions that were dropped.
 *
 * Products of 1024 vectors are summed in float, and these sums in double, in the order of the rows. A task is a strip
 * of C, so no sum depends on the number of threads. LAPACK (dsyevd) computes the eigenvectors. The sign of an
 * eigenvector is arbitrary: its largest component is made positive, so that the same features give the same basis. */
#include "reduce/pca.h"
#include "base/error.h"
#include "base/memory.h"

#include <lapacke.h>
#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <string.h>

#define MOST_ROWS ((size_t)1 << 18)
#define BLOCK 1024
#define STRIP 64
#define QUERY_BLOCK 64

struct moments {
    size_t dim;
    const float *x; /* [n, dim] */
    size_t n;
    double *sum;   /* [dim, dim]; each strip fills its columns from its first row to the diagonal */
    float *strips; /* [threads, dim, STRIP] */
    _Atomic int failed;
};

static void strip_task(void *context, size_t index, size_t worker)
{
    struct moments *m = context;
    size_t first = index * STRIP, columns = m->dim - first < STRIP ? m->dim - first : STRIP;
    float *part = m->strips + worker * m->dim * STRIP;
    /* part [rows from 0 to the strip's end, columns] = X^T X; the rest is its mirror image */
    size_t rows = first + columns;
    if (dnnl_sgemm('T', 'N', (dnnl_dim_t)rows, (dnnl_dim_t)columns, (dnnl_dim_t)m->n, 1, m->x, (dnnl_dim_t)m->dim,
                   m->x + first, (dnnl_dim_t)m->dim, 0, part, STRIP)
        != dnnl_success) {
        m->failed = 1;
        return;
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            m->sum[r * m->dim + first + c] += part[r * STRIP + c];
}

/* Reads the next rows, at most n, that are valid and meet the stride. *place and *count continue from call to call. */
static size_t next_rows(const dp_rows *bank, size_t stride, size_t *place, size_t *count, size_t n, float *out)
{
    size_t places = dp_rows_places(bank), found = 0, first = *place;
    for (; *place < places && found < n; (*place)++) {
        if (!bank->valid[*place] || (*count)++ % stride != 0)
            continue;
        dp_rows_widen(bank, *place / bank->n_rows, *place % bank->n_rows, 1, out + found++ * bank->dim);
    }
    dp_rows_forget(bank, 0, first, *place - first);
    return found;
}

static size_t count_valid(const dp_rows *bank)
{
    size_t places = dp_rows_places(bank), n = 0;
    for (size_t i = 0; i < places; i++)
        n += bank->valid[i];
    return n;
}

/* Computes mean [dim] (NULL: zeros) and moments [dim, dim], the upper triangle. */
static dp_status collect(const dp_rows *bank, bool centred, dp_pool *pool, double *mean, double *moments, dp_error *err)
{
    size_t dim = bank->dim, n_valid = count_valid(bank), stride = (n_valid + MOST_ROWS - 1) / MOST_ROWS;
    float *x = dp_malloc(dim, BLOCK * sizeof *x);
    struct moments m = {
        .dim = dim, .x = x, .sum = moments, .strips = dp_malloc_2d(dp_pool_threads(pool), dim, STRIP * sizeof(float))};
    dp_status status = x && m.strips ? DP_OK : dp_fail_memory(err, "the principal components", BLOCK * dim * sizeof *x);
    stride = stride ? stride : 1;
    for (int pass = centred ? 0 : 1; !status && pass < 2; pass++) {
        size_t place = 0, count = 0, total = 0;
        while (!status && (m.n = next_rows(bank, stride, &place, &count, BLOCK, x)) > 0) {
            total += m.n;
            if (pass == 0) {
                for (size_t i = 0; i < m.n; i++)
                    for (size_t d = 0; d < dim; d++)
                        mean[d] += x[i * dim + d];
                continue;
            }
            for (size_t i = 0; centred && i < m.n; i++)
                for (size_t d = 0; d < dim; d++)
                    x[i * dim + d] -= (float)mean[d];
            dp_pool_run(pool, (dim + STRIP - 1) / STRIP, strip_task, &m);
            if (m.failed)
                status = dp_fail_memory(err, "the principal components", 0);
        }
        if (!total && !status)
            status = dp_fail(err, DP_E_ARGUMENT, "the bank has no valid row");
        for (size_t d = 0; pass == 0 && d < dim && !status; d++)
            mean[d] = (double)(float)(mean[d] / (double)total);
    }
    dp_memory_free(x);
    dp_memory_free(m.strips);
    return status;
}

static dp_status choose(const double *values, size_t dim, double keep, size_t *k, double *kept, dp_error *err)
{
    double total = 0, sum = 0;
    for (size_t i = 0; i < dim; i++)
        total += fmax(values[i], 0); /* LAPACK returns them in ascending order */
    if (keep >= 1) {
        if (keep > (double)dim || keep != floor(keep))
            return dp_fail(err, DP_E_ARGUMENT, "%g principal components are impossible for features of %zu numbers",
                           keep, dim);
        *k = (size_t)keep;
    } else {
        for (*k = 0; *k < dim && (*k == 0 || sum < keep * total); (*k)++)
            sum += fmax(values[dim - 1 - *k], 0);
    }
    sum = 0;
    for (size_t i = 0; i < *k; i++)
        sum += fmax(values[dim - 1 - i], 0);
    *kept = total > 0 ? sum / total : 1;
    return DP_OK;
}

static void take(const double *vectors, size_t dim, size_t k, float *basis)
{
    for (size_t i = 0; i < k; i++) {
        size_t column = dim - 1 - i, largest = 0;
        for (size_t d = 1; d < dim; d++)
            if (fabs(vectors[d * dim + column]) > fabs(vectors[largest * dim + column]))
                largest = d;
        double sign = vectors[largest * dim + column] < 0 ? -1 : 1;
        for (size_t d = 0; d < dim; d++)
            basis[i * dim + d] = (float)(sign * vectors[d * dim + column]);
    }
}

dp_status dp_pca_fit(const dp_rows *bank, double keep, bool centred, dp_pool *pool, dp_pca *out, dp_error *err)
{
    size_t dim = bank->dim, k = 0;
    dp_pca pca = {.dim_in = dim, .mean = dp_calloc(dim, sizeof(float))};
    double *mean = dp_calloc(dim, sizeof *mean), *values = dp_malloc(dim, sizeof *values);
    double *moments = dp_calloc_2d(dim, dim, sizeof *moments);
    dp_status status = DP_OK;
    if (!pca.mean || !mean || !values || !moments)
        status = dp_fail_memory(err, "the principal components", dim * dim * sizeof *moments);
    if (!status && dim > INT32_MAX)
        status = dp_fail(err, DP_E_ARGUMENT, "features of %zu numbers are too long for principal components", dim);
    if (!status)
        status = collect(bank, centred, pool, mean, moments, err);
    if (!status && LAPACKE_dsyevd(LAPACK_ROW_MAJOR, 'V', 'U', (lapack_int)dim, moments, (lapack_int)dim, values) != 0)
        status = dp_fail(err, DP_E_NUMERIC, "cannot find the principal components of the bank's features");
    if (!status)
        status = choose(values, dim, keep, &k, &pca.kept, err);
    if (!status && !(pca.basis = dp_malloc_2d(k, dim, sizeof *pca.basis)))
        status = dp_fail_memory(err, "the principal components", k * dim * sizeof *pca.basis);
    if (!status) {
        take(moments, dim, k, pca.basis);
        for (size_t d = 0; d < dim; d++)
            pca.mean[d] = (float)mean[d];
        pca.dim = k;
        *out = pca;
    } else {
        dp_pca_free(&pca);
    }
    dp_memory_free(mean);
    dp_memory_free(values);
    dp_memory_free(moments);
    return status;
}

dp_status dp_pca_project(const dp_pca *pca, const float *x, size_t n, float *scratch, float *out, dp_error *err)
{
    size_t dim_in = pca->dim_in;
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < dim_in; d++)
            scratch[i * dim_in + d] = x[i * dim_in + d] - pca->mean[d];
    if (n
        && dnnl_sgemm('N', 'T', (dnnl_dim_t)n, (dnnl_dim_t)pca->dim, (dnnl_dim_t)dim_in, 1, scratch, (dnnl_dim_t)dim_in,
                      pca->basis, (dnnl_dim_t)dim_in, 0, out, (dnnl_dim_t)pca->dim)
               != dnnl_success)
        return dp_fail_memory(err, "the projection of features", 0);
    return DP_OK;
}

struct projection {
    const dp_pca *pca;
    const float *tokens;
    size_t cells;
    float *scratch; /* [threads, QUERY_BLOCK, dim_in] */
    float *out;
    _Atomic int failed;
};

static void project_task(void *context, size_t index, size_t worker)
{
    struct projection *p = context;
    size_t dim_in = p->pca->dim_in, first = index * QUERY_BLOCK,
           n = p->cells - first < QUERY_BLOCK ? p->cells - first : QUERY_BLOCK;
    if (dp_pca_project(p->pca, p->tokens + first * dim_in, n, p->scratch + worker * QUERY_BLOCK * dim_in,
                       p->out + first * p->pca->dim, NULL))
        p->failed = 1;
}

dp_status dp_pca_project_cells(const dp_pca *pca, const float *tokens, size_t cells, dp_pool *pool, float *out,
                               const float **features, dp_error *err)
{
    if (!pca->basis) {
        *features = tokens;
        return DP_OK;
    }
    size_t tasks = (cells + QUERY_BLOCK - 1) / QUERY_BLOCK;
    struct projection p = {.pca = pca, .tokens = tokens, .cells = cells, .out = out};
    p.scratch = dp_malloc_2d(dp_pool_threads(pool), pca->dim_in, QUERY_BLOCK * sizeof(float));
    if (p.scratch && pool)
        dp_pool_run(pool, tasks, project_task, &p);
    for (size_t i = 0; p.scratch && !pool && i < tasks; i++)
        project_task(&p, i, 0);
    bool good = p.scratch && !p.failed;
    dp_memory_free(p.scratch);
    *features = out;
    return good ? DP_OK : dp_fail_memory(err, "the projection of features", cells * pca->dim_in * sizeof(float));
}
