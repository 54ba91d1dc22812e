/* SPDX-License-Identifier: Apache-2.0 */
/* int8_linear_avx512vnni.c - 8-bit linear layers for AVX-512 with VNNI.
 *
 * Product: a register tile of 6 tokens x 64 channels (24 accumulators, 4 vectors of weights, one broadcast) runs
 * along a group of 64 inputs in 16 steps of four. Then the sums are scaled and added to the outputs, which stay in
 * the first-level cache. Groups are taken four at a time over all tokens of the call, so that their weights (16 kB)
 * stay there too. */
#include "network/int8.h"
#include "simd/vector.h"

#include <string.h>

/* NOLINTBEGIN(bugprone-implicit-widening-of-multiplication-result): c and r count registers, below 9; as size_t gcc 12 makes
 * other code of it. */
#define GROUP DP_INT8_GROUP
#define PANEL DP_INT8_PANEL
#define NV (PANEL / 16)
#define MR 6
#define GROUPS_AT_ONCE 4

static inline vmask lanes(size_t left)
{
    return left >= 16 ? 0xffff : (vmask)((1u << left) - 1);
}

static void dp_quantise_i8_avx512vnni(const float *x, size_t rows, size_t k, dp_int8_input input, uint8_t *q,
                                      float *scale)
{
    const vi zero = viset1(input == DP_INT8_GELU ? 0 : 128);
    const vf shift = vset1(input == DP_INT8_GELU ? DP_INT8_GELU_SHIFT : 0);
    const float levels = input == DP_INT8_GELU ? 255 : 127;
    const size_t n_groups = (k + GROUP - 1) / GROUP;
    for (size_t i = 0; i < rows; i++, x += k)
        for (size_t g = 0; g < n_groups; g++, q += GROUP) {
            vf value[GROUP / 16], top = vset1(0);
            vmask in[GROUP / 16];
            for (size_t c = 0; c < GROUP / 16; c++) {
                size_t at = g * GROUP + 16 * c;
                in[c] = at < k ? lanes(k - at) : 0;
                value[c] = vmsub(in[c], vmload(in[c], x + at), shift);
                top = vmax(top, vabs(value[c]));
            }
            float largest = vmax_lanes(top), by = largest > 0 ? levels / largest : 1;
            *scale++ = largest > 0 ? largest / levels : 1;
            for (size_t c = 0; c < GROUP / 16; c++) {
                vi byte = viadd(vround_i(vmul(value[c], vset1(by))), zero);
                byte = vimask(in[c], vimax(byte, viset1(0)));
                visqueeze_u8(q + 16 * c, byte);
            }
        }
}

ALWAYS_INLINE void tile(int rows, size_t n_groups, const uint8_t *q, size_t ld_q, const float *scale, size_t ld_scale,
                        const int8_t *w, const float *w_scale, const int32_t *start, float *y, size_t ld_y)
{
    for (size_t g = 0; g < n_groups; g++, q += GROUP, scale++, w_scale += PANEL, start += PANEL) {
        vi_sum acc[MR][NV];
        for (int c = 0; c < NV; c++) {
            vi from = viload(start + 16 * c);
            for (int r = 0; r < rows; r++)
                acc[r][c] = (vi_sum)from;
        }
        for (size_t k = 0; k < GROUP; k += 4, w += 4 * PANEL) {
            vi weights[NV];
            for (int c = 0; c < NV; c++)
                weights[c] = viload(w + 64 * c);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                int32_t four;
                memcpy(&four, q + (size_t)r * ld_q + k, sizeof four);
                vi bytes = viset1(four);
                for (int c = 0; c < NV; c++)
                    acc[r][c] = vidot4(acc[r][c], bytes, weights[c]);
            }
        }
        for (int r = 0; r < rows; r++) {
            vf by = vset1(scale[(size_t)r * ld_scale]);
            for (int c = 0; c < NV; c++) {
                float *to = y + (size_t)r * ld_y + 16 * c;
                vf factor = vmul(by, vload(w_scale + 16 * c));
                vstore(to, vfma(vfrom_i((vi)acc[r][c]), factor, vload(to)));
            }
        }
    }
}

#define ROWS(r)                                                                                                        \
    case r: tile(r, n_groups, q, ld_q, scale, ld_scale, w, w_scale, start, y, ld_y); break;

static void tile_rows(size_t rows, size_t n_groups, const uint8_t *q, size_t ld_q, const float *scale, size_t ld_scale,
                      const int8_t *w, const float *w_scale, const int32_t *start, float *y, size_t ld_y)
{
    switch (rows) {
        ROWS(1)
        ROWS(2)
        ROWS(3)
        ROWS(4)
        ROWS(5)
    default: tile(MR, n_groups, q, ld_q, scale, ld_scale, w, w_scale, start, y, ld_y);
    }
}

static void dp_product_i8_avx512vnni(const dp_int8_matrix *m, size_t first, size_t count, const uint8_t *q,
                                     const float *scale, size_t rows, float *y, size_t ld_y)
{
    const size_t ld_q = m->n_groups * GROUP;
    for (size_t p = first; p < first + count; p++, y += PANEL) {
        for (size_t i = 0; i < rows; i++)
            memcpy(y + i * ld_y, m->bias + p * PANEL, PANEL * sizeof *y);
        for (size_t g = 0; g < m->n_groups; g += GROUPS_AT_ONCE) {
            size_t here = m->n_groups - g < GROUPS_AT_ONCE ? m->n_groups - g : GROUPS_AT_ONCE, at = p * m->n_groups + g;
            for (size_t i = 0; i < rows; i += MR)
                tile_rows(rows - i, here, q + i * ld_q + g * GROUP, ld_q, scale + i * m->n_groups + g, m->n_groups,
                          m->bytes + at * GROUP * PANEL, m->scale + at * PANEL, m->start + at * PANEL, y + i * ld_y,
                          ld_y);
        }
    }
}

void dp_int8_linear_avx512vnni(dp_int8_kernels *kernels)
{
    kernels->quantise = dp_quantise_i8_avx512vnni;
    kernels->product = dp_product_i8_avx512vnni;
}
/* NOLINTEND(bugprone-implicit-widening-of-multiplication-result) */
