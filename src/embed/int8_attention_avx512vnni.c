/* int8_attention_avx512vnni.c - 8-bit attention for AVX-512 with VNNI.
 * vpdpbusd: 64 multiply-adds, latency 4 or 5, one a cycle or two (one on Zen 4).
 *
 * It is laid out as in vit_body.h: S^T = K Q^T and O^T = V^T P^T, queries along the vector, 48 at a time.
 *
 * Scratch, in bytes:  qt [16][48][4] u8    Q^T, four channels side by side
 *                     st [128][48] f32     scores of one block of keys
 *                     pt [32][48][4] u8    probabilities, four keys side by side
 *                     ot [64][48] f32      O^T
 *                     q_scale [48] f32
 * which is less than DP_ATTENTION_SCRATCH; the panels of a call follow one another. */
#include "embed/int8.h"

#include <immintrin.h>
#include <math.h>
#include <string.h>

/* NOLINTBEGIN(bugprone-implicit-widening-of-multiplication-result): c and r count registers, below 9; as size_t gcc 12 makes
 * other code of it. */
#define PANEL DP_QUERY_PANEL
#if defined(DP_ANALYSIS) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-use-of-uninitialized-value" /* it does not see that NV times is at least once */
#endif
#define NV 3
#define MR 8

_Static_assert(DP_HEAD_DIM * PANEL + DP_KEY_BLOCK * PANEL * 4 + DP_KEY_BLOCK * PANEL + DP_HEAD_DIM * PANEL * 4 + PANEL * 4
                   <= DP_ATTENTION_SCRATCH * 4, "one panel fits");

/* Accumulators are of the instruction's own vector type: with __m512i gcc 12 keeps a copy of each in memory. */
typedef int ints __attribute__((vector_size(64)));

static inline ints dot4(ints sum, __m512i bytes, int32_t four)
{
    return (ints)_mm512_dpbusd_epi32((__m512i)sum, bytes, _mm512_set1_epi32(four));
}

/* 2^x for x <= 0 to 7.5e-5 of its value: the result is rounded to one part in 255 next. */
static inline __m512 exp2_short(__m512 x)
{
    x = _mm512_max_ps(_mm512_set1_ps(-126), x);
    __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), f = _mm512_sub_ps(x, n);
    __m512 p = _mm512_set1_ps(5.51716685295105e-2f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.426111251115799e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.932609677314758e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.999280571937561e-1f));
    return _mm512_scalef_ps(p, n);
}

/* Four vectors of small whole numbers to one of bytes, the four of a lane side by side. */
static inline __m512i interleave(__m512i a, __m512i b, __m512i c, __m512i d)
{
    const __m512i low = _mm512_set1_epi32(0xff);
    __m512i ab = _mm512_or_si512(_mm512_and_si512(a, low), _mm512_slli_epi32(_mm512_and_si512(b, low), 8));
    __m512i cd = _mm512_or_si512(_mm512_slli_epi32(_mm512_and_si512(c, low), 16), _mm512_slli_epi32(d, 24));
    return _mm512_or_si512(ab, cd);
}

