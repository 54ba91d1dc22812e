/* SPDX-License-Identifier: Apache-2.0 */
/* postprocess.c - from a distance map to the objects in it. All steps are optional. They run in this order:
 *
 *   1. median     over a square window; Gaussian (normalised: G*(v m) / G*m with the validity m, so that invalid
 *                 elements neither add their values nor pull their neighbours towards zero)
 *   2. thresholds low and high. M is the set of kept elements, every other one becomes 0: d >= low, in a connected
 *                 group (8) that has an element with d >= high (hysteresis, Canny's rule)
 *   3. objects    connected groups (8) of M with fewer than min_object elements leave M
 *   4. holes      connected groups (4) of valid elements outside M with at most max_hole elements join M, if they
 *                 are enclosed: no element at the border of the map or beside an invalid one
 *   5. out = d on M, 0 elsewhere. A filled hole shows its own distance again.
 *
 * Source of 2 to 4: the DinoPatch paper's post-processing; the paper does not say how it reads its "minimum and
 * maximum threshold". */
#include "score/postprocess.h"
#include "base/error.h"
#include "base/memory.h"
#include "score/connected.h"
#include "options/check.h"

#include <math.h>
#include <string.h>

#define MAX_MEDIAN 31
#define MAX_SIGMA 64

dp_status dp_post_work_open(size_t rows, size_t cols, dp_post_work *work, dp_error *err)
{
    size_t n = 0, scratch = dp_components_scratch(rows, cols);
    *work = (dp_post_work){0};
    if (!dp_mul_size(rows, cols, &n) || n >= UINT32_MAX)
        return dp_fail(err, DP_E_ARGUMENT, "a map of %zux%zu elements is too large for post-processing", rows, cols);
    work->filtered = dp_malloc(n, sizeof *work->filtered);
    work->sums = dp_malloc(n, sizeof *work->sums);
    work->weights = dp_malloc(n, sizeof *work->weights);
    work->mask = dp_malloc(n, sizeof *work->mask);
    work->labels = dp_malloc(n, sizeof *work->labels);
    work->scratch = dp_malloc(scratch, sizeof *work->scratch);
    work->sizes = dp_malloc(scratch, sizeof *work->sizes);
    if (work->filtered && work->sums && work->weights && work->mask && work->labels && work->scratch && work->sizes)
        return DP_OK;
    dp_post_work_close(work);
    return dp_fail_memory(err, "the post-processing of the map", n * 21);
}

void dp_post_work_close(dp_post_work *work)
{
    dp_memory_free(work->filtered);
    dp_memory_free(work->sums);
    dp_memory_free(work->weights);
    dp_memory_free(work->mask);
    dp_memory_free(work->labels);
    dp_memory_free(work->scratch);
    dp_memory_free(work->sizes);
    *work = (dp_post_work){0};
}

int dp_post_active(const dp_post *post)
{
    return post->low > 0 || post->high > 0 || post->gaussian > 0 || post->median > 1;
}

/* ---------------------------------------------------------------------------------------------------------- filters */

/* Returns the median of v [n]: the middle value, or the mean of the two middle values. Sorts v. */
static float median_of(float *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        float x = v[i];
        size_t j = i;
        for (; j && v[j - 1] > x; j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
    return n % 2 ? v[n / 2] : 0.5f * (v[n / 2 - 1] + v[n / 2]);
}

static void median_filter(const float *map, const uint8_t *valid, size_t rows, size_t cols, size_t side, float *out)
{
    float window[MAX_MEDIAN * MAX_MEDIAN];
    size_t radius = side / 2;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            size_t n = 0;
            size_t r0 = r > radius ? r - radius : 0, r1 = r + radius < rows ? r + radius : rows - 1;
            size_t c0 = c > radius ? c - radius : 0, c1 = c + radius < cols ? c + radius : cols - 1;
            if (!valid || valid[r * cols + c])
                for (size_t y = r0; y <= r1; y++)
                    for (size_t x = c0; x <= c1; x++)
                        if (!valid || valid[y * cols + x])
                            window[n++] = map[y * cols + x];
            out[r * cols + c] = n ? median_of(window, n) : 0;
        }
}

/* Blurs along a row: in and out [n] must differ. */
static void blur_row(const float *in, size_t n, const float *kernel, size_t radius, float *out)
{
    for (size_t i = 0; i < n; i++) {
        size_t first = i > radius ? i - radius : 0, last = i + radius < n ? i + radius : n - 1;
        float sum = 0;
        for (size_t k = first; k <= last; k++)
            sum += kernel[k > i ? k - i : i - k] * in[k];
        out[i] = sum;
    }
}

/* Blurs along the columns, a row at a time: in and out [rows, cols] must differ. */
static void blur_columns(const float *in, size_t rows, size_t cols, const float *kernel, size_t radius, float *out)
{
    for (size_t r = 0; r < rows; r++) {
        size_t first = r > radius ? r - radius : 0, last = r + radius < rows ? r + radius : rows - 1;
        float *sum = out + r * cols;
        memset(sum, 0, cols * sizeof *sum);
        for (size_t k = first; k <= last; k++) {
            float weight = kernel[k > r ? k - r : r - k];
            for (size_t c = 0; c < cols; c++)
                sum[c] += weight * in[k * cols + c];
        }
    }
}

