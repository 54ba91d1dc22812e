/* SPDX-License-Identifier: Apache-2.0 */
/* conv.h - convolutions of a residual network, on oneDNN, by Winograd or, for the reference, in plain C.
 *
 *     y[r, c, o] = relu(y[r, c, o] (if add) + b[o] + sum over u, v, i of w[o, u, v, i] x[r s + u - p, c s + v - p, i])
 *
 * with zeros outside x. Activations have channels last, [rows, cols, channels], so a band of rows is one piece of
 * memory. A band of output rows is one task, run on one thread. The bands depend only on the number of rows.
 *
 * oneDNN has fast kernels for a band only if the weights have the layout that it wants for that band's size. With any
 * other layout it uses its reference kernel, which is about a hundred times slower. So every band asks for its
 * layout. A convolution keeps its weights for all plans in each layout asked for so far, usually one. The layout
 * depends only on the band.
 *
 * In fp32, convolutions of side 3 and stride 1 whose channels suit it run by Winograd's method instead (winograd.h).
 *
 * In 8 bits (int8.h) oneDNN sums the products of bytes exactly, in 32 bits, and finish makes outputs of the sums. */
#ifndef DP_NETWORK_CONV_H
#define DP_NETWORK_CONV_H

#include "network/linear.h"

typedef struct dp_conv_shape {
    size_t in, out, side, stride, pad; /* channels; side of the kernel */
    bool add, relu;                    /* fused operations */
} dp_conv_shape;

typedef struct dp_conv {
    dp_conv_shape shape;
    dp_backing backing;
    float *bias;                     /* [out] */
    float *scale;                    /* [out] of the bytes; INT8 only */
    float *plain;                    /* [out, side, side, in]; PLAIN only */
    float *winograd;                 /* weights and zeros of winograd.h; NULL: not computed so */
    struct dp_conv_layouts *layouts; /* ONEDNN and INT8 */
    dnnl_memory_t bias_memory;
} dp_conv;

size_t dp_conv_out(const dp_conv_shape *shape, size_t in_length);

/* Packs weights [out, side, side, in] and bias [out]; both are copied. INT8 is for inputs that are nowhere below 0. */
dp_status dp_conv_pack(const dp_conv_shape *shape, dp_backing backing, dnnl_engine_t engine, const float *weights,
                       const float *bias, dp_conv *conv, dp_error *err);
void dp_conv_free(dp_conv *conv);
size_t dp_conv_bytes(const dp_conv *conv); /* Returns the bytes of the weights in one layout. */

/* One convolution, prepared for one input size. */
typedef struct dp_conv_plan dp_conv_plan;

/* Opens a plan. Call it where OpenMP is told to use one thread. conv must outlive the plan; sessions may share it. isa:
 * as dp_isa_resolve gave it. */
dp_status dp_conv_plan_open(const dp_conv *conv, dnnl_engine_t engine, dp_isa isa, size_t workers, size_t rows_in,
                            size_t cols_in, dp_conv_plan **plan, dp_error *err);
void dp_conv_plan_close(dp_conv_plan **plan);
/* Tasks of n pictures. */
size_t dp_conv_plan_tasks(const dp_conv_plan *plan, size_t n);
/* Runs one task of n pictures. x [n, rows_in, cols_in, in], y [n, rows_out, cols_out, out]. A picture has the same bits alone and among
 * others. */
void dp_conv_run(dp_conv_plan *plan, size_t task, size_t n, const float *x, float *y, size_t worker);
/* The same for INT8 and one picture: the input is x_scale * q. */
typedef struct dp_conv_bytes_in {
    const dp_int8_kernels *kernels;
    const uint8_t *q; /* [rows_in, cols_in, in] */
    float x_scale;
} dp_conv_bytes_in;
void dp_conv_run_i8(dp_conv_plan *plan, size_t band, const dp_conv_bytes_in *in, float *y, size_t worker);
/* Quantises weights [out, k] to bytes [out, k] and scale [out]. */
void dp_conv_quantise(size_t out, size_t k, const float *weights, int8_t *bytes, float *scale);
bool dp_conv_plan_failed(const dp_conv_plan *plan);
/* Returns the name of the kernel that computes a band, as oneDNN calls it, or "winograd"; static storage. */
const char *dp_conv_plan_kernel(const dp_conv_plan *plan, size_t index);

#endif
