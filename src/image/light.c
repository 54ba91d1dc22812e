/* SPDX-License-Identifier: Apache-2.0 */
/* light.c - light and contrast of a picture: quantiles over blocks, from histograms. */
#include "image/light.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

#define BLOCKS 32 /* along the smaller side */
#define STEPS 16  /* of a histogram, per unit of luminance */
#define BINS ((size_t)(256 * STEPS))
#define LUMA 256.0 /* the sum of the weights below */

/* The value below which a share of n counts lies. */
static double quantile(const size_t bins[BINS], size_t n, double share)
{
    size_t wanted = (size_t)(share * (double)(n - 1) + 0.5), seen = 0;
    for (size_t i = 0; i < BINS; i++) {
        seen += bins[i];
        if (seen > wanted)
            return (double)i / STEPS;
    }
    return 255;
}

static size_t bin_of(double value)
{
    return (size_t)fmin(value * STEPS + 0.5, BINS - 1);
}

dp_status dp_light_measure(const dp_picture *picture, dp_light *light, dp_error *err)
{
    size_t width = picture->width_px, height = picture->height_px, smaller = width < height ? width : height;
    size_t side = smaller / BLOCKS < 2 ? smaller < 2 ? 1 : 2 : smaller / BLOCKS, cols = width / side,
           rows = height / side;
    size_t black = 0, n = rows * cols;
    double count = (double)(side * side);
    uint64_t *sums = dp_malloc(cols, 2 * sizeof *sums);
    size_t *means = dp_calloc(2 * BINS, sizeof *means);
    if (!sums || !means) {
        dp_memory_free(sums);
        dp_memory_free(means);
        return dp_fail_memory(err, "the light of a picture", 2 * BINS * sizeof *means);
    }
    uint64_t *squares = sums + cols;
    size_t *deviations = means + BINS;
    for (size_t row = 0; row < rows; row++) {
        memset(sums, 0, cols * 2 * sizeof *sums);
        for (size_t y = row * side; y < (row + 1) * side; y++) {
            const uint8_t *pixel = picture->rgb + y * width * 3;
            for (size_t col = 0; col < cols; col++) {
                uint64_t sum = 0, square = 0;
                for (size_t x = 0; x < side; x++, pixel += 3) {
                    uint64_t luma = 77u * pixel[0] + 150u * pixel[1] + 29u * pixel[2]; /* ITU-R BT.601, times 256 */
                    sum += luma;
                    square += luma * luma;
                }
                sums[col] += sum;
                squares[col] += square;
            }
        }
        for (size_t col = 0; col < cols; col++) {
            double mean = (double)sums[col] / count, variance = (double)squares[col] / count - mean * mean;
            double deviation = sqrt(fmax(variance, 0)) / LUMA;
            mean /= LUMA;
            means[bin_of(mean)]++;
            deviations[bin_of(deviation)]++;
            black += deviation < 0.5 && mean < 1.5;
        }
    }
    *light = (dp_light){.dark = quantile(means, n, 0.01),
                        .bright = quantile(means, n, 0.99),
                        .fine = quantile(deviations, n, 0.95),
                        .black = (double)black / (double)n,
                        .valid = NAN};
    dp_memory_free(sums);
    dp_memory_free(means);
    return DP_OK;
}
