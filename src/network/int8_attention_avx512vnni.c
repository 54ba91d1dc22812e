/* SPDX-License-Identifier: Apache-2.0 */
/* int8_attention_avx512vnni.c - 8-bit attention for AVX-512 with VNNI.
 *
 * The layout is that of vit_kernels.c: S^T = K Q^T and O^T = V^T P^T, queries along the vector, 48 at a time.
 *
 * Scratch, in bytes:  qt [16][48][4] u8    Q^T, four channels side by side
 *                     st [128][48] f32     scores of one block of keys
 *                     pt [32][48][4] u8    probabilities, four keys side by side
 *                     ot [64][48] f32      O^T
 *                     q_scale [48] f32
 * This is less than DP_ATTENTION_SCRATCH. The panels of a call are processed one after another. */
#include "network/int8.h"
#include "simd/vector.h"

#include <math.h>
#include <string.h>

/* NOLINTBEGIN(bugprone-implicit-widening-of-multiplication-result): c and r count registers, below 9; as size_t gcc 12 makes
 * other code of it. */
#define PANEL DP_QUERY_PANEL
#if defined(DP_ANALYSIS) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-use-of-uninitialized-value" /* gcc does not see that NV is at least one */
#endif
#define NV 3
#define MR 8

_Static_assert(DP_HEAD_DIM *PANEL + DP_KEY_BLOCK * PANEL * 4 + DP_KEY_BLOCK * PANEL + DP_HEAD_DIM * PANEL * 4
                       + PANEL * 4
                   <= DP_ATTENTION_SCRATCH * 4,
               "one panel fits");

/* Returns 2^x for x <= 0, to 7.5e-5 of its value. The result is rounded to one part in 255 next. */
static inline vf exp2_short(vf x)
{
    x = vmax(vset1(-126), x);
    vf n = vround(x), f = vsub(x, n);
    vf p = vset1(5.51716685295105e-2f);
    p = vfma(p, f, vset1(2.426111251115799e-1f));
    p = vfma(p, f, vset1(6.932609677314758e-1f));
    p = vfma(p, f, vset1(9.999280571937561e-1f));
    return vscale(p, n);
}

static void prepare_keys(const float *k, size_t n_keys, dp_int8_head *head)
{
    vf mean[4], inverse = vset1(1.0f / (float)n_keys);
    for (int c = 0; c < 4; c++) {
        mean[c] = vset1(0);
        for (size_t j = 0; j < n_keys; j++)
            mean[c] = vadd(mean[c], vload(k + j * DP_HEAD_DIM + 16 * c));
        mean[c] = vmul(mean[c], inverse);
    }
    for (size_t j = 0; j < n_keys; j++) {
        vf x[4], top = vset1(0);
        for (int c = 0; c < 4; c++) {
            x[c] = vsub(vload(k + j * DP_HEAD_DIM + 16 * c), mean[c]);
            top = vmax(top, vabs(x[c]));
        }
        float largest = vmax_lanes(top), scale = largest > 0 ? largest / 127 : 1;
        vi sum = viset1(0);
        for (int c = 0; c < 4; c++) {
            vi value = vround_i(vmul(x[c], vset1(1 / scale)));
            sum = viadd(sum, value);
            visqueeze_i8(head->k + j * DP_HEAD_DIM + 16 * c, value);
        }
        head->k_scale[j] = scale;
        head->k_start[j] = -128 * visum(sum);
    }
}

static void prepare_values(const float *v, size_t n_keys, dp_int8_head *head)
{
    for (int c = 0; c < 4; c++) {
        vf top = vset1(0);
        for (size_t j = 0; j < n_keys; j++)
            top = vmax(top, vabs(vload(v + j * DP_HEAD_DIM + 16 * c)));
        vf scale = vmul(top, vset1(1.0f / 127));
        scale = vwhere_zero(top, vset1(1), scale);
        vstore(head->v_scale + 16 * c, scale);
        vf by = vdiv(vset1(1), scale);
        for (size_t j = 0; j < n_keys; j += 4) {
            vi part[4];
            for (size_t r = 0; r < 4; r++) {
                vf x = j + r < n_keys ? vload(v + (j + r) * DP_HEAD_DIM + 16 * c) : vset1(0);
                part[r] = vround_i(vmul(x, by));
            }
            vistore(head->v + j * DP_HEAD_DIM + 64 * c, viinterleave(part[0], part[1], part[2], part[3]));
        }
    }
}

