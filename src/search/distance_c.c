/* SPDX-License-Identifier: Apache-2.0 */
/* distance_c.c - the reference of the distance kernels, and the table of them all.
 *
 * The reference sums in 16 lanes, so that a compiler can use the vectors of plain x86-64 or Arm without changing the
 * order. */
#include "search/distance.h"

#include <string.h>

#define LANES 16
#define ALWAYS_INLINE static inline __attribute__((always_inline))

static float sum_lanes(const float *lane)
{
    float sum = 0;
    for (size_t i = 0; i < LANES; i++)
        sum += lane[i];
    return sum;
}

ALWAYS_INLINE float term(float x, float y, bool l2)
{
    return l2 ? (x - y) * (x - y) : x * y;
}

ALWAYS_INLINE void all_pairs(const float *const *queries, size_t n_queries, dp_storage storage, const void *rows,
                             const float *scales, size_t n_rows, size_t dim, float *out, size_t stride, bool l2)
{
    for (size_t q = 0; q < n_queries; q++) {
        for (size_t r = 0; r < n_rows; r++) {
            const float *x = queries[q], scale = scales ? scales[r] : 0;
            float lane[LANES] = {0};
            size_t d = 0;
            for (; d + LANES <= dim; d += LANES)
                for (size_t i = 0; i < LANES; i++)
                    lane[i] += term(x[d + i], dp_stored_number(storage, rows, scale, r * dim + d + i), l2);
            for (size_t i = 0; d + i < dim; i++)
                lane[i] += term(x[d + i], dp_stored_number(storage, rows, scale, r * dim + d + i), l2);
            out[q * stride + r] = sum_lanes(lane);
        }
    }
}

static void dp_l2_f32_c(const float *const *queries, size_t n_queries, const float *rows, size_t n_rows, size_t dim,
                        float *out, size_t stride)
{
    all_pairs(queries, n_queries, DP_STORAGE_F32, rows, NULL, n_rows, dim, out, stride, true);
}

static void dp_dot_f32_c(const float *const *queries, size_t n_queries, const float *rows, size_t n_rows, size_t dim,
                         float *out, size_t stride)
{
    all_pairs(queries, n_queries, DP_STORAGE_F32, rows, NULL, n_rows, dim, out, stride, false);
}

static void dp_l2_f16_c(const float *const *queries, size_t n_queries, const uint16_t *rows, size_t n_rows, size_t dim,
                        float *out, size_t stride)
{
    all_pairs(queries, n_queries, DP_STORAGE_F16, rows, NULL, n_rows, dim, out, stride, true);
}

static void dp_dot_f16_c(const float *const *queries, size_t n_queries, const uint16_t *rows, size_t n_rows, size_t dim,
                         float *out, size_t stride)
{
    all_pairs(queries, n_queries, DP_STORAGE_F16, rows, NULL, n_rows, dim, out, stride, false);
}

static void dp_l2_i8_c(const float *const *queries, size_t n_queries, const int8_t *rows, const float *scales,
                       size_t n_rows, size_t dim, float *out, size_t stride)
{
    all_pairs(queries, n_queries, DP_STORAGE_I8, rows, scales, n_rows, dim, out, stride, true);
}

static void dp_dot_i8_c(const float *const *queries, size_t n_queries, const int8_t *rows, const float *scales,
                        size_t n_rows, size_t dim, float *out, size_t stride)
{
    all_pairs(queries, n_queries, DP_STORAGE_I8, rows, scales, n_rows, dim, out, stride, false);
}

static void dp_widen_f16_c(const uint16_t *rows, size_t n_rows, size_t dim, float *out)
{
    for (size_t i = 0; i < n_rows * dim; i++)
        out[i] = dp_f16_to_f32(rows[i]);
}

static void dp_widen_i8_c(const int8_t *rows, const float *scales, size_t n_rows, size_t dim, float *out)
{
    for (size_t r = 0; r < n_rows; r++)
        for (size_t d = 0; d < dim; d++)
            out[r * dim + d] = scales[r] * (float)rows[r * dim + d];
}

dp_distance_kernels dp_distance_kernels_get(dp_isa isa)
{
    dp_distance_kernels kernels = {dp_l2_f32_c, dp_dot_f32_c, dp_l2_f16_c,    dp_dot_f16_c,
                                   dp_l2_i8_c,  dp_dot_i8_c,  dp_widen_f16_c, dp_widen_i8_c};
    DP_KERNELS_FILL(dp_distance_kernels, &kernels, isa);
    return kernels;
}

void dp_kernels_widen(const dp_distance_kernels *kernels, const dp_rows *bank, size_t begin, size_t n, float *out)
{
    const void *stored = dp_rows_stored(bank, 0, begin);
    if (bank->skip) { /* a part of a bank goes row by row */
        dp_rows_widen(bank, 0, begin, n, out);
        return;
    }
    switch (bank->storage) {
    case DP_STORAGE_F32: memcpy(out, stored, n * bank->dim * sizeof *out); break;
    case DP_STORAGE_F16: kernels->widen_f16(stored, n, bank->dim, out); break;
    case DP_STORAGE_I8: kernels->widen_i8(stored, bank->scales + begin, n, bank->dim, out); break;
    }
}
