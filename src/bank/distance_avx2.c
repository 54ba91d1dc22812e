/* distance_avx2.c - 8 lanes, 16 registers: tiles of 4 x 2.
 * VSUBPS, VFMADD231PS ymm: latency 4, two a cycle on Haswell and Zen 2 and later. */
#include <immintrin.h>

#define VECTOR __m256
#define LANES 8
#define LOAD(p) _mm256_loadu_ps(p)
#define LOAD_PART(p, n) load_part(p, n)
#define ZERO() _mm256_setzero_ps()
#define SUB(a, b) _mm256_sub_ps(a, b)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define SUM(v) sum(v)
#define TILE_QUERIES 4
#define TILE_ROWS 2
#define KERNEL_L2 dp_l2_f32_avx2
#define KERNEL_DOT dp_dot_f32_avx2

static inline __m256 load_part(const float *p, size_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane));
}

static inline float sum(__m256 v)
{
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

#include "bank/distance_tile.h"
