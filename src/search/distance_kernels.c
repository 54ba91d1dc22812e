/* SPDX-License-Identifier: Apache-2.0 */
/* distance_kernels.c - the distance kernels, compiled for each instruction set (simd/vector.h).
 *
 * Each pair (query, row) has one accumulator. Its lane l sums the elements l, l + VL, l + 2 VL, ..., so the result of a
 * pair does not depend on its tile. Halves and bytes become floats in registers, by the same operations that would
 * widen them in memory, so the result does not depend on that either.
 *
 * Speed: a single query is bound by memory. Memory is fastest when it is read in one run from front to end, so rows
 * come one after the other. (Several rows at once, each as its own stream, reached only 55 to 75 % of the speed.) The
 * processor overlaps the additions of one row with those of the next by itself. Several queries are bound by
 * arithmetic: a tile of a x b pairs reads a + b vectors, and the next rows are fetched meanwhile. */
#include "search/distance.h"
#include "simd/vector.h"

#include <stdbool.h>

/* The register tile for several queries: its accumulators, one column of queries and two temporaries fit into the
 * registers. */
#define TILE_QUERIES 4
#define TILE_ROWS (V_REGISTERS / 8)

/* Stored rows. storage is a compile-time constant. */
struct rows {
    dp_storage storage;
    const void *data;    /* [n_rows, dim] */
    const float *scales; /* [n_rows] of bytes, else NULL */
};

ALWAYS_INLINE struct rows from_row(struct rows rows, size_t r, size_t dim)
{
    rows.data = (const char *)rows.data + r * dim * dp_storage_bytes(rows.storage);
    rows.scales = rows.storage == DP_STORAGE_I8 ? rows.scales + r : NULL;
    return rows;
}

ALWAYS_INLINE vf load_row(struct rows rows, vf scale, size_t i)
{
    return rows.storage == DP_STORAGE_F32   ? vload((const float *)rows.data + i)
           : rows.storage == DP_STORAGE_F16 ? vload_f16((const uint16_t *)rows.data + i)
                                            : vmul(scale, vload_i8((const int8_t *)rows.data + i));
}

ALWAYS_INLINE vf load_row_part(struct rows rows, vf scale, size_t i, size_t n)
{
    return rows.storage == DP_STORAGE_F32   ? vload_part((const float *)rows.data + i, n)
           : rows.storage == DP_STORAGE_F16 ? vload_f16_part((const uint16_t *)rows.data + i, n)
                                            : vmul(scale, vload_i8_part((const int8_t *)rows.data + i, n));
}

ALWAYS_INLINE vf step(vf sum, vf query, vf row, bool l2)
{
    if (l2) {
        vf difference = vsub(query, row);
        return vfma(difference, difference, sum);
    }
    return vfma(query, row, sum);
}

/* nq, nr, l2 and ahead are constants at each call, so that the loops unroll and sums stays in registers. ahead: fetch
 * the next nr rows into the cache meanwhile. */
ALWAYS_INLINE void tile(const float *const *queries, size_t nq, struct rows rows, size_t nr, size_t dim, float *out,
                        size_t stride, bool l2, bool ahead)
{
    vf sums[TILE_QUERIES * TILE_ROWS], q[TILE_QUERIES], scales[TILE_ROWS];
#pragma GCC unroll 16
    for (size_t i = 0; i < nq * nr; i++)
        sums[i] = vset1(0);
#pragma GCC unroll 4
    for (size_t j = 0; j < nr; j++)
        scales[j] = rows.storage == DP_STORAGE_I8 ? vset1(rows.scales[j]) : vset1(0);
    size_t d = 0;
    for (; d + VL <= dim; d += VL) {
#pragma GCC unroll 4
        for (size_t i = 0; i < nq; i++)
            q[i] = vload(queries[i] + d);
#pragma GCC unroll 4
        for (size_t j = 0; j < nr; j++) {
            vf row = load_row(rows, scales[j], j * dim + d);
            if (ahead)
                __builtin_prefetch((const char *)rows.data + ((nr + j) * dim + d) * dp_storage_bytes(rows.storage), 0,
                                   2);
#pragma GCC unroll 4
            for (size_t i = 0; i < nq; i++)
                sums[i * nr + j] = step(sums[i * nr + j], q[i], row, l2);
        }
    }
    if (d < dim) {
#pragma GCC unroll 4
        for (size_t i = 0; i < nq; i++)
            q[i] = vload_part(queries[i] + d, dim - d);
#pragma GCC unroll 4
        for (size_t j = 0; j < nr; j++) {
            vf row = load_row_part(rows, scales[j], j * dim + d, dim - d);
#pragma GCC unroll 4
            for (size_t i = 0; i < nq; i++)
                sums[i * nr + j] = step(sums[i * nr + j], q[i], row, l2);
        }
    }
#pragma GCC unroll 4
    for (size_t i = 0; i < nq; i++)
#pragma GCC unroll 4
        for (size_t j = 0; j < nr; j++)
            out[i * stride + j] = vsum(sums[i * nr + j]);
}

