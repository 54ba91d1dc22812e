/* vec_neon.h - the vector operations vit_body.h is written in, for Arm v8.
 * FMA: latency 4, two to four a cycle; 32 registers. */
#ifndef DP_EMBED_VEC_NEON_H
#define DP_EMBED_VEC_NEON_H

#include <arm_neon.h>

#define ISA(name) name##_neon
#define VL 4
#define MR 8 /* 8 x 3 accumulators + 3 operands + 1 broadcast */
#define VREG "w" /* constraint of a vector register in inline assembly */

typedef float32x4_t vf;
#define vload(p) vld1q_f32(p)
#define vstore(p, v) vst1q_f32(p, v)
#define vset1(x) vdupq_n_f32(x)
#define vadd(a, b) vaddq_f32(a, b)
#define vsub(a, b) vsubq_f32(a, b)
#define vmul(a, b) vmulq_f32(a, b)
#define vdiv(a, b) vdivq_f32(a, b)
#define vfma(a, b, c) vfmaq_f32(c, a, b)
#define vmax(bound, x) vmaxq_f32(bound, x)
#define vround(x) vrndnq_f32(x)
#define vsum(x) vaddvq_f32(x)

static inline vf vscale(vf x, vf n)
{
    int32x4_t exponent = vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23);
    return vmulq_f32(x, vreinterpretq_f32_s32(exponent));
}

#endif
