/* SPDX-License-Identifier: Apache-2.0 */
/* orientation.c - the orientation vector and the consensus of the good pictures.
 *
 * Source: DinoPatch, polarity correction. With f(r, c) the feature of cell (r, c) and the principal axis along c,
 *
 *     o = mean { f(r, c) : valid, c >= cols - floor(cols/2) } - mean { f(r, c) : valid, c < floor(cols/2) },   o / |o|
 *
 * becomes -o when the object is turned by 180 degrees (exactly so when the grid is mirrored). The paper compares a
 * picture with one good picture. Here the reference is the consensus of all of them: signs s_i in {+1, -1} that make
 * |sum_i s_i o_i| large, and the direction of that sum. The steps
 *
 *     reference = sum_i s_i o_i / |sum_i s_i o_i|,      s_i = sign(o_i . reference)
 *
 * never lower |sum_i s_i o_i|, so they end at a fixed point. They start from the vector that agrees best with all
 * others (largest sum of |cosines|; of more than MAX_CANDIDATES vectors every k-th is a candidate), and among equal
 * ones from the first. */
#include "extract/orientation.h"
#include "geometry/flip.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define MAX_CANDIDATES 256
#define MAX_ROUNDS 100 /* a few in practice; the bound stops a cycle caused by rounding */
#define SETTLED 1e-6   /* a smaller difference of the means, relative to their size, is rounding */

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static dp_status open_halves(size_t dim, dp_halves *halves, dp_error *err)
{
    *halves = (dp_halves){.dim = dim, .sums = dp_malloc(dim, 2 * sizeof *halves->sums)};
    if (!halves->sums)
        return dp_fail_memory(err, "the orientation vector", dim * 2 * sizeof *halves->sums);
    dp_halves_clear(halves);
    return DP_OK;
}

void dp_halves_close(dp_halves *halves)
{
    dp_memory_free(halves->sums);
    *halves = (dp_halves){0};
}

void dp_halves_clear(dp_halves *halves)
{
    memset(halves->sums, 0, 2 * halves->dim * sizeof *halves->sums);
    halves->n[0] = halves->n[1] = 0;
}

void dp_halves_add(dp_halves *halves, const float *features, const uint8_t *valid, size_t rows, size_t cols)
{
    const size_t dim = halves->dim, half = cols / 2;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            size_t cell = r * cols + c, side = c >= cols - half;
            if ((c >= half && !side) || (valid && !valid[cell]))
                continue;
            const float *x = features + cell * dim;
            double *sum = halves->sums + side * dim;
            for (size_t d = 0; d < dim; d++)
                sum[d] += x[d];
            halves->n[side]++;
        }
}

dp_status dp_halves_orientation(const dp_halves *halves, float *orientation, dp_error *err)
{
    const size_t dim = halves->dim;
    const double *left = halves->sums, *right = halves->sums + dim;
    const double n_left = (double)(halves->n[0] ? halves->n[0] : 1),
                 n_right = (double)(halves->n[1] ? halves->n[1] : 1);
    double difference = 0, size = 0;
    for (size_t d = 0; d < dim; d++) {
        double l = left[d] / n_left, r = right[d] / n_right;
        difference += (r - l) * (r - l);
        size += r * r + l * l;
    }
    if (!isfinite(size))
        return dp_fail(err, DP_E_NUMERIC, "a feature is not finite, so it gives no orientation");
    bool settled = halves->n[0] && halves->n[1] && difference > SETTLED * SETTLED * size;
    double scale = settled ? 1 / sqrt(difference) : 0;
    for (size_t d = 0; d < dim; d++)
        orientation[d] = settled ? (float)((right[d] / n_right - left[d] / n_left) * scale) : 0;
    return DP_OK;
}

dp_status dp_orientation(const float *features, const uint8_t *valid, size_t rows, size_t cols, size_t dim,
                         float *orientation, dp_error *err)
{
    dp_halves halves;
    dp_status status = open_halves(dim, &halves, err);
    if (status)
        return status;
    dp_halves_add(&halves, features, valid, rows, cols);
    status = dp_halves_orientation(&halves, orientation, err);
    dp_halves_close(&halves);
    return status;
}

static void normalise(float *x, size_t dim)
{
    double size = sqrt(dot(x, x, dim));
    for (size_t d = 0; d < dim; d++)
        x[d] = size > SETTLED ? (float)(x[d] / size) : 0;
}

