/* vec_avx512.h - the vector operations vit_body.h is written in, for AVX-512 (F, BW, DQ, VL).
 * FMA: latency 4, one or two a cycle; loads two a cycle (one on Zen 4); 32 registers. */
#ifndef DP_EMBED_VEC_AVX512_H
#define DP_EMBED_VEC_AVX512_H

#include <immintrin.h>

#define ISA(name) name##_avx512
#define VL 16 /* floats in a vector */
#define MR 8  /* keys or channels of a register tile: 8 x 3 accumulators + 3 operands + 1 broadcast */
#define VREG "v" /* constraint of a vector register in inline assembly */

typedef __m512 vf;
#define vload(p) _mm512_loadu_ps(p)
#define vstore(p, v) _mm512_storeu_ps(p, v)
#define vset1(x) _mm512_set1_ps(x)
#define vadd(a, b) _mm512_add_ps(a, b)
#define vsub(a, b) _mm512_sub_ps(a, b)
#define vmul(a, b) _mm512_mul_ps(a, b)
#define vdiv(a, b) _mm512_div_ps(a, b)
#define vfma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define vmax(bound, x) _mm512_max_ps(bound, x) /* x where either is NaN */
#define vround(x) _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define vscale(x, n) _mm512_scalef_ps(x, n)    /* x * 2^n, n a whole number */
#define vsum(x) _mm512_reduce_add_ps(x)

#endif
