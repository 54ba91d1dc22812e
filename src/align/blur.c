/* SPDX-License-Identifier: Apache-2.0 */
/* blur.c - Gaussian blur of an 8-bit plane, bit for bit as OpenCV's GaussianBlur with sigma left at 0.
 *
 * sigma = 0.3 ((side - 1) / 2 - 1) + 0.8, weights exp(-x^2 / (2 sigma^2)), normalised, in 1/256. For 3, 5 and 7 taps
 * OpenCV has fixed tables instead ([1 4 6 4 1] / 16 for 5 taps: a Gaussian of sigma 1). Longer kernels are rounded
 * from the ends inwards; each rounding error is carried to the next tap, and the middle tap takes the rest of 256.
 *
 * Both passes are exact in integers (255 * 256 * 256 < 2^32), so there is one rounding, at the end:
 *     out = (sum_ij w_i w_j in_ij + 2^15) >> 16.
 * Weights that share a power of two are divided by it first; for 3 and 5 taps everything then fits 16 bits. Outside
 * the picture, pixels are reflected about the border pixel (BORDER_REFLECT_101). */
#include "align/edges.h"
#include "base/border.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

/* Computes the weights [side] of a Gaussian kernel of `side` taps (odd, at most DP_MAX_BLUR_PX) in 1/256; their sum is
 * 256. */
static void find_weights(size_t side, unsigned *weights)
{
    static const unsigned tables[4][7] = {{256}, {64, 128, 64}, {16, 64, 96, 64, 16}, {8, 28, 56, 72, 56, 28, 8}};
    size_t half = side / 2;
    if (half < 4) {
        memcpy(weights, tables[half], side * sizeof *weights);
        return;
    }
    double sigma = 0.3 * ((double)half - 1) + 0.8, kernel[DP_MAX_BLUR_PX] = {0}, total = 0;
    for (size_t i = 0; i < side; i++) {
        double x = (double)i - (double)half;
        kernel[i] = exp(-x * x / (2 * sigma * sigma));
        total += kernel[i];
    }
    double carried = 0;
    unsigned used = 0;
    for (size_t i = 0; i < half; i++) {
        double wanted = kernel[i] / total * 256 + carried;
        double rounded = nearbyint(wanted);
        carried = wanted - rounded;
        weights[i] = weights[side - 1 - i] = (unsigned)rounded;
        used += 2 * weights[i];
    }
    weights[half] = 256 - used;
}

/* Blurs a row: padded [width + 2 half], with the row in its middle, -> sums [width]. */
static void blur_row(const uint8_t *restrict padded, size_t width, const unsigned *weights, size_t half,
                     uint16_t *restrict sums)
{
    if (half == 2) {
        uint16_t outer = (uint16_t)weights[0], inner = (uint16_t)weights[1], middle = (uint16_t)weights[2];
        for (size_t x = 0; x < width; x++)
            sums[x] = (uint16_t)(middle * padded[x + 2] + inner * (padded[x + 1] + padded[x + 3])
                                 + outer * (padded[x] + padded[x + 4]));
        return;
    }
    for (size_t x = 0; x < width; x++)
        sums[x] = (uint16_t)(weights[half] * padded[x + half]);
    for (size_t i = 0; i < half; i++)
        for (size_t x = 0; x < width; x++)
            sums[x] = (uint16_t)(sums[x] + weights[i] * (unsigned)(padded[x + i] + padded[x + 2 * half - i]));
}

/* Blurs columns: rows [2 half + 1] of [width] -> out [width]. The squared sum of all weights is 1 << shift, at most
 * 256. */
