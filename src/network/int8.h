/* SPDX-License-Identifier: Apache-2.0 */
/* int8.h - the transformer in 8-bit integers: kernels that need VNNI (u8 x s8 dot products summed in 32 bits), and
 * the plain C kernels that they are compared with.
 *
 * Linear layers. Both operands have one scale for every DP_INT8_GROUP values along k, for each token and each output
 * channel:
 *     x[i, k] = xs[i, g] * (byte - zero) + shift,      w[j, k] = ws[j, g] * byte,  |byte| <= 127,      g = k / DP_INT8_GROUP.
 * DINOv2's activations are large in few channels. With a scale per group, an outlier costs the accuracy of the 63
 * values beside it, not that of the whole token (docs/numerics.md). zero and shift are the same for all inputs of a
 * layer: 128 and 0 for values of both signs, 0 and -0.17 for the output of GELU, which is never below. A product is
 * then
 *     y[i, j] = bias'[j] + sum_g xs[i, g] ws[j, g] (start[j, g] + sum_k byte byte),
 *     start[j, g] = -zero * sum of the group's weight bytes,  bias'[j] = bias[j] + shift * sum_k w[j, k] as stored.
 *
 * Attention. There is one scale for each query, each key and each channel of V. The mean key of the head is
 * subtracted from the keys first: it adds the same value to all scores of a query, and softmax ignores that. The
 * probabilities of a block of keys are stored as bytes relative to the maximum of the block, so that one large score
 * elsewhere does not round a long flat tail away.
 *
 * Convolutions. Their inputs follow a relu, so a byte needs no zero point. There is one scale for the whole input and one
 * for each output channel:
 *     x = xs * byte, 0 <= byte <= 255,   w[o, ..] = ws[o] * byte, |byte| <= 127,
 *     y[.., o] = relu(y[.., o] (if add) + bias[o] + xs ws[o] sum of byte byte). */
#ifndef DP_NETWORK_INT8_H
#define DP_NETWORK_INT8_H

#include "network/kernels.h"

#include <stdbool.h>

#define DP_INT8_GROUP 64 /* values along k that share a scale */
#define DP_INT8_PANEL 64 /* output channels side by side */

/* The kind of input of a layer; it determines zero and shift. */
typedef enum dp_int8_input {
    DP_INT8_SIGNED = 0,
    DP_INT8_GELU,
} dp_int8_input;
#define DP_INT8_GELU_SHIFT (-0.17f) /* GELU's smallest value is -0.16997 */

/* The weights of a linear layer.  Channels past n and inputs past k hold zeros. */
typedef struct dp_int8_matrix {
    size_t n, k, n_panels, n_groups; /* numbers of panels of channels and of groups of inputs */
    dp_int8_input input;
    int8_t *bytes;  /* [n_panels, n_groups, GROUP / 4, PANEL, 4] */
    float *scale;   /* [n_panels, n_groups, PANEL] */
    int32_t *start; /* [n_panels, n_groups, PANEL] */
    float *bias;    /* [n_panels, PANEL]: bias' above */
} dp_int8_matrix;

/* Packs weights [n, k] and bias [n]; both are copied. */
dp_status dp_int8_pack(size_t n, size_t k, dp_int8_input input, const float *weights, const float *bias,
                       dp_int8_matrix *matrix, dp_error *err);
void dp_int8_matrix_free(dp_int8_matrix *matrix);
size_t dp_int8_matrix_bytes(const dp_int8_matrix *matrix);

/* One head of one picture, prepared for dp_int8_kernels.attention. */
typedef struct dp_int8_head {
    int8_t *k;        /* [n4, 64]: keys minus their mean, quantised; n4 = n rounded up to a multiple of 4 */
    float *k_scale;   /* [n4] */
    int32_t *k_start; /* [n4]: -128 * sum of the bytes of the key */
    int8_t *v;        /* [n4 / 4, 64, 4]: four keys side by side for each channel; zero after the last key */
    float *v_scale;   /* [64] */
} dp_int8_head;

/* What leads from the sums of a convolution to its outputs. */
typedef struct dp_int8_finish {
    const float *scale, *bias; /* [n]: ws, bias */
    size_t n;                  /* output channels */
    float x_scale;             /* xs */
    bool add, relu;
} dp_int8_finish;

typedef struct dp_int8_kernels {
    /* Quantises x [rows, k] to q [rows, n_groups * GROUP] and scale [rows, n_groups]; the bytes after k are zero. A
     * group that needs no scale has scale 1. */
    void (*quantise)(const float *x, size_t rows, size_t k, dp_int8_input input, uint8_t *q, float *scale);
    /* Computes y[i, :], the channels of panels [first, first + count) of matrix. q and scale are results of quantise.
     * y [rows, ld_y], of which count * PANEL columns are written (0 after n). */
    void (*product)(const dp_int8_matrix *matrix, size_t first, size_t count, const uint8_t *q, const float *scale,
                    size_t rows, float *y, size_t ld_y);
    /* Prepares head from k, v [n_keys, 64]. */
    void (*prepare_head)(const float *k, const float *v, size_t n_keys, dp_int8_head *head);
    /* The same as dp_vit_kernels.attention, in 8 bits. */
    void (*attention)(const float *q, const dp_int8_head *head, size_t n_queries, size_t n_keys, float *out,
                      size_t ld_out, float *scratch);
    /* Returns the largest of x [n] and 0. */
    float (*largest)(const float *x, size_t n);
    /* q [n] = x [n] * by, rounded and clamped to 0..255. */
    void (*quantise_relu)(const float *x, size_t n, float by, uint8_t *q);
    /* y [cells, n] from sum [cells, n]. */
    void (*finish)(const dp_int8_finish *how, const int32_t *sum, size_t cells, float *y);
} dp_int8_kernels;

/* Returns false if the instruction set has no VNNI; kernels is then untouched. */
bool dp_int8_kernels_init(dp_int8_kernels *kernels, dp_isa isa);

void dp_quantise_i8_c(const float *x, size_t rows, size_t k, dp_int8_input input, uint8_t *q, float *scale);
void dp_product_i8_c(const dp_int8_matrix *matrix, size_t first, size_t count, const uint8_t *q, const float *scale,
                     size_t rows, float *y, size_t ld_y);
void dp_prepare_head_i8_c(const float *k, const float *v, size_t n_keys, dp_int8_head *head);
void dp_attention_i8_c(const float *q, const dp_int8_head *head, size_t n_queries, size_t n_keys, float *out,
                       size_t ld_out, float *scratch);

float dp_largest_c(const float *x, size_t n);
void dp_quantise_relu_c(const float *x, size_t n, float by, uint8_t *q);
void dp_finish_i8_c(const dp_int8_finish *how, const int32_t *sum, size_t cells, float *y);

/* Each fills the slots that it implements. */
void dp_int8_linear_avx512vnni(dp_int8_kernels *kernels);
void dp_int8_attention_avx512vnni(dp_int8_kernels *kernels);
void dp_int8_conv_avx512vnni(dp_int8_kernels *kernels);

#endif
