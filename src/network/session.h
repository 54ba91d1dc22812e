/* SPDX-License-Identifier: Apache-2.0 */
/* session.h - the part of a session that the stages after the network use. */
#ifndef DP_NETWORK_SESSION_H
#define DP_NETWORK_SESSION_H

#include "base/pool.h"
#include "dinopatch/experimental.h"
#include "network/kernels.h"
#include "options/layers.h"

dp_pool *dp_session_pool(dp_session *session);
dp_isa dp_session_isa(const dp_session *session);
const dp_network *dp_session_network(const dp_session *session);
dp_precision dp_session_precision(const dp_session *session);
/* Returns the settings that the session was opened with, and the caller's callbacks. */
const dp_run *dp_session_run(const dp_session *session);

/* The facts of the network that a recipe depends on, with the limits of the session's run. */
dp_network_facts dp_session_facts(const dp_session *session);

/* The grid of one layer's output. */
typedef struct dp_layer_shape {
    size_t rows, cols, dim;
} dp_layer_shape;
/* layer: a block of a transformer, from 0; a layer of a residual network, from 1. */
dp_layer_shape dp_session_layer_shape(const dp_session *session, size_t layer, size_t height, size_t width);
/* Pictures of one size. A picture has the same features alone and among others, to the bit. */
typedef struct dp_inputs {
    const float *rgb; /* [n, height, width, 3] in 0..255 */
    size_t n, height, width;
} dp_inputs;
/* Computes the raw output of layers: for a transformer the residual stream of the grid's cells, without the final
 * LayerNorm. layers [n_layers] ascending; out [n_layers] of [n, rows, cols, dim] as dp_session_layer_shape says. Errors:
 * as dp_session_embed. */
dp_status dp_session_layers(dp_session *session, const dp_inputs *inputs, const size_t *layers, size_t n_layers,
                            float *const *out, dp_error *err);

/* Fills out [dim] with the final LayerNorm of the class token after the deepest layer that the last dp_session_embed or
 * dp_session_layers of a transformer asked for. */
void dp_session_class_token(dp_session *session, float *out);

/* The stages whose time is measured. */
typedef enum dp_stage {
    DP_STAGE_PATCH = 0, /* normalised patches, patch embedding, position, class and register tokens */
    DP_STAGE_QKV,
    DP_STAGE_ATTENTION,
    DP_STAGE_PROJ,
    DP_STAGE_MLP_IN,
    DP_STAGE_MLP_OUT,
    DP_STAGE_NORM,
    DP_STAGE_OTHER, /* output, checks */
    DP_STAGE_CONV,  /* convolutions of a residual network after the first, which counts as the patches */
    DP_STAGES
} dp_stage;

/* Seconds in each stage since the session was opened or the times were cleared. */
typedef struct dp_stage_seconds {
    double of[DP_STAGES];
} dp_stage_seconds;
dp_stage_seconds *dp_session_stage_seconds(dp_session *session);

/* For tests: called with the residual stream x [tokens, dim] after the embedding (block -1) and after every block.
 * NULL: none. */
typedef void (*dp_block_fn)(void *user, int block, const float *x, size_t n_tokens, size_t dim);
void dp_session_watch_blocks(dp_session *session, dp_block_fn watch, void *user);

/* Further values for dp_bench. */
size_t dp_session_weights_bytes(const dp_session *session);
double dp_session_gflop(const dp_session *session, size_t height, size_t width);
const dp_vit_kernels *dp_session_kernels(const dp_session *session);

#endif
