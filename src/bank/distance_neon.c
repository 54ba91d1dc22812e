/* distance_neon.c - 4 lanes, 32 registers: tiles of 4 x 4.
 * FSUB latency 2, FMLA latency 4, two or four a cycle on Neoverse cores. */
#include <arm_neon.h>

#include <stddef.h>
#include <string.h>

#define VECTOR float32x4_t
#define LANES 4
#define LOAD(p) vld1q_f32(p)
#define LOAD_PART(p, n) load_part(p, n)
#define ZERO() vdupq_n_f32(0)
#define SUB(a, b) vsubq_f32(a, b)
#define FMA(a, b, c) vfmaq_f32(c, a, b)
#define SUM(v) sum(v)
#define TILE_QUERIES 4
#define TILE_ROWS 4
#define KERNEL_L2 dp_l2_f32_neon
#define KERNEL_DOT dp_dot_f32_neon

static inline float32x4_t load_part(const float *p, size_t n)
{
    float part[4] = {0};
    memcpy(part, p, n * sizeof *part);
    return vld1q_f32(part);
}

static inline float sum(float32x4_t v)
{
    float32x2_t half = vadd_f32(vget_low_f32(v), vget_high_f32(v));
    return vget_lane_f32(half, 0) + vget_lane_f32(half, 1);
}

#include "bank/distance_tile.h"
