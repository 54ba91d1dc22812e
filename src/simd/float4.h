/* SPDX-License-Identifier: Apache-2.0 */
/* float4.h - four floats side by side, such as the channels of a pixel; a + b, a * b and so on work on each. Every
 * machine this runs on has a register for them, so no kernels per instruction set are needed. */
#ifndef DP_SIMD_FLOAT4_H
#define DP_SIMD_FLOAT4_H

typedef float dp_float4 __attribute__((vector_size(16)));

#endif