static void prepare_keys(const float *k, size_t n_keys, dp_int8_head *head)
{
    __m512 mean[4], inverse = _mm512_set1_ps(1.0f / (float)n_keys);
    for (int c = 0; c < 4; c++) {
        mean[c] = _mm512_setzero_ps();
        for (size_t j = 0; j < n_keys; j++)
            mean[c] = _mm512_add_ps(mean[c], _mm512_loadu_ps(k + j * DP_HEAD_DIM + 16 * c));
        mean[c] = _mm512_mul_ps(mean[c], inverse);
    }
    for (size_t j = 0; j < n_keys; j++) {
        __m512 x[4], top = _mm512_setzero_ps();
        for (int c = 0; c < 4; c++) {
            x[c] = _mm512_sub_ps(_mm512_loadu_ps(k + j * DP_HEAD_DIM + 16 * c), mean[c]);
            top = _mm512_max_ps(top, _mm512_abs_ps(x[c]));
        }
        float largest = _mm512_reduce_max_ps(top), scale = largest > 0 ? largest / 127 : 1;
        __m512i sum = _mm512_setzero_si512();
        for (int c = 0; c < 4; c++) {
            __m512i value = _mm512_cvtps_epi32(_mm512_mul_ps(x[c], _mm512_set1_ps(1 / scale)));
            sum = _mm512_add_epi32(sum, value);
            _mm_storeu_si128((__m128i *)(head->k + j * DP_HEAD_DIM + 16 * c), _mm512_cvtepi32_epi8(value));
        }
        head->k_scale[j] = scale;
        head->k_start[j] = -128 * _mm512_reduce_add_epi32(sum);
    }
}

static void prepare_values(const float *v, size_t n_keys, dp_int8_head *head)
{
    for (int c = 0; c < 4; c++) {
        __m512 top = _mm512_setzero_ps();
        for (size_t j = 0; j < n_keys; j++)
            top = _mm512_max_ps(top, _mm512_abs_ps(_mm512_loadu_ps(v + j * DP_HEAD_DIM + 16 * c)));
        __m512 scale = _mm512_mul_ps(top, _mm512_set1_ps(1.0f / 127));
        scale = _mm512_mask_mov_ps(scale, _mm512_cmp_ps_mask(top, _mm512_setzero_ps(), _CMP_EQ_OQ), _mm512_set1_ps(1));
        _mm512_storeu_ps(head->v_scale + 16 * c, scale);
        __m512 by = _mm512_div_ps(_mm512_set1_ps(1), scale);
        for (size_t j = 0; j < n_keys; j += 4) {
            __m512i part[4];
            for (size_t r = 0; r < 4; r++) {
                __m512 x = j + r < n_keys ? _mm512_loadu_ps(v + (j + r) * DP_HEAD_DIM + 16 * c) : _mm512_setzero_ps();
                part[r] = _mm512_cvtps_epi32(_mm512_mul_ps(x, by));
            }
            _mm512_storeu_si512(head->v + j * DP_HEAD_DIM + 64 * c, interleave(part[0], part[1], part[2], part[3]));
        }
    }
}

static void dp_prepare_head_i8_avx512vnni(const float *k, const float *v, size_t n_keys, dp_int8_head *head)
{
    prepare_keys(k, n_keys, head);
    prepare_values(v, n_keys, head);
}

/* st[j, :] = (k[j] . q) * k_scale[j] * q_scale for `rows` keys; raises top to the scores. */
static inline __attribute__((always_inline)) void score_tile(int rows, const dp_int8_head *h, size_t key, const uint8_t *qt,
                                                             const __m512 q_scale[NV], float *st, __m512 top[NV])
{
    ints acc[MR][NV];
    const int8_t *k = h->k + key * DP_HEAD_DIM;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < NV; c++)
            acc[r][c] = (ints)_mm512_set1_epi32(h->k_start[key + (size_t)r]);
    for (size_t d = 0; d < DP_HEAD_DIM; d += 4, qt += 4 * PANEL) {
        __m512i q[NV];
        for (int c = 0; c < NV; c++)
            q[c] = _mm512_loadu_si512(qt + 64 * c);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            int32_t four;
            memcpy(&four, k + (size_t)r * DP_HEAD_DIM + d, sizeof four);
            for (int c = 0; c < NV; c++)
                acc[r][c] = dot4(acc[r][c], q[c], four);
        }
    }
    for (int r = 0; r < rows; r++, st += PANEL) {
        __m512 by = _mm512_set1_ps(h->k_scale[key + (size_t)r]);
        for (int c = 0; c < NV; c++) {
            __m512 score = _mm512_mul_ps(_mm512_cvtepi32_ps((__m512i)acc[r][c]), _mm512_mul_ps(by, q_scale[c]));
            _mm512_storeu_ps(st + 16 * c, score);
            top[c] = _mm512_max_ps(top[c], score);
        }
    }
}

