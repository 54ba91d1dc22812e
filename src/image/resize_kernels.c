/* SPDX-License-Identifier: Apache-2.0 */
/* resize_kernels.c - the kernel of resize.h, compiled for each instruction set. ACROSS registers of sums stay where they are while all
 * rows pass. */
#include "image/resize.h"
#include "simd/vector.h"

#define ACROSS 4

static void KERNEL(dp_mix_rows)(const uint8_t *rows, size_t stride, const float *weights, size_t count, size_t n,
                                float *sums)
{
    size_t i = 0;
    for (; i + (size_t)ACROSS * VL <= n; i += (size_t)ACROSS * VL) {
        vf sum[ACROSS] = {vset1(0), vset1(0), vset1(0), vset1(0)};
        const uint8_t *row = rows + i;
        for (size_t j = 0; j < count; j++, row += stride) {
            const vf weight = vset1(weights[j]);
            for (int k = 0; k < ACROSS; k++)
                sum[k] = vadd(sum[k], vmul(weight, vload_u8(row + k * VL)));
        }
        for (int k = 0; k < ACROSS; k++)
            vstore(sums + i + (size_t)k * VL, sum[k]);
    }
    for (; i < n; i++) {
        float sum = 0;
        for (size_t j = 0; j < count; j++)
            sum += weights[j] * (float)rows[j * stride + i];
        sums[i] = sum;
    }
}

void KERNEL(dp_resize_kernels)(dp_mix_rows_fn *mix)
{
    *mix = KERNEL(dp_mix_rows);
}
