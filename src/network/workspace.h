/* SPDX-License-Identifier: Apache-2.0 */
/* workspace.h - the content of a session, for its files: session.c (open, embed, close), workspace.c (memory and
 * primitives for an input), block.c (the stages of the transformer).
 *
 * Workspace, in floats, grown to the largest input so far and then kept:
 *     x      [n, dim]        residual stream
 *     y      [n, dim]        normalised x, then the result of the attention
 *     q k v  [heads, n, 64]  each head in one piece, so that attention reads K and V in order
 *     h      [n, inner]      patches (before the first block), then the MLP's hidden layer; inner = hidden, 2 hidden
 *                            (SwiGLU)
 *     gated  [n, hidden]     SwiGLU only: input of the MLP's second layer
 *     a8     [n, max(dim, hidden)]  bytes of the activations for the next product, with their scales, int8 only
 *     k8 v8  [heads, n4, 64] bytes of K and V, with their scales (int8.h), int8 only
 *     position [grid, dim]   interpolated for the last grid; with rotary positions the table [grid, 2, 32]
 *     scratch [workers, ...] one piece for each worker */
#ifndef DP_NETWORK_WORKSPACE_H
#define DP_NETWORK_WORKSPACE_H

#include "network/int8.h"
#include "network/kernels.h"
#include "network/network.h"
#include "network/session.h"

#include <stdbool.h>

#define HEAD DP_HEAD_DIM

enum { PLAN_PATCH, PLAN_QKV, PLAN_PROJ, PLAN_IN, PLAN_OUT, PLANS };

struct dp_session {
    const dp_network *model;
    const dp_weights *weights;
    dp_precision precision;
    dp_run run;
    dp_isa isa;
    dp_pool *pool;
    dp_vit_kernels kernels;
    dp_int8_kernels int8;
    bool bytes; /* computes in int8 */
    dp_linear_plan *plans[PLANS];
    dp_resnet_run *resnet; /* if the model is a residual network; the transformer's fields are then not used */
    size_t resnet_bytes;
    size_t dim, heads, inner, hidden, patch_floats;

    /* the current input */
    size_t rows, cols, n; /* grid, tokens in all */
    const float *rgb;
    dp_tiles tiles, patch_tiles;
    const dp_block_weights *block;

    /* workspace */
    size_t room_n; /* number of tokens that fit */
    float *x, *y, *q, *k, *v, *h, *gated;
    uint8_t *a8; /* int8 only, like the following fields */
    float *a8_scale;
    dp_int8_input a8_input;
    dp_int8_head *prepared;
    int8_t *k8, *v8;
    float *k8_scale, *v8_scale;
    int32_t *k8_start;
    size_t position_rows, position_cols;
    float *position;
    float *scratch;
    size_t scratch_floats; /* per worker */

    /* output of the current block */
    dp_norm norm;
    const float *from;
    float *to;
    size_t ld_from, ld_to, count;

    dp_stage_seconds seconds;
    dp_block_fn watch;
    void *watch_user;
};

/* Prepares memory, interpolated positions and matrix products for the current input (rows, cols, n, tiles). Allocates
 * nothing for a size that was already used. */
dp_status dp_workspace_prepare(dp_session *session, dp_error *err);
void dp_workspace_release(dp_session *session);

/* Computes x = patches W + b + position of the current input. */
void dp_block_embed_patches(dp_session *session);
/* Runs x through one block. */
void dp_block_run(dp_session *session, size_t index);
/* Writes LayerNorm of from [count, dim] to `to` [count, ld_to]. */
void dp_block_normalise(dp_session *session, const float *weight, const float *bias, const float *from, size_t count,
                        float *to, size_t ld_to);

#endif
