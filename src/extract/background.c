/* SPDX-License-Identifier: Apache-2.0 */
/* background.c - AnomalyDINO's mask of the background (Damm et al. 2025, section 3.3, and compute_background_mask of
 * the public code).
 *
 *     c_i = (f_i - m) . v          v: first principal component of the picture's own features, not normalised; m their mean
 *     object = c > t               t: 10 with DINOv2's features
 *     if at most 35 % of the middle of the grid (20 % cut off on each side) are object:   object = -c > t
 *     object = close(dilate(object)), 3x3;   background: the rest
 *
 * An eigenvector has no sign. The public code uses the sign of scikit-learn, which makes the largest |c_i| positive
 * (up to its version 1.4); the middle decides only if it is nearly empty. This file does the same.
 *
 * There are two rules of morphology. LIST is the rule of the public code: the mask is n x 1 when OpenCV dilates and
 * closes it, so a 3x3 kernel sees the cell before and the cell after in reading order, across the ends of rows, and
 * no cell above or below. CELLS takes the 3x3 cells around each cell; cells that are not valid are ignored. Beyond
 * the border there is nothing, in dilation and in erosion (OpenCV's default).
 *
 * v comes from block power iteration with a Rayleigh-Ritz step (Halko, Martinsson and Tropp 2011): 16 columns V, Z =
 * X^T X V orthonormalised repeatedly, v the best direction in their span, until it moves by less than a millionth.
 * The start is drawn from a fixed seed. Products are in float, sums over columns in double in a fixed order; each
 * task writes its own numbers. */
#include "extract/background.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"

#include <lapacke.h>
#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <string.h>

#define COLUMNS 16
#define MOST_STEPS 100
#define STILL 1e-12 /* 1 - cos of v to the previous v */
#define ROWS_OF_TASK 64
#define NUMBERS_OF_TASK 32

#define MIDDLE 0.2
#define LEAST_OBJECT 0.35

struct iteration {
    size_t n, dim;
    const float *x; /* [n, dim], centred */
    float *v;       /* [dim, COLUMNS] */
    float *y;       /* [n, COLUMNS] = X V */
    float *z;       /* [dim, COLUMNS] = X^T Y */
    _Atomic int failed;
};

static void y_task(void *context, size_t index, size_t worker)
{
    (void)worker;
    struct iteration *job = context;
    size_t first = index * ROWS_OF_TASK, n = job->n - first < ROWS_OF_TASK ? job->n - first : ROWS_OF_TASK;
    if (dnnl_sgemm('N', 'N', (dnnl_dim_t)n, COLUMNS, (dnnl_dim_t)job->dim, 1, job->x + first * job->dim,
                   (dnnl_dim_t)job->dim, job->v, COLUMNS, 0, job->y + first * COLUMNS, COLUMNS)
        != dnnl_success)
        job->failed = 1;
}

static void z_task(void *context, size_t index, size_t worker)
{
    (void)worker;
    struct iteration *job = context;
    size_t first = index * NUMBERS_OF_TASK, n = job->dim - first < NUMBERS_OF_TASK ? job->dim - first : NUMBERS_OF_TASK;
    if (dnnl_sgemm('T', 'N', (dnnl_dim_t)n, COLUMNS, (dnnl_dim_t)job->n, 1, job->x + first, (dnnl_dim_t)job->dim,
                   job->y, COLUMNS, 0, job->z + first * COLUMNS, COLUMNS)
        != dnnl_success)
        job->failed = 1;
}

/* Makes the columns of z [dim, COLUMNS] orthonormal in their order (modified Gram-Schmidt, twice) into v. A column
 * that depends on the others becomes zero. */
