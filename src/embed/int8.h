/* int8.h - the transformer in 8-bit integers: kernels that need VNNI (u8 x s8 dot products summed in 32 bits).
 *
 * Numbers.  Activations: one scale and one offset for each token, x = offset + scale * byte with offset = min(x, 0) and
 * scale = (max(x, 0) - offset) / 255: the whole byte is used even where the values lean one way, as they do after GELU (which
 * halves the error there).  Weights: one scale for each output channel, symmetric.  A product is then
 *     y_j = scale * w_scale_j * (sum of bytes) + offset * w_sum_j + bias_j,   w_sum_j the sum of the row's weights as stored.
 * Inside the attention: one scale for each query, each key (from which the mean key of the head
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
    /* q[i, :] = round((x[i, :] - offset[i]) / scale[i]); x [rows, n], q [rows, n], scale, offset [rows]; n a multiple of 8.
     * A row of zeros has scale 1. */
    void (*quantise)(const float *x, size_t rows, size_t n, uint8_t *q, float *scale, float *offset);
    /* In place: tile[i, j] = tile[i, j] * row_scale[i] * column_scale[j] + row_offset[i] * column_sum[j] + bias[j]; tile
     * [rows, n] holds int32 before and float after; n a multiple of 8. */
    void (*dequantise)(void *tile, size_t rows, size_t n, const float *row_scale, const float *row_offset,
                       const float *column_scale, const float *column_sum, const float *bias);
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
