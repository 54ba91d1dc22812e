/* SPDX-License-Identifier: Apache-2.0 */
/* kernels.h - the transformer's own kernels: one table, filled with the plain C versions and overwritten by faster
 * instruction sets. docs/numerics.md gives the accuracy of each. */
#ifndef DP_NETWORK_KERNELS_H
#define DP_NETWORK_KERNELS_H

#include "dinopatch/experimental.h"
#include "network/checkpoint.h"
#include "simd/dispatch.h"

/* The largest number of queries in one call of the attention kernel, and the number of keys that it processes at a
 * time. */
#define DP_QUERY_BLOCK 96
#define DP_KEY_BLOCK 128
/* Queries side by side in one panel: a multiple of every vector width times the registers that a kernel uses for it. */
#define DP_QUERY_PANEL 48

/* Floats of scratch memory for one attention call (vit_kernels.c has its map). */
#define DP_ATTENTION_SCRATCH ((size_t)DP_QUERY_BLOCK * (2 * DP_HEAD_DIM + DP_KEY_BLOCK + 4))

#define DP_FMA_ROUND_FLOP 768 /* a multiple of every vector length times the number of accumulators */

/* A LayerNorm: weight and bias [dim], dim a multiple of 64. */
typedef struct dp_norm {
    size_t dim;
    const float *weight, *bias;
    float eps;
} dp_norm;

typedef struct dp_vit_kernels {
    dp_isa isa;
    /* Computes y[i, :] = (x[i, :] - mean) / sqrt(variance + eps) * weight + bias, population variance. x [rows,
     * ld_x], y [rows, ld_y], of which dim columns are used. */
    void (*layernorm)(const dp_norm *norm, const float *x, size_t ld_x, size_t rows, float *y, size_t ld_y);
    /* Turns the pairs (x[i, j], x[i, j + 32]), j < 32, by the angles whose cosines and sines are table[i, 0, j] and
     * table[i, 1, j]. x [rows, 64] in place, table [rows, 2, 32]. */
    void (*rotate)(float *x, size_t rows, const float *table);
    /* Computes y[i, :] = gelu(x[i, :]), gelu(t) = t/2 (1 + erf(t / sqrt 2)). x [rows, ld_x], y [rows, ld_y], of which
     * n columns are used. */
    void (*gelu)(const float *x, size_t ld_x, size_t rows, size_t n, float *y, size_t ld_y);
    /* Computes y[i, j] = silu(u[i, j]) * u[i, hidden + j]. u [rows, 2 * hidden], y [rows, hidden]. */
    void (*swiglu)(const float *u, size_t rows, size_t hidden, float *y);
    /* Computes one head: out[i, :] = sum_j softmax_j(q[i] . k[j]) v[j, :]. q already contains the factor log2(e) /
     * sqrt(64), so the softmax is a power of two. q [n_queries, 64], n_queries <= DP_QUERY_BLOCK; k, v [n_keys, 64];
     * out [n_queries, ld_out], of which 64 columns are written; scratch [DP_ATTENTION_SCRATCH]. */
    void (*attention)(const float *q, const float *k, const float *v, size_t n_queries, size_t n_keys, float *out,
                      size_t ld_out, float *scratch);
    /* Does rounds * DP_FMA_ROUND_FLOP of independent multiply-adds in registers. Returns the sum of the results, so
     * that the compiler keeps them all. */
    float (*fma_rounds)(size_t rounds);
} dp_vit_kernels;

/* Fills the table for an instruction set that dp_isa_resolve has accepted. */
void dp_vit_kernels_init(dp_vit_kernels *kernels, dp_isa isa);

void dp_layernorm_f32_c(const dp_norm *norm, const float *x, size_t ld_x, size_t rows, float *y, size_t ld_y);
void dp_rotate_f32_c(float *x, size_t rows, const float *table);
void dp_gelu_f32_c(const float *x, size_t ld_x, size_t rows, size_t n, float *y, size_t ld_y);
void dp_swiglu_f32_c(const float *u, size_t rows, size_t hidden, float *y);
void dp_attention_f32_c(const float *q, const float *k, const float *v, size_t n_queries, size_t n_keys, float *out,
                        size_t ld_out, float *scratch);
float dp_fma_rounds_f32_c(size_t rounds);

DP_KERNELS_DECLARE(dp_vit_kernels, dp_vit_kernels);

#endif
