/* int8.h - the transformer in 8-bit integers: kernels that need VNNI (u8 x s8 dot products summed in 32 bits), and the plain C
 * they are held against.
 *
 * Linear layers.  Both operands have one scale for every DP_INT8_GROUP values along k, for each token and each output channel:
 *     x[i, k] = xs[i, g] * (byte - zero) + shift,      w[j, k] = ws[j, g] * byte,  |byte| <= 127,      g = k / DP_INT8_GROUP.
 * DINOv2's activations are large in few channels: with a scale of its own an outlier costs the 63 values beside it their
 * accuracy, not the whole token (docs/numerics.md).  zero and shift are the same for all inputs of a layer: 128 and 0 for values
 * of both signs, 0 and -0.17 for what comes out of GELU, which is nowhere below.  A product is then
 *     y[i, j] = bias'[j] + sum_g xs[i, g] ws[j, g] (start[j, g] + sum_k byte byte),
 *     start[j, g] = -zero * sum of the group's weight bytes,  bias'[j] = bias[j] + shift * sum_k w[j, k] as stored.
 *
 * Inside the attention: one scale for each query, each key (from which the mean key of the head
 * has been taken: it adds the same to all scores of a query, and softmax does not see it) and each channel of V; the
 * probabilities of a block of keys are stored as bytes relative to the block's own maximum, so that a long flat tail
 * is not rounded away by one large score elsewhere. */
#ifndef DP_EMBED_INT8_H
#define DP_EMBED_INT8_H

#include "embed/kernels.h"

#include <stdbool.h>

#define DP_INT8_GROUP 64 /* values along k that share a scale */
#define DP_INT8_PANEL 64 /* output channels side by side */

/* What goes into a layer, and with it zero and shift. */
typedef enum dp_int8_input {
    DP_INT8_SIGNED = 0,
    DP_INT8_GELU,
} dp_int8_input;
#define DP_INT8_GELU_SHIFT (-0.17f) /* GELU's least value is -0.16997 */

/* The weights of a linear layer.  Channels past n and inputs past k hold zeros. */
typedef struct dp_int8_matrix {
    size_t n, k, n_panels, n_groups; /* panels of channels, groups of inputs */
    dp_int8_input input;
    int8_t *bytes;  /* [n_panels, n_groups, GROUP / 4, PANEL, 4] */
    float *scale;   /* [n_panels, n_groups, PANEL] */
    int32_t *start; /* [n_panels, n_groups, PANEL] */
    float *bias;    /* [n_panels, PANEL]: bias' above */
} dp_int8_matrix;

/* weights [n, k], bias [n]; both are copied. */
dp_status dp_int8_pack(size_t n, size_t k, dp_int8_input input, const float *weights, const float *bias, dp_int8_matrix *matrix,
                       dp_error *err);
void dp_int8_matrix_free(dp_int8_matrix *matrix);
size_t dp_int8_matrix_bytes(const dp_int8_matrix *matrix);

/* One head of one picture, ready for dp_int8_kernels.attention. */
typedef struct dp_int8_head {
    int8_t *k;        /* [n4, 64]: keys less their mean, quantised; n4 = n rounded up to a multiple of 4 */
    float *k_scale;   /* [n4] */
    int32_t *k_start; /* [n4]: -128 * sum of the key's bytes */
    int8_t *v;        /* [n4 / 4, 64, 4]: four keys side by side for each channel; zero past the last key */
    float *v_scale;   /* [64] */
} dp_int8_head;

typedef struct dp_int8_kernels {
    /* x [rows, k] to q [rows, n_groups * GROUP] and scale [rows, n_groups]; the bytes past k are zero.  A group that needs no
     * scale has scale 1. */
    void (*quantise)(const float *x, size_t rows, size_t k, dp_int8_input input, uint8_t *q, float *scale);
    /* y[i, :] = the channels of panels [first, first + count) of matrix; q and scale as quantise leaves them; y [rows, ld_y] of which
     * count * PANEL columns are written (0 past n). */
    void (*product)(const dp_int8_matrix *matrix, size_t first, size_t count, const uint8_t *q, const float *scale, size_t rows,
                    float *y, size_t ld_y);
    /* k, v [n_keys, 64] to head. */
    void (*prepare_head)(const float *k, const float *v, size_t n_keys, dp_int8_head *head);
    /* As dp_vit_kernels.attention. */
    void (*attention)(const float *q, const dp_int8_head *head, size_t n_queries, size_t n_keys, float *out, size_t ld_out,
                      float *scratch);
} dp_int8_kernels;

/* false where the level has no VNNI; kernels is untouched then. */
bool dp_int8_kernels_init(dp_int8_kernels *kernels, dp_isa isa);

void dp_quantise_i8_c(const float *x, size_t rows, size_t k, dp_int8_input input, uint8_t *q, float *scale);
void dp_product_i8_c(const dp_int8_matrix *matrix, size_t first, size_t count, const uint8_t *q, const float *scale, size_t rows,
                     float *y, size_t ld_y);
void dp_prepare_head_i8_c(const float *k, const float *v, size_t n_keys, dp_int8_head *head);
void dp_attention_i8_c(const float *q, const dp_int8_head *head, size_t n_queries, size_t n_keys, float *out, size_t ld_out,
                       float *scratch);

/* Each fills the slots it serves. */
void dp_int8_linear_avx512vnni(dp_int8_kernels *kernels);
void dp_int8_attention_avx512vnni(dp_int8_kernels *kernels);

#endif
