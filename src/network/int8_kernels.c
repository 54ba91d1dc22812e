/* SPDX-License-Identifier: Apache-2.0 */
/* int8_kernels.c - the table of the 8-bit kernels for an instruction set. */
#include "network/int8.h"

bool dp_int8_kernels_init(dp_int8_kernels *kernels, dp_isa isa)
{
#if defined(__x86_64__)
    if (isa >= DP_ISA_AVX512_VNNI) {
        dp_int8_linear_avx512vnni(kernels);
        dp_int8_attention_avx512vnni(kernels);
        dp_int8_conv_avx512vnni(kernels);
        return true;
    }
#endif
    (void)kernels, (void)isa;
    return false;
}