static void blur_column_16(uint16_t *const *rows, size_t width, const unsigned *weights, size_t half, unsigned shift,
                           uint8_t *restrict out)
{
    uint16_t rounding = (uint16_t)(1u << shift >> 1);
    if (half == 2) {
        const uint16_t *restrict a = rows[0], *restrict b = rows[1], *restrict c = rows[2], *restrict d = rows[3],
                                 *restrict e = rows[4];
        uint16_t outer = (uint16_t)weights[0], inner = (uint16_t)weights[1], middle = (uint16_t)weights[2];
        for (size_t x = 0; x < width; x++) {
            uint16_t sum = (uint16_t)(middle * c[x] + inner * (b[x] + d[x]) + outer * (a[x] + e[x]) + rounding);
            out[x] = (uint8_t)(sum >> shift);
        }
        return;
    }
    for (size_t x = 0; x < width; x++) {
        unsigned sum = rounding + weights[half] * rows[half][x];
        for (size_t i = 0; i < half; i++)
            sum += weights[i] * (unsigned)(rows[i][x] + rows[2 * half - i][x]);
        out[x] = (uint8_t)(sum >> shift);
    }
}

static void blur_column_32(uint16_t *const *rows, size_t width, const unsigned *weights, size_t half, unsigned shift,
                           uint32_t *restrict sums, uint8_t *restrict out)
{
    uint32_t rounding = 1u << shift >> 1;
    for (size_t x = 0; x < width; x++)
        sums[x] = rounding + weights[half] * rows[half][x];
    for (size_t i = 0; i < half; i++) {
        const uint16_t *restrict above = rows[i], *restrict below = rows[2 * half - i];
        for (size_t x = 0; x < width; x++)
            sums[x] += weights[i] * (uint32_t)(above[x] + below[x]);
    }
    for (size_t x = 0; x < width; x++)
        out[x] = (uint8_t)(sums[x] >> shift);
}

dp_status dp_blur_u8(const uint8_t *in, size_t height, size_t width, size_t side, uint8_t *out, dp_error *err)
{
    if (side <= 1) {
        memcpy(out, in, height * width);
        return DP_OK;
    }
    unsigned weights[DP_MAX_BLUR_PX], total = 256;
    find_weights(side, weights);
    for (;;) {
        unsigned odd = 0;
        for (size_t i = 0; i < side; i++)
            odd |= weights[i] & 1;
        if (odd)
            break;
        for (size_t i = 0; i < side; i++)
            weights[i] /= 2;
        total /= 2;
    }
    unsigned shift = 2 * (unsigned)__builtin_ctz(total);
    size_t half = side / 2;

    /* A ring of `side` blurred rows. Row y of the picture, reflected if it lies outside, is kept in slot y % side. */
    uint16_t *ring = dp_malloc_2d(side, width, sizeof *ring);
    uint8_t *padded = dp_malloc(width + 2 * half, 1);
    uint32_t *sums = dp_malloc(width, sizeof *sums);
    dp_status status = DP_OK;
    if (!ring || !padded || !sums) {
        status = dp_fail_memory(err, "blurring", side * width * sizeof *ring);
        goto done;
    }
    for (size_t step = 0; step < height + 2 * half; step++) {
        const uint8_t *row = in + dp_border_reflect_101((ptrdiff_t)step - (ptrdiff_t)half, height) * width;
        memcpy(padded + half, row, width);
        for (size_t i = 0; i < half; i++) {
            padded[i] = row[dp_border_reflect_101((ptrdiff_t)i - (ptrdiff_t)half, width)];
            padded[half + width + i] = row[dp_border_reflect_101((ptrdiff_t)(width + i), width)];
        }
        blur_row(padded, width, weights, half, ring + step % side * width);
        if (step < 2 * half)
            continue;
        size_t y = step - 2 * half;
        uint16_t *rows[DP_MAX_BLUR_PX];
        for (size_t i = 0; i < side; i++)
            rows[i] = ring + (y + i) % side * width;
        if (shift <= 8)
            blur_column_16(rows, width, weights, half, shift, out + y * width);
        else
            blur_column_32(rows, width, weights, half, shift, sums, out + y * width);
    }
done:
    dp_memory_free(ring);
    dp_memory_free(padded);
    dp_memory_free(sums);
    return status;
}
