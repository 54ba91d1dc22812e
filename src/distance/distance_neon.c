/* distance_neon.c - 4 lanes, 32 registers: tiles of 4 x 4.
 * FSUB latency 2, FMLA latency 4, two or four a cycle on Neoverse cores. */
#include <arm_neon.h>

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VECTOR float32x4_t
#define LANES 4
#define LOAD(p) vld1q_f32(p)
#define LOAD_PART(p, n) load_part(p, n)
#define LOAD_F16(p) load_f16_part(p, 4)
#define LOAD_F16_PART(p, n) load_f16_part(p, n)
#define LOAD_I8(p) load_i8_part(p, 4)
#define LOAD_I8_PART(p, n) load_i8_part(p, n)
#define STORE(p, v) vst1q_f32(p, v)
#define STORE_PART(p, n, v) store_part(p, n, v)
#define ZERO() vdupq_n_f32(0)
#define SET(x) vdupq_n_f32(x)
#define SUB(a, b) vsubq_f32(a, b)
#define MUL(a, b) vmulq_f32(a, b)
#define FMA(a, b, c) vfmaq_f32(c, a, b)
#define SUM(v) sum(v)
#define TILE_QUERIES 4
#define TILE_ROWS 4
#define KERNEL(name) dp_##name##_neon

static inline float32x4_t load_part(const float *p, size_t n)
{
    float part[4] = {0};
    memcpy(part, p, n * sizeof *part);
    return vld1q_f32(part);
}

static inline float32x4_t load_f16_part(const uint16_t *p, size_t n)
{
    uint16_t part[4] = {0};
    memcpy(part, p, n * sizeof *part);
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(part)));
}

static inline float32x4_t load_i8_part(const int8_t *p, size_t n)
{
    int8_t part[8] = {0};
    memcpy(part, p, n);
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vld1_s8(part)))));
}

static inline void store_part(float *p, size_t n, float32x4_t v)
{
    float part[4];
    vst1q_f32(part, v);
    memcpy(p, part, n * sizeof *part);
}

static inline float sum(float32x4_t v)
{
    float32x2_t half = vadd_f32(vget_low_f32(v), vget_high_f32(v));
    return vget_lane_f32(half, 0) + vget_lane_f32(half, 1);
}

#include "distance/distance_tile.h"