static void orthonormalise(const float *z, size_t dim, double *work, float *v)
{
    double largest = 0;
    for (size_t i = 0; i < dim * COLUMNS; i++) {
        work[i] = (double)z[i];
        largest = fmax(largest, fabs(work[i]));
    }
    for (size_t c = 0; c < COLUMNS; c++) {
        double before = 0, after = 0;
        for (size_t d = 0; d < dim; d++)
            before += work[d * COLUMNS + c] * work[d * COLUMNS + c];
        for (int pass = 0; pass < 2; pass++)
            for (size_t b = 0; b < c; b++) {
                double product = 0;
                for (size_t d = 0; d < dim; d++)
                    product += work[d * COLUMNS + b] * work[d * COLUMNS + c];
                for (size_t d = 0; d < dim; d++)
                    work[d * COLUMNS + c] -= product * work[d * COLUMNS + b];
            }
        for (size_t d = 0; d < dim; d++)
            after += work[d * COLUMNS + c] * work[d * COLUMNS + c];
        bool good = after > 1e-12 * before && after > 0;
        for (size_t d = 0; d < dim; d++)
            work[d * COLUMNS + c] = good ? work[d * COLUMNS + c] / sqrt(after) : 0;
    }
    for (size_t i = 0; i < dim * COLUMNS; i++)
        v[i] = (float)work[i];
}

/* Computes w [COLUMNS]: the direction within V that has the largest share of Y = X V. */
static dp_status best_of(const struct iteration *job, double *w, dp_error *err)
{
    double moments[COLUMNS * COLUMNS] = {0}, values[COLUMNS];
    for (size_t i = 0; i < job->n; i++)
        for (size_t a = 0; a < COLUMNS; a++)
            for (size_t b = a; b < COLUMNS; b++)
                moments[a * COLUMNS + b] += (double)job->y[i * COLUMNS + a] * (double)job->y[i * COLUMNS + b];
    for (size_t i = 0; i < (size_t)COLUMNS * COLUMNS; i++)
        if (!isfinite(moments[i]))
            return dp_fail(err, DP_E_NUMERIC, "a feature is not finite");
    if (LAPACKE_dsyev(LAPACK_ROW_MAJOR, 'V', 'U', COLUMNS, moments, COLUMNS, values) != 0)
        return dp_fail(err, DP_E_NUMERIC, "the first principal component of the features cannot be found");
    for (size_t c = 0; c < COLUMNS; c++)
        w[c] = moments[c * COLUMNS + COLUMNS - 1]; /* ascending, so the last is the largest */
    return DP_OK;
}

/* Iterates. On return, job->y w is the component of each row. */
static dp_status iterate(struct iteration *job, double *work, double *now, double *before, dp_pool *pool, double *w,
                         dp_error *err)
{
    dp_random random = dp_random_at(0, 0);
    for (size_t i = 0; i < job->dim * COLUMNS; i++)
        job->z[i] = (float)(2 * dp_random_unit(&random) - 1);
    memset(before, 0, job->dim * sizeof *before);
    for (int step = 0; step < MOST_STEPS; step++) {
        orthonormalise(job->z, job->dim, work, job->v);
        dp_pool_run(pool, (job->n + ROWS_OF_TASK - 1) / ROWS_OF_TASK, y_task, job);
        dp_status status = job->failed ? dp_fail_memory(err, "the principal component", 0) : best_of(job, w, err);
        if (status)
            return status;
        double product = 0;
        for (size_t d = 0; d < job->dim; d++) {
            now[d] = 0;
            for (size_t c = 0; c < COLUMNS; c++)
                now[d] += w[c] * (double)job->v[d * COLUMNS + c];
            product += now[d] * before[d];
        }
        if (1 - fabs(product) < STILL)
            break;
        memcpy(before, now, job->dim * sizeof *before);
        dp_pool_run(pool, (job->dim + NUMBERS_OF_TASK - 1) / NUMBERS_OF_TASK, z_task, job);
        if (job->failed)
            return dp_fail_memory(err, "the principal component", 0);
    }
    return DP_OK;
}

/* Writes the features inside, minus their mean, to x [n, dim]. */
static void centre(const float *features, const uint8_t *inside, size_t cells, size_t dim, double *mean, float *x)
{
    size_t n = 0;
    memset(mean, 0, dim * sizeof *mean);
    for (size_t i = 0; i < cells; i++) {
        if (inside && !inside[i])
            continue;
        for (size_t d = 0; d < dim; d++)
            mean[d] += (double)features[i * dim + d];
        memcpy(x + n++ * dim, features + i * dim, dim * sizeof *x);
    }
    for (size_t d = 0; d < dim; d++)
        mean[d] /= (double)n;
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < dim; d++)
            x[i * dim + d] = (float)((double)x[i * dim + d] - mean[d]);
}