/* Compares all queries with nr rows, which stay in the first-level cache. */
ALWAYS_INLINE void row_group(const float *const *queries, size_t n_queries, struct rows rows, size_t nr, size_t dim,
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

ALWAYS_INLINE void all_rows(const float *const *queries, size_t n_queries, struct rows rows, size_t n_rows, size_t dim,
                            float *out, size_t stride, bool l2)
{
    size_t r = 0;
    if (n_queries == 1) {
        for (; r < n_rows; r++)
            tile(queries, 1, from_row(rows, r, dim), 1, dim, out + r, stride, l2, false);
        return;
    }
    for (; r + TILE_ROWS <= n_rows; r += TILE_ROWS)
        row_group(queries, n_queries, from_row(rows, r, dim), TILE_ROWS, dim, out + r, stride, l2);
    for (; r < n_rows; r++)
        row_group(queries, n_queries, from_row(rows, r, dim), 1, dim, out + r, stride, l2);
}

static void KERNEL(dp_l2_f32)(const float *const *queries, size_t n_queries, const float *rows, size_t n_rows,
                              size_t dim, float *out, size_t stride)
{
    all_rows(queries, n_queries, (struct rows){DP_STORAGE_F32, rows, NULL}, n_rows, dim, out, stride, true);
}

static void KERNEL(dp_dot_f32)(const float *const *queries, size_t n_queries, const float *rows, size_t n_rows,
                               size_t dim, float *out, size_t stride)
{
    all_rows(queries, n_queries, (struct rows){DP_STORAGE_F32, rows, NULL}, n_rows, dim, out, stride, false);
}

static void KERNEL(dp_l2_f16)(const float *const *queries, size_t n_queries, const uint16_t *rows, size_t n_rows,
                              size_t dim, float *out, size_t stride)
{
    all_rows(queries, n_queries, (struct rows){DP_STORAGE_F16, rows, NULL}, n_rows, dim, out, stride, true);
}

static void KERNEL(dp_dot_f16)(const float *const *queries, size_t n_queries, const uint16_t *rows, size_t n_rows,
                               size_t dim, float *out, size_t stride)
{
    all_rows(queries, n_queries, (struct rows){DP_STORAGE_F16, rows, NULL}, n_rows, dim, out, stride, false);
}

static void KERNEL(dp_l2_i8)(const float *const *queries, size_t n_queries, const int8_t *rows, const float *scales,
                             size_t n_rows, size_t dim, float *out, size_t stride)
{
    all_rows(queries, n_queries, (struct rows){DP_STORAGE_I8, rows, scales}, n_rows, dim, out, stride, true);
}

static void KERNEL(dp_dot_i8)(const float *const *queries, size_t n_queries, const int8_t *rows, const float *scales,
                              size_t n_rows, size_t dim, float *out, size_t stride)
{
    all_rows(queries, n_queries, (struct rows){DP_STORAGE_I8, rows, scales}, n_rows, dim, out, stride, false);
}

ALWAYS_INLINE void widen(struct rows rows, size_t n, float *out)
{
    vf scale = rows.storage == DP_STORAGE_I8 ? vset1(rows.scales[0]) : vset1(0);
    size_t d = 0;
    for (; d + VL <= n; d += VL)
        vstore(out + d, load_row(rows, scale, d));
    if (d < n)
        vstore_part(out + d, n - d, load_row_part(rows, scale, d, n - d));
}

static void KERNEL(dp_widen_f16)(const uint16_t *rows, size_t n_rows, size_t dim, float *out)
{
    widen((struct rows){DP_STORAGE_F16, rows, NULL}, n_rows * dim, out);
}

static void KERNEL(dp_widen_i8)(const int8_t *rows, const float *scales, size_t n_rows, size_t dim, float *out)
{
    for (size_t r = 0; r < n_rows; r++)
        widen((struct rows){DP_STORAGE_I8, rows + r * dim, scales + r}, dim, out + r * dim);
}

void KERNEL(dp_distance_kernels)(dp_distance_kernels *kernels)
{
    *kernels = (dp_distance_kernels){KERNEL(dp_l2_f32), KERNEL(dp_dot_f32), KERNEL(dp_l2_f16),    KERNEL(dp_dot_f16),
                                     KERNEL(dp_l2_i8),  KERNEL(dp_dot_i8),  KERNEL(dp_widen_f16), KERNEL(dp_widen_i8)};
}
