/* distance_avx512.c - 16 lanes, 32 registers: tiles of 4 x 4.
 * VSUBPS, VFMADD231PS zmm: latency 4, two a cycle on Intel servers; on Zen 4 one FMA and one subtraction a cycle.
 * VCVTPH2PS, VPMOVSXBD zmm: one a cycle on Intel servers, one in two cycles on Zen 4. */
#include <immintrin.h>
#include <stdint.h>

#define VECTOR __m512
#define LANES 16
#define PART(n) ((__mmask16)((1u << (n)) - 1))
#define LOAD(p) _mm512_loadu_ps(p)
#define LOAD_PART(p, n) _mm512_maskz_loadu_ps(PART(n), p)
#define LOAD_F16(p) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p)))
#define LOAD_F16_PART(p, n) _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(PART(n), p))
#define LOAD_I8(p) _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p))))
#define LOAD_I8_PART(p, n) _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(PART(n), p)))
#define STORE(p, v) _mm512_storeu_ps(p, v)
#define STORE_PART(p, n, v) _mm512_mask_storeu_ps(p, PART(n), v)
#define ZERO() _mm512_setzero_ps()
#define SET(x) _mm512_set1_ps(x)
#define SUB(a, b) _mm512_sub_ps(a, b)
#define MUL(a, b) _mm512_mul_ps(a, b)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define SUM(v) sum(v)
#define TILE_QUERIES 4
#define TILE_ROWS 4
#define KERNEL(name) dp_##name##_avx512

static inline float sum(__m512 v)
{
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    quarter = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
    return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
}

#include "distance/distance_tile.h"
