/* SPDX-License-Identifier: Apache-2.0 */
/* vit_kernels.c - the transformer's vector kernels, compiled for each instruction set (simd/vector.h).
 *
 * Attention, one head. With Q [n_q, 64], K and V [n_k, 64] the result is softmax(Q K^T) V. Nothing of size n_q x n_k
 * is stored: keys come in blocks of DP_KEY_BLOCK, and a running maximum m and sum l for each query correct the sums
 * so far (Milakov and Gimelshein 2018; FlashAttention, Dao et al. 2022):
 *     m' = max(m, max_j s_j),  a = 2^(m - m'),  l' = a l + sum_j 2^(s_j - m'),  o' = a o + sum_j 2^(s_j - m') v_j.
 * Everything is held transposed, with queries along the vector: S^T = K Q^T and O^T = V^T P^T. Maximum, exponential
 * and sum then run down the columns without shuffles. K and V are read as stored (one scalar at a time, broadcast).
 * Only Q (once, in) and O (once, out) are transposed.
 *
 * Scratch, floats:   qt [2][64][48]  Q^T in two panels
 *                    ot [2][64][48]  O^T
 *                    st [DP_KEY_BLOCK][48]  S^T, then P^T, of one panel
 *                    largest [96], sum [96]
 *
 * 2^x: x is limited to -126 or above and split into a whole number and f in [-1/2, 1/2]. 2^f is a polynomial of
 * degree 5 with the smallest largest relative error (7.5e-8 in exact arithmetic). */
#include "network/kernels.h"
#include "simd/vector.h"

#include <math.h>

/* NOLINTBEGIN(bugprone-implicit-widening-of-multiplication-result): c and r count registers, below 9; as size_t gcc 12 makes
 * other code of it. */
#define NV 3
#define SUB (NV * VL)        /* queries per register tile */
#define MR (V_REGISTERS / 4) /* keys or channels per register tile: MR x NV accumulators + NV operands + 1 broadcast */

static inline vf exp2_vector(vf x)
{
    x = vmax(vset1(-126), x);
    vf n = vround(x), f = vsub(x, n);
    vf p = vset1(1.327647129073739e-3f);
    p = vfma(p, f, vset1(9.675540961325169e-3f));
    p = vfma(p, f, vset1(5.550713092088699e-2f));
    p = vfma(p, f, vset1(2.4022120237350464e-1f));
    p = vfma(p, f, vset1(6.931469440460205e-1f));
    p = vfma(p, f, vset1(1));
    return vscale(p, n);
}

/* Computes st[j, 0:SUB] = k[j] . q for `rows` keys, and raises largest to the scores. */
ALWAYS_INLINE void score_tile(int rows, const float *k, const float *qt, float *st, vf largest[NV])
{
    vf acc[MR][NV];
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < NV; c++)
            acc[r][c] = vset1(0);
    for (size_t d = 0; d < DP_HEAD_DIM; d++, qt += DP_QUERY_PANEL) {
        vf q[NV];
        for (int c = 0; c < NV; c++)
            q[c] = vload(qt + c * VL);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            vf key = vset1(k[(size_t)r * DP_HEAD_DIM + d]);
            for (int c = 0; c < NV; c++)
                acc[r][c] = vfma(key, q[c], acc[r][c]);
        }
    }
    for (int r = 0; r < rows; r++, st += DP_QUERY_PANEL)
        for (int c = 0; c < NV; c++) {
            vstore(st + c * VL, acc[r][c]);
            largest[c] = vmax(largest[c], acc[r][c]);
        }
}

