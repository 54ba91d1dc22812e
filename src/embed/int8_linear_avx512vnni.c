/* int8_linear_avx512vnni.c - 8-bit linear layers for AVX-512 with VNNI.
 * vpdpbusd: 64 multiply-adds, latency 4 or 5, one a cycle or two (one on Zen 4).
 *
 * Product: a register tile of 6 tokens x 64 channels (24 accumulators, 4 vectors of weights, one broadcast) runs down a group of
 * 64 inputs, 16 steps of four; then the sums are scaled and added to the outputs, which stay in the first-level cache.  Groups
 * are taken four at a time over all tokens of the call, so that their weights (16 kB) stay there too. */
#include "embed/int8.h"

#include <immintrin.h>
#include <string.h>

/* NOLINTBEGIN(bugprone-implicit-widening-of-multiplication-result): c and r count registers, below 9; as size_t gcc 12 makes
 * other code of it. */
#define GROUP DP_INT8_GROUP
#define PANEL DP_INT8_PANEL
#define NV (PANEL / 16)
#define MR 6
#define GROUPS_AT_ONCE 4

/* Accumulators are of the instruction's own vector type: with __m512i gcc 12 keeps a copy of each in memory. */
typedef int ints __attribute__((vector_size(64)));

static inline __mmask16 lanes(size_t left)
{
    return left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
}

static void dp_quantise_i8_avx512vnni(const float *x, size_t rows, size_t k, dp_int8_input input, uint8_t *q, float *scale)
{
    const __m512i zero = _mm512_set1_epi32(input == DP_INT8_GELU ? 0 : 128);
    const __m512 shift = _mm512_set1_ps(input == DP_INT8_GELU ? DP_INT8_GELU_SHIFT : 0);
    const float levels = input == DP_INT8_GELU ? 255 : 127;
    const size_t n_groups = (k + GROUP - 1) / GROUP;
    for (size_t i = 0; i < rows; i++, x += k)
        for (size_t g = 0; g < n_groups; g++, q += GROUP) {
            __m512 value[GROUP / 16], top = _mm512_setzero_ps();
            __mmask16 in[GROUP / 16];
            for (size_t c = 0; c < GROUP / 16; c++) {
                size_t at = g * GROUP + 16 * c;
                in[c] = at < k ? lanes(k - at) : 0;
                value[c] = _mm512_maskz_sub_ps(in[c], _mm512_maskz_loadu_ps(in[c], x + at), shift);
                top = _mm512_max_ps(top, _mm512_abs_ps(value[c]));
            }
            float largest = _mm512_reduce_max_ps(top), by = largest > 0 ? levels / largest : 1;
            *scale++ = largest > 0 ? largest / levels : 1;
            for (size_t c = 0; c < GROUP / 16; c++) {
                __m512i byte = _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(value[c], _mm512_set1_ps(by))), zero);
                byte = _mm512_maskz_mov_epi32(in[c], _mm512_max_epi32(byte, _mm512_setzero_si512()));
                _mm_storeu_si128((__m128i *)(q + 16 * c), _mm512_cvtusepi32_epi8(byte));
            }
        }
}

static inline __attribute__((always_inline)) void tile(int rows, size_t n_groups, const uint8_t *q, size_t ld_q, const float *scale,
                                                       size_t ld_scale, const int8_t *w, const float *w_scale, const int32_t *start,
                                                       float *y, size_t ld_y)
{
    for (size_t g = 0; g < n_groups; g++, q += GROUP, scale++, w_scale += PANEL, start += PANEL) {
        ints acc[MR][NV];
        for (int c = 0; c < NV; c++) {
            __m512i from = _mm512_loadu_si512(start + 16 * c);
            for (int r = 0; r < rows; r++)
                acc[r][c] = (ints)from;
        }
        for (size_t k = 0; k < GROUP; k += 4, w += 4 * PANEL) {
            __m512i weights[NV];
            for (int c = 0; c < NV; c++)
                weights[c] = _mm512_loadu_si512(w + 64 * c);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                int32_t four;
                memcpy(&four, q + (size_t)r * ld_q + k, sizeof four);
                __m512i bytes = _mm512_set1_epi32(four);
                for (int c = 0; c < NV; c++)
                    acc[r][c] = (ints)_mm512_dpbusd_epi32((__m512i)acc[r][c], bytes, weights[c]);
            }
        }
        for (int r = 0; r < rows; r++) {
            __m512 by = _mm512_set1_ps(scale[(size_t)r * ld_scale]);
            for (int c = 0; c < NV; c++) {
                float *to = y + (size_t)r * ld_y + 16 * c;
                __m512 factor = _mm512_mul_ps(by, _mm512_loadu_ps(w_scale + 16 * c));
                _mm512_storeu_ps(to, _mm512_fmadd_ps(_mm512_cvtepi32_ps((__m512i)acc[r][c]), factor, _mm512_loadu_ps(to)));
            }
        }
    }
}

#define ROWS(r)                                                                                                        \
    case r:                                                                                                            \
        tile(r, n_groups, q, ld_q, scale, ld_scale, w, w_scale, start, y, ld_y);                                       \
        break;

static void tile_rows(size_t rows, size_t n_groups, const uint8_t *q, size_t ld_q, const float *scale, size_t ld_scale,
                      const int8_t *w, const float *w_scale, const int32_t *start, float *y, size_t ld_y)
{
    switch (rows) {
        ROWS(1)
        ROWS(2)
        ROWS(3)
        ROWS(4)
        ROWS(5)
    default:
        tile(MR, n_groups, q, ld_q, scale, ld_scale, w, w_scale, start, y, ld_y);
    }
}

static void dp_product_i8_avx512vnni(const dp_int8_matrix *m, size_t first, size_t count, const uint8_t *q, const float *scale,
                                     size_t rows, float *y, size_t ld_y)
{
    const size_t ld_q = m->n_groups * GROUP;
    for (size_t p = first; p < first + count; p++, y += PANEL) {
        for (size_t i = 0; i < rows; i++)
            memcpy(y + i * ld_y, m->bias + p * PANEL, PANEL * sizeof *y);
        for (size_t g = 0; g < m->n_groups; g += GROUPS_AT_ONCE) {
            size_t here = m->n_groups - g < GROUPS_AT_ONCE ? m->n_groups - g : GROUPS_AT_ONCE, at = p * m->n_groups + g;
            for (size_t i = 0; i < rows; i += MR)
                tile_rows(rows - i, here, q + i * ld_q + g * GROUP, ld_q, scale + i * m->n_groups + g, m->n_groups,
                          m->bytes + at * GROUP * PANEL, m->scale + at * PANEL, m->start + at * PANEL, y + i * ld_y, ld_y);
        }
    }
}

void dp_int8_linear_avx512vnni(dp_int8_kernels *kernels)
{
    kernels->quantise = dp_quantise_i8_avx512vnni;
    kernels->product = dp_product_i8_avx512vnni;
}
/* NOLINTEND(bugprone-implicit-widening-of-multiplication-result) */
