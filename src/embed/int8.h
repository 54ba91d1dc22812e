/* int8.h - the transformer in 8-bit integers: kernels that need VNNI (u8 x s8 dot products summed in 32 bits).
 *
 * Numbers.  Activations: one scale for each token, s = max|x| / 127, stored as round(x / s) + 128 in a byte without sign, as
 * the instruction wants it; the 128 is taken off again by 128 times the sum of the weights.  Weights: one scale for each
 * output channel, symmetric.  Inside the attention: one scale for each query, each key (from which the mean key of the head
 * has been taken: it adds the same to all scores of a query, and softmax does not see it) and each channel of V; the
 * probabilities of a block of keys are stored as bytes relative to the block's own maximum, so that a long flat tail
 * is not rounded away by one large score elsewhere. */
#ifndef DP_EMBED_INT8_H
#define DP_EMBED_INT8_H

#include "embed/kernels.h"

#include <stdbool.h>

/* One head of one picture, ready for dp_int8_kernels.attention. */
typedef struct dp_int8_head {
    int8_t *k;        /* [n4, 64]: keys less their mean, quantised; n4 = n rounded up to a multiple of 4 */
    float *k_scale;   /* [n4] */
    int32_t *k_start; /* [n4]: -128 * sum of the key's bytes */
    int8_t *v;        /* [n4 / 4, 64, 4]: four keys side by side for each channel; zero past the last key */
    float *v_scale;   /* [64] */
} dp_int8_head;

typedef struct dp_int8_kernels {
    /* q[i, :] = round(x[i, :] / scale[i]) + 128, scale[i] = max|x[i, :]| / 127 (1 for a row of zeros); x [rows, n],
     * q [rows, n], scale [rows]; n a multiple of 8. */
    void (*quantise)(const float *x, size_t rows, size_t n, uint8_t *q, float *scale);
    /* In place: tile[i, j] = float(tile[i, j] - correction[j]) * row_scale[i] * column_scale[j] + bias[j]; tile
     * [rows, n] holds int32 before and float after; n a multiple of 8. */
    void (*dequantise)(void *tile, size_t rows, size_t n, const float *row_scale, const float *column_scale,
                       const int32_t *correction, const float *bias);
    /* k, v [n_keys, 64] to head. */
    void (*prepare_head)(const float *k, const float *v, size_t n_keys, dp_int8_head *head);
    /* As dp_vit_kernels.attention. */
    void (*attention)(const float *q, const dp_int8_head *head, size_t n_queries, size_t n_keys, float *out, size_t ld_out,
                      float *scratch);
} dp_int8_kernels;

/* false where the level has no VNNI; kernels is untouched then. */
bool dp_int8_kernels_init(dp_int8_kernels *kernels, dp_isa isa);
void dp_int8_kernels_avx512vnni(dp_int8_kernels *kernels);

#endif