static void dp_prepare_head_i8_avx512vnni(const float *k, const float *v, size_t n_keys, dp_int8_head *head)
{
    prepare_keys(k, n_keys, head);
    prepare_values(v, n_keys, head);
}

/* Computes st[j, :] = (k[j] . q) * k_scale[j] * q_scale for `rows` keys, and raises top to the scores. */
ALWAYS_INLINE void score_tile(int rows, const dp_int8_head *h, size_t key, const uint8_t *qt, const vf q_scale[NV],
                              float *st, vf top[NV])
{
    vi_sum acc[MR][NV];
    const int8_t *k = h->k + key * DP_HEAD_DIM;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < NV; c++)
            acc[r][c] = (vi_sum)viset1(h->k_start[key + (size_t)r]);
    for (size_t d = 0; d < DP_HEAD_DIM; d += 4, qt += 4 * PANEL) {
        vi q[NV];
        for (int c = 0; c < NV; c++)
            q[c] = viload(qt + 64 * c);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            int32_t four;
            memcpy(&four, k + (size_t)r * DP_HEAD_DIM + d, sizeof four);
            for (int c = 0; c < NV; c++)
                acc[r][c] = vidot4(acc[r][c], q[c], viset1(four));
        }
    }
    for (int r = 0; r < rows; r++, st += PANEL) {
        vf by = vset1(h->k_scale[key + (size_t)r]);
        for (int c = 0; c < NV; c++) {
            vf score = vmul(vfrom_i((vi)acc[r][c]), vmul(by, q_scale[c]));
            vstore(st + 16 * c, score);
            top[c] = vmax(top[c], score);
        }
    }
}

/* Computes ot[d, :] = ot[d, :] * alpha + beta * sum_j v[j, d] p[j, :] for 8 channels. */
static inline void value_tile(const int8_t *v, const uint8_t *pt, size_t n_fours, const vf alpha[NV], const vf beta[NV],
                              float *ot)
{
    vi_sum acc[MR][NV];
    for (int r = 0; r < MR; r++)
        for (int c = 0; c < NV; c++)
            acc[r][c] = (vi_sum)viset1(0);
    for (size_t j = 0; j < n_fours; j++, pt += 4 * PANEL, v += 4 * DP_HEAD_DIM) {
        vi p[NV];
        for (int c = 0; c < NV; c++)
            p[c] = viload(pt + 64 * c);
#pragma GCC unroll 8
        for (int r = 0; r < MR; r++) {
            int32_t four;
            memcpy(&four, v + 4 * r, sizeof four);
            for (int c = 0; c < NV; c++)
                acc[r][c] = vidot4(acc[r][c], p[c], viset1(four));
        }
    }
    for (int r = 0; r < MR; r++, ot += PANEL)
        for (int c = 0; c < NV; c++) {
            vf old = vmul(vload(ot + 16 * c), alpha[c]);
            vstore(ot + 16 * c, vfma(vfrom_i((vi)acc[r][c]), beta[c], old));
        }
}

/* Computes the bytes of 255 * 2^(score - top), four keys side by side; rows after n_keys are 0. Returns the sums of
 * the bytes. */
static inline void probabilities(const float *st, size_t n_keys, const vf top[NV], uint8_t *pt, vi total[NV])
{
    for (int c = 0; c < NV; c++)
        total[c] = viset1(0);
    for (size_t j = 0; j < n_keys; j += 4, pt += 4 * PANEL)
        for (int c = 0; c < NV; c++) {
            vi part[4];
#pragma GCC unroll 4
            for (size_t r = 0; r < 4; r++) {
                part[r] = viset1(0);
                if (j + r < n_keys) {
                    vf x = vsub(vload(st + (j + r) * PANEL + 16 * c), top[c]);
                    part[r] = vround_i(vmul(exp2_short(x), vset1(255)));
                }
                total[c] = viadd(total[c], part[r]);
            }
            vistore(pt + 64 * c, viinterleave(part[0], part[1], part[2], part[3]));
        }
}

