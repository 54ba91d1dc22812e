/* sweep_tile.h - the sweep, written once for every vector instruction set.
 *
 * A file sweep_<isa>.c defines, then includes this:
 *     VECTOR, LANES           the register type and its floats
 *     LOAD(p), BROADCAST(p)   LANES floats; one float in all lanes
 *     ZERO(), FMA(a, b, c)    a b + c rounded once
 *     NOT_BELOW(a, b)         bit l set unless a[l] < b[l]
 *     VECTORS, ROWS           the register tile: VECTORS * ROWS accumulators, VECTORS of queries and one number of a row fit the
 *                             register file
 *     KERNEL                  name of the function
 *
 * Where the time goes: VECTORS * ROWS multiply-adds for VECTORS loads and ROWS broadcasts, so the multiplier is the limit; the
 * comparison comes once for dim multiply-adds. */
#include "distance/sweep.h"

bool KERNEL(const float *panel, const float *const *rows, size_t dim, const float *scale, const float *bias,
            const float *limits, uint64_t *hits)
{
    VECTOR sums[ROWS * VECTORS], x[VECTORS];
    const float *row[ROWS];
#pragma GCC unroll 8
    for (size_t r = 0; r < ROWS; r++)
        row[r] = rows[r];
#pragma GCC unroll 24
    for (size_t i = 0; i < (size_t)ROWS * VECTORS; i++)
        sums[i] = ZERO();
    for (size_t d = 0; d < dim; d++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++)
            x[v] = LOAD(panel + d * VECTORS * LANES + v * LANES);
#pragma GCC unroll 8
        for (size_t r = 0; r < ROWS; r++) {
            VECTOR y = BROADCAST(row[r] + d);
#pragma GCC unroll 4
            for (size_t v = 0; v < VECTORS; v++)
                sums[r * VECTORS + v] = FMA(x[v], y, sums[r * VECTORS + v]);
        }
    }
    uint64_t any = 0;
#pragma GCC unroll 8
    for (size_t r = 0; r < ROWS; r++) {
        VECTOR factor = BROADCAST(scale + r), offset = BROADCAST(bias + r);
        uint64_t bits = 0;
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++)
            bits |= (uint64_t)NOT_BELOW(FMA(sums[r * VECTORS + v], factor, offset), LOAD(limits + v * LANES)) << (v * LANES);
        hits[r] = bits;
        any |= bits;
    }
    return any != 0;
}