void dp_orientation_own(const float *as_found, const float *turned, size_t dim, float *own, float *bias)
{
    for (size_t d = 0; d < dim; d++) {
        float a = as_found[d], b = turned[d];
        own[d] = (a - b) / 2;
        if (bias)
            bias[d] = (a + b) / 2;
    }
    normalise(own, dim);
}

void dp_orientation_scale(const float *orientation, const float *factor, size_t dim, float *out)
{
    double square = 0;
    for (size_t d = 0; d < dim; d++)
        square += (double)orientation[d] * factor[d] * ((double)orientation[d] * factor[d]);
    for (size_t d = 0; d < dim; d++)
        out[d] = square > 0 ? (float)((double)orientation[d] * factor[d] / sqrt(square)) : 0;
}

void dp_orientation_unbias(float *orientation, const float *bias, size_t dim)
{
    if (dot(orientation, orientation, dim) == 0)
        return;
    for (size_t d = 0; d < dim; d++)
        orientation[d] -= bias[d];
    normalise(orientation, dim);
}

int dp_orientation_sign(const float *orientation, const float *reference, size_t dim, double *confidence)
{
    double product = dot(orientation, reference, dim);
    double size = sqrt(dot(orientation, orientation, dim) * dot(reference, reference, dim));
    if (confidence)
        *confidence = size > 0 ? fmin(fabs(product) / size, 1) : 0;
    return product > 0 ? 1 : product < 0 ? -1 : 0;
}

/* Returns the index of the candidate with the largest sum of |cosines| with all vectors; n if every vector is zero. */
static size_t best_agreeing(const float *orientations, size_t n, size_t dim)
{
    size_t step = (n + MAX_CANDIDATES - 1) / MAX_CANDIDATES, best = n;
    double best_sum = 0;
    for (size_t round = 0; round < 2 && best == n; round++, step = 1) { /* the second round is for the case that every
                                                                         * k-th vector is zero */
        for (size_t i = 0; i < n; i += step) {
            double sum = 0;
            for (size_t j = 0; j < n; j++)
                sum += fabs(dot(orientations + i * dim, orientations + j * dim, dim));
            if (sum > best_sum) {
                best_sum = sum;
                best = i;
            }
        }
    }
    return best;
}

dp_status dp_orientation_consensus(const float *orientations, size_t n, size_t dim, float *reference, int *signs,
                                   dp_error *err)
{
    double *sum = dp_malloc(dim, sizeof *sum);
    if (!sum)
        return dp_fail_memory(err, "the consensus of the orientations", dim * sizeof *sum);
    memset(reference, 0, dim * sizeof *reference);
    for (size_t i = 0; i < n; i++)
        signs[i] = 0;
    size_t start = best_agreeing(orientations, n, dim);
    if (start == n)
        goto done;
    memcpy(reference, orientations + start * dim, dim * sizeof *reference);

    for (int round = 0; round < MAX_ROUNDS; round++) {
        bool changed = false;
        memset(sum, 0, dim * sizeof *sum);
        for (size_t i = 0; i < n; i++) {
            const float *o = orientations + i * dim;
            int sign = dp_orientation_sign(o, reference, dim, NULL);
            if (!sign) /* at right angles: keeps its sign; in the first round, its original sign */
                sign = signs[i] ? signs[i] : dot(o, o, dim) > 0;
            changed |= sign != signs[i];
            signs[i] = sign;
            for (size_t d = 0; d < dim; d++)
                sum[d] += sign * (double)o[d];
        }
        double square = 0;
        for (size_t d = 0; d < dim; d++)
            square += sum[d] * sum[d];
        for (size_t d = 0; square > 0 && d < dim; d++)
            reference[d] = (float)(sum[d] / sqrt(square));
        if (!changed)
            break;
    }

    /* The reference and its negative serve equally well. Take the one that turns fewer pictures; if both turn as
     * many, the one that does not turn the first picture. */
    ptrdiff_t balance = 0;
    int first = 0;
    for (size_t i = 0; i < n; i++) {
        balance += signs[i];
        first = first ? first : signs[i];
    }
    if (balance < 0 || (balance == 0 && first < 0)) {
        for (size_t i = 0; i < n; i++)
            signs[i] = -signs[i];
        for (size_t d = 0; d < dim; d++)
            reference[d] = -reference[d];
    }
done:
    dp_memory_free(sum);
    return DP_OK;
}

void dp_grid_mirror(float *features, uint8_t *valid, size_t rows, size_t cols, size_t dim)
{
    if (features)
        dp_flip(features, dim * sizeof *features, rows, cols, false);
    if (valid)
        dp_flip(valid, 1, rows, cols, false);
}
