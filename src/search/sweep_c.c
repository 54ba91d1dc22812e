/* SPDX-License-Identifier: Apache-2.0 */
/* sweep_c.c - the reference of the sweep, and the choice of one. */
#include "search/sweep_kernel.h"

#define WIDTH 16
#define ROWS 4

bool dp_sweep_f32_c(const float *panel, const float *const *rows, size_t dim, const float *scale, const float *bias,
                    const float *limits, uint64_t *hits)
{
    uint64_t any = 0;
    for (size_t r = 0; r < ROWS; r++) {
        float sums[WIDTH] = {0};
        for (size_t d = 0; d < dim; d++)
            for (size_t q = 0; q < WIDTH; q++)
                sums[q] += panel[d * WIDTH + q] * rows[r][d];
        hits[r] = 0;
        for (size_t q = 0; q < WIDTH; q++)
            hits[r] |= (uint64_t) !(sums[q] * scale[r] + bias[r] < limits[q]) << q;
        any |= hits[r];
    }
    return any != 0;
}

dp_sweep_kernel dp_sweep_kernel_get(dp_isa isa)
{
    dp_sweep_kernel kernel = {dp_sweep_f32_c, WIDTH, ROWS};
    DP_KERNELS_FILL(dp_sweep_kernel, &kernel, isa);
    return kernel;
}