/* ot[d, :] = ot[d, :] * alpha + beta * sum_j v[j, d] p[j, :] for 8 channels. */
static inline void value_tile(const int8_t *v, const uint8_t *pt, size_t n_fours, const __m512 alpha[NV], const __m512 beta[NV],
                              float *ot)
{
    ints acc[MR][NV];
    for (int r = 0; r < MR; r++)
        for (int c = 0; c < NV; c++)
            acc[r][c] = (ints)_mm512_setzero_si512();
    for (size_t j = 0; j < n_fours; j++, pt += 4 * PANEL, v += 4 * DP_HEAD_DIM) {
        __m512i p[NV];
        for (int c = 0; c < NV; c++)
            p[c] = _mm512_loadu_si512(pt + 64 * c);
#pragma GCC unroll 8
        for (int r = 0; r < MR; r++) {
            int32_t four;
            memcpy(&four, v + 4 * r, sizeof four);
            for (int c = 0; c < NV; c++)
                acc[r][c] = dot4(acc[r][c], p[c], four);
        }
    }
    for (int r = 0; r < MR; r++, ot += PANEL)
        for (int c = 0; c < NV; c++) {
            __m512 old = _mm512_mul_ps(_mm512_loadu_ps(ot + 16 * c), alpha[c]);
            _mm512_storeu_ps(ot + 16 * c, _mm512_fmadd_ps(_mm512_cvtepi32_ps((__m512i)acc[r][c]), beta[c], old));
        }
}

/* Bytes of 255 * 2^(score - top), four keys side by side; rows past n_keys are 0.  Returns the bytes' sums. */
static inline void probabilities(const float *st, size_t n_keys, const __m512 top[NV], uint8_t *pt, __m512i total[NV])
{
    for (int c = 0; c < NV; c++)
        total[c] = _mm512_setzero_si512();
    for (size_t j = 0; j < n_keys; j += 4, pt += 4 * PANEL)
        for (int c = 0; c < NV; c++) {
            __m512i part[4];
#pragma GCC unroll 4
            for (size_t r = 0; r < 4; r++) {
                part[r] = _mm512_setzero_si512();
                if (j + r < n_keys) {
                    __m512 x = _mm512_sub_ps(_mm512_loadu_ps(st + (j + r) * PANEL + 16 * c), top[c]);
                    part[r] = _mm512_cvtps_epi32(_mm512_mul_ps(exp2_short(x), _mm512_set1_ps(255)));
                }
                total[c] = _mm512_add_epi32(total[c], part[r]);
            }
            _mm512_storeu_si512(pt + 64 * c, interleave(part[0], part[1], part[2], part[3]));
        }
}

/* round(q / scale) + 128: the 128 comes off through k_start. */
static void quantise_queries(const float *q, size_t n_queries, uint8_t *qt, float *q_scale)
{
    memset(qt, 128, DP_HEAD_DIM * PANEL);
    for (size_t i = 0; i < PANEL; i++)
        q_scale[i] = 1;
    for (size_t i = 0; i < n_queries; i++, q += DP_HEAD_DIM) {
        uint8_t bytes[DP_HEAD_DIM];
        __m512 top = _mm512_setzero_ps();
        for (size_t d = 0; d < DP_HEAD_DIM; d += 16)
            top = _mm512_max_ps(top, _mm512_abs_ps(_mm512_loadu_ps(q + d)));
        float largest = _mm512_reduce_max_ps(top);
        q_scale[i] = largest > 0 ? largest / 127 : 1;
        __m512 by = _mm512_set1_ps(1 / q_scale[i]);
        for (size_t d = 0; d < DP_HEAD_DIM; d += 16) {
            __m512i value = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(q + d), by));
            _mm_storeu_si128((__m128i *)(bytes + d), _mm512_cvtepi32_epi8(_mm512_add_epi32(value, _mm512_set1_epi32(128))));
        }
        for (size_t d = 0; d < DP_HEAD_DIM; d += 4)
            memcpy(qt + d * PANEL + 4 * i, bytes + d, 4);
    }
}

