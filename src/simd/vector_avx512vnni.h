/* SPDX-License-Identifier: Apache-2.0 */
/* vector_avx512vnni.h - AVX-512 with VNNI: the vocabulary, and whole numbers.
 * vpdpbusd: 64 multiply-adds, latency 4 or 5, one or two per cycle (one on Zen 4).
 *
 *     vi                          a register of 16 int32_t, or of 64 bytes
 *     viload(p)  vistore(p, v)    64 bytes
 *     viset1(x)  viadd(a, b)  vimax(a, b)  vimask(m, v)   int32_t lanes; vimask gives v if bit l of m is set, else 0
 *     vfrom_i(v)  vround_i(x)     int32_t to float; float to the nearest int32_t, ties to even
 *     vabs(x)  vmax_lanes(x)  visum(v)   absolute values; the largest lane; the sum of all lanes
 *     vwhere_zero(x, a, b)        a if x is 0, else b
 *     visqueeze_u8(p, v)          stores 16 bytes; values above 255 become 255
 *     visqueeze_i8(p, v)          stores the low byte of each lane
 *     viinterleave(a, b, c, d)    bytes: the low byte of a, b, c, d of each lane side by side
 *     vmload(m, p)                floats whose bit in m is set; zeros for the others, whose memory is not touched
 *     vmsub(m, a, b)              a - b; 0 if the bit is not set
 *     vidot4(sum, u, s)           sum[l] + the products of four u8 and four s8 of lane l */
#ifndef DP_SIMD_VECTOR_AVX512VNNI_H
#define DP_SIMD_VECTOR_AVX512VNNI_H

#define KERNEL_SUFFIX avx512vnni
#define KERNEL_ISA DP_ISA_AVX512_VNNI
#include "simd/vector_avx512.h"

typedef __m512i vi;
#define viload(p) _mm512_loadu_si512(p)
#define vistore(p, v) _mm512_storeu_si512(p, v)
#define viset1(x) _mm512_set1_epi32(x)
#define viadd(a, b) _mm512_add_epi32(a, b)
#define vimax(a, b) _mm512_max_epi32(a, b)
#define vimask(m, v) _mm512_maskz_mov_epi32(m, v)
#define vfrom_i(v) _mm512_cvtepi32_ps(v)
#define vround_i(x) _mm512_cvtps_epi32(x)
#define vabs(x) _mm512_abs_ps(x)
#define vmax_lanes(x) _mm512_reduce_max_ps(x)
#define vwhere_zero(x, a, b) _mm512_mask_mov_ps(b, _mm512_cmp_ps_mask(x, vset1(0), _CMP_EQ_OQ), a)
#define visum(v) _mm512_reduce_add_epi32(v)
#define visqueeze_u8(p, v) _mm_storeu_si128((__m128i *)(void *)(p), _mm512_cvtusepi32_epi8(v))
#define visqueeze_i8(p, v) _mm_storeu_si128((__m128i *)(void *)(p), _mm512_cvtepi32_epi8(v))

typedef __mmask16 vmask;
#define vmload(m, p) _mm512_maskz_loadu_ps(m, p)
#define vmsub(m, a, b) _mm512_maskz_sub_ps(m, a, b)

static inline vi viinterleave(vi a, vi b, vi c, vi d)
{
    const vi low = viset1(0xff);
    vi ab = _mm512_or_si512(_mm512_and_si512(a, low), _mm512_slli_epi32(_mm512_and_si512(b, low), 8));
    vi cd = _mm512_or_si512(_mm512_slli_epi32(_mm512_and_si512(c, low), 16), _mm512_slli_epi32(d, 24));
    return _mm512_or_si512(ab, cd);
}

/* An accumulator has the instruction's own vector type. With __m512i, gcc 12 keeps a copy of each in memory. */
typedef int vi_sum __attribute__((vector_size(64)));

static inline vi_sum vidot4(vi_sum sum, vi u, vi s)
{
    return (vi_sum)_mm512_dpbusd_epi32((vi)sum, u, s);
}

#endif
