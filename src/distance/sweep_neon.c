/* sweep_neon.c - 4 lanes, 32 registers: 12 queries x 8 rows in 24 accumulators.
 * FMLA latency 4, two or four a cycle on Neoverse cores. */
#include <arm_neon.h>

#include <stddef.h>
#include <stdint.h>

#define VECTOR float32x4_t
#define LANES 4
#define LOAD(p) vld1q_f32(p)
#define BROADCAST(p) vld1q_dup_f32(p)
#define ZERO() vdupq_n_f32(0)
#define FMA(a, b, c) vfmaq_f32(c, a, b)
#define NOT_BELOW(a, b) not_below(a, b)
#define VECTORS 3
#define ROWS 8
#define KERNEL dp_sweep_f32_neon

static inline uint32_t not_below(float32x4_t a, float32x4_t b)
{
    const uint32x4_t bit = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(vmvnq_u32(vcltq_f32(a, b)), bit));
}

#include "distance/sweep_tile.h"
