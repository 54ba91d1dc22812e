/* SPDX-License-Identifier: Apache-2.0 */
/* int8_conv_avx512vnni.c - what stands around an 8-bit convolution, for AVX-512: its input becomes bytes, its sums
 * become outputs. */
#include "network/int8.h"
#include "simd/vector.h"

static float dp_largest_avx512vnni(const float *x, size_t n)
{
    vf a = vset1(0), b = vset1(0);
    size_t i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL) {
        a = vmax(a, vload(x + i));
        b = vmax(b, vload(x + i + VL));
    }
    for (; i < n; i += VL)
        a = vmax(a, vload_part(x + i, n - i < VL ? n - i : VL));
    return vmax_lanes(vmax(a, b));
}

static void dp_quantise_relu_avx512vnni(const float *x, size_t n, float by, uint8_t *q)
{
    const vf factor = vset1(by);
    size_t i = 0;
    for (; i + VL <= n; i += VL)
        visqueeze_u8(q + i, vimax(vround_i(vmul(vload(x + i), factor)), viset1(0)));
    dp_quantise_relu_c(x + i, n - i, by, q + i);
}

static void dp_finish_i8_avx512vnni(const dp_int8_finish *how, const int32_t *sum, size_t cells, float *y)
{
    const vf x_scale = vset1(how->x_scale), zero = vset1(0);
    if (how->n % VL) {
        dp_finish_i8_c(how, sum, cells, y);
        return;
    }
    for (size_t i = 0; i < cells; i++)
        for (size_t o = 0; o < how->n; o += VL, sum += VL, y += VL) {
            vf from = vload(how->bias + o);
            if (how->add)
                from = vadd(from, vload(y));
            vf value = vfma(vfrom_i(viload(sum)), vmul(x_scale, vload(how->scale + o)), from);
            vstore(y, how->relu ? vmax(value, zero) : value);
        }
}

void dp_int8_conv_avx512vnni(dp_int8_kernels *kernels)
{
    kernels->largest = dp_largest_avx512vnni;
    kernels->quantise_relu = dp_quantise_relu_avx512vnni;
    kernels->finish = dp_finish_i8_avx512vnni;
}
