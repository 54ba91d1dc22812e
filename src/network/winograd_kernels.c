/* SPDX-License-Identifier: Apache-2.0 */
/* winograd_kernels.c - one task of a convolution by Winograd (winograd.h), compiled for each instruction set.
 *
 * Scratch, floats:   V [PLACES][TILES, in] + 16      B' d B
 *                    M [PLACES][TILES, OUT] + 16     the sums over the channels */
#include "network/winograd.h"
#include "simd/vector.h"

#define TILES DP_WINOGRAD_TILES
#define OUT DP_WINOGRAD_OUT
#define PANEL DP_WINOGRAD_PANEL
#define A2 (DP_WINOGRAD_A * DP_WINOGRAD_A)
#define B2 (DP_WINOGRAD_B * DP_WINOGRAD_B)

/* The register tile of the product: ROWS tiles x NV registers of channels. */
#if VL == 16
#define ROWS 8
#define NV 2
#elif VL == 8
#define ROWS 6
#define NV 2
#else
#define ROWS 6
#define NV 4
#endif

/* B' d for a column d of six: at the points +-a the values e +- a o, where e and o are the even and odd part. */
ALWAYS_INLINE void transform_input(const vf d[6], vf to[6])
{
    const vf a = vset1(DP_WINOGRAD_A), less_a = vset1(-DP_WINOGRAD_A), b = vset1(DP_WINOGRAD_B),
             less_b = vset1(-DP_WINOGRAD_B), less_a2 = vset1(-A2), less_b2 = vset1(-B2), product = vset1(A2 * B2),
             less_sum = vset1(-(A2 + B2));
    vf even_a = vfma(less_b2, d[2], d[4]), odd_a = vfma(less_b2, d[1], d[3]);
    vf even_b = vfma(less_a2, d[2], d[4]), odd_b = vfma(less_a2, d[1], d[3]);
    to[0] = vfma(product, d[0], vfma(less_sum, d[2], d[4]));
    to[1] = vfma(a, odd_a, even_a);
    to[2] = vfma(less_a, odd_a, even_a);
    to[3] = vfma(b, odd_b, even_b);
    to[4] = vfma(less_b, odd_b, even_b);
    to[5] = vfma(product, d[1], vfma(less_sum, d[3], d[5]));
}

/* A' m for a column m of six. */
ALWAYS_INLINE void transform_output(const vf m[6], vf to[4])
{
    vf even_a = vadd(m[1], m[2]), odd_a = vsub(m[1], m[2]), even_b = vadd(m[3], m[4]), odd_b = vsub(m[3], m[4]);
    to[0] = vadd(m[0], vadd(even_a, even_b));
    to[1] = vfma(vset1(DP_WINOGRAD_A), odd_a, vmul(vset1(DP_WINOGRAD_B), odd_b));
    to[2] = vfma(vset1(A2), even_a, vmul(vset1(B2), even_b));
    to[3] = vfma(vset1(A2 * DP_WINOGRAD_A), odd_a, vfma(vset1(B2 * DP_WINOGRAD_B), odd_b, m[5]));
}

/* Where a tile's outputs begin: in which picture, row and column. */
typedef struct corner {
    size_t picture, top, left;
} corner;

ALWAYS_INLINE corner corner_of(const dp_winograd_task *t, size_t tile)
{
    const size_t across = (t->cols + 3) / 4, tiles = (t->rows + 3) / 4 * across;
    return (corner){tile / tiles, tile % tiles / across * 4, tile % across * 4};
}

static void tile_in(const dp_winograd_task *t, size_t tile, float *v, size_t place)
{
    const corner at = corner_of(t, tile);
    const size_t top = at.top, left = at.left;
    const float *x = t->x + at.picture * t->rows * t->cols * t->in;
    const float *from[6][6];
    for (size_t r = 0; r < 6; r++)
        for (size_t c = 0; c < 6; c++) {
            bool inside = top + r >= 1 && top + r <= t->rows && left + c >= 1 && left + c <= t->cols;
            from[r][c] = inside ? x + ((top + r - 1) * t->cols + left + c - 1) * t->in : t->zeros;
        }
    for (size_t i = 0; i < t->in; i += VL) {
        vf down[6][6], d[6], all[6];
        for (int c = 0; c < 6; c++) {
            for (int r = 0; r < 6; r++)
                d[r] = vload(from[r][c] + i);
            transform_input(d, all);
            for (int r = 0; r < 6; r++)
                down[r][c] = all[r];
        }
        for (int r = 0; r < 6; r++) {
            transform_input(down[r], all);
            for (int c = 0; c < 6; c++)
                vstore(v + (size_t)(6 * r + c) * place + i, all[c]);
        }
    }
}

