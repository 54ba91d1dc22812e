/* distance_avx2.c - 8 lanes, 16 registers: tiles of 4 x 2.
 * VSUBPS, VFMADD231PS ymm: latency 4, two a cycle on Haswell and Zen 2 and later.
 * VCVTPH2PS, VPMOVSXBD ymm: one a cycle on Intel, two on Zen 3 and later (of bytes). */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define VECTOR __m256
#define LANES 8
#define LOAD(p) _mm256_loadu_ps(p)
#define LOAD_PART(p, n) _mm256_maskload_ps(p, part(n))
#define LOAD_F16(p) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define LOAD_F16_PART(p, n) load_f16_part(p, n)
#define LOAD_I8(p) _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p))))
#define LOAD_I8_PART(p, n) load_i8_part(p, n)
#define STORE(p, v) _mm256_storeu_ps(p, v)
#define STORE_PART(p, n, v) _mm256_maskstore_ps(p, part(n), v)
#define ZERO() _mm256_setzero_ps()
#define SET(x) _mm256_set1_ps(x)
#define SUB(a, b) _mm256_sub_ps(a, b)
#define MUL(a, b) _mm256_mul_ps(a, b)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define SUM(v) sum(v)
#define TILE_QUERIES 4
#define TILE_ROWS 2
#define KERNEL(name) dp_##name##_avx2

static inline __m256i part(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline __m256 load_f16_part(const uint16_t *p, size_t n)
{
    uint16_t halves[8] = {0};
    memcpy(halves, p, n * sizeof *halves);
    return LOAD_F16(halves);
}

static inline __m256 load_i8_part(const int8_t *p, size_t n)
{
    int8_t bytes[8] = {0};
    memcpy(bytes, p, n);
    return LOAD_I8(bytes);
}

static inline float sum(__m256 v)
{
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

#include "distance/distance_tile.h"
