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

/* All weights in the form one kind of session computes with. */
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
    dp_transformer checkpoint;         /* of a residual network: what both have in common */
    dp_resnet *resnet;                 /* NULL: a transformer */
    float *cls, *registers, *position; /* [dim], [registers, dim], [side * side, dim]; cls with its position added */
    double periods[DP_ROTARY_PERIODS]; /* of rotary positions */
    pthread_mutex_t lock;              /* guards what follows */
    dp_weights *weights[DP_BACKINGS];  /* made when a session first asks */
    int hashing;
    pthread_t hasher;
    char sha256[65];
};

/* The model's weights for a backing, packed on first use and kept with the model. */
dp_status dp_network_weights(const dp_network *model, dp_backing backing, const dp_weights **weights, dp_error *err);
/* DP_E_CORRUPT where the checkpoint's file was written to since it was opened: weights and digest may be of different files. */
dp_status dp_network_check_unchanged(const dp_network *model, dp_error *err);
/* DP_E_MEMORY where the SHA-256 of its file could not be computed: dp_network_info.sha256 is then empty, and no bank may name it. */
dp_status dp_network_digest(const dp_network *model, dp_error *err);
dp_status dp_network_resnet_weights(const dp_network *model, dp_backing backing, const dp_resnet_weights **weights,
                                    dp_error *err);

/* max_cells: dp_run.max_tokens of the run, 0: no limit. */
dp_network_facts dp_network_facts_of(const dp_network *model, size_t max_cells);

#endif