/* map may be the same as out. */
static void gaussian_filter(const float *map, const uint8_t *valid, size_t rows, size_t cols, double sigma,
                            dp_post_work *work, float *out)
{
    float kernel[4 * MAX_SIGMA + 2];
    size_t radius = (size_t)(4 * sigma + 0.5), n = rows * cols;
    for (size_t i = 0; i <= radius; i++)
        kernel[i] = (float)exp(-0.5 * (double)i * (double)i / (sigma * sigma));
    /* out: values, work->sums: validity; rows into work->weights, columns back. */
    for (int pass = 0; pass < 2; pass++) {
        float *plane = pass ? work->sums : out;
        for (size_t i = 0; i < n; i++) {
            int good = !valid || valid[i];
            plane[i] = !good ? 0.0F : pass ? 1.0F : map[i];
        }
        for (size_t r = 0; r < rows; r++)
            blur_row(plane + r * cols, cols, kernel, radius, work->weights + r * cols);
        blur_columns(work->weights, rows, cols, kernel, radius, plane);
    }
    for (size_t i = 0; i < n; i++)
        out[i] = (!valid || valid[i]) ? out[i] / work->sums[i] : 0;
}

/* ------------------------------------------------------------------------------------------- thresholds and objects */

/* Does step 2 (without the groups of hysteresis) and returns the number of elements in the mask. */
static size_t threshold(const dp_post *post, const float *d, const uint8_t *valid, size_t n, uint8_t *mask)
{
    float low = (float)post->low;
    size_t inside = 0;
    for (size_t i = 0; i < n; i++)
        inside += mask[i] = d[i] >= low && (!valid || valid[i]);
    return inside;
}

static void remove_objects(const dp_post *post, const float *d, size_t rows, size_t cols, double element_px,
                           dp_post_work *work)
{
    size_t n = rows * cols;
    int hysteresis = post->high > post->low;
    double smallest = (double)post->min_object;
    if (!hysteresis && smallest <= (post->unit == DP_UNIT_PIXELS ? element_px : 1))
        return;
    size_t groups = dp_components_label(work->mask, rows, cols, DP_CONNECT_8, work->labels, work->scratch);
    uint32_t *sizes = work->sizes, *strong = work->scratch; /* the labels are final, so scratch is free again */
    memset(sizes, 0, (groups + 1) * sizeof *sizes);
    memset(strong, 0, (groups + 1) * sizeof *strong);
    float high = (float)post->high;
    for (size_t i = 0; i < n; i++) {
        sizes[work->labels[i]]++;
        strong[work->labels[i]] |= d[i] >= high;
    }
    double unit = post->unit == DP_UNIT_PIXELS ? element_px : 1;
    strong[0] = 0;
    for (size_t g = 1; g <= groups; g++)
        strong[g] = (!hysteresis || strong[g]) && (double)sizes[g] * unit >= smallest;
    for (size_t i = 0; i < n; i++)
        work->mask[i] = (uint8_t)strong[work->labels[i]];
}

static void fill_holes(const dp_post *post, const uint8_t *valid, size_t rows, size_t cols, double element_px,
                       dp_post_work *work)
{
    double unit = post->unit == DP_UNIT_PIXELS ? element_px : 1, largest = (double)post->max_hole;
    if (largest < unit)
        return;
    size_t n = rows * cols;
    /* Invalid elements belong to the background here, and make its group count as open. */
    for (size_t i = 0; i < n; i++)
        work->mask[i] = !work->mask[i];
    size_t groups = dp_components_label(work->mask, rows, cols, DP_CONNECT_4, work->labels, work->scratch);
    uint32_t *sizes = work->sizes, *open = work->scratch;
    memset(sizes, 0, (groups + 1) * sizeof *sizes);
    memset(open, 0, (groups + 1) * sizeof *open);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            size_t i = r * cols + c;
            uint32_t g = work->labels[i];
            sizes[g]++;
            open[g] |= r == 0 || c == 0 || r + 1 == rows || c + 1 == cols || (valid && !valid[i]);
        }
    for (size_t g = 1; g <= groups; g++)
        open[g] |= (double)sizes[g] * unit > largest;
    open[0] = 0;
    for (size_t i = 0; i < n; i++)
        work->mask[i] = !open[work->labels[i]];
}

void dp_post_run(const dp_post *post, const float *map, const uint8_t *valid, size_t rows, size_t cols,
                 double element_px, dp_post_work *work, float *out)
{
    size_t n = rows * cols;
    const float *d = map;
    if (post->median > 1) {
        median_filter(d, valid, rows, cols, post->median, work->filtered);
        d = work->filtered;
    }
    if (post->gaussian > 0) {
        gaussian_filter(d, valid, rows, cols, post->gaussian, work, work->filtered);
        d = work->filtered;
    }
    if (!(post->low > 0 || post->high > 0)) {
        for (size_t i = 0; i < n; i++)
            out[i] = (!valid || valid[i]) ? d[i] : 0;
        return;
    }
    if (threshold(post, d, valid, n, work->mask) == 0) {
        memset(out, 0, n * sizeof *out);
        return;
    }
    remove_objects(post, d, rows, cols, element_px, work);
    fill_holes(post, valid, rows, cols, element_px, work);
    for (size_t i = 0; i < n; i++)
        out[i] = work->mask[i] ? d[i] : 0;
}

dp_status dp_post_apply(const dp_post *post, const float *map, const uint8_t *valid, size_t rows, size_t cols,
                        double element_px, float *out, dp_error *err)
{
    dp_post_work work;
    dp_status status = dp_post_check(post, err);
    if (status != DP_OK)
        return status;
    if (post->unit == DP_UNIT_PIXELS && !(element_px > 0 && isfinite(element_px)))
        return dp_fail(err, DP_E_ARGUMENT, "post-processing in pixels: an element cannot cover %g pixels", element_px);
    status = dp_post_work_open(rows, cols, &work, err);
    if (status != DP_OK)
        return status;
    dp_post_run(post, map, valid, rows, cols, element_px, &work, out);
    dp_post_work_close(&work);
    return DP_OK;
}
