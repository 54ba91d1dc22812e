/* SPDX-License-Identifier: Apache-2.0 */
/* sweep_kernel.c - the sweep, compiled for each instruction set (simd/vector.h).
 *
 * Where the time goes: VECTORS * ROWS multiply-adds for VECTORS loads and ROWS broadcasts, so the multiplier is the
 * limit; the comparison comes once for dim multiply-adds. */
#include "search/sweep_kernel.h"
#include "simd/vector.h"

/* The register tile: VECTORS * ROWS accumulators, VECTORS of queries and one number of a row fit the registers. */
#if V_REGISTERS == 32
#define VECTORS 3
#define ROWS 8
#else
#define VECTORS 2
#define ROWS 6
#endif

static bool KERNEL(dp_sweep_f32)(const float *panel, const float *const *rows, size_t dim, const float *scale,
                                 const float *bias, const float *limits, uint64_t *hits)
{
    vf sums[ROWS * VECTORS], x[VECTORS];
    const float *row[ROWS];
#pragma GCC unroll 8
    for (size_t r = 0; r < ROWS; r++)
        row[r] = rows[r];
#pragma GCC unroll 24
    for (size_t i = 0; i < (size_t)ROWS * VECTORS; i++)
        sums[i] = vset1(0);
    for (size_t d = 0; d < dim; d++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++)
            x[v] = vload(panel + d * VECTORS * VL + v * VL);
#pragma GCC unroll 8
        for (size_t r = 0; r < ROWS; r++) {
            vf y = vset1(row[r][d]);
#pragma GCC unroll 4
            for (size_t v = 0; v < VECTORS; v++)
                sums[r * VECTORS + v] = vfma(x[v], y, sums[r * VECTORS + v]);
        }
    }
    uint64_t any = 0;
#pragma GCC unroll 8
    for (size_t r = 0; r < ROWS; r++) {
        vf factor = vset1(scale[r]), offset = vset1(bias[r]);
        uint64_t bits = 0;
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++)
            bits |= (uint64_t)vnot_below(vfma(sums[r * VECTORS + v], factor, offset), vload(limits + v * VL))
                    << (v * VL);
        hits[r] = bits;
        any |= bits;
    }
    return any != 0;
}

void KERNEL(dp_sweep_kernel)(dp_sweep_kernel *kernel)
{
    *kernel = (dp_sweep_kernel){KERNEL(dp_sweep_f32), (size_t)VECTORS * VL, ROWS};
}