static void tile_out(const dp_winograd_task *t, size_t tile, const float *m, size_t place)
{
    const corner at = corner_of(t, tile);
    const size_t top = at.top, left = at.left;
    float *picture = t->y + at.picture * t->rows * t->cols * t->out;
    const size_t rows = t->rows - top < 4 ? t->rows - top : 4, cols = t->cols - left < 4 ? t->cols - left : 4;
    for (size_t o = 0; o < OUT; o += VL) {
        const vf bias = vload(t->bias + t->first_out + o), zero = vset1(0);
        vf down[4][6], d[6], all[4];
        for (int c = 0; c < 6; c++) {
            for (int r = 0; r < 6; r++)
                d[r] = vload(m + (size_t)(6 * r + c) * place + o);
            transform_output(d, all);
            for (int r = 0; r < 4; r++)
                down[r][c] = all[r];
        }
        for (size_t r = 0; r < rows; r++) {
            transform_output(down[r], all);
            for (size_t c = 0; c < cols; c++) {
                float *y = picture + ((top + r) * t->cols + left + c) * t->out + t->first_out + o;
                vf value = vadd(all[c], bias);
                if (t->add)
                    value = vadd(value, vload(y));
                vstore(y, t->relu ? vmax(zero, value) : value);
            }
        }
    }
}

/* Computes m[r, 0:NV VL] = sum over k of v[r, k] w[k] for `rows` tiles. */
ALWAYS_INLINE void product(int rows, const float *v, const float *w, size_t k, float *m)
{
    vf acc[ROWS][NV];
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < NV; c++)
            acc[r][c] = vset1(0);
    for (size_t i = 0; i < k; i++, w += PANEL) {
        vf b[NV];
        for (int c = 0; c < NV; c++)
            b[c] = vload(w + c * VL);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            vf a = vset1(v[(size_t)r * k + i]);
            for (int c = 0; c < NV; c++)
                acc[r][c] = vfma(a, b[c], acc[r][c]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < NV; c++)
            vstore(m + (size_t)r * OUT + c * VL, acc[r][c]);
}

static void products(size_t rows, const float *v, const float *w, size_t k, float *m)
{
    for (; rows >= ROWS; rows -= ROWS, v += ROWS * k, m += (size_t)ROWS * OUT)
        product(ROWS, v, w, k, m);
    switch (rows) {
#if ROWS > 6
    case 7: product(7, v, w, k, m); break;
    case 6: product(6, v, w, k, m); break;
#endif
    case 5: product(5, v, w, k, m); break;
    case 4: product(4, v, w, k, m); break;
    case 3: product(3, v, w, k, m); break;
    case 2: product(2, v, w, k, m); break;
    case 1: product(1, v, w, k, m); break;
    default: break;
    }
}

static void KERNEL(dp_winograd)(const dp_winograd_task *t)
{
    const size_t v_place = TILES * t->in + 16, m_place = (size_t)TILES * OUT + 16;
    float *v = t->scratch, *m = v + DP_WINOGRAD_PLACES * v_place;
    for (size_t i = 0; i < t->n_tiles; i++)
        tile_in(t, t->first_tile + i, v + i * t->in, v_place);
    for (size_t o = 0; o < OUT; o += PANEL)
        for (size_t p = 0; p < DP_WINOGRAD_PLACES; p++) {
            const float *w = t->weights + ((t->first_out + o) / PANEL * DP_WINOGRAD_PLACES + p) * t->in * PANEL;
            for (size_t c = 0; c < PANEL; c += (size_t)NV * VL)
                products(t->n_tiles, v + p * v_place, w + c, t->in, m + p * m_place + o + c);
        }
    for (size_t i = 0; i < t->n_tiles; i++)
        tile_out(t, t->first_tile + i, m + i * OUT, m_place);
}

void KERNEL(dp_winograd_init)(dp_winograd_fn *kernel)
{
    *kernel = KERNEL(dp_winograd);
}
