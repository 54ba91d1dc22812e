/* resize_8bit.c - the resize and the rotation of AnomalyDINO's public code, on 8-bit pictures.
 *
 * Resize: torchvision's Resize on a Pillow picture, bicubic with antialias.  Weights as in resize.c, in fixed point of 22 bits; rows
 * are resized first and rounded to 8 bits, then columns.
 *
 * Rotation: OpenCV's getRotationMatrix2D about (width/2, height/2), warpAffine, bilinear, border reflected without the edge pixel.
 * As there, positions are rounded to 1/32 of a pixel: with c, s the cosine and sine of the angle (counter-clockwise as seen),
 *     x' = c (x - cx) - s (y - cy) + cx,   y' = s (x - cx) + c (y - cy) + cy. */
#include "base/error.h"
#include "base/memory.h"
#include "picture/picture.h"

#include <math.h>

#define BITS 22

static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/* Weights of output pixel i: *first, the result the count; weights [2 ceil(support) + 1]. */
static size_t weights_at(size_t in, size_t out, size_t i, int32_t *weights, double *scratch, size_t *first)
{
    double scale = (double)in / (double)out, stretch = scale > 1 ? scale : 1, support = 2 * stretch, total = 0;
    double centre = ((double)i + 0.5) * scale;
    ptrdiff_t from = (ptrdiff_t)(centre - support + 0.5), to = (ptrdiff_t)(centre + support + 0.5);
    from = from < 0 ? 0 : from;
    to = to > (ptrdiff_t)in ? (ptrdiff_t)in : to;
    size_t n = (size_t)(to - from);
    for (size_t j = 0; j < n; j++)
        total += scratch[j] = cubic(((double)((size_t)from + j) - centre + 0.5) / stretch);
    for (size_t j = 0; j < n; j++) {
        double w = scratch[j] / total * (1 << BITS);
        weights[j] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
    }
    *first = (size_t)from;
    return n;
}

static uint8_t round_8bit(int64_t sum)
{
    sum = (sum + (1 << (BITS - 1))) >> BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

dp_status dp_picture_resize_8bit(const dp_picture *picture, size_t height, size_t width, dp_picture **out, dp_error *err)
{
    dp_picture *across = NULL, *result = NULL;
    size_t w = picture->width_px, h = picture->height_px;
    double widest = fmax(fmax((double)w / (double)width, (double)h / (double)height), 1);
    size_t room = 2 * (size_t)ceil(2 * widest) + 2;
    int32_t *weights = dp_malloc(room, sizeof *weights);
    double *scratch = dp_malloc(room, sizeof *scratch);
    dp_status status = weights && scratch ? dp_picture_new(width, h, &across, err) : dp_fail_memory(err, "resizing", room);
    if (!status)
        status = dp_picture_new(width, height, &result, err);
    for (size_t x = 0; !status && x < width; x++) {
        size_t first, n = weights_at(w, width, x, weights, scratch, &first);
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
        size_t first, n = weights_at(h, height, y, weights, scratch, &first);
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

/* ... c b | a b c ... y z | y x ... */
static size_t reflect(ptrdiff_t i, size_t n)
{
    ptrdiff_t last = (ptrdiff_t)n - 1;
    if (last == 0)
        return 0;
    while (i < 0 || i > last)
        i = i < 0 ? -i : 2 * last - i;
    return (size_t)i;
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
            size_t left = reflect(u >> 5, w), right = reflect((u >> 5) + 1, w);
            size_t top = reflect(v >> 5, h), bottom = reflect((v >> 5) + 1, h);
            for (size_t c = 0; c < 3; c++) {
                int sum = (32 - fv) * ((32 - fu) * picture->rgb[(top * w + left) * 3 + c] + fu * picture->rgb[(top * w + right) * 3 + c])
                          + fv * ((32 - fu) * picture->rgb[(bottom * w + left) * 3 + c] + fu * picture->rgb[(bottom * w + right) * 3 + c]);
                result->rgb[(y * w + x) * 3 + c] = (uint8_t)((sum + 512) >> 10);
            }
        }
    }
    *out = result;
    return DP_OK;
}
