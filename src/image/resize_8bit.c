/* SPDX-License-Identifier: Apache-2.0 */
/* resize_8bit.c - the resize and the rotation of AnomalyDINO's public code, on 8-bit pictures.
 *
 * Resize: torchvision's Resize on a Pillow picture, bicubic with antialias.  The weights are those of base/resample.h
 * in fixed point of 22 bits; rows are resized first and rounded to 8 bits, then columns.
 *
 * Rotation: OpenCV's getRotationMatrix2D about (width/2, height/2), then warpAffine, bilinear, with the border
 * reflected without the edge pixel.  As in OpenCV, positions are rounded to 1/32 of a pixel.  With c and s the cosine
 * and sine of the angle (counter-clockwise as seen):
 *
 *     x' = c (x - cx) - s (y - cy) + cx,   y' = s (x - cx) + c (y - cy) + cy */
#include "base/border.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/resample.h"
#include "image/picture.h"

#include <math.h>

#define BITS 22

/* dp_cubic_weights in fixed point; scratch and weights [dp_cubic_taps(scale)]. */
static size_t weights_at(double scale, size_t i, size_t in, int32_t *weights, double *scratch, size_t *first)
{
    size_t n = dp_cubic_weights(scale, i, in, scratch, first);
    for (size_t j = 0; j < n; j++) {
        double w = scratch[j] * (1 << BITS);
        weights[j] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
    }
    return n;
}

static uint8_t round_8bit(int64_t sum)
{
    sum = (sum + (1 << (BITS - 1))) >> BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

dp_status dp_picture_resize_8bit(const dp_picture *picture, size_t height, size_t width, dp_picture **out,
                                 dp_error *err)
{
    dp_picture *across = NULL, *result = NULL;
    size_t w = picture->width_px, h = picture->height_px;
    double scale_x = (double)w / (double)width, scale_y = (double)h / (double)height;
    size_t room = dp_cubic_taps(fmax(scale_x, scale_y));
    int32_t *weights = dp_malloc(room, sizeof *weights);
    double *scratch = dp_malloc(room, sizeof *scratch);
    dp_status status =
        weights && scratch ? dp_picture_new(width, h, &across, err) : dp_fail_memory(err, "resizing", room);
    if (!status)
        status = dp_picture_new(width, height, &result, err);
    for (size_t x = 0; !status && x < width; x++) {
        size_t first, n = weights_at(scale_x, x, w, weights, scratch, &first);
        for (size_t y = 0; y < h; y++)
            for (size_t c = 0; c < 3; c++) {
                const uint8_t *from = picture->rgb + (y * w + first) * 3 + c;
                int64_t sum = 0;
                for (size_t j = 0; j < n; j++)
                    sum += (int64_t)weights[j] * from[3 * j];
                across->rgb[(y * width + x) * 3 + c] = round_8bit(sum);
            }
    }
    for (size_t y = 0; !status && y < height; y++) {
        size_t first, n = weights_at(scale_y, y, h, weights, scratch, &first);
        for (size_t x = 0; x < 3 * width; x++) {
            int64_t sum = 0;
            for (size_t j = 0; j < n; j++)
                sum += (int64_t)weights[j] * across->rgb[(first + j) * width * 3 + x];
            result->rgb[y * width * 3 + x] = round_8bit(sum);
        }
    }
    dp_picture_free(&across);
    dp_memory_free(weights);
    dp_memory_free(scratch);
    if (status)
        dp_picture_free(&result);
    else
        *out = result;
    return status;
}

dp_status dp_picture_rotate(const dp_picture *picture, double degrees, dp_picture **out, dp_error *err)
{
    dp_picture *result = NULL;
    size_t w = picture->width_px, h = picture->height_px;
    dp_status status = dp_picture_new(w, h, &result, err);
    if (status)
        return status;
    double angle = degrees * 3.14159265358979323846 / 180, a = cos(angle), b = sin(angle);
    double cx = (double)w / 2, cy = (double)h / 2;
    const double m[6] = {a, b, (1 - a) * cx - b * cy, -b, a, b * cx + (1 - a) * cy};
    /* Its inverse: from the result back into the picture. */
    double det = m[0] * m[4] - m[1] * m[3], d = 1 / det;
    double i00 = m[4] * d, i11 = m[0] * d, i01 = m[1] * -d, i10 = m[3] * -d;
    double i02 = -i00 * m[2] - i01 * m[5], i12 = -i10 * m[2] - i11 * m[5];
    for (size_t y = 0; y < h; y++) {
        long x0 = lrint((i01 * (double)y + i02) * 1024) + 16, y0 = lrint((i11 * (double)y + i12) * 1024) + 16;
        for (size_t x = 0; x < w; x++) {
            long u = (x0 + lrint(i00 * (double)x * 1024)) >> 5, v = (y0 + lrint(i10 * (double)x * 1024)) >> 5;
            int fu = (int)(u & 31), fv = (int)(v & 31);
            size_t left = dp_border_reflect_101(u >> 5, w), right = dp_border_reflect_101((u >> 5) + 1, w);
            size_t top = dp_border_reflect_101(v >> 5, h), bottom = dp_border_reflect_101((v >> 5) + 1, h);
            for (size_t c = 0; c < 3; c++) {
                int sum = (32 - fv)
                              * ((32 - fu) * picture->rgb[(top * w + left) * 3 + c]
                                 + fu * picture->rgb[(top * w + right) * 3 + c])
                          + fv
                                * ((32 - fu) * picture->rgb[(bottom * w + left) * 3 + c]
                                   + fu * picture->rgb[(bottom * w + right) * 3 + c]);
                result->rgb[(y * w + x) * 3 + c] = (uint8_t)((sum + 512) >> 10);
            }
        }
    }
    *out = result;
    return DP_OK;
}