/* Computes ot[d, 0:SUB] = ot[d] * alpha + sum_j v[j, d] * pt[j] for MR channels d. */
ALWAYS_INLINE void value_tile(const float *v, const float *pt, size_t n_keys, float *ot, const vf alpha[NV])
{
    vf acc[MR][NV];
    for (int r = 0; r < MR; r++)
        for (int c = 0; c < NV; c++)
            acc[r][c] = vmul(vload(ot + r * DP_QUERY_PANEL + c * VL), alpha[c]);
    for (size_t j = 0; j < n_keys; j++, pt += DP_QUERY_PANEL, v += DP_HEAD_DIM) {
        vf p[NV];
        for (int c = 0; c < NV; c++)
            p[c] = vload(pt + c * VL);
#pragma GCC unroll 8
        for (int r = 0; r < MR; r++) {
            vf value = vset1(v[r]);
            for (int c = 0; c < NV; c++)
                acc[r][c] = vfma(value, p[c], acc[r][c]);
        }
    }
    for (int r = 0; r < MR; r++)
        for (int c = 0; c < NV; c++)
            vstore(ot + r * DP_QUERY_PANEL + c * VL, acc[r][c]);
}

/* Processes one block of keys for SUB queries. */
static void attend(const float *k, const float *v, size_t n_keys, const float *qt, float *st, float *ot, float *largest,
                   float *sum)
{
    vf top[NV], alpha[NV], total[NV];
    for (int c = 0; c < NV; c++)
        top[c] = vload(largest + c * VL);
    size_t j = 0;
    for (; j + MR <= n_keys; j += MR)
        score_tile(MR, k + j * DP_HEAD_DIM, qt, st + j * DP_QUERY_PANEL, top);
    for (; j < n_keys; j++)
        score_tile(1, k + j * DP_HEAD_DIM, qt, st + j * DP_QUERY_PANEL, top);
    for (int c = 0; c < NV; c++) {
        alpha[c] = exp2_vector(vsub(vload(largest + c * VL), top[c]));
        total[c] = vmul(vload(sum + c * VL), alpha[c]);
        vstore(largest + c * VL, top[c]);
    }
    for (j = 0; j < n_keys; j++) {
        float *row = st + j * DP_QUERY_PANEL;
        for (int c = 0; c < NV; c++) {
            vf p = exp2_vector(vsub(vload(row + c * VL), top[c]));
            total[c] = vadd(total[c], p);
            vstore(row + c * VL, p);
        }
    }
    for (int c = 0; c < NV; c++)
        vstore(sum + c * VL, total[c]);
    for (size_t d = 0; d < DP_HEAD_DIM; d += MR)
        value_tile(v + d, st, n_keys, ot + d * DP_QUERY_PANEL, alpha);
}

static void KERNEL(dp_attention_f32)(const float *q, const float *k, const float *v, size_t n_queries, size_t n_keys,
                                     float *out, size_t ld_out, float *scratch)
{
    const size_t panel = DP_HEAD_DIM * DP_QUERY_PANEL, n_panels = (n_queries + DP_QUERY_PANEL - 1) / DP_QUERY_PANEL;
    float *qt = scratch, *ot = qt + 2 * panel, *st = ot + 2 * panel, *largest = st + DP_KEY_BLOCK * DP_QUERY_PANEL;
    float *sum = largest + DP_QUERY_BLOCK;
    memset(scratch, 0, 4 * panel * sizeof *scratch);
    for (size_t i = 0; i < n_queries; i++)
        for (size_t d = 0; d < DP_HEAD_DIM; d++)
            qt[i / DP_QUERY_PANEL * panel + d * DP_QUERY_PANEL + i % DP_QUERY_PANEL] = q[i * DP_HEAD_DIM + d];
    for (size_t i = 0; i < DP_QUERY_BLOCK; i++) {
        largest[i] = -INFINITY;
        sum[i] = 0;
    }
    for (size_t j = 0; j < n_keys; j += DP_KEY_BLOCK) {
        size_t count = n_keys - j < DP_KEY_BLOCK ? n_keys - j : DP_KEY_BLOCK;
        for (size_t p = 0; p < n_panels; p++)
            for (size_t s = 0; s < DP_QUERY_PANEL && p * DP_QUERY_PANEL + s < n_queries; s += SUB)
                attend(k + j * DP_HEAD_DIM, v + j * DP_HEAD_DIM, count, qt + p * panel + s, st + s, ot + p * panel + s,
                       largest + p * DP_QUERY_PANEL + s, sum + p * DP_QUERY_PANEL + s);
    }
    for (size_t i = 0; i < n_queries; i++) {
        const float *from = ot + i / DP_QUERY_PANEL * panel + i % DP_QUERY_PANEL;
        float scale = 1 / sum[i];
        for (size_t d = 0; d < DP_HEAD_DIM; d++)
            out[i * ld_out + d] = from[d * DP_QUERY_PANEL] * scale;
    }
}

