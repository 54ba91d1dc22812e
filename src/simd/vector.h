/* SPDX-License-Identifier: Apache-2.0 */
/* vector.h - the vector vocabulary of all fast kernels.
 *
 * A kernel is one source file, compiled once for each instruction set with -DDP_SIMD_<ISA> (src/meson.build). This
 * header then gives the registers of that set the names below. vector_c.h defines what each operation returns, one
 * lane at a time; tests/unit/test_simd.c compares the others with it. Only this folder includes headers of
 * intrinsics.
 *
 *     vf, VL                      a register of VL floats
 *     V_REGISTERS                 the number of registers, from which a kernel sizes its register tile
 *     VREG                        constraint of such a register in inline assembly
 *     KERNEL(name), KERNEL_ISA    name_<isa>; its dp_isa
 *
 *     vload(p)  vstore(p, v)                  VL floats, at any address
 *     vload_part(p, n)  vstore_part(p, n, v)  the first n < VL floats; vload_part fills the rest with zeros; no other
 *                                             memory is touched
 *     vload_f16(p)  vload_f16_part(p, n)      halves, as floats
 *     vload_i8(p)  vload_i8_part(p, n)        int8_t, as floats
 *     vload_u8(p)                             uint8_t, as floats
 *     vset1(x)                                x in all lanes
 *     vadd  vsub  vmul  vdiv(a, b)            each rounded once
 *     vfma(a, b, c)                           a b + c, rounded once
 *     vmax(bound, x)                          the larger of the two; NaN if x is NaN; bound is a number
 *     vround(x)                               the nearest whole number, ties to even
 *     vscale(x, n)                            x 2^n for a whole number n in -126..127
 *     vsum(x)                                 the sum of all lanes: the upper half is added to the lower until one lane is
 *                                             left
 *     vnot_below(a, b)                        bit l is set unless a[l] < b[l]
 *
 * float4.h has the four channels of a pixel, for code that is compiled once. vector_avx512vnni.h adds whole numbers
 * of 8 and 32 bits, for that instruction set only. */
#ifndef DP_SIMD_VECTOR_H
#define DP_SIMD_VECTOR_H

#include "dinopatch/experimental.h"

#include <stdint.h>
#include <string.h>

#if defined(DP_SIMD_C)
#include "simd/vector_c.h"
#elif defined(DP_SIMD_AVX512VNNI)
#include "simd/vector_avx512vnni.h"
#elif defined(DP_SIMD_AVX512)
#include "simd/vector_avx512.h"
#elif defined(DP_SIMD_AVX2)
#include "simd/vector_avx2.h"
#elif defined(__aarch64__)
#include "simd/vector_neon.h"
#else
#error "a file of kernels is compiled with -DDP_SIMD_<ISA>: see src/meson.build"
#endif

#define DP_JOIN_NAME(name, isa) name##_##isa
#define DP_KERNEL_NAME(name, isa) DP_JOIN_NAME(name, isa)
#define KERNEL(name) DP_KERNEL_NAME(name, KERNEL_SUFFIX)

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#endif
