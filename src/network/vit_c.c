/* SPDX-License-Identifier: Apache-2.0 */
/* vit_c.c - plain C versions of the transformer's kernels, easy to read, in double precision. The fast ones are
 * compared with them. Also chooses among the kernels. */
#include "network/kernels.h"

#include <math.h>

void dp_layernorm_f32_c(const dp_norm *norm, const float *x, size_t ld_x, size_t rows, float *y, size_t ld_y)
{
    const size_t dim = norm->dim;
    for (size_t i = 0; i < rows; i++, x += ld_x, y += ld_y) {
        double mean = 0, variance = 0;
        for (size_t j = 0; j < dim; j++)
            mean += x[j];
        mean /= (double)dim;
        for (size_t j = 0; j < dim; j++)
            variance += (x[j] - mean) * (x[j] - mean);
        double scale = 1 / sqrt(variance / (double)dim + (double)norm->eps);
        for (size_t j = 0; j < dim; j++)
            y[j] = (float)((x[j] - mean) * scale * norm->weight[j] + norm->bias[j]);
    }
}

void dp_rotate_f32_c(float *x, size_t rows, const float *table)
{
    for (size_t i = 0; i < rows; i++, x += DP_HEAD_DIM, table += DP_HEAD_DIM)
        for (size_t j = 0; j < DP_HEAD_DIM / 2; j++) {
            double a = x[j], b = x[DP_HEAD_DIM / 2 + j], cosine = table[j], sine = table[DP_HEAD_DIM / 2 + j];
            x[j] = (float)(a * cosine - b * sine);
            x[DP_HEAD_DIM / 2 + j] = (float)(b * cosine + a * sine);
        }
}

void dp_gelu_f32_c(const float *x, size_t ld_x, size_t rows, size_t n, float *y, size_t ld_y)
{
    for (size_t i = 0; i < rows; i++, x += ld_x, y += ld_y)
        for (size_t j = 0; j < n; j++)
            y[j] = (float)((double)x[j] / 2 * (1 + erf((double)x[j] * 0.70710678118654752)));
}

void dp_swiglu_f32_c(const float *u, size_t rows, size_t hidden, float *y)
{
    for (size_t i = 0; i < rows; i++, u += 2 * hidden, y += hidden)
        for (size_t j = 0; j < hidden; j++)
            y[j] = (float)(u[j] / (1 + exp(-(double)u[j])) * u[hidden + j]);
}

void dp_attention_f32_c(const float *q, const float *k, const float *v, size_t n_queries, size_t n_keys, float *out,
                        size_t ld_out, float *scratch)
{
    (void)scratch;
    for (size_t i = 0; i < n_queries; i++, q += DP_HEAD_DIM, out += ld_out) {
        double largest = -INFINITY, sum = 0, mixed[DP_HEAD_DIM] = {0};
        for (int pass = 0; pass < 2; pass++) { /* computes the scores twice instead of storing them */
            for (size_t j = 0; j < n_keys; j++) {
                double score = 0;
                for (size_t d = 0; d < DP_HEAD_DIM; d++)
                    score += (double)q[d] * k[j * DP_HEAD_DIM + d];
                if (pass == 0) {
                    largest = score > largest || isnan(score) ? score : largest;
                    continue;
                }
                double p = exp2(score - largest);
                sum += p;
                for (size_t d = 0; d < DP_HEAD_DIM; d++)
                    mixed[d] += p * v[j * DP_HEAD_DIM + d];
            }
        }
        for (size_t d = 0; d < DP_HEAD_DIM; d++)
            out[d] = (float)(mixed[d] / sum);
    }
}

float dp_fma_rounds_f32_c(size_t rounds)
{
    float a[16], sum = 0;
    for (size_t i = 0; i < 16; i++)
        a[i] = (float)i;
    for (size_t r = 0; r < rounds * (DP_FMA_ROUND_FLOP / 32); r++)
        for (size_t i = 0; i < 16; i++)
            a[i] = a[i] * 0.999f + 1e-3f;
    for (size_t i = 0; i < 16; i++)
        sum += a[i];
    return sum;
}

void dp_vit_kernels_init(dp_vit_kernels *kernels, dp_isa isa)
{
    *kernels = (dp_vit_kernels){.isa = DP_ISA_C,
                                .layernorm = dp_layernorm_f32_c,
                                .rotate = dp_rotate_f32_c,
                                .gelu = dp_gelu_f32_c,
                                .swiglu = dp_swiglu_f32_c,
                                .attention = dp_attention_f32_c,
                                .fma_rounds = dp_fma_rounds_f32_c};
    DP_KERNELS_FILL(dp_vit_kernels, kernels, isa);
}