static void attend_panel(const float *q, const dp_int8_head *head, size_t n_queries, size_t n_keys, float *out, size_t ld_out,
                         float *scratch)
{
    float *st = scratch, *ot = st + DP_KEY_BLOCK * PANEL, *q_scale = ot + DP_HEAD_DIM * PANEL;
    uint8_t *qt = (uint8_t *)(q_scale + PANEL), *pt = qt + DP_HEAD_DIM * PANEL;
    memset(ot, 0, DP_HEAD_DIM * PANEL * sizeof *ot);
    quantise_queries(q, n_queries, qt, q_scale);
    __m512 by[NV], top[NV], sum[NV];
    for (int c = 0; c < NV; c++) {
        by[c] = _mm512_loadu_ps(q_scale + 16 * c);
        top[c] = _mm512_set1_ps(-INFINITY);
        sum[c] = _mm512_setzero_ps();
    }
    for (size_t begin = 0; begin < n_keys; begin += DP_KEY_BLOCK) {
        size_t count = n_keys - begin < DP_KEY_BLOCK ? n_keys - begin : DP_KEY_BLOCK, j = 0;
        __m512 here[NV], alpha[NV], beta[NV];
        __m512i total[NV];
        for (int c = 0; c < NV; c++)
            here[c] = _mm512_set1_ps(-INFINITY);
        for (; j + MR <= count; j += MR)
            score_tile(MR, head, begin + j, qt, by, st + j * PANEL, here);
        for (; j < count; j++)
            score_tile(1, head, begin + j, qt, by, st + j * PANEL, here);
        probabilities(st, count, here, pt, total);
        for (int c = 0; c < NV; c++) {
            __m512 both = _mm512_max_ps(top[c], here[c]);
            alpha[c] = exp2_short(_mm512_sub_ps(top[c], both));
            beta[c] = _mm512_mul_ps(exp2_short(_mm512_sub_ps(here[c], both)), _mm512_set1_ps(1.0f / 255));
            sum[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(total[c]), beta[c], _mm512_mul_ps(sum[c], alpha[c]));
            top[c] = both;
        }
        for (size_t d = 0; d < DP_HEAD_DIM; d += MR)
            value_tile(head->v + begin * DP_HEAD_DIM + 4 * d, pt, (count + 3) / 4, alpha, beta, ot + d * PANEL);
    }
    for (int c = 0; c < NV; c++)
        _mm512_storeu_ps(q_scale + 16 * c, _mm512_div_ps(_mm512_set1_ps(1), sum[c]));
    for (size_t i = 0; i < n_queries; i++)
        for (size_t d = 0; d < DP_HEAD_DIM; d++)
            out[i * ld_out + d] = ot[d * PANEL + i] * q_scale[i] * head->v_scale[d];
}

static void dp_attention_i8_avx512vnni(const float *q, const dp_int8_head *head, size_t n_queries, size_t n_keys, float *out,
                                       size_t ld_out, float *scratch)
{
    for (size_t i = 0; i < n_queries; i += PANEL)
        attend_panel(q + i * DP_HEAD_DIM, head, n_queries - i < PANEL ? n_queries - i : PANEL, n_keys, out + i * ld_out, ld_out,
                     scratch);
}

void dp_int8_attention_avx512vnni(dp_int8_kernels *kernels)
{
    kernels->prepare_head = dp_prepare_head_i8_avx512vnni;
    kernels->attention = dp_attention_i8_avx512vnni;
}
/* NOLINTEND(bugprone-implicit-widening-of-multiplication-result) */
