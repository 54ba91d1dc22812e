/* sweep_avx2.c - 8 lanes, 16 registers: 16 queries x 6 rows in 12 accumulators.
 * VFMADD231PS ymm: latency 4 or 5, two a cycle on Haswell and Zen 2 and later. */
#include <immintrin.h>

#define VECTOR __m256
#define LANES 8
#define LOAD(p) _mm256_loadu_ps(p)
#define BROADCAST(p) _mm256_broadcast_ss(p)
#define ZERO() _mm256_setzero_ps()
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define NOT_BELOW(a, b) (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_NLT_UQ))
#define VECTORS 2
#define ROWS 6
#define KERNEL dp_sweep_f32_avx2

#include "distance/sweep_tile.h"
