/* resize.c - bicubic with antialias, as torchvision's Resize does on tensors (align_corners false, antialias true).
 *
 * Along each axis, with scale = in / out and stretch = max(scale, 1), output pixel i takes its weights from
 *     centre = scale (i + 1/2),   pixels j from trunc(centre - 2 stretch + 1/2) to trunc(centre + 2 stretch + 1/2) - 1,
 *     w_j ~ k((j - centre + 1/2) / stretch),   sum of the w_j = 1,
 * clipped to the picture, k being R. Keys' cubic (IEEE ASSP 29, 1981) with a = -1/2.
 * Source: PyTorch's upsample kernel with antialias, which follows Pillow's.
 *
 * Columns come first: that pass runs along whole rows of the source, three channels alike. */
#include "picture/picture.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>

struct taps {
    size_t *first, *count; /* [out] */
    float *weights;        /* [out, width] */
    size_t width;          /* the largest count */
};

static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

static void taps_free(struct taps *taps)
{
    dp_memory_free(taps->first);
    dp_memory_free(taps->count);
    dp_memory_free(taps->weights);
}

static dp_status taps_make(size_t in, size_t out, struct taps *taps, dp_error *err)
{
    double scale = (double)in / (double)out, stretch = scale > 1 ? scale : 1, support = 2 * stretch;
    taps->width = (size_t)ceil(support) * 2 + 1;
    taps->first = dp_malloc(out, sizeof *taps->first);
    taps->count = dp_malloc(out, sizeof *taps->count);
    size_t bytes;
    taps->weights = dp_mul_size(taps->width, sizeof(float), &bytes) ? dp_calloc(out, bytes) : NULL;
    if (!taps->first || !taps->count || !taps->weights)
        return dp_fail_memory(err, "resizing", out * taps->width * sizeof(float));
    for (size_t i = 0; i < out; i++) {
        double centre = scale * ((double)i + 0.5);
        ptrdiff_t from = (ptrdiff_t)(centre - support + 0.5), to = (ptrdiff_t)(centre + support + 0.5);
        if (from < 0)
            from = 0;
        if (to > (ptrdiff_t)in)
            to = (ptrdiff_t)in;
        size_t first = (size_t)from, count = (size_t)(to - from);
        double total = 0;
        for (size_t j = 0; j < count; j++)
            total += cubic(((double)(first + j) - centre + 0.5) / stretch);
        for (size_t j = 0; j < count; j++)
            taps->weights[i * taps->width + j] = (float)(cubic(((double)(first + j) - centre + 0.5) / stretch) / total);
        taps->first[i] = first;
        taps->count[i] = count;
    }
    return DP_OK;
}

/* sums [n] = sum over rows of weight times row [n]; rows lie `stride` bytes apart. */
static void mix_rows(const uint8_t *rows, size_t stride, const float *weights, size_t count, size_t n, float *restrict sums)
{
    enum { BLOCK = 1536 }; /* floats of sums that stay in the first cache while all rows pass */
    for (size_t from = 0; from < n; from += BLOCK) {
        size_t length = n - from < BLOCK ? n - from : BLOCK;
        float *restrict sum = sums + from;
        for (size_t i = 0; i < length; i++)
            sum[i] = 0;
        for (size_t j = 0; j < count; j++) {
            const uint8_t *restrict row = rows + j * stride + from;
            float weight = weights[j];
            for (size_t i = 0; i < length; i++)
                sum[i] += weight * (float)row[i];
        }
    }
}

/* row [in, 3] -> out [width, 3]. */
static void mix_columns(const float *row, const struct taps *taps, size_t width, float *out)
{
    for (size_t x = 0; x < width; x++) {
        const float *pixel = row + 3 * taps->first[x], *weights = taps->weights + x * taps->width;
        float r = 0, g = 0, b = 0;
        for (size_t j = 0; j < taps->count[x]; j++, pixel += 3) {
            r += weights[j] * pixel[0];
            g += weights[j] * pixel[1];
            b += weights[j] * pixel[2];
        }
        out[3 * x] = r;
        out[3 * x + 1] = g;
        out[3 * x + 2] = b;
    }
}

dp_status dp_picture_resize(const dp_picture *picture, size_t height, size_t width, float *rgb, dp_error *err)
{
    if (!height || !width || !picture->width_px || !picture->height_px)
        return dp_fail(err, DP_E_ARGUMENT, "cannot resize a picture of %zux%zu to %zux%zu", picture->width_px,
                       picture->height_px, width, height);
    struct taps down = {0}, across = {0};
    size_t stride = 3 * picture->width_px;
    float *row = NULL;
    dp_status status = taps_make(picture->height_px, height, &down, err);
    if (status == DP_OK)
        status = taps_make(picture->width_px, width, &across, err);
    if (status != DP_OK)
        goto done;
    row = dp_malloc(stride, sizeof *row);
    if (!row) {
        status = dp_fail_memory(err, "resizing", stride * sizeof *row);
        goto done;
    }
    for (size_t y = 0; y < height; y++) {
        mix_rows(picture->rgb + down.first[y] * stride, stride, down.weights + y * down.width, down.count[y], stride, row);
        mix_columns(row, &across, width, rgb + y * width * 3);
    }
done:
    taps_free(&down);
    taps_free(&across);
    dp_memory_free(row);
    return status;
}
