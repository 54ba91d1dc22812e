/* SPDX-License-Identifier: Apache-2.0 */
/* normalise.c - statistics of features, and how they normalise the layers.
 *
 * Over the good cells, for layer l with channels c:
 *
 *     rms       a_l = sqrt(mean over cells of |x|^2)                              x' = x / a_l
 *     standard  s_c = max(standard deviation of x_c, 1e-3 median over c in l)     z = (x - mean) / s
 *               a_l = sqrt(mean over cells of |z|^2) = sqrt(sum_c var_c / s_c^2)   x' = z / a_l
 *
 * Without the lower bound, a channel that hardly varies would outweigh all others.
 *
 * Means and squared distances M of two parts (Chan, Golub, LeVeque 1983), d = difference of their means:
 *
 *     n = n_a + n_b,   mean = mean_a + d n_b / n,   M = M_a + M_b + d^2 n_a n_b / n
 *
 * A picture is one part, measured in two passes; the parts are added in the order of the pictures. Sums are in
 * double. */
#include "extract/normalise.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/statistics.h"

#include <math.h>
#include <string.h>

#define FLOOR 1e-3 /* of the layer's median standard deviation */

dp_status dp_cell_statistics_open(size_t dim, dp_cell_statistics *statistics, dp_error *err)
{
    dp_cell_statistics s = {dim, 0, dp_calloc(dim, sizeof *s.mean), dp_calloc(dim, sizeof *s.square)};
    if (!s.mean || !s.square) {
        dp_cell_statistics_close(&s);
        return dp_fail_memory(err, "the statistics of features", dim * sizeof *s.mean);
    }
    *statistics = s;
    return DP_OK;
}

void dp_cell_statistics_close(dp_cell_statistics *statistics)
{
    dp_memory_free(statistics->mean);
    dp_memory_free(statistics->square);
    *statistics = (dp_cell_statistics){0};
}

void dp_cell_statistics_merge(dp_cell_statistics *a, const dp_cell_statistics *b)
{
    double n = a->n + b->n;
    if (!(b->n > 0))
        return;
    for (size_t i = 0; i < a->dim; i++) {
        double d = b->mean[i] - a->mean[i];
        a->mean[i] += d * (b->n / n);
        a->square[i] += b->square[i] + d * d * (a->n * b->n / n);
    }
    a->n = n;
}

dp_status dp_cell_statistics_add(dp_cell_statistics *statistics, const float *features, const uint8_t *valid,
                                 size_t cells, dp_error *err)
{
    const size_t dim = statistics->dim;
    dp_cell_statistics part = {0};
    dp_status status = dp_cell_statistics_open(dim, &part, err);
    if (status)
        return status;
    for (size_t c = 0; c < cells; c++) {
        if (valid && !valid[c])
            continue;
        part.n++;
        for (size_t i = 0; i < dim; i++)
            part.mean[i] += (double)features[c * dim + i];
    }
    for (size_t i = 0; i < dim && part.n > 0; i++)
        part.mean[i] /= part.n;
    for (size_t c = 0; c < cells; c++) {
        if (valid && !valid[c])
            continue;
        for (size_t i = 0; i < dim; i++) {
            double d = (double)features[c * dim + i] - part.mean[i];
            part.square[i] += d * d;
        }
    }
    dp_cell_statistics_merge(statistics, &part);
    dp_cell_statistics_close(&part);
    return DP_OK;
}

/* Fills shift and deviation [dim] of one layer; returns the root mean square length of the shifted and scaled
 * features. */
static double find_layer(const dp_cell_statistics *s, dp_layer_norm norm, size_t first, size_t dim, double *deviation)
{
    double length = 0;
    for (size_t i = 0; i < dim; i++)
        deviation[i] = norm == DP_LAYER_NORM_STANDARD ? sqrt(s->square[first + i] / s->n) : 1;
    if (norm == DP_LAYER_NORM_STANDARD) {
        double *sorted = deviation + dim; /* [dim] scratch */
        memcpy(sorted, deviation, dim * sizeof *sorted);
        double least = FLOOR * dp_median(sorted, dim);
        for (size_t i = 0; i < dim; i++)
            deviation[i] = fmax(deviation[i], least);
    }
    for (size_t i = 0; i < dim; i++) {
        double mean = norm == DP_LAYER_NORM_STANDARD ? 0 : s->mean[first + i];
        double square = s->square[first + i] / s->n + mean * mean;
        length += deviation[i] > 0 ? square / (deviation[i] * deviation[i]) : 0;
    }
    return sqrt(length);
}

dp_status dp_layer_norm_find(const dp_cell_statistics *statistics, dp_layer_norm norm, const size_t *dims,
                             size_t n_layers, float *shift, float *factor, dp_error *err)
{
    double *deviation = dp_malloc(statistics->dim, 2 * sizeof *deviation);
    if (!deviation)
        return dp_fail_memory(err, "the statistics of features", 2 * statistics->dim * sizeof *deviation);
    for (size_t l = 0, first = 0; l < n_layers; first += dims[l++]) {
        double length = norm == DP_LAYER_NORM_NONE ? 1 : find_layer(statistics, norm, first, dims[l], deviation);
        for (size_t i = 0; i < dims[l]; i++) {
            double by = norm == DP_LAYER_NORM_NONE ? 1 : deviation[i] * length;
            shift[first + i] = norm == DP_LAYER_NORM_STANDARD ? (float)statistics->mean[first + i] : 0;
            factor[first + i] = by > 0 ? (float)(1 / by) : 0;
        }
    }
    dp_memory_free(deviation);
    return DP_OK;
}

void dp_layer_norm_apply(float *features, size_t cells, size_t dim, const float *shift, const float *factor)
{
    for (size_t c = 0; c < cells; c++)
        for (size_t i = 0; i < dim; i++)
            features[c * dim + i] = (features[c * dim + i] - shift[i]) * factor[i];
}
