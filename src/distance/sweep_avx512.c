/* sweep_avx512.c - 16 lanes, 32 registers: 48 queries x 8 rows in 24 accumulators.
 * VFMADD231PS zmm: latency 4, two a cycle on Intel servers, one on Zen 4; the broadcast is an operand in memory. */
#include <immintrin.h>

#define VECTOR __m512
#define LANES 16
#define LOAD(p) _mm512_loadu_ps(p)
#define BROADCAST(p) _mm512_set1_ps(*(p))
#define ZERO() _mm512_setzero_ps()
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define NOT_BELOW(a, b) _mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ)
#define VECTORS 3
#define ROWS 8
#define KERNEL dp_sweep_f32_avx512

#include "distance/sweep_tile.h"
