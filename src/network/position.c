/* SPDX-License-Identifier: Apache-2.0 */
/* position.c - interpolation of the position embedding, and the angles of rotary positions.
 *
 * Kernel and weights with antialias: base/resample.h. Without antialias (PyTorch's interpolate, mode bicubic): a =
 * -0.75, four taps around the source coordinate (i + 1/2) * s - 1/2, indices clamped at the border. s is side / (n +
 * offset): the official code gives PyTorch the scale factor (n + 0.1) / side instead of the size n, and PyTorch uses
 * that factor unchanged.
 *
 * Bilinear with antialias: as in base/resample.h with a triangle, 1 - |t| for |t| < 1, in the place of the cubic.
 *
 * Rotary positions (Su et al., "RoFormer", 2021; Simeoni et al., "DINOv3", 2025, and its published code): cell (r, c) has
 * y = 2 (r + 1/2) / rows - 1 and x = 2 (c + 1/2) / cols - 1, angles 2 pi y / p_j and 2 pi x / p_j, p_j = 100^(j/16). */
#include "network/position.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/resample.h"

#include <math.h>
#include <string.h>

typedef struct taps {
    size_t width;  /* taps for each output */
    size_t *index; /* [n, width] */
    float *weight; /* [n, width]; 0 for unused taps */
} taps;

static void taps_free(taps *t)
{
    dp_memory_free(t->index);
    dp_memory_free(t->weight);
    *t = (taps){0};
}

/* Weights of output i with a triangle kernel. The arguments are those of dp_cubic_weights. */
static size_t linear_weights(double scale, size_t i, size_t n, double *weights, size_t *first)
{
    double stretch = fmax(scale, 1), centre = scale * ((double)i + 0.5), sum = 0;
    size_t begin = (size_t)fmax(trunc(centre - stretch + 0.5), 0), end = (size_t)(centre + stretch + 0.5);
    end = end < n ? end : n;
    for (size_t j = begin; j < end; j++)
        sum += weights[j - begin] = fmax(0, 1 - fabs(((double)j - centre + 0.5) / stretch));
    for (size_t j = begin; j < end; j++)
        weights[j - begin] /= sum;
    *first = begin;
    return end - begin;
}

static int taps_make(size_t side, size_t n, const dp_position_filter *filter, taps *t)
{
    double scale = (double)side / ((double)n + filter->offset);
    t->width = filter->antialias ? dp_cubic_taps(scale) : 4;
    size_t count;
    if (!dp_mul_size(n, t->width, &count))
        return 0;
    t->index = dp_calloc(count, sizeof *t->index);
    t->weight = dp_calloc(count, sizeof *t->weight);
    double *exact = dp_malloc(t->width, sizeof *exact);
    for (size_t i = 0; t->index && t->weight && exact && i < n; i++) {
        size_t *index = t->index + i * t->width, first = 0;
        float *weight = t->weight + i * t->width;
        if (filter->antialias) {
            size_t taken = (filter->linear ? linear_weights : dp_cubic_weights)(scale, i, side, exact, &first);
            for (size_t k = 0; k < taken; k++) {
                index[k] = first + k;
                weight[k] = (float)exact[k];
            }
            continue;
        }
        double source = ((double)i + 0.5) * scale - 0.5, base = floor(source);
        for (int k = 0; k < 4; k++) {
            double at = base - 1 + k, held = at < 0 ? 0 : at > (double)(side - 1) ? (double)(side - 1) : at;
            index[k] = (size_t)held;
            weight[k] = (float)dp_cubic(source - at, -0.75);
        }
    }
    int made = t->index && t->weight && exact;
    dp_memory_free(exact);
    return made;
}

dp_status dp_position_interpolate(const dp_position_table *trained, const dp_position_filter *filter, size_t rows,
                                  size_t cols, float *out, dp_error *err)
{
    const size_t side = trained->side, dim = trained->dim;
    if (rows == side && cols == side) {
        memcpy(out, trained->values, side * side * dim * sizeof *out);
        return DP_OK;
    }
    taps x = {0}, y = {0};
    float *wide = NULL; /* [side, cols, dim]: interpolated along the rows */
    size_t count;
    dp_status status = DP_OK;
    if (!dp_mul_size(side * dim, cols, &count) || !(wide = dp_calloc(count, sizeof *wide))
        || !taps_make(side, cols, filter, &x) || !taps_make(side, rows, filter, &y)) {
        status = dp_fail_memory(err, "the position embedding", side * cols * dim * sizeof *wide);
        goto done;
    }
    for (size_t r = 0; r < side; r++)
        for (size_t c = 0; c < cols; c++)
            for (size_t k = 0; k < x.width; k++) {
                float weight = x.weight[c * x.width + k];
                const float *from = trained->values + (r * side + x.index[c * x.width + k]) * dim;
                float *to = wide + (r * cols + c) * dim;
                for (size_t d = 0; weight != 0 && d < dim; d++)
                    to[d] += weight * from[d];
            }
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            float *to = out + (r * cols + c) * dim;
            memset(to, 0, dim * sizeof *to);
            for (size_t k = 0; k < y.width; k++) {
                float weight = y.weight[r * y.width + k];
                const float *from = wide + (y.index[r * y.width + k] * cols + c) * dim;
                for (size_t d = 0; weight != 0 && d < dim; d++)
                    to[d] += weight * from[d];
            }
        }
done:
    taps_free(&x);
    taps_free(&y);
    dp_memory_free(wide);
    return status;
}

void dp_rotary_periods(double *periods)
{
    for (size_t j = 0; j < DP_ROTARY_PERIODS; j++)
        periods[j] = pow(100, (double)j / DP_ROTARY_PERIODS);
}

void dp_rotary_table(const double *periods, size_t rows, size_t cols, float *table)
{
    const double turn = 6.283185307179586477;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++, table += 4 * DP_ROTARY_PERIODS) {
            const double at[2] = {2 * ((double)r + 0.5) / (double)rows - 1, 2 * ((double)c + 0.5) / (double)cols - 1};
            for (size_t j = 0; j < 2 * DP_ROTARY_PERIODS; j++) {
                double angle = turn * at[j / DP_ROTARY_PERIODS] / periods[j % DP_ROTARY_PERIODS];
                table[j] = (float)cos(angle);
                table[2 * DP_ROTARY_PERIODS + j] = (float)sin(angle);
            }
        }
}
