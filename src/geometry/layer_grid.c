/* SPDX-License-Identifier: Apache-2.0 */
/* layer_grid.c - means over neighbouring cells, and resampling of grids.
 *
 * Bilinear with half-pixel centres: cell i of n lies at p = (i + 1/2) m / n - 1/2 among m cells, between floor(p) and
 * the next one. Beyond the first or last centre the value of that cell continues. */
#include "geometry/layer_grid.h"

#include <math.h>
#include <string.h>

void dp_mean_3x3(const float *in, size_t rows, size_t cols, size_t dim, float *out)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < cols; c++) {
            float *to = out + (r * cols + c) * dim;
            for (size_t d = 0; d < dim; d++)
                to[d] = 0;
            for (size_t y = r ? r - 1 : 0; y <= r + 1 && y < rows; y++)
                for (size_t x = c ? c - 1 : 0; x <= c + 1 && x < cols; x++) {
                    const float *from = in + (y * cols + x) * dim;
                    for (size_t d = 0; d < dim; d++)
                        to[d] += from[d];
                }
            for (size_t d = 0; d < dim; d++)
                to[d] /= 9;
        }
    }
}

/* The position of cell `at` of n_to among n_from cells: between first and second, at this share. */
struct place {
    size_t first, second;
    float share;
};

static struct place place_of(size_t at, size_t n_to, size_t n_from)
{
    double position = fmax(((double)at + 0.5) * (double)n_from / (double)n_to - 0.5, 0);
    size_t first = (size_t)position < n_from ? (size_t)position : n_from - 1;
    return (struct place){first, first + 1 < n_from ? first + 1 : first, (float)(position - (double)first)};
}

void dp_grid_resample(const float *in, size_t rows, size_t cols, size_t dim, const dp_grid_slot *slot)
{
    for (size_t r = 0; r < slot->rows; r++) {
        const struct place y = place_of(r, slot->rows, rows);
        for (size_t c = 0; c < slot->cols; c++) {
            const struct place x = place_of(c, slot->cols, cols);
            float *to = slot->features + (r * slot->cols + c) * slot->stride;
            if (rows == slot->rows && cols == slot->cols) {
                memcpy(to, in + (r * cols + c) * dim, dim * sizeof *to);
                continue;
            }
            const float *a = in + (y.first * cols + x.first) * dim, *b = in + (y.first * cols + x.second) * dim;
            const float *p = in + (y.second * cols + x.first) * dim, *q = in + (y.second * cols + x.second) * dim;
            for (size_t d = 0; d < dim; d++)
                to[d] = (1 - y.share) * ((1 - x.share) * a[d] + x.share * b[d])
                        + y.share * ((1 - x.share) * p[d] + x.share * q[d]);
        }
    }
}
