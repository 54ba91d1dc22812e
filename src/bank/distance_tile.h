/* distance_tile.h - the distance kernels, written once for every vector instruction set.
 *
 * A file distance_<isa>.c defines, then includes this:
 *     VECTOR, LANES           the register type and its floats
 *     LOAD(p), LOAD_PART(p, n) LANES floats; the first n floats, zeros behind them, without touching what follows
 *     ZERO(), SUB(a, b), FMA(a, b, c) = a b + c rounded once
 *     SUM(v)                  of all lanes, in a fixed order
 *     TILE_QUERIES, TILE_ROWS the register tile for several queries: its accumulators, one column of queries and two
 *                             temporaries fit the register file
 *     KERNEL_L2, KERNEL_DOT   names of the two functions
 *
 * Each pair (query, row) has one accumulator, lane l of which sums the elements l, l + LANES, l + 2 LANES, ...; so a pair's
 * result does not depend on the tile it fell into.
 *
 * Where the time goes: a single query is bound by memory, and memory is fastest read in one run from front to end, so
 * one row after the other (several rows at once, each its own stream, reached 55-75 % of it); the processor overlaps a
 * row's chain of additions with the next row's by itself.  Several queries are bound by arithmetic: a tile of a x b pairs
 * reads a + b vectors, and the next rows are fetched while it works. */
#include "bank/distance.h"

#include <stdbool.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE VECTOR step(VECTOR sum, VECTOR query, VECTOR row, bool l2)
{
    if (l2) {
        VECTOR difference = SUB(query, row);
        return FMA(difference, difference, sum);
    }
    return FMA(query, row, sum);
}

/* nq, nr, l2 and ahead are constants where it is called, so that the loops over them unroll and sums stays in registers.
 * ahead: fetches the nr rows behind these into the cache meanwhile. */
ALWAYS_INLINE void tile(const float *const *queries, size_t nq, const float *rows, size_t nr, size_t dim, float *out,
                        size_t stride, bool l2, bool ahead)
{
    VECTOR sums[TILE_QUERIES * TILE_ROWS], q[TILE_QUERIES];
#pragma GCC unroll 16
    for (size_t i = 0; i < nq * nr; i++)
        sums[i] = ZERO();
    size_t d = 0;
    for (; d + LANES <= dim; d += LANES) {
#pragma GCC unroll 4
        for (size_t i = 0; i < nq; i++)
            q[i] = LOAD(queries[i] + d);
#pragma GCC unroll 4
        for (size_t j = 0; j < nr; j++) {
            VECTOR row = LOAD(rows + j * dim + d);
            if (ahead)
                __builtin_prefetch(rows + (nr + j) * dim + d, 0, 2);
#pragma GCC unroll 4
            for (size_t i = 0; i < nq; i++)
                sums[i * nr + j] = step(sums[i * nr + j], q[i], row, l2);
        }
    }
    if (d < dim) {
#pragma GCC unroll 4
        for (size_t i = 0; i < nq; i++)
            q[i] = LOAD_PART(queries[i] + d, dim - d);
#pragma GCC unroll 4
        for (size_t j = 0; j < nr; j++) {
            VECTOR row = LOAD_PART(rows + j * dim + d, dim - d);
#pragma GCC unroll 4
            for (size_t i = 0; i < nq; i++)
                sums[i * nr + j] = step(sums[i * nr + j], q[i], row, l2);
        }
    }
#pragma GCC unroll 4
    for (size_t i = 0; i < nq; i++)
#pragma GCC unroll 4
        for (size_t j = 0; j < nr; j++)
            out[i * stride + j] = SUM(sums[i * nr + j]);
}

/* All queries against nr rows, which stay in the first-level cache meanwhile. */
ALWAYS_INLINE void row_group(const float *const *queries, size_t n_queries, const float *rows, size_t nr, size_t dim,
                             float *out, size_t stride, bool l2)
{
    size_t q = 0;
    for (; q + TILE_QUERIES <= n_queries; q += TILE_QUERIES) {
        if (q == 0)
            tile(queries, TILE_QUERIES, rows, nr, dim, out, stride, l2, true);
        else
            tile(queries + q, TILE_QUERIES, rows, nr, dim, out + q * stride, stride, l2, false);
    }
    switch (n_queries - q) {
    case 3: tile(queries + q, 3, rows, nr, dim, out + q * stride, stride, l2, true); break;
    case 2: tile(queries + q, 2, rows, nr, dim, out + q * stride, stride, l2, true); break;
    case 1: tile(queries + q, 1, rows, nr, dim, out + q * stride, stride, l2, true); break;
    }
}

ALWAYS_INLINE void all_rows(const float *const *queries, size_t n_queries, const float *rows, size_t n_rows, size_t dim,
                            float *out, size_t stride, bool l2)
{
    size_t r = 0;
    if (n_queries == 1) {
        for (; r < n_rows; r++)
            tile(queries, 1, rows + r * dim, 1, dim, out + r, stride, l2, false);
        return;
    }
    for (; r + TILE_ROWS <= n_rows; r += TILE_ROWS)
        row_group(queries, n_queries, rows + r * dim, TILE_ROWS, dim, out + r, stride, l2);
    for (; r < n_rows; r++)
        row_group(queries, n_queries, rows + r * dim, 1, dim, out + r, stride, l2);
}

void KERNEL_L2(const float *const *queries, size_t n_queries, const float *rows, size_t n_rows, size_t dim, float *out,
               size_t stride)
{
    all_rows(queries, n_queries, rows, n_rows, dim, out, stride, true);
}

void KERNEL_DOT(const float *const *queries, size_t n_queries, const float *rows, size_t n_rows, size_t dim, float *out,
                size_t stride)
{
    all_rows(queries, n_queries, rows, n_rows, dim, out, stride, false);
}
