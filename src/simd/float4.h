/* float4.h - four floats side by side, as a pixel's channels; a + b, a * b and the like work on each.  Every machine this runs on has a
 * register for them, so that this needs no kernels by instruction set. */
#ifndef DP_SIMD_FLOAT4_H
#define DP_SIMD_FLOAT4_H

typedef float dp_float4 __attribute__((vector_size(16)));

#endif
