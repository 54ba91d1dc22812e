/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.h - a published transformer (DINOv2, DINOv3, TIPSv2): the role of each tensor, whatever naming the file
 * uses. */
#ifndef DP_NETWORK_CHECKPOINT_H
#define DP_NETWORK_CHECKPOINT_H

#include "dinopatch/experimental.h"
#include "format/safetensors.h"

#include <stdbool.h>

#define DP_LICENCE_BYTES 48
#define DP_LICENCE_NANO "Apache-2.0"

/* Tensors that a checkpoint has once. */
typedef enum dp_global_role {
    DP_G_CLS,       /* [dim] class token */
    DP_G_MASK,      /* [dim] mask token; not used at inference, may be missing */
    DP_G_REGISTERS, /* [registers, dim]; may be missing */
    DP_G_POSITION,  /* [1 + side * side, dim]; without the 1 if the class token has no position of its own (timm); none
                     * with rotary positions */
    DP_G_PERIODS,   /* [16] of the rotary positions, as the official DINOv3 release rounds them; may be missing */
    DP_G_PATCH_W,   /* [dim, 3, patch, patch] */
    DP_G_PATCH_B,   /* [dim] */
    DP_G_NORM_W,    /* [dim] final LayerNorm */
    DP_G_NORM_B,
    DP_GLOBAL_ROLES
} dp_global_role;

/* Tensors that each block has once: either query, key and value, or the fused QKV. */
typedef enum dp_block_role {
    DP_B_NORM1_W, /* [dim] */
    DP_B_NORM1_B,
    DP_B_Q_W, /* [dim, dim] */
    DP_B_Q_B, /* [dim] */
    DP_B_K_W,
    DP_B_K_B,
    DP_B_V_W,
    DP_B_V_B,
    DP_B_QKV_W, /* [3 * dim, dim] */
    DP_B_QKV_B,
    DP_B_QKV_MASK, /* [3 * dim] factor of the fused bias: 0 for the keys; DINOv3 only */
    DP_B_PROJ_W,   /* [dim, dim] */
    DP_B_PROJ_B,
    DP_B_SCALE1, /* [dim] LayerScale; all blocks have both, or none of them */
    DP_B_NORM2_W,
    DP_B_NORM2_B,
    DP_B_GATE_W, /* [hidden, dim]; SwiGLU with a separate gate (DINOv3) */
    DP_B_GATE_B,
    DP_B_IN_W, /* [hidden, dim]; SwiGLU in one piece [2 * hidden, dim], gate first */
    DP_B_IN_B,
    DP_B_OUT_W, /* [dim, hidden] */
    DP_B_OUT_B,
    DP_B_SCALE2,
    DP_BLOCK_ROLES
} dp_block_role;

typedef struct dp_transformer_block {
    const dp_tensor *role[DP_BLOCK_ROLES]; /* NULL: missing */
} dp_transformer_block;

typedef struct dp_transformer {
    dp_safetensors *file;
    char *path;
    const dp_tensor *role[DP_GLOBAL_ROLES];
    dp_transformer_block *blocks; /* [depth] */
    size_t dim, depth, heads, patch_px, registers, hidden, position_side, parameters;
    const char *family; /* "dinov2", "dinov3" or "tipsv2"; static storage */
    int swiglu;
    int gate_apart;
    int rotary; /* positions turn queries and keys (DINOv3); there is no position embedding */
    float norm_eps;
    double mean[3], deviation[3]; /* of the pixels, in 0..1: the network sees (v / 255 - mean) / deviation */
    int fused_qkv;
    int class_has_position;
    int layer_scale;
    int stand_in;
    double position_offset; /* added to the size of the grid in the scale of the interpolation; 0.1 or 0 */
    int position_antialias;
    int position_linear; /* bilinear, not bicubic (TIPSv2) */
    const char *naming;  /* "huggingface", "hub", "timm" */
    dp_dtype dtype;      /* of the patch embedding */
    const char *unused;  /* the first tensor that is not part of the network; NULL: none */
    size_t n_unused;
    char licence[DP_LICENCE_BYTES]; /* empty: unknown */
} dp_transformer;

/* Size of one attention head. */
#define DP_HEAD_DIM 64

/* Opens a file and checks names and shapes, not values. limits NULL: the default limits. Errors: DP_E_IO,
 * DP_E_FORMAT, DP_E_CHECKPOINT, DP_E_MEMORY. */
dp_status dp_transformer_open(const char *path, const dp_limits *limits, dp_transformer *checkpoint, dp_error *err);
void dp_transformer_close(dp_transformer *checkpoint);
/* Returns DP_E_NUMERIC, with the name of the first tensor that holds a NaN or an infinity. */
dp_status dp_transformer_check_finite(const dp_transformer *checkpoint, dp_error *err);

/* Reads mean or standard deviation of the pixels from the metadata: three numbers from least to 10 with commas between
 * them, or one for all three. Without such an entry value stays as it is. Errors: DP_E_CHECKPOINT. */
dp_status dp_read_pixel_statistics(const dp_safetensors *file, const char *path, const char *key, double least,
                                   double value[3], dp_error *err);
/* Copies text to licence if it has 1 to 47 printable ASCII characters; otherwise returns false and leaves licence
 * untouched. */
bool dp_licence_take(const char *text, char licence[DP_LICENCE_BYTES]);
/* Reads the licence from a file's metadata, if it has an entry. */
void dp_licence_read(const dp_safetensors *file, char licence[DP_LICENCE_BYTES]);

#endif
