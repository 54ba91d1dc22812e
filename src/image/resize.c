/* SPDX-License-Identifier: Apache-2.0 */
/* resize.c - bicubic with antialias, as torchvision's Resize does on tensors (align_corners false, antialias true): the
 * weights of base/resample.h along each axis.
 *
 * Columns come first: that pass runs along whole rows of the source, three channels alike. */
#include "image/picture.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "base/resample.h"
#include "image/resize.h"
#include "simd/float4.h"

#include <math.h>
#include <string.h>

struct taps {
    size_t *first, *count; /* [n] */
    float *weights;        /* [n, width] */
    size_t width;          /* the largest count */
};

static void taps_free(struct taps *taps)
{
    dp_memory_free(taps->first);
    dp_memory_free(taps->count);
    dp_memory_free(taps->weights);
}

/* For pixels from .. from + n - 1 of the `out` that `in` become. */
static dp_status taps_make(size_t in, size_t out, size_t from, size_t n, struct taps *taps, dp_error *err)
{
    double scale = (double)in / (double)out, *exact;
    taps->width = dp_cubic_taps(scale);
    taps->first = dp_malloc(n, sizeof *taps->first);
    taps->count = dp_malloc(n, sizeof *taps->count);
    taps->weights = dp_malloc_2d(n, taps->width, sizeof *taps->weights);
    exact = dp_malloc(taps->width, sizeof *exact);
    if (!taps->first || !taps->count || !taps->weights || !exact) {
        dp_memory_free(exact);
        return dp_fail_memory(err, "resizing", n * taps->width * sizeof(float));
    }
    for (size_t i = 0; i < n; i++) {
        taps->count[i] = dp_cubic_weights(scale, from + i, in, exact, &taps->first[i]);
        for (size_t j = 0; j < taps->count[i]; j++)
            taps->weights[i * taps->width + j] = (float)exact[j];
    }
    dp_memory_free(exact);
    return DP_OK;
}

/* The kernels give the same bits, so the best of the machine is taken whatever instruction set was asked for. */
static dp_mix_rows_fn best_mix_rows(void)
{
    dp_mix_rows_fn mix = dp_mix_rows_c;
    dp_isa isa;
    if (!dp_isa_resolve(DP_ISA_AUTO, &isa, NULL))
        DP_KERNELS_FILL(dp_resize_kernels, &mix, isa);
    return mix;
}

void dp_mix_rows_c(const uint8_t *rows, size_t stride, const float *weights, size_t count, size_t n, float *sums)
{
    for (size_t i = 0; i < n; i++) {
        float sum = 0;
        for (size_t j = 0; j < count; j++)
            sum += weights[j] * (float)rows[j * stride + i];
        sums[i] = sum;
    }
}

/* row [in, 3], one float of room behind it -> out [width, 3]. */
static void mix_columns(const float *row, const struct taps *taps, size_t width, float *out)
{
    for (size_t x = 0; x < width; x++, out += 3) {
        const float *pixel = row + 3 * taps->first[x], *weights = taps->weights + x * taps->width;
        dp_float4 sum = {0}, value; /* red, green, blue, and what stands behind them */
        for (size_t j = 0; j < taps->count[x]; j++, pixel += 3) {
            memcpy(&value, pixel, sizeof value);
            sum += weights[j] * value;
        }
        out[0] = sum[0], out[1] = sum[1], out[2] = sum[2];
    }
}

/* The weights of a picture that keeps its size are 1 and 0. */
static void copy_area(const dp_picture *picture, const dp_area *part, float *rgb)
{
    for (size_t y = 0; y < part->height; y++) {
        const uint8_t *row = picture->rgb + ((part->top + y) * picture->width_px + part->left) * 3;
        for (size_t i = 0; i < 3 * part->width; i++)
            *rgb++ = (float)row[i];
    }
}

dp_status dp_picture_resize(const dp_picture *picture, size_t height, size_t width, const dp_area *area, float *rgb,
                            dp_error *err)
{
    const dp_area whole = {0, 0, height, width}, *part = area ? area : &whole;
    if (!height || !width || !picture->width_px || !picture->height_px)
        return dp_fail(err, DP_E_ARGUMENT, "cannot resize a picture of %zux%zu to %zux%zu", picture->width_px,
                       picture->height_px, width, height);
    if (height == picture->height_px && width == picture->width_px) {
        copy_area(picture, part, rgb);
        return DP_OK;
    }
    struct taps down = {0}, across = {0};
    const dp_mix_rows_fn mix_rows = best_mix_rows();
    size_t stride = 3 * picture->width_px;
    float *row = NULL;
    dp_status status = taps_make(picture->height_px, height, part->top, part->height, &down, err);
    if (status == DP_OK)
        status = taps_make(picture->width_px, width, part->left, part->width, &across, err);
    if (status != DP_OK)
        goto done;
    /* the columns of the picture that the part is made of */
    size_t first = across.first[0], end = first;
    for (size_t x = 0; x < part->width; x++)
        end = across.first[x] + across.count[x] > end ? across.first[x] + across.count[x] : end;
    for (size_t x = 0; x < part->width; x++)
        across.first[x] -= first;
    row = dp_calloc(3 * (end - first) + 1, sizeof *row);
    if (!row) {
        status = dp_fail_memory(err, "resizing", stride * sizeof *row);
        goto done;
    }
    for (size_t y = 0; y < part->height; y++) {
        mix_rows(picture->rgb + down.first[y] * stride + 3 * first, stride, down.weights + y * down.width,
                 down.count[y], 3 * (end - first), row);
        float *out = rgb + y * part->width * 3;
        mix_columns(row, &across, part->width, out);
        for (size_t i = 0; i < 3 * part->width; i++) /* a cubic overshoots at sharp edges */
            out[i] = out[i] < 0 ? 0 : out[i] > 255 ? 255 : out[i];
    }
done:
    taps_free(&down);
    taps_free(&across);
    dp_memory_free(row);
    return status;
}
