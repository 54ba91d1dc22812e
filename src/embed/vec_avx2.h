/* vec_avx2.h - the vector operations vit_body.h is written in, for AVX2 with FMA.
 * FMA: latency 4 or 5, two a cycle; loads two a cycle; 16 registers. */
#ifndef DP_EMBED_VEC_AVX2_H
#define DP_EMBED_VEC_AVX2_H

#include <immintrin.h>

#define ISA(name) name##_avx2
#define VL 8
#define MR 4 /* 4 x 3 accumulators + 3 operands + 1 broadcast */
#define VREG "x" /* constraint of a vector register in inline assembly */

typedef __m256 vf;
#define vload(p) _mm256_loadu_ps(p)
#define vstore(p, v) _mm256_storeu_ps(p, v)
#define vset1(x) _mm256_set1_ps(x)
#define vadd(a, b) _mm256_add_ps(a, b)
#define vsub(a, b) _mm256_sub_ps(a, b)
#define vmul(a, b) _mm256_mul_ps(a, b)
#define vdiv(a, b) _mm256_div_ps(a, b)
#define vfma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define vmax(bound, x) _mm256_max_ps(bound, x)
#define vround(x) _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)

/* n in -126..127: the exponent field is the factor. */
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
