/* distance_avx512.c - 16 lanes, 32 registers: tiles of 4 x 4.
 * VSUBPS, VFMADD231PS zmm: latency 4, two a cycle on Intel servers; on Zen 4 one FMA and one subtraction a cycle. */
#include <immintrin.h>

#define VECTOR __m512
#define LANES 16
#define LOAD(p) _mm512_loadu_ps(p)
#define LOAD_PART(p, n) _mm512_maskz_loadu_ps((__mmask16)((1u << (n)) - 1), p)
#define ZERO() _mm512_setzero_ps()
#define SUB(a, b) _mm512_sub_ps(a, b)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define SUM(v) sum(v)
#define TILE_QUERIES 4
#define TILE_ROWS 4
#define KERNEL_L2 dp_l2_f32_avx512
#define KERNEL_DOT dp_dot_f32_avx512

static inline float sum(__m512 v)
{
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    quarter = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
    return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
}

#include "bank/distance_tile.h"
