/* SPDX-License-Identifier: Apache-2.0 */
/* smooth.c - a Gaussian over a map of pixels, as scipy.ndimage.gaussian_filter: weights exp(-x^2 / (2 sigma^2)) out
 * to 4 sigma (rounded), normalised; the border is reflected with the edge pixel (d c b a | a b c d). AnomalyDINO and
 * PatchCore smooth their maps in this way, with sigma 4. Rows come first, then columns; sums are in double, in the
 * order of the weights. */
#include "score/smooth.h"
#include "base/border.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

#define BAND 16   /* rows of one task */
#define CHUNK 256 /* values that are summed side by side */

struct job {
    const double *weights; /* [2 radius + 1] */
    size_t radius, height, width;
    const float *from; /* [height, width] */
    float *to;
    int along_rows;
    size_t *across,
        *down;          /* [width + 2 radius], [height + 2 radius]: position that is read for one beyond the border */
    float *padded;      /* [workers, width + 2 radius] */
    const float **rows; /* [workers, 2 radius + 1] */
};

static void reflect(size_t n, size_t radius, size_t *index)
{
    for (size_t i = 0; i < n + 2 * radius; i++)
        index[i] = dp_border_reflect((ptrdiff_t)i - (ptrdiff_t)radius, n);
}

/* Computes to[x] = sum over k of weights[k] rows[k][x], for n values; each sum in the order of k. */
static void weigh(const double *weights, const float *const *rows, size_t taps, size_t n, float *to)
{
    double sum[CHUNK];
    for (size_t x = 0; x < n; x += CHUNK) {
        const size_t m = n - x < CHUNK ? n - x : CHUNK;
        for (size_t i = 0; i < m; i++)
            sum[i] = 0;
        for (size_t k = 0; k < taps; k++) {
            const double weight = weights[k];
            const float *from = rows[k] + x;
            for (size_t i = 0; i < m; i++)
                sum[i] += weight * (double)from[i];
        }
        for (size_t i = 0; i < m; i++)
            to[x + i] = (float)sum[i];
    }
}

/* Does one pass over a band of rows: along the rows, each with its border reflected, or across them, with rows
 * reflected at the border. */
static void smooth_band(void *context, size_t task, size_t worker)
{
    const struct job *job = context;
    const size_t taps = 2 * job->radius + 1, width = job->width;
    float *padded = job->padded + worker * (width + 2 * job->radius);
    const float **rows = job->rows + worker * taps;
    for (size_t y = task * BAND; y < (task + 1) * BAND && y < job->height; y++) {
        for (size_t x = 0; job->along_rows && x < width + 2 * job->radius; x++)
            padded[x] = job->from[y * width + job->across[x]];
        for (size_t k = 0; k < taps; k++)
            rows[k] = job->along_rows ? padded + k : job->from + job->down[y + k] * width;
        weigh(job->weights, rows, taps, width, job->to + y * width);
    }
}

dp_status dp_map_smooth(float *map, size_t height, size_t width, double sigma_px, dp_pool *pool, dp_error *err)
{
    size_t radius = (size_t)(4 * sigma_px + 0.5), bands = (height + BAND - 1) / BAND;
    if (!(sigma_px > 0) || !height || !width)
        return DP_OK;
    double *weights = dp_malloc(2 * radius + 1, sizeof *weights), total = 0;
    float *half = dp_malloc_2d(height, width, sizeof *half);
    size_t *index = dp_malloc(height + width + 4 * radius, sizeof *index), workers = dp_pool_threads(pool);
    float *padded = dp_malloc_2d(workers, width + 2 * radius, sizeof *padded);
    const float **rows = dp_malloc_2d(workers, 2 * radius + 1, sizeof(const float *));
    if (!weights || !half || !index || !padded || !rows) {
        dp_memory_free(weights);
        dp_memory_free(half);
        dp_memory_free(index);
        dp_memory_free(padded);
        dp_memory_free(rows);
        return dp_fail_memory(err, "the smoothing of the map", height * width * sizeof *half);
    }
    for (size_t k = 0; k <= 2 * radius; k++) {
        double x = (double)k - (double)radius;
        total += weights[k] = exp(-x * x / (2 * sigma_px * sigma_px));
    }
    for (size_t k = 0; k <= 2 * radius; k++)
        weights[k] /= total;
    struct job job = {weights, radius, height, width, map, half, 1, index, index + width + 2 * radius, padded, rows};
    reflect(width, radius, job.across);
    reflect(height, radius, job.down);
    dp_pool_run(pool, bands, smooth_band, &job);
    job.from = half;
    job.to = map;
    job.along_rows = 0;
    dp_pool_run(pool, bands, smooth_band, &job);
    dp_memory_free(weights);
    dp_memory_free(half);
    dp_memory_free(index);
    dp_memory_free(padded);
    dp_memory_free(rows);
    return DP_OK;
}
