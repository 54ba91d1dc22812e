#include "embed/kernels.h"
#include "embed/int8.h"

void dp_vit_kernels_init(dp_vit_kernels *kernels, dp_isa isa)
{
    *kernels = (dp_vit_kernels){DP_ISA_C, dp_layernorm_f32_c, dp_gelu_f32_c, dp_swiglu_f32_c, dp_attention_f32_c,
                                dp_fma_rounds_f32_c};
#if defined(__x86_64__)
    if (isa < DP_ISA_AVX2)
        return;
    dp_vit_kernels_avx2(kernels);
    if (isa < DP_ISA_AVX512)
        return;
    dp_vit_kernels_avx512(kernels);
#elif defined(__aarch64__)
    if (isa != DP_ISA_NEON)
        return;
    dp_vit_kernels_neon(kernels);
#endif
}

bool dp_int8_kernels_init(dp_int8_kernels *kernels, dp_isa isa)
{
#if defined(__x86_64__)
    if (isa >= DP_ISA_AVX512_VNNI) {
        dp_int8_linear_avx512vnni(kernels);
        dp_int8_attention_avx512vnni(kernels);
        return true;
    }
#endif
    (void)kernels, (void)isa;
    return false;
}
