/* SPDX-License-Identifier: Apache-2.0 */
/* resnet.h - a residual network, for PatchCore's features. */
#ifndef DP_NETWORK_RESNET_H
#define DP_NETWORK_RESNET_H

#include "base/pool.h"
#include "network/checkpoint.h"
#include "network/conv.h"
#include "network/session.h"
#include "options/layers.h"

#define DP_RESNET_STRIDE 8 /* pixels per cell of that grid */
#define DP_RESNET_DIM 1024 /* features per cell */

/* A convolution and its batch norm, as in the checkpoint. */
typedef struct dp_resnet_conv {
    dp_conv_shape shape;
    const dp_tensor *weight;                         /* [out, in, side, side] */
    const dp_tensor *gamma, *beta, *mean, *variance; /* [out] */
} dp_resnet_conv;

typedef struct dp_resnet_block {
    size_t layer;      /* 1..4 */
    size_t first, n;   /* its convolutions: two (basic) or three (bottleneck) */
    size_t downsample; /* the convolution of the shortcut; 0: the shortcut is the input itself */
} dp_resnet_block;

/* Folded and packed. */
typedef struct dp_resnet_weights {
    dnnl_engine_t engine;
    dp_conv *convs; /* [n_convs] */
    size_t bytes;
} dp_resnet_weights;

typedef struct dp_resnet {
    const char *architecture; /* "resnet18", "resnet50", "wide_resnet50_2", or "resnet" for another width or depth */
    dp_resnet_conv *convs;    /* [n_convs]; 0: the stem */
    dp_resnet_block *blocks;  /* [n_blocks] */
    size_t n_convs, n_blocks, width;        /* width: channels inside layer1's blocks */
    size_t depth;                           /* number of layers: 2, 3 or 4 */
    size_t channels[DP_RESNET_LAYERS + 1];  /* channels after each layer; 0: after the stem */
    double mean[3], deviation[3];           /* of the pixels, in 0..1: the network sees (v / 255 - mean) / deviation */
    dp_resnet_weights weights[DP_BACKINGS]; /* made for the first session that needs them */
} dp_resnet;

/* Opens a residual network. The names in the file show whether it is one; everything else is read from the tensors.
 * Fills file, path, and the fields that transformers and residual networks share into checkpoint, which the caller
 * closes. If the file is something else, *resnet is NULL and checkpoint is untouched. Errors: DP_E_IO, DP_E_FORMAT,
 * DP_E_CHECKPOINT, DP_E_MEMORY. */
dp_status dp_resnet_open(const char *path, const dp_limits *limits, dp_transformer *checkpoint, dp_resnet **resnet,
                         dp_error *err);
void dp_resnet_close(dp_resnet **resnet);
/* Folds and packs the weights. Call it under the model's lock. In 8 bits the stem, whose input has both signs, stays
 * in float. */
dp_status dp_resnet_pack(dp_resnet *resnet, const char *path, dp_backing backing, const dp_resnet_weights **weights,
                         dp_error *err);

/* The memory and plans of a session that runs a residual network. */
typedef struct dp_resnet_run dp_resnet_run;
/* isa: as dp_isa_resolve gave it. kernels: for weights in 8 bits; must outlive the run. */
dp_status dp_resnet_run_open(const dp_resnet *resnet, const dp_resnet_weights *weights, dp_isa isa,
                             const dp_int8_kernels *kernels, dp_pool *pool, dp_resnet_run **run, dp_error *err);
void dp_resnet_run_close(dp_resnet_run **run);
typedef struct dp_resnet_input {
    const float *rgb;        /* [n, height, width, 3] in 0..255 */
    size_t n, height, width; /* sides: multiples of 8; n: 1 for dp_resnet_embed and in 8 bits */
    const size_t *layers;    /* [n_layers], ascending, 1..depth */
    size_t n_layers;
} dp_resnet_input;
/* Computes PatchCore's features: tokens [height/8, width/8, 1024]. */
dp_status dp_resnet_embed(dp_resnet_run *run, const dp_resnet_input *input, dp_stage_seconds *seconds, float *tokens,
                          dp_error *err);
/* Computes layers as the network leaves them, after the last relu of each: out [n_layers] of [n, rows, cols, channels]. */
dp_status dp_resnet_layers(dp_resnet_run *run, const dp_resnet_input *input, dp_stage_seconds *seconds,
                           float *const *out, dp_error *err);
dp_layer_shape dp_resnet_layer_shape(const dp_resnet *resnet, size_t layer, size_t height, size_t width);
double dp_resnet_gflop(const dp_resnet *resnet, size_t height, size_t width, size_t deepest);

#endif