dp_status dp_first_component(const float *features, const uint8_t *inside, size_t rows, size_t cols, size_t dim,
                             dp_pool *pool, float *component, dp_error *err)
{
    size_t cells = rows * cols, n = 0, values;
    for (size_t i = 0; i < cells; i++)
        n += !inside || inside[i];
    memset(component, 0, cells * sizeof *component);
    if (!n)
        return DP_OK;
    if (!dp_mul_size(n, dim, &values))
        return dp_fail_memory(err, "the principal component", SIZE_MAX);
    float *x = dp_malloc(values, sizeof *x),
          *block = dp_malloc(n + 2 * dim /* checked: the features exist */, COLUMNS * sizeof *block);
    double *work = dp_malloc_2d(dim, COLUMNS + 2, sizeof *work), w[COLUMNS];
    dp_status status = x && block && work ? DP_OK : dp_fail_memory(err, "the principal component", values * sizeof *x);
    if (!status) {
        struct iteration job = {
            .n = n, .dim = dim, .x = x, .y = block, .v = block + n * COLUMNS, .z = block + (n + dim) * COLUMNS};
        centre(features, inside, cells, dim, work, x);
        status = iterate(&job, work, work + dim * COLUMNS, work + dim * (COLUMNS + 1), pool, w, err);
        double largest = 0;
        for (size_t i = 0, at = 0; !status && i < cells; i++) {
            if (inside && !inside[i])
                continue;
            double sum = 0;
            for (size_t c = 0; c < COLUMNS; c++)
                sum += w[c] * (double)job.y[at * COLUMNS + c];
            at++;
            component[i] = (float)sum;
            largest = fabs(sum) > fabs(largest) ? sum : largest;
        }
        for (size_t i = 0; !status && largest < 0 && i < cells; i++)
            component[i] = -component[i];
    }
    dp_memory_free(x);
    dp_memory_free(block);
    dp_memory_free(work);
    return status;
}

/* ---------------------------------------------------------------------------------------------------------- morphology */

/* Writes to `to` [rows, cols] the largest (or the smallest) value of a cell and its valid neighbours. */
static void spread(const uint8_t *from, const uint8_t *inside, size_t rows, size_t cols, bool largest, uint8_t *to)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            uint8_t value = from[r * cols + c];
            for (size_t y = r ? r - 1 : 0; y <= r + 1 && y < rows; y++)
                for (size_t x = c ? c - 1 : 0; x <= c + 1 && x < cols; x++) {
                    size_t i = y * cols + x;
                    if (!inside || inside[i])
                        value = (from[i] != 0) == largest ? from[i] : value;
                }
            to[r * cols + c] = value;
        }
}

dp_status dp_background_cells(const float *component, const uint8_t *inside, size_t rows, size_t cols, double threshold,
                              dp_background_rule rule, uint8_t *background, dp_error *err)
{
    size_t cells = rows * cols, middle = 0, object = 0;
    uint8_t *scratch = dp_malloc(cells, 1);
    if (!scratch)
        return dp_fail_memory(err, "the mask of the background", cells);
    bool list = rule == DP_BACKGROUND_LIST;
    for (size_t r = (size_t)((double)rows * MIDDLE); r < (size_t)((double)rows * (1 - MIDDLE)); r++)
        for (size_t c = (size_t)((double)cols * MIDDLE); c < (size_t)((double)cols * (1 - MIDDLE)); c++) {
            size_t i = r * cols + c;
            if (!list && inside && !inside[i])
                continue;
            middle++;
            object += (double)component[i] > threshold;
        }
    double sign = (double)object <= (double)middle * LEAST_OBJECT ? -1 : 1;
    for (size_t i = 0; i < cells; i++)
        background[i] = sign * (double)component[i] > threshold && (list || !inside || inside[i]);
    if (list) { /* one row of all cells */
        rows = 1;
        cols = cells;
    }
    const uint8_t *counts = list ? NULL : inside;
    spread(background, counts, rows, cols, true, scratch);
    spread(scratch, counts, rows, cols, true, background);
    spread(background, counts, rows, cols, false, scratch);
    for (size_t i = 0; i < cells; i++)
        background[i] = !scratch[i] && (!inside || inside[i]);
    dp_memory_free(scratch);
    return DP_OK;
}
