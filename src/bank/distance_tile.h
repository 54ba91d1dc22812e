/* distance_tile.h - the distance kernels, written once for every vector instruction set.
 *
 * A file distance_<isa>.c defines, then includes this:
 *     VECTOR, LANES           the register type and its floats
 *     LOAD(p), LOAD_PART(p, n) LANES floats; the first n floats, zeros behind them, without touching what follows
 *     ZERO(), SUB(a, b), FMA(a, b, c) = a b + c rounded once
 *     SUM(v)                  of all lanes, in a fixed order
 *     TILE_QUERIES, TILE_ROWS the register tile for several queries: its accumulators, one column of queries and two
 *                             temporaries fit the register file
 *     STREAM_ROWS             rows taken at once for a single query, enough to hide the latency of FMA
 *     KERNEL_L2, KERNEL_DOT   names of the two functions
 *
 * Each pair (query, row) has one accumulator, lane l of which sums the elements l, l + LANES, l + 2 LANES, ...; so a pair's
 * result does not depend on the tile it fell into.
 *
 * Where the time goes: one query is bound by memory (two operations for every 4 bytes of the bank); a tile of a x b reads a + b
 * vectors for a b pairs and is bound by arithmetic. */
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

/* nq and nr are constants where it is called, so that the loops over them unroll and sums stays in registers. */
ALWAYS_INLINE void tile(const float *const *queries, const float *rows, size_t dim, float *out, size_t stride, size_t nq,
                        size_t nr, bool l2)
{
    VECTOR sums[TILE_QUERIES * STREAM_ROWS];
#pragma GCC unroll 32
    for (size_t i = 0; i < nq * nr; i++)
        sums[i] = ZERO();
    size_t d = 0;
    for (; d + LANES <= dim; d += LANES) {
        VECTOR q[TILE_QUERIES];
#pragma GCC unroll 8
        for (size_t i = 0; i < nq; i++)
            q[i] = LOAD(queries[i] + d);
#pragma GCC unroll 16
        for (size_t j = 0; j < nr; j++) {
            VECTOR row = LOAD(rows + j * dim + d);
#pragma GCC unroll 8
            for (size_t i = 0; i < nq; i++)
                sums[i * nr + j] = step(sums[i * nr + j], q[i], row, l2);
        }
    }
    if (d < dim) {
        VECTOR q[TILE_QUERIES];
#pragma GCC unroll 8
        for (size_t i = 0; i < nq; i++)
            q[i] = LOAD_PART(queries[i] + d, dim - d);
#pragma GCC unroll 16
        for (size_t j = 0; j < nr; j++) {
            VECTOR row = LOAD_PART(rows + j * dim + d, dim - d);
#pragma GCC unroll 8
            for (size_t i = 0; i < nq; i++)
                sums[i * nr + j] = step(sums[i * nr + j], q[i], row, l2);
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < nq; i++)
#pragma GCC unroll 16
        for (size_t j = 0; j < nr; j++)
            out[i * stride + j] = SUM(sums[i * nr + j]);
}

ALWAYS_INLINE void all_tiles(const float *const *queries, size_t n_queries, const float *rows, size_t n_rows, size_t dim,
                             float *out, size_t stride, bool l2)
{
    size_t q = 0;
    if (n_queries >= TILE_QUERIES) {
        /* A group of rows stays in the first-level cache while all queries pass by. */
        size_t whole = n_queries / TILE_QUERIES * TILE_QUERIES, r = 0;
        for (; r + TILE_ROWS <= n_rows; r += TILE_ROWS)
            for (q = 0; q < whole; q += TILE_QUERIES)
                tile(queries + q, rows + r * dim, dim, out + q * stride + r, stride, TILE_QUERIES, TILE_ROWS, l2);
        for (; r < n_rows; r++)
            for (q = 0; q < whole; q += TILE_QUERIES)
                tile(queries + q, rows + r * dim, dim, out + q * stride + r, stride, TILE_QUERIES, 1, l2);
        q = whole;
    }
    for (; q < n_queries; q++) {
        size_t r = 0;
        for (; r + STREAM_ROWS <= n_rows; r += STREAM_ROWS)
            tile(queries + q, rows + r * dim, dim, out + q * stride + r, stride, 1, STREAM_ROWS, l2);
        for (; r < n_rows; r++)
            tile(queries + q, rows + r * dim, dim, out + q * stride + r, stride, 1, 1, l2);
    }
}

void KERNEL_L2(const float *const *queries, size_t n_queries, const float *rows, size_t n_rows, size_t dim, float *out,
               size_t stride)
{
    all_tiles(queries, n_queries, rows, n_rows, dim, out, stride, true);
}

void KERNEL_DOT(const float *const *queries, size_t n_queries, const float *rows, size_t n_rows, size_t dim, float *out,
                size_t stride)
{
    all_tiles(queries, n_queries, rows, n_rows, dim, out, stride, false);
}
