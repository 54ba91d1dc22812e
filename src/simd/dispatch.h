/* SPDX-License-Identifier: Apache-2.0 */
/* dispatch.h - chooses the kernels of a family. A function fills its table with the plain C kernels; then each
 * instruction set that the machine has overwrites the slots that it implements. */
#ifndef DP_SIMD_DISPATCH_H
#define DP_SIMD_DISPATCH_H

#include "dinopatch/experimental.h"

/* DP_KERNELS_DECLARE(fill, type) declares fill_<isa>(type *table) for the instruction sets of this processor family.
 * DP_KERNELS_FILL(fill, table, isa) calls those up to isa, which dp_isa_resolve has accepted. */
#if defined(__x86_64__)
/* NOLINTNEXTLINE(bugprone-macro-parentheses): it is a type */
#define DP_KERNELS_DECLARE(fill, type) void fill##_avx2(type *table), fill##_avx512(type *table)
#define DP_KERNELS_FILL(fill, table, isa)                                                                              \
    do {                                                                                                               \
        if ((isa) >= DP_ISA_AVX2)                                                                                      \
            fill##_avx2(table);                                                                                        \
        if ((isa) >= DP_ISA_AVX512)                                                                                    \
            fill##_avx512(table);                                                                                      \
    } while (0)
#elif defined(__aarch64__)
#define DP_KERNELS_DECLARE(fill, type) void fill##_neon(type *table)
#define DP_KERNELS_FILL(fill, table, isa)                                                                              \
    do {                                                                                                               \
        if ((isa) == DP_ISA_NEON)                                                                                      \
            fill##_neon(table);                                                                                        \
    } while (0)
#else
#define DP_KERNELS_DECLARE(fill, type) struct dp_no_kernels
#define DP_KERNELS_FILL(fill, table, isa) ((void)(table), (void)(isa))
#endif

#endif
