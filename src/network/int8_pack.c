/* SPDX-License-Identifier: Apache-2.0 */
/* int8_pack.c - packs the weights of a linear layer in the layout of the 8-bit kernels (int8.h). */
#include "base/error.h"
#include "base/memory.h"
#include "network/int8.h"

#include <math.h>
#include <string.h>

#define GROUP DP_INT8_GROUP
#define PANEL DP_INT8_PANEL

/* Packs one group of one channel: count values at w become bytes, four at a time, PANEL channels apart. Returns the
 * part of the bias that comes from shift. */
static double pack_group(const float *w, size_t count, dp_int8_input input, int8_t *bytes, float *scale, int32_t *start)
{
    float largest = 0;
    for (size_t j = 0; j < count; j++)
        largest = fmaxf(largest, fabsf(w[j]));
    *scale = largest > 0 ? largest / 127 : 1;
    int32_t sum = 0;
    for (size_t j = 0; j < count; j++) {
        int32_t value = (int32_t)lrintf(w[j] / *scale);
        bytes[j / 4 * 4 * PANEL + j % 4] = (int8_t)value;
        sum += value;
    }
    *start = input == DP_INT8_GELU ? 0 : -128 * sum;
    return input == DP_INT8_GELU ? (double)DP_INT8_GELU_SHIFT * (double)*scale * sum : 0;
}

dp_status dp_int8_pack(size_t n, size_t k, dp_int8_input input, const float *weights, const float *bias,
                       dp_int8_matrix *out, dp_error *err)
{
    dp_int8_matrix m = {
        .n = n, .k = k, .n_panels = (n + PANEL - 1) / PANEL, .n_groups = (k + GROUP - 1) / GROUP, .input = input};
    const size_t cells = m.n_panels * m.n_groups;
    m.bytes = dp_calloc(cells, (size_t)GROUP * PANEL);
    m.scale = dp_calloc(cells, PANEL * sizeof *m.scale);
    m.start = dp_calloc(cells, PANEL * sizeof *m.start);
    m.bias = dp_calloc(m.n_panels, PANEL * sizeof *m.bias);
    if (!m.bytes || !m.scale || !m.start || !m.bias) {
        dp_int8_matrix_free(&m);
        return dp_fail_memory(err, "packed weights", n * k);
    }
    for (size_t i = 0; i < n; i++) {
        double sum = bias[i];
        for (size_t g = 0; g < m.n_groups; g++) {
            size_t at = i / PANEL * m.n_groups + g, channel = i % PANEL,
                   count = k - g * GROUP < GROUP ? k - g * GROUP : GROUP;
            sum += pack_group(weights + i * k + g * GROUP, count, input, m.bytes + at * GROUP * PANEL + 4 * channel,
                              m.scale + at * PANEL + channel, m.start + at * PANEL + channel);
        }
        m.bias[i] = (float)sum;
    }
    *out = m;
    return DP_OK;
}

void dp_int8_matrix_free(dp_int8_matrix *m)
{
    dp_memory_free(m->bytes);
    dp_memory_free(m->scale);
    dp_memory_free(m->start);
    dp_memory_free(m->bias);
    *m = (dp_int8_matrix){0};
}

size_t dp_int8_matrix_bytes(const dp_int8_matrix *m)
{
    return m->n_panels * m->n_groups * ((size_t)GROUP * PANEL + PANEL * (sizeof *m->scale + sizeof *m->start))
           + m->n_panels * PANEL * sizeof *m->bias;
}