/* dim is a multiple of 64: four accumulators for every vector length. */
static void KERNEL(dp_layernorm_f32)(const dp_norm *norm, const float *x, size_t ld_x, size_t rows, float *y,
                                     size_t ld_y)
{
    const size_t dim = norm->dim;
    const float *weight = norm->weight, *bias = norm->bias;
    for (size_t i = 0; i < rows; i++, x += ld_x, y += ld_y) {
        vf acc[4] = {vset1(0), vset1(0), vset1(0), vset1(0)};
        for (size_t j = 0; j < dim; j += 4 * VL)
            for (int c = 0; c < 4; c++)
                acc[c] = vadd(acc[c], vload(x + j + c * VL));
        vf mean = vset1(vsum(vadd(vadd(acc[0], acc[1]), vadd(acc[2], acc[3]))) / (float)dim);
        for (int c = 0; c < 4; c++)
            acc[c] = vset1(0);
        for (size_t j = 0; j < dim; j += 4 * VL)
            for (int c = 0; c < 4; c++) {
                vf t = vsub(vload(x + j + c * VL), mean);
                acc[c] = vfma(t, t, acc[c]);
            }
        float variance = vsum(vadd(vadd(acc[0], acc[1]), vadd(acc[2], acc[3]))) / (float)dim;
        vf scale = vset1(1 / sqrtf(variance + norm->eps));
        for (size_t j = 0; j < dim; j += VL)
            vstore(y + j, vfma(vmul(vsub(vload(x + j), mean), scale), vload(weight + j), vload(bias + j)));
    }
}

static void KERNEL(dp_rotate_f32)(float *x, size_t rows, const float *table)
{
    for (size_t i = 0; i < rows; i++, x += DP_HEAD_DIM, table += DP_HEAD_DIM)
        for (size_t j = 0; j < DP_HEAD_DIM / 2; j += VL) {
            vf a = vload(x + j), b = vload(x + DP_HEAD_DIM / 2 + j);
            vf cosine = vload(table + j), sine = vload(table + DP_HEAD_DIM / 2 + j);
            vstore(x + j, vsub(vmul(a, cosine), vmul(b, sine)));
            vstore(x + DP_HEAD_DIM / 2 + j, vfma(b, cosine, vmul(a, sine)));
        }
}

/* Computes t/2 (1 + erf(t / sqrt 2)). With z = |t| / sqrt 2 and w = 1 / (1 + 0.3275911 z),
 *     erfc(z) = (a1 w + a2 w^2 + a3 w^3 + a4 w^4 + a5 w^5) e^(-z^2),  absolute error below 1.5e-7
 * (Abramowitz and Stegun 7.1.26, after Hastings 1955). The halved coefficients below give the tail of the normal
 * distribution h = erfc(z) / 2, and gelu(t) = max(t, 0) - |t| h, so the negative side loses no accuracy. */
static inline vf gelu_vector(vf t)
{
    vf zero = vset1(0), positive = vmax(zero, t), size = vsub(vadd(positive, positive), t); /* |t| */
    vf w = vdiv(vset1(1), vfma(size, vset1(0.3275911f * 0.70710678f), vset1(1)));
    vf h = vset1(0.5f * 1.061405429f);
    h = vfma(h, w, vset1(0.5f * -1.453152027f));
    h = vfma(h, w, vset1(0.5f * 1.421413741f));
    h = vfma(h, w, vset1(0.5f * -0.284496736f));
    h = vfma(h, w, vset1(0.5f * 0.254829592f));
    h = vmul(vmul(h, w), exp2_vector(vmul(vmul(t, t), vset1(-0.72134752f))));
    return vsub(positive, vmul(size, h));
}

