/* SPDX-License-Identifier: Apache-2.0 */
/* vector_avx2.h - the vocabulary for AVX2 with FMA and F16C.
 * FMA: latency 4 or 5, two per cycle on Haswell, Zen 2 and later; loads two per cycle.
 * VCVTPH2PS, VPMOVSXBD ymm: one per cycle on Intel, two on Zen 3 and later (of bytes). */
#ifndef DP_SIMD_VECTOR_AVX2_H
#define DP_SIMD_VECTOR_AVX2_H

#include <immintrin.h>

#define KERNEL_SUFFIX avx2
#define KERNEL_ISA DP_ISA_AVX2
#define VL 8
#define V_REGISTERS 16
#define VREG "x"

typedef __m256 vf;
#define vload(p) _mm256_loadu_ps(p)
#define vload_part(p, n) _mm256_maskload_ps(p, vpart(n))
#define vload_f16(p) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define vload_i8(p) _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p))))
#define vload_u8(p) _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p))))
#define vstore(p, v) _mm256_storeu_ps(p, v)
#define vstore_part(p, n, v) _mm256_maskstore_ps(p, vpart(n), v)
#define vset1(x) _mm256_set1_ps(x)
#define vadd(a, b) _mm256_add_ps(a, b)
#define vsub(a, b) _mm256_sub_ps(a, b)
#define vmul(a, b) _mm256_mul_ps(a, b)
#define vdiv(a, b) _mm256_div_ps(a, b)
#define vfma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define vmax(bound, x) _mm256_max_ps(bound, x)
#define vround(x) _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define vnot_below(a, b) (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_NLT_UQ))

static inline __m256i vpart(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline vf vload_f16_part(const uint16_t *p, size_t n)
{
    uint16_t halves[VL] = {0};
    memcpy(halves, p, n * sizeof *halves);
    return vload_f16(halves);
}

static inline vf vload_i8_part(const int8_t *p, size_t n)
{
    int8_t bytes[VL] = {0};
    memcpy(bytes, p, n);
    return vload_i8(bytes);
}

/* Writes the factor as an exponent field. */
static inline vf vscale(vf x, vf n)
{
    __m256i exponent = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(x, _mm256_castsi256_ps(exponent));
}

static inline float vsum(vf x)
{
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

#endif
