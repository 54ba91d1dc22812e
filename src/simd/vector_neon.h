/* SPDX-License-Identifier: Apache-2.0 */
/* vector_neon.h - the vocabulary for Arm v8.
 * FMLA: latency 4, two to four per cycle; FSUB: latency 2. */
#ifndef DP_SIMD_VECTOR_NEON_H
#define DP_SIMD_VECTOR_NEON_H

#include <arm_neon.h>

#define KERNEL_SUFFIX neon
#define KERNEL_ISA DP_ISA_NEON
#define VL 4
#define V_REGISTERS 32
#define VREG "w"

typedef float32x4_t vf;
#define vload(p) vld1q_f32(p)
#define vload_f16(p) vload_f16_part(p, VL)
#define vload_i8(p) vload_i8_part(p, VL)
#define vstore(p, v) vst1q_f32(p, v)
#define vset1(x) vdupq_n_f32(x)
#define vadd(a, b) vaddq_f32(a, b)
#define vsub(a, b) vsubq_f32(a, b)
#define vmul(a, b) vmulq_f32(a, b)
#define vdiv(a, b) vdivq_f32(a, b)
#define vfma(a, b, c) vfmaq_f32(c, a, b)
#define vmax(bound, x) vmaxq_f32(bound, x)
#define vround(x) vrndnq_f32(x)

static inline vf vload_part(const float *p, size_t n)
{
    float part[VL] = {0};
    memcpy(part, p, n * sizeof *part);
    return vld1q_f32(part);
}

static inline vf vload_f16_part(const uint16_t *p, size_t n)
{
    uint16_t part[VL] = {0};
    memcpy(part, p, n * sizeof *part);
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(part)));
}

static inline vf vload_i8_part(const int8_t *p, size_t n)
{
    int8_t part[2 * VL] = {0};
    memcpy(part, p, n);
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vld1_s8(part)))));
}

static inline vf vload_u8(const uint8_t *p)
{
    uint8_t part[2 * VL] = {0};
    memcpy(part, p, VL);
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vld1_u8(part)))));
}

static inline void vstore_part(float *p, size_t n, vf v)
{
    float part[VL];
    vst1q_f32(part, v);
    memcpy(p, part, n * sizeof *part);
}

static inline vf vscale(vf x, vf n)
{
    int32x4_t exponent = vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23);
    return vmulq_f32(x, vreinterpretq_f32_s32(exponent));
}

static inline float vsum(vf x)
{
    float32x2_t half = vadd_f32(vget_low_f32(x), vget_high_f32(x));
    return vget_lane_f32(half, 0) + vget_lane_f32(half, 1);
}

static inline uint32_t vnot_below(vf a, vf b)
{
    const uint32x4_t bit = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(vmvnq_u32(vcltq_f32(a, b)), bit));
}

#endif
