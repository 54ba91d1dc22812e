/* dispatch.h - how a family of kernels is chosen: a function fills its table with the plain C, then each level that the machine
 * has overwrites the slots it serves. */
#ifndef DP_SIMD_DISPATCH_H
#define DP_SIMD_DISPATCH_H

#include "dinopatch.h"

/* DP_KERNELS_DECLARE(fill, type): fill_<isa>(type *table) for the instruction sets of this processor family.
 * DP_KERNELS_FILL(fill, table, isa): calls those up to isa, which dp_isa_resolve has passed. */
#if defined(__x86_64__)
/* NOLINTNEXTLINE(bugprone-macro-parentheses): it is a type */
#  define DP_KERNELS_DECLARE(fill, type) void fill##_avx2(type *table), fill##_avx512(type *table)
#  define DP_KERNELS_FILL(fill, table, isa)                                                                                   \
      do {                                                                                                                    \
          if ((isa) >= DP_ISA_AVX2)                                                                                           \
              fill##_avx2(table);                                                                                             \
          if ((isa) >= DP_ISA_AVX512)                                                                                         \
              fill##_avx512(table);                                                                                           \
      } while (0)
#elif defined(__aarch64__)
#  define DP_KERNELS_DECLARE(fill, type) void fill##_neon(type *table)
#  define DP_KERNELS_FILL(fill, table, isa)                                                                                   \
      do {                                                                                                                    \
          if ((isa) == DP_ISA_NEON)                                                                                           \
              fill##_neon(table);                                                                                             \
      } while (0)
#else
#  define DP_KERNELS_DECLARE(fill, type) struct dp_no_kernels
#  define DP_KERNELS_FILL(fill, table, isa) ((void)(table), (void)(isa))
#endif

#endif
