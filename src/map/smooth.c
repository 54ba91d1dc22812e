/* smooth.c - a Gaussian over a map of pixels, as scipy.ndimage.gaussian_filter: weights exp(-x^2 / (2 sigma^2)) out to 4 sigma
 * (rounded), normalised; the border is reflected with the edge pixel (d c b a | a b c d).  AnomalyDINO and PatchCore smooth their maps
 * so, with sigma 4.  Rows first, then columns; sums in double, in the order of the weights. */
#include "map/smooth.h"
#include "base/border.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

#define BAND 16 /* rows of one task */

struct job {
    const double *weights; /* [2 radius + 1] */
    size_t radius, height, width;
    const float *from; /* [height, width] */
    float *to;
    int along_rows;
    size_t *across, *down; /* [width + 2 radius], [height + 2 radius] where a position beyond the border is read */
};

static void reflect(size_t n, size_t radius, size_t *index)
{
    for (size_t i = 0; i < n + 2 * radius; i++)
        index[i] = dp_border_reflect((ptrdiff_t)i - (ptrdiff_t)radius, n);
}

/* One pass over a band of rows.  Along the other axis the middle of the table is read, where each position stands for itself. */
static void smooth_band(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct job *job = context;
    const size_t taps = 2 * job->radius + 1, step_x = job->along_rows ? 1 : 0, step_y = 1 - step_x;
    for (size_t y = task * BAND; y < (task + 1) * BAND && y < job->height; y++)
        for (size_t x = 0; x < job->width; x++) {
            const size_t *column = job->across + x + step_y * job->radius, *row = job->down + y + step_x * job->radius;
            double sum = 0;
            for (size_t k = 0; k < taps; k++)
                sum += job->weights[k] * job->from[row[k * step_y] * job->width + column[k * step_x]];
            job->to[y * job->width + x] = (float)sum;
        }
}

dp_status dp_map_smooth(float *map, size_t height, size_t width, double sigma_px, dp_pool *pool, dp_error *err)
{
    size_t radius = (size_t)(4 * sigma_px + 0.5), bands = (height + BAND - 1) / BAND;
    if (!(sigma_px > 0) || !height || !width)
        return DP_OK;
    double *weights = dp_malloc(2 * radius + 1, sizeof *weights), total = 0;
    float *half = dp_malloc_2d(height, width, sizeof *half);
    size_t *index = dp_malloc(height + width + 4 * radius, sizeof *index);
    if (!weights || !half || !index) {
        dp_memory_free(weights);
        dp_memory_free(half);
        dp_memory_free(index);
        return dp_fail_memory(err, "smoothing the map", height * width * sizeof *half);
    }
    for (size_t k = 0; k <= 2 * radius; k++) {
        double x = (double)k - (double)radius;
        total += weights[k] = exp(-x * x / (2 * sigma_px * sigma_px));
    }
    for (size_t k = 0; k <= 2 * radius; k++)
        weights[k] /= total;
    struct job job = {weights, radius, height, width, map, half, 1, index, index + width + 2 * radius};
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
    return DP_OK;
}
