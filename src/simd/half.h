/* SPDX-License-Identifier: Apache-2.0 */
/* half.h - converts 16-bit floating point to and from float, exactly (IEEE 754 binary16 and bfloat16). */
#ifndef DP_SIMD_HALF_H
#define DP_SIMD_HALF_H

#include <stdint.h>
#include <string.h>

static inline float dp_bits_to_f32(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t dp_f32_to_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float dp_bf16_to_f32(uint16_t half)
{
    return dp_bits_to_f32((uint32_t)half << 16);
}

/* Has no branch: a product shifts the exponent and also normalises. Infinities and NaN get the highest exponent. */
static inline float dp_f16_to_f32(uint16_t half)
{
    float size = dp_bits_to_f32((uint32_t)(half & 0x7fff) << 13) * 0x1p112f;
    uint32_t beyond = (half & 0x7c00) == 0x7c00 ? 0x7f800000u : 0;
    return dp_bits_to_f32(dp_f32_to_bits(size) | beyond | (uint32_t)(half & 0x8000) << 16);
}

/* Rounds to the nearest, ties to even. Values beyond 65504, the largest half, become 65504. Finite values only. */
static inline uint16_t dp_f32_to_f16(float value)
{
    uint32_t bits = dp_f32_to_bits(value), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size >= 0x477ff000u) /* 65520 would round to infinity */
        return (uint16_t)(sign | 0x7bff);
    if (size < 0x38800000u) /* below 2^-14: in steps of 2^-24; the addition rounds */
        return (uint16_t)(sign | (dp_f32_to_bits(dp_bits_to_f32(size) + 0.5f) - 0x3f000000u));
    return (uint16_t)(sign | (size - 0x38000000u + 0xfff + (size >> 13 & 1)) >> 13);
}

#endif
