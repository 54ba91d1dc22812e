/* SPDX-License-Identifier: Apache-2.0 */
/* int8_c.c - plain C versions of the 8-bit kernels, easy to read: the numbers of int8.h, with sums in double
 * precision. */
#include "network/int8.h"

#include <math.h>
#include <string.h>

#define GROUP DP_INT8_GROUP
#define PANEL DP_INT8_PANEL

void dp_quantise_i8_c(const float *x, size_t rows, size_t k, dp_int8_input input, uint8_t *q, float *scale)
{
    const float shift = input == DP_INT8_GELU ? DP_INT8_GELU_SHIFT : 0, levels = input == DP_INT8_GELU ? 255 : 127;
    const int zero = input == DP_INT8_GELU ? 0 : 128;
    const size_t n_groups = (k + GROUP - 1) / GROUP;
    for (size_t i = 0; i < rows; i++)
        for (size_t g = 0; g < n_groups; g++, q += GROUP) {
            const float *from = x + i * k + g * GROUP;
            size_t count = k - g * GROUP < GROUP ? k - g * GROUP : GROUP;
            float largest = 0;
            for (size_t j = 0; j < count; j++)
                largest = fmaxf(largest, fabsf(from[j] - shift));
            const float by = largest > 0 ? levels / largest : 1;
            *scale++ = largest > 0 ? largest / levels : 1;
            memset(q, 0, GROUP);
            for (size_t j = 0; j < count; j++)
                q[j] = (uint8_t)fmax(0, fmin(255, rint((double)((from[j] - shift) * by)) + zero));
        }
}

void dp_product_i8_c(const dp_int8_matrix *m, size_t first, size_t count, const uint8_t *q, const float *scale,
                     size_t rows, float *y, size_t ld_y)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < count * PANEL; j++) {
            size_t panel = first + j / PANEL, channel = j % PANEL;
            double sum = m->bias[panel * PANEL + channel];
            for (size_t g = 0; g < m->n_groups; g++) {
                size_t at = panel * m->n_groups + g;
                const int8_t *w = m->bytes + at * GROUP * PANEL + 4 * channel;
                int32_t part = m->start[at * PANEL + channel];
                for (size_t d = 0; d < GROUP; d++)
                    part += q[(i * m->n_groups + g) * GROUP + d] * w[d / 4 * 4 * PANEL + d % 4];
                sum += (double)scale[i * m->n_groups + g] * m->scale[at * PANEL + channel] * part;
            }
            y[i * ld_y + j] = (float)sum;
        }
}

/* Computes round(x / scale) for the 64 values of a head, scale = largest / 127. Returns the scale. */
static float quantise_symmetric(const float *x, int *bytes)
{
    float largest = 0;
    for (size_t i = 0; i < DP_HEAD_DIM; i++)
        largest = fmaxf(largest, fabsf(x[i]));
    float scale = largest > 0 ? largest / 127 : 1;
    for (size_t i = 0; i < DP_HEAD_DIM; i++)
        bytes[i] = (int)rintf(x[i] * (1 / scale));
    return scale;
}

void dp_prepare_head_i8_c(const float *k, const float *v, size_t n_keys, dp_int8_head *head)
{
    double mean[DP_HEAD_DIM] = {0};
    for (size_t j = 0; j < n_keys; j++)
        for (size_t d = 0; d < DP_HEAD_DIM; d++)
            mean[d] += (double)k[j * DP_HEAD_DIM + d] / (double)n_keys;
    for (size_t j = 0; j < n_keys; j++) {
        float x[DP_HEAD_DIM];
        int bytes[DP_HEAD_DIM], sum = 0;
        for (size_t d = 0; d < DP_HEAD_DIM; d++)
            x[d] = k[j * DP_HEAD_DIM + d] - (float)mean[d];
        head->k_scale[j] = quantise_symmetric(x, bytes);
        for (size_t d = 0; d < DP_HEAD_DIM; d++) {
            head->k[j * DP_HEAD_DIM + d] = (int8_t)bytes[d];
            sum += bytes[d];
        }
        head->k_start[j] = -128 * sum;
    }
    memset(head->v, 0, (n_keys + 3) / 4 * 4 * DP_HEAD_DIM);
    for (size_t d = 0; d < DP_HEAD_DIM; d++) {
        float largest = 0;
        for (size_t j = 0; j < n_keys; j++)
            largest = fmaxf(largest, fabsf(v[j * DP_HEAD_DIM + d]));
        float scale = head->v_scale[d] = largest > 0 ? largest * (1.0f / 127) : 1;
        for (size_t j = 0; j < n_keys; j++)
            head->v[(j / 4 * DP_HEAD_DIM + d) * 4 + j % 4] = (int8_t)rintf(v[j * DP_HEAD_DIM + d] * (1 / scale));
    }
}

void dp_attention_i8_c(const float *q, const dp_int8_head *head, size_t n_queries, size_t n_keys, float *out,
                       size_t ld_out, float *scratch)
{
    (void)scratch;
    for (size_t i = 0; i < n_queries; i++, q += DP_HEAD_DIM, out += ld_out) {
        int query[DP_HEAD_DIM];
        double scale = quantise_symmetric(q, query), top = -INFINITY, sum = 0, mixed[DP_HEAD_DIM] = {0};
        for (size_t begin = 0; begin < n_keys; begin += DP_KEY_BLOCK) {
            double score[DP_KEY_BLOCK], here = -INFINITY;
            size_t count = n_keys - begin < DP_KEY_BLOCK ? n_keys - begin : DP_KEY_BLOCK;
            for (size_t j = 0; j < count; j++) {
                int dot = 0;
                for (size_t d = 0; d < DP_HEAD_DIM; d++)
                    dot += query[d] * head->k[(begin + j) * DP_HEAD_DIM + d];
                score[j] = dot * scale * (double)head->k_scale[begin + j];
                here = fmax(here, score[j]);
            }
            double both = fmax(top, here), alpha = exp2(top - both), beta = exp2(here - both) / 255;
            sum *= alpha;
            for (size_t d = 0; d < DP_HEAD_DIM; d++)
                mixed[d] *= alpha;
            for (size_t j = 0; j < count; j++) {
                double p = beta * rint(255 * exp2(score[j] - here));
                size_t key = begin + j;
                sum += p;
                for (size_t d = 0; d < DP_HEAD_DIM; d++) {
                    size_t at = (key / 4 * DP_HEAD_DIM + d) * 4 + key % 4;
                    mixed[d] += p * head->v[at];
                }
            }
            top = both;
        }
        for (size_t d = 0; d < DP_HEAD_DIM; d++)
            out[d] = (float)(mixed[d] / sum * (double)head->v_scale[d]);
    }
}

float dp_largest_c(const float *x, size_t n)
{
    float top = 0;
    for (size_t i = 0; i < n; i++)
        top = fmaxf(top, x[i]);
    return top;
}

void dp_quantise_relu_c(const float *x, size_t n, float by, uint8_t *q)
{
    for (size_t i = 0; i < n; i++)
        q[i] = (uint8_t)fmaxf(0, fminf(255, rintf(x[i] * by)));
}

void dp_finish_i8_c(const dp_int8_finish *how, const int32_t *sum, size_t cells, float *y)
{
    for (size_t i = 0; i < cells; i++)
        for (size_t o = 0; o < how->n; o++, sum++, y++) {
            float value = fmaf((float)*sum, how->x_scale * how->scale[o], how->bias[o] + (how->add ? *y : 0));
            *y = how->relu ? fmaxf(value, 0) : value;
        }
}