static void KERNEL(dp_gelu_f32)(const float *x, size_t ld_x, size_t rows, size_t n, float *y, size_t ld_y)
{
    for (size_t i = 0; i < rows; i++, x += ld_x, y += ld_y) {
        size_t j = 0;
        for (; j + VL <= n; j += VL)
            vstore(y + j, gelu_vector(vload(x + j)));
        if (j < n) {
            float rest[VL] = {0};
            memcpy(rest, x + j, (n - j) * sizeof *rest);
            vstore(rest, gelu_vector(vload(rest)));
            memcpy(y + j, rest, (n - j) * sizeof *rest);
        }
    }
}

static inline vf silu_times(vf gate, vf value)
{
    /* silu(g) = g / (1 + 2^(-g log2 e)); beyond +-126 the quotient is g or a denormal number */
    vf power = vmul(gate, vset1(-1.44269504f));
    power = vsub(vset1(0), vmax(vset1(-126), vsub(vset1(0), power))); /* at most 126, NaN kept */
    vf e = exp2_vector(power);
    return vmul(vdiv(gate, vadd(vset1(1), e)), value);
}

static void KERNEL(dp_swiglu_f32)(const float *u, size_t rows, size_t hidden, float *y)
{
    for (size_t i = 0; i < rows; i++, u += 2 * hidden, y += hidden) {
        size_t j = 0;
        for (; j + VL <= hidden; j += VL)
            vstore(y + j, silu_times(vload(u + j), vload(u + hidden + j)));
        if (j < hidden) {
            float gate[VL] = {0}, value[VL] = {0};
            memcpy(gate, u + j, (hidden - j) * sizeof *gate);
            memcpy(value, u + hidden + j, (hidden - j) * sizeof *value);
            vstore(gate, silu_times(vload(gate), vload(value)));
            memcpy(y + j, gate, (hidden - j) * sizeof *gate);
        }
    }
}

/* Twelve independent chains: more than latency times throughput of any target machine, fewer than the registers. They
 * are names instead of an array, so that they are registers; the empty assembly keeps each step. */
#define EACH_CHAIN(step) step(a) step(b) step(c) step(d) step(e) step(f) step(g) step(h) step(i) step(j) step(k) step(l)
#define CHAIN_BEGIN(x) vf x = vset1(1);
#define CHAIN_STEP(x)                                                                                                  \
    x = vfma(x, factor, offset);                                                                                       \
    __asm__ volatile("" : "+" VREG(x));
#define CHAIN_ADD(x) total = vadd(total, x);

static float KERNEL(dp_fma_rounds_f32)(size_t rounds)
{
    vf factor = vset1(0.999f), offset = vset1(1e-3f), total = vset1(0);
    EACH_CHAIN(CHAIN_BEGIN)
    for (size_t r = 0; r < rounds * (DP_FMA_ROUND_FLOP / (2 * VL * 12)); r++) {
        EACH_CHAIN(CHAIN_STEP)
    }
    EACH_CHAIN(CHAIN_ADD)
    return vsum(total);
}

void KERNEL(dp_vit_kernels)(dp_vit_kernels *kernels)
{
    kernels->layernorm = KERNEL(dp_layernorm_f32);
    kernels->rotate = KERNEL(dp_rotate_f32);
    kernels->gelu = KERNEL(dp_gelu_f32);
    kernels->swiglu = KERNEL(dp_swiglu_f32);
    kernels->attention = KERNEL(dp_attention_f32);
    kernels->fma_rounds = KERNEL(dp_fma_rounds_f32);
    kernels->isa = KERNEL_ISA;
}
/* NOLINTEND(bugprone-implicit-widening-of-multiplication-result) */
