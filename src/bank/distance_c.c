/* distance_c.c - the reference of the distance kernels, and the table of them all.
 *
 * The reference sums in 16 lanes, so that a compiler may use whatever vectors plain x86-64 or Arm has without changing
 * the order. */
#include "bank/distance.h"

#define LANES 16

static float sum_lanes(const float *lane)
{
    float sum = 0;
    for (size_t i = 0; i < LANES; i++)
        sum += lane[i];
    return sum;
}

void dp_l2_f32_c(const float *const *queries, size_t n_queries, const float *rows, size_t n_rows, size_t dim,
                 float *out, size_t stride)
{
    for (size_t q = 0; q < n_queries; q++) {
        for (size_t r = 0; r < n_rows; r++) {
            const float *x = queries[q], *y = rows + r * dim;
            float lane[LANES] = {0};
            size_t d = 0;
            for (; d + LANES <= dim; d += LANES) {
                for (size_t i = 0; i < LANES; i++) {
                    float difference = x[d + i] - y[d + i];
                    lane[i] += difference * difference;
                }
            }
            for (size_t i = 0; d + i < dim; i++)
                lane[i] += (x[d + i] - y[d + i]) * (x[d + i] - y[d + i]);
            out[q * stride + r] = sum_lanes(lane);
        }
    }
}

void dp_dot_f32_c(const float *const *queries, size_t n_queries, const float *rows, size_t n_rows, size_t dim,
                  float *out, size_t stride)
{
    for (size_t q = 0; q < n_queries; q++) {
        for (size_t r = 0; r < n_rows; r++) {
            const float *x = queries[q], *y = rows + r * dim;
            float lane[LANES] = {0};
            size_t d = 0;
            for (; d + LANES <= dim; d += LANES)
                for (size_t i = 0; i < LANES; i++)
                    lane[i] += x[d + i] * y[d + i];
            for (size_t i = 0; d + i < dim; i++)
                lane[i] += x[d + i] * y[d + i];
            out[q * stride + r] = sum_lanes(lane);
        }
    }
}

dp_distance_kernels dp_distance_kernels_get(dp_isa isa)
{
    dp_distance_kernels kernels = {dp_l2_f32_c, dp_dot_f32_c};
#if defined(__x86_64__)
    if (isa < DP_ISA_AVX2)
        return kernels;
    kernels = (dp_distance_kernels){dp_l2_f32_avx2, dp_dot_f32_avx2};
    if (isa < DP_ISA_AVX512)
        return kernels;
    kernels = (dp_distance_kernels){dp_l2_f32_avx512, dp_dot_f32_avx512};
#elif defined(__aarch64__)
    if (isa == DP_ISA_NEON)
        kernels = (dp_distance_kernels){dp_l2_f32_neon, dp_dot_f32_neon};
#endif
    return kernels;
}