/* Computes round(q / scale) + 128; k_start takes the 128 off again. */
static void quantise_queries(const float *q, size_t n_queries, uint8_t *qt, float *q_scale)
{
    memset(qt, 128, DP_HEAD_DIM * PANEL);
    for (size_t i = 0; i < PANEL; i++)
        q_scale[i] = 1;
    for (size_t i = 0; i < n_queries; i++, q += DP_HEAD_DIM) {
        uint8_t bytes[DP_HEAD_DIM];
        vf top = vset1(0);
        for (size_t d = 0; d < DP_HEAD_DIM; d += 16)
            top = vmax(top, vabs(vload(q + d)));
        float largest = vmax_lanes(top);
        q_scale[i] = largest > 0 ? largest / 127 : 1;
        vf by = vset1(1 / q_scale[i]);
        for (size_t d = 0; d < DP_HEAD_DIM; d += 16) {
            vi value = vround_i(vmul(vload(q + d), by));
            visqueeze_i8(bytes + d, viadd(value, viset1(128)));
        }
        for (size_t d = 0; d < DP_HEAD_DIM; d += 4)
            memcpy(qt + d * PANEL + 4 * i, bytes + d, 4);
    }
}

static void attend_panel(const float *q, const dp_int8_head *head, size_t n_queries, size_t n_keys, float *out,
                         size_t ld_out, float *scratch)
{
    float *st = scratch, *ot = st + DP_KEY_BLOCK * PANEL, *q_scale = ot + DP_HEAD_DIM * PANEL;
    uint8_t *qt = (uint8_t *)(q_scale + PANEL), *pt = qt + DP_HEAD_DIM * PANEL;
    memset(ot, 0, DP_HEAD_DIM * PANEL * sizeof *ot);
    quantise_queries(q, n_queries, qt, q_scale);
    vf by[NV], top[NV], sum[NV];
    for (int c = 0; c < NV; c++) {
        by[c] = vload(q_scale + 16 * c);
        top[c] = vset1(-INFINITY);
        sum[c] = vset1(0);
    }
    for (size_t begin = 0; begin < n_keys; begin += DP_KEY_BLOCK) {
        size_t count = n_keys - begin < DP_KEY_BLOCK ? n_keys - begin : DP_KEY_BLOCK, j = 0;
        vf here[NV], alpha[NV], beta[NV];
        vi total[NV];
        for (int c = 0; c < NV; c++)
            here[c] = vset1(-INFINITY);
        for (; j + MR <= count; j += MR)
            score_tile(MR, head, begin + j, qt, by, st + j * PANEL, here);
        for (; j < count; j++)
            score_tile(1, head, begin + j, qt, by, st + j * PANEL, here);
        probabilities(st, count, here, pt, total);
        for (int c = 0; c < NV; c++) {
            vf both = vmax(top[c], here[c]);
            alpha[c] = exp2_short(vsub(top[c], both));
            beta[c] = vmul(exp2_short(vsub(here[c], both)), vset1(1.0f / 255));
            sum[c] = vfma(vfrom_i(total[c]), beta[c], vmul(sum[c], alpha[c]));
            top[c] = both;
        }
        for (size_t d = 0; d < DP_HEAD_DIM; d += MR)
            value_tile(head->v + begin * DP_HEAD_DIM + 4 * d, pt, (count + 3) / 4, alpha, beta, ot + d * PANEL);
    }
    for (int c = 0; c < NV; c++)
        vstore(q_scale + 16 * c, vdiv(vset1(1), sum[c]));
    for (size_t i = 0; i < n_queries; i++)
        for (size_t d = 0; d < DP_HEAD_DIM; d++)
            out[i * ld_out + d] = ot[d * PANEL + i] * q_scale[i] * head->v_scale[d];
}

static void dp_attention_i8_avx512vnni(const float *q, const dp_int8_head *head, size_t n_queries, size_t n_keys,
                                       float *out, size_t ld_out, float *scratch)
{
    for (size_t i = 0; i < n_queries; i += PANEL)
        attend_panel(q + i * DP_HEAD_DIM, head, n_queries - i < PANEL ? n_queries - i : PANEL, n_keys, out + i * ld_out,
                     ld_out, scratch);
}

void dp_int8_attention_avx512vnni(dp_int8_kernels *kernels)
{
    kernels->prepare_head = dp_prepare_head_i8_avx512vnni;
    kernels->attention = dp_attention_i8_avx512vnni;
}
/* NOLINTEND(bugprone-implicit-widening-of-multiplication-result) */
