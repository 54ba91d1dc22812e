/* SPDX-License-Identifier: Apache-2.0 */
/* vector_avx512.h - the vocabulary for AVX-512 (F, BW, DQ, VL).
 * FMA: latency 4, two per cycle on Intel servers, one on Zen 4 (beside one addition).
 * Loads: two per cycle, one on Zen 4.
 * VCVTPH2PS, VPMOVSXBD zmm: one per cycle on Intel servers, one in two cycles on Zen 4. */
#ifndef DP_SIMD_VECTOR_AVX512_H
#define DP_SIMD_VECTOR_AVX512_H

#include <immintrin.h>

#ifndef KERNEL_SUFFIX
#define KERNEL_SUFFIX avx512
#define KERNEL_ISA DP_ISA_AVX512
#endif
#define VL 16
#define V_REGISTERS 32
#define VREG "v"

typedef __m512 vf;
#define VPART(n) ((__mmask16)((1u << (n)) - 1))
#define vload(p) _mm512_loadu_ps(p)
#define vload_part(p, n) _mm512_maskz_loadu_ps(VPART(n), p)
#define vload_f16(p) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p)))
#define vload_f16_part(p, n) _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(VPART(n), p))
#define vload_i8(p) _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p))))
#define vload_i8_part(p, n) _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(VPART(n), p)))
#define vload_u8(p) _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p))))
#define vstore(p, v) _mm512_storeu_ps(p, v)
#define vstore_part(p, n, v) _mm512_mask_storeu_ps(p, VPART(n), v)
#define vset1(x) _mm512_set1_ps(x)
#define vadd(a, b) _mm512_add_ps(a, b)
#define vsub(a, b) _mm512_sub_ps(a, b)
#define vmul(a, b) _mm512_mul_ps(a, b)
#define vdiv(a, b) _mm512_div_ps(a, b)
#define vfma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define vmax(bound, x) _mm512_max_ps(bound, x)
#define vround(x) _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define vscale(x, n) _mm512_scalef_ps(x, n)
#define vnot_below(a, b) _mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ)

static inline float vsum(vf x)
{
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    quarter = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
    return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
}

#endif
