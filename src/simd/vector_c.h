/* SPDX-License-Identifier: Apache-2.0 */
/* vector_c.h - the vocabulary in plain C, one lane per register. It defines the meaning of each operation. */
#ifndef DP_SIMD_VECTOR_C_H
#define DP_SIMD_VECTOR_C_H

#include "simd/half.h"

#include <math.h>

#define KERNEL_SUFFIX c
#define KERNEL_ISA DP_ISA_C
#define VL 1
#define V_REGISTERS 16

typedef float vf;
#define vload(p) (*(p))
#define vload_part(p, n) ((n) ? *(p) : 0)
#define vload_f16(p) dp_f16_to_f32(*(p))
#define vload_f16_part(p, n) ((n) ? dp_f16_to_f32(*(p)) : 0)
#define vload_i8(p) ((float)*(p))
#define vload_i8_part(p, n) ((n) ? (float)*(p) : 0)
#define vload_u8(p) ((float)*(p))
#define vstore(p, v) ((void)(*(p) = (v)))
#define vstore_part(p, n, v) ((void)((n) ? *(p) = (v) : 0))
#define vset1(x) ((float)(x))
#define vadd(a, b) ((a) + (b))
#define vsub(a, b) ((a) - (b))
#define vmul(a, b) ((a) * (b))
#define vdiv(a, b) ((a) / (b))
#define vfma(a, b, c) fmaf(a, b, c)
#define vmax(bound, x) ((bound) > (x) ? (bound) : (x))
#define vround(x) rintf(x)
#define vscale(x, n) ((float)((x)*exp2((double)(n))))
#define vsum(x) (x)
#define vnot_below(a, b) ((unsigned)!((a) < (b)))

#endif
