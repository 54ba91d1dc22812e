/* SPDX-License-Identifier: Apache-2.0 */
/* network.h - an opened checkpoint and its packed weights. */
#ifndef DP_NETWORK_NETWORK_H
#define DP_NETWORK_NETWORK_H

#include "network/checkpoint.h"
#include "network/linear.h"
#include "network/position.h"
#include "network/resnet.h"
#include "options/layers.h"

#include <pthread.h>

typedef struct dp_block_weights {
    const float *norm1_weight, *norm1_bias, *norm2_weight, *norm2_bias; /* [dim] */
    dp_linear qkv;  /* [3 * dim, dim]; the rows of q carry log2(e) / sqrt(64) */
    dp_linear proj; /* [dim, dim]; carries LayerScale 1, adds to the residual */
    dp_linear in;   /* [hidden, dim], or [2 * hidden, dim] for SwiGLU */
    dp_linear out;  /* [dim, hidden]; carries LayerScale 2, adds to the residual */
} dp_block_weights;

/* All weights in the form that one kind of session uses. */
typedef struct dp_weights {
    dp_backing backing;
    dnnl_engine_t engine;
    dp_linear patch;                /* [dim, 3 * patch * patch]; adds to the position embedding */
    dp_block_weights *blocks;       /* [depth] */
    float *norms;                   /* [depth, 4, dim] */
    float *norm_weight, *norm_bias; /* [dim] final LayerNorm */
    size_t bytes;
} dp_weights;

struct dp_network {
    char *path;                        /* absolute */
    dp_transformer checkpoint;         /* also for a residual network: the fields that both kinds share */
    dp_resnet *resnet;                 /* NULL: the network is a transformer */
    float *cls, *registers, *position; /* [dim], [registers, dim], [side * side, dim]; cls with its position added */
    double periods[DP_ROTARY_PERIODS]; /* of rotary positions */
    pthread_mutex_t lock;              /* guards what follows */
    dp_weights *weights[DP_BACKINGS];  /* made when a session first needs them */
    int hashing;
    pthread_t hasher;
    char sha256[65];
};

/* The weights of the model for a backing, packed on first use and kept with the model. */
dp_status dp_network_weights(const dp_network *model, dp_backing backing, const dp_weights **weights, dp_error *err);
/* Returns DP_E_CORRUPT if the checkpoint's file was changed after it was opened, because weights and digest may then be
 * of different files. */
dp_status dp_network_check_unchanged(const dp_network *model, dp_error *err);
/* Returns DP_E_MEMORY if the SHA-256 of the file could not be computed. dp_network_info.sha256 is then empty, and no
 * bank may name the network. */
dp_status dp_network_digest(const dp_network *model, dp_error *err);
dp_status dp_network_resnet_weights(const dp_network *model, dp_backing backing, const dp_resnet_weights **weights,
                                    dp_error *err);

/* The facts of a network that a recipe depends on. max_cells: dp_run.max_tokens of the run, 0: no limit. */
dp_network_facts dp_network_facts_of(const dp_network *model, size_t max_cells);

#endif
