/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.c - reads the names and shapes of a checkpoint, and trusts neither.
 *
 * Several namings are in use for the same tensors. Hugging Face: embeddings.* with encoder.layer.N.* (DINOv2), or with
 * layer.N.* and other names of the projections (DINOv3). The official releases: blocks.N.*, query, key and value fused.
 * timm: the names of the official releases, but reg_token, SwiGLU as a packed fc1 or as fc1_g and fc1_x, gamma_1, and
 * with registers a class token that contains its position. Any of them may follow a prefix such as "dinov2." or
 * "backbone."; the name of the class token shows the prefix. TIPSv2's release also holds a text network; tensors
 * without the prefix "vision_encoder." are ignored. The head of a classifier is ignored too.
 *
 * The tensors show the family. A file without a position embedding and with something that only DINOv3 has is DINOv3;
 * one register means TIPSv2; everything else is DINOv2. */
#include "network/checkpoint.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/shards.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 512

/* The namings of a tensor, as bits. */
enum { HF2 = 1, HF3 = 2, PLAIN = 4 };

static const struct {
    dp_global_role role;
    const char *name;
    unsigned namings;
} global_names[] = {
    {DP_G_CLS, "embeddings.cls_token", HF2 | HF3},
    {DP_G_MASK, "embeddings.mask_token", HF2 | HF3},
    {DP_G_REGISTERS, "embeddings.register_tokens", HF2 | HF3},
    {DP_G_POSITION, "embeddings.position_embeddings", HF2},
    {DP_G_PATCH_W, "embeddings.patch_embeddings.projection.weight", HF2},
    {DP_G_PATCH_B, "embeddings.patch_embeddings.projection.bias", HF2},
    {DP_G_NORM_W, "layernorm.weight", HF2},
    {DP_G_NORM_B, "layernorm.bias", HF2},
    {DP_G_PATCH_W, "embeddings.patch_embeddings.weight", HF3},
    {DP_G_PATCH_B, "embeddings.patch_embeddings.bias", HF3},
    {DP_G_NORM_W, "norm.weight", HF3 | PLAIN},
    {DP_G_NORM_B, "norm.bias", HF3 | PLAIN},
    {DP_G_CLS, "cls_token", PLAIN},
    {DP_G_MASK, "mask_token", PLAIN},
    {DP_G_REGISTERS, "register_tokens", PLAIN},
    {DP_G_REGISTERS, "reg_token", PLAIN},
    {DP_G_REGISTERS, "storage_tokens", PLAIN},
    {DP_G_POSITION, "pos_embed", PLAIN},
    {DP_G_PERIODS, "rope_embed.periods", PLAIN},
    {DP_G_PATCH_W, "patch_embed.proj.weight", PLAIN},
    {DP_G_PATCH_B, "patch_embed.proj.bias", PLAIN},
};

static const struct {
    dp_block_role role;
    const char *name; /* after the block's number */
    unsigned namings;
} block_names[] = {
    {DP_B_NORM1_W, "norm1.weight", HF2 | HF3 | PLAIN},
    {DP_B_NORM1_B, "norm1.bias", HF2 | HF3 | PLAIN},
    {DP_B_NORM2_W, "norm2.weight", HF2 | HF3 | PLAIN},
    {DP_B_NORM2_B, "norm2.bias", HF2 | HF3 | PLAIN},
    {DP_B_Q_W, "attention.attention.query.weight", HF2},
    {DP_B_Q_B, "attention.attention.query.bias", HF2},
    {DP_B_K_W, "attention.attention.key.weight", HF2},
    {DP_B_K_B, "attention.attention.key.bias", HF2},
    {DP_B_V_W, "attention.attention.value.weight", HF2},
    {DP_B_V_B, "attention.attention.value.bias", HF2},
    {DP_B_Q_W, "attention.q_proj.weight", HF3},
    {DP_B_Q_B, "attention.q_proj.bias", HF3},
    {DP_B_K_W, "attention.k_proj.weight", HF3},
    {DP_B_K_B, "attention.k_proj.bias", HF3},
    {DP_B_V_W, "attention.v_proj.weight", HF3},
    {DP_B_V_B, "attention.v_proj.bias", HF3},
    {DP_B_PROJ_W, "attention.output.dense.weight", HF2},
    {DP_B_PROJ_B, "attention.output.dense.bias", HF2},
    {DP_B_PROJ_W, "attention.o_proj.weight", HF3},
    {DP_B_PROJ_B, "attention.o_proj.bias", HF3},
    {DP_B_SCALE1, "layer_scale1.lambda1", HF2 | HF3},
    {DP_B_SCALE2, "layer_scale2.lambda1", HF2 | HF3},
    {DP_B_IN_W, "mlp.fc1.weight", HF2 | PLAIN},
    {DP_B_IN_B, "mlp.fc1.bias", HF2 | PLAIN},
    {DP_B_OUT_W, "mlp.fc2.weight", HF2 | PLAIN},
    {DP_B_OUT_B, "mlp.fc2.bias", HF2 | PLAIN},
    {DP_B_IN_W, "mlp.weights_in.weight", HF2},
    {DP_B_IN_B, "mlp.weights_in.bias", HF2},
    {DP_B_OUT_W, "mlp.weights_out.weight", HF2},
    {DP_B_OUT_B, "mlp.weights_out.bias", HF2},
    {DP_B_GATE_W, "mlp.gate_proj.weight", HF3},
    {DP_B_GATE_B, "mlp.gate_proj.bias", HF3},
    {DP_B_IN_W, "mlp.up_proj.weight", HF3},
    {DP_B_IN_B, "mlp.up_proj.bias", HF3},
    {DP_B_OUT_W, "mlp.down_proj.weight", HF3},
    {DP_B_OUT_B, "mlp.down_proj.bias", HF3},
    {DP_B_QKV_W, "attn.qkv.weight", PLAIN},
    {DP_B_QKV_B, "attn.qkv.bias", PLAIN},
    {DP_B_QKV_MASK, "attn.qkv.bias_mask", PLAIN},
    {DP_B_Q_B, "attn.q_bias", PLAIN},
    {DP_B_K_B, "attn.k_bias", PLAIN},
    {DP_B_V_B, "attn.v_bias", PLAIN},
    {DP_B_PROJ_W, "attn.proj.weight", PLAIN},
    {DP_B_PROJ_B, "attn.proj.bias", PLAIN},
    {DP_B_SCALE1, "ls1.gamma", PLAIN},
    {DP_B_SCALE2, "ls2.gamma", PLAIN},
    {DP_B_SCALE1, "gamma_1", PLAIN},
    {DP_B_SCALE2, "gamma_2", PLAIN},
    {DP_B_IN_W, "mlp.w12.weight", PLAIN},
    {DP_B_IN_B, "mlp.w12.bias", PLAIN},
    {DP_B_GATE_W, "mlp.w1.weight", PLAIN},
    {DP_B_GATE_B, "mlp.w1.bias", PLAIN},
    {DP_B_IN_W, "mlp.w2.weight", PLAIN},
    {DP_B_IN_B, "mlp.w2.bias", PLAIN},
    {DP_B_OUT_W, "mlp.w3.weight", PLAIN},
    {DP_B_OUT_B, "mlp.w3.bias", PLAIN},
    {DP_B_GATE_W, "mlp.fc1_g.weight", PLAIN},
    {DP_B_GATE_B, "mlp.fc1_g.bias", PLAIN},
    {DP_B_IN_W, "mlp.fc1_x.weight", PLAIN},
    {DP_B_IN_B, "mlp.fc1_x.bias", PLAIN},
};

/* What the names in a file show. */
typedef struct naming {
    const char *text;         /* a name that begins with the prefix */
    size_t prefix;            /* bytes of it */
    unsigned bit;             /* HF2, HF3 or PLAIN */
    const char *block_prefix; /* "encoder.layer." and the like, before a block's number */
} naming;

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *first_global_name(dp_global_role role, unsigned bit)
{
    for (size_t i = 0; i < COUNT(global_names); i++)
        if ((global_names[i].namings & bit) && global_names[i].role == role)
            return global_names[i].name;
    return "";
}

static const char *first_block_name(dp_block_role role, unsigned bit)
{
    for (size_t i = 0; i < COUNT(block_names); i++)
        if (block_names[i].role == role && (block_names[i].namings & bit))
            return block_names[i].name;
    return "";
}

/* Parses "encoder.layer.12.rest" and the like: gives the block's number and the start of the rest; returns 0 for any
 * other name. */
static int split_block_name(const char *name, const char *start, size_t *block, const char **rest)
{
    size_t length = strlen(start);
    if (strncmp(name, start, length) != 0)
        return 0;
    const char *p = name + length;
    size_t number = 0, digits = 0;
    for (; *p >= '0' && *p <= '9' && digits < 5; p++, digits++)
        number = number * 10 + (size_t)(*p - '0');
    if (!digits || *p != '.' || (digits > 1 && name[length] == '0'))
        return 0;
    *block = number;
    *rest = p + 1;
    return 1;
}

static dp_status unknown_tensor(const dp_transformer *c, const char *name, dp_error *err)
{
    return dp_fail(err, DP_E_CHECKPOINT,
                   "%s: tensor '%s' does not belong to a vision transformer that this library knows", c->path, name);
}

static dp_status take(const dp_transformer *c, const dp_tensor **slot, const dp_tensor *tensor, dp_error *err)
{
    if (*slot)
        return dp_fail(err, DP_E_CHECKPOINT, "%s: tensors '%s' and '%s' are two names for the same weights", c->path,
                       (*slot)->name, tensor->name);
    if (tensor->dtype != DP_DTYPE_F32 && tensor->dtype != DP_DTYPE_F16 && tensor->dtype != DP_DTYPE_BF16)
        return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s' is %s; only F32, F16 and BF16 can be read", c->path,
                       tensor->name, dp_dtype_name(tensor->dtype));
    *slot = tensor;
    return DP_OK;
}

/* Finds the prefix and the naming, from the names of the class token and of the blocks. */
static dp_status find_naming(const dp_transformer *c, naming *found, dp_error *err)
{
    static const char *const ends[] = {"embeddings.cls_token", "cls_token"};
    static const char *const hf3[] = {"layer.", "model.layer."};
    size_t n = dp_safetensors_count(c->file);
    *found = (naming){0};
    for (size_t i = 0; i < n && !found->bit; i++) {
        const char *name = dp_safetensors_at(c->file, i)->name;
        for (int e = 0; e < 2 && !found->bit; e++) {
            size_t length = strlen(name), tail = strlen(ends[e]);
            if (length < tail || strcmp(name + length - tail, ends[e]) != 0)
                continue;
            if (length > tail && name[length - tail - 1] != '.')
                continue;
            *found = e ? (naming){name, length - tail, PLAIN, "blocks."}
                       : (naming){name, length - tail, HF2, "encoder.layer."};
        }
    }
    if (!found->bit && dp_safetensors_metadata(c->file, "recipe"))
        return dp_fail(err, DP_E_CHECKPOINT, "%s: is a bank, not the checkpoint of a network", c->path);
    if (!found->bit)
        return dp_fail(
            err, DP_E_CHECKPOINT,
            "%s: is not a checkpoint of a vision transformer: it has no tensor 'embeddings.cls_token' or 'cls_token'",
            c->path);
    for (size_t i = 0; i < n && found->bit == HF2; i++) {
        const char *name = dp_safetensors_at(c->file, i)->name, *rest;
        size_t block;
        for (int e = 0; e < 2 && strlen(name) > found->prefix; e++)
            if (split_block_name(name + found->prefix, hf3[e], &block, &rest)) {
                found->bit = HF3;
                found->block_prefix = hf3[e];
            }
    }
    return DP_OK;
}

static dp_status assign(dp_transformer *c, const naming *as, const dp_tensor *tensor, dp_error *err)
{
    const char *name = tensor->name + as->prefix, *rest;
    size_t block;
    if (split_block_name(name, as->block_prefix, &block, &rest)) {
        if (block >= c->depth)
            return unknown_tensor(c, tensor->name, err);
        for (size_t i = 0; i < COUNT(block_names); i++)
            if ((block_names[i].namings & as->bit) && !strcmp(block_names[i].name, rest))
                return take(c, &c->blocks[block].role[block_names[i].role], tensor, err);
        return unknown_tensor(c, tensor->name, err);
    }
    for (size_t i = 0; i < COUNT(global_names); i++)
        if ((global_names[i].namings & as->bit) && !strcmp(global_names[i].name, name))
            return take(c, &c->role[global_names[i].role], tensor, err);
    return unknown_tensor(c, tensor->name, err);
}

/* Returns whether a tensor belongs to something else in the file: the head of a classifier or of the training, or a
 * text network. Tensors of blocks never do. */
static bool beside(const naming *as, const char *name)
{
    static const char vision[] = "vision_encoder.";
    static const char *const heads[] = {"head",        "head_dist", "fc",        "classifier",    "linear",
                                        "linear_head", "dino_head", "ibot_head", "local_cls_norm"};
    bool inside = !strncmp(name, as->text, as->prefix);
    const char *rest, *at = inside ? name + as->prefix : name;
    size_t block;
    if (inside && split_block_name(at, as->block_prefix, &block, &rest))
        return false;
    for (; at; at = inside ? NULL : strchr(at, '.')) { /* of a name elsewhere, any part */
        at += *at == '.';
        for (size_t i = 0; i < COUNT(heads); i++)
            if (!strncmp(at, heads[i], strlen(heads[i])) && at[strlen(heads[i])] == '.')
                return true;
    }
    return !inside && as->prefix == sizeof vision - 1 && !strncmp(as->text, vision, as->prefix);
}

static dp_status assign_all(dp_transformer *c, naming *as, dp_error *err)
{
    size_t n = dp_safetensors_count(c->file);
    dp_status status = find_naming(c, as, err);
    if (status)
        return status;
    for (size_t i = 0; i < n; i++) {
        const char *name = dp_safetensors_at(c->file, i)->name, *rest;
        size_t block;
        if (strlen(name) > as->prefix && split_block_name(name + as->prefix, as->block_prefix, &block, &rest)
            && block < MAX_DEPTH && block + 1 > c->depth)
            c->depth = block + 1;
    }
    if (!c->depth)
        return dp_fail(err, DP_E_CHECKPOINT, "%s: has no transformer blocks: tensor '%s0.%s' is missing", c->path,
                       as->block_prefix, first_block_name(DP_B_NORM1_W, as->bit));
    c->blocks = dp_calloc(c->depth, sizeof *c->blocks);
    if (!c->blocks)
        return dp_fail_memory(err, c->path, c->depth * sizeof *c->blocks);
    for (size_t i = 0; i < n; i++) {
        const dp_tensor *tensor = dp_safetensors_at(c->file, i);
        if (beside(as, tensor->name)) {
            c->unused = c->unused ? c->unused : tensor->name;
            c->n_unused++;
            continue;
        }
        if (strncmp(tensor->name, as->text, as->prefix) != 0)
            return unknown_tensor(c, tensor->name, err);
        status = assign(c, as, tensor, err);
        if (status)
            return status;
        c->parameters += tensor->count;
    }
    return DP_OK;
}

/* Checks the shape: without its leading ones it must equal the expected shape without its leading ones. */
static dp_status check_shape(const dp_transformer *c, const dp_tensor *tensor, size_t rank, const size_t *shape,
                             dp_error *err)
{
    const size_t *have = tensor->shape, *want = shape;
    size_t n_have = tensor->rank, n_want = rank;
    for (; n_have > 1 && *have == 1; n_have--)
        have++;
    for (; n_want > 1 && *want == 1; n_want--)
        want++;
    int same = n_have == n_want;
    for (size_t i = 0; same && i < n_want; i++)
        same = have[i] == want[i];
    if (same)
        return DP_OK;
    char text[2][128];
    for (int side = 0; side < 2; side++) {
        size_t used = 0, n = side ? rank : tensor->rank;
        text[side][0] = 0;
        for (size_t i = 0; i < n && used + 24 < sizeof text[0]; i++)
            used += (size_t)snprintf(text[side] + used, sizeof text[0] - used, "%s%zu", i ? ", " : "",
                                     side ? shape[i] : tensor->shape[i]);
    }
    return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s' has shape [%s]; [%s] is expected", c->path, tensor->name,
                   text[0], text[1]);
}

static size_t square_root(size_t n)
{
    size_t r = 0;
    while (r < 4096 && (r + 1) * (r + 1) <= n)
        r++;
    return r;
}

/* Returns whether the file has something that only DINOv3 has. */
static bool is_rotary(const dp_transformer *c, const naming *as)
{
    const dp_tensor *scale = c->blocks[0].role[DP_B_SCALE1];
    return !c->role[DP_G_POSITION]
           && (as->bit == HF3 || c->role[DP_G_PERIODS] || (scale && strstr(scale->name + as->prefix, "gamma_1")));
}

static dp_status read_position(dp_transformer *c, dp_error *err)
{
    const dp_tensor *position = c->role[DP_G_POSITION];
    size_t rows = position->count / c->dim;
    c->class_has_position = rows > 1 && square_root(rows - 1) * square_root(rows - 1) == rows - 1;
    c->position_side = square_root(c->class_has_position ? rows - 1 : rows);
    if (!rows || c->position_side * c->position_side + (size_t)c->class_has_position != rows)
        return dp_fail(
            err, DP_E_CHECKPOINT,
            "%s: tensor '%s' has %zu rows, which make no square grid, neither with nor without the class token",
            c->path, position->name, rows);
    return DP_OK;
}

static dp_status read_dimensions(dp_transformer *c, const naming *as, dp_error *err)
{
    static const dp_global_role needed[] = {DP_G_CLS,     DP_G_POSITION, DP_G_PATCH_W,
                                            DP_G_PATCH_B, DP_G_NORM_W,   DP_G_NORM_B};
    c->rotary = is_rotary(c, as);
    for (size_t i = 0; i < COUNT(needed); i++)
        if (!c->role[needed[i]] && !(c->rotary && needed[i] == DP_G_POSITION))
            return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s' is missing", c->path,
                           first_global_name(needed[i], as->bit));
    c->dim = c->role[DP_G_CLS]->count;
    if (!c->dim || c->dim % DP_HEAD_DIM || c->dim > 16384)
        return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s' has %zu elements; a multiple of %d is expected", c->path,
                       c->role[DP_G_CLS]->name, c->dim, DP_HEAD_DIM);
    c->heads = c->dim / DP_HEAD_DIM;
    if (c->rotary && (c->dim == 4096 || (c->role[DP_G_PERIODS] && c->role[DP_G_PERIODS]->count != DP_HEAD_DIM / 4)))
        return dp_fail(err, DP_E_UNSUPPORTED,
                       "%s: its attention has heads of 128 channels, like the DINOv3 of 7 billion parameters, but only "
                       "heads of %d are supported; use a smaller network",
                       c->path, DP_HEAD_DIM);

    /* Widths whose published networks have other heads, which no tensor shows: the 400M shape (72) and ViT-H (80). */
    if (!c->rotary && (c->dim == 1152 || c->dim == 1280) && !dp_safetensors_metadata(c->file, "heads"))
        return dp_fail(
            err, DP_E_UNSUPPORTED,
            "%s: transformers of %zu features have heads of %d channels; heads of %d are supported: take another "
            "size, or name them in the file's metadata ('heads': '%zu') where it has such",
            c->path, c->dim, (int)(c->dim / 16), DP_HEAD_DIM, c->heads);

    const dp_tensor *patch = c->role[DP_G_PATCH_W];
    c->dtype = patch->dtype;
    c->patch_px = patch->rank == 4 ? patch->shape[3] : 0;
    if (c->patch_px < 1 || c->patch_px > 256)
        return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s' is not a patch embedding [dim, 3, patch, patch]", c->path,
                       patch->name);

    if (c->role[DP_G_REGISTERS]) {
        c->registers = c->role[DP_G_REGISTERS]->count / c->dim;
        if (!c->registers || c->registers > 1024)
            return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s' holds no register tokens", c->path,
                           c->role[DP_G_REGISTERS]->name);
    }
    dp_status status = c->rotary ? DP_OK : read_position(c, err);
    if (status)
        return status;
    const dp_transformer_block *first = &c->blocks[0];
    c->fused_qkv = as->bit == PLAIN;
    c->layer_scale = first->role[DP_B_SCALE1] != NULL;
    const dp_tensor *in = first->role[DP_B_IN_W], *out = first->role[DP_B_OUT_W];
    if (in && out) {
        c->hidden = out->rank ? out->shape[out->rank - 1] : 0;
        if (!c->hidden || c->hidden > 65536)
            return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s' is not a matrix [dim, hidden]", c->path, out->name);
        c->gate_apart = first->role[DP_B_GATE_W] != NULL;
        c->swiglu = c->gate_apart || (in->rank == 2 && in->shape[0] == 2 * c->hidden);
    }
    return DP_OK;
}

typedef enum use { NONE, OPTIONAL, NEEDED } use;

static use use_of(const dp_transformer *c, dp_block_role role)
{
    switch (role) {
    case DP_B_Q_W:
    case DP_B_K_W:
    case DP_B_V_W: return c->fused_qkv ? NONE : NEEDED;
    case DP_B_Q_B:
    case DP_B_K_B:
    case DP_B_V_B: return c->rotary ? OPTIONAL : c->fused_qkv ? NONE : NEEDED;
    case DP_B_QKV_W: return c->fused_qkv ? NEEDED : NONE;
    case DP_B_QKV_B: return !c->fused_qkv ? NONE : c->rotary ? OPTIONAL : NEEDED;
    case DP_B_QKV_MASK: return c->fused_qkv && c->rotary ? OPTIONAL : NONE;
    case DP_B_GATE_W:
    case DP_B_GATE_B: return c->gate_apart ? NEEDED : NONE;
    case DP_B_SCALE1:
    case DP_B_SCALE2: return c->layer_scale ? NEEDED : NONE;
    default: return NEEDED;
    }
}

/* Gives the rows and columns (0: a vector) of a block's tensor. */
static void role_shape(const dp_transformer *c, dp_block_role role, size_t shape[2])
{
    size_t inner = c->swiglu && !c->gate_apart ? 2 * c->hidden : c->hidden;
    shape[0] = c->dim;
    shape[1] = 0;
    switch (role) {
    case DP_B_Q_W:
    case DP_B_K_W:
    case DP_B_V_W:
    case DP_B_PROJ_W: shape[1] = c->dim; break;
    case DP_B_QKV_W: shape[0] = 3 * c->dim, shape[1] = c->dim; break;
    case DP_B_QKV_B:
    case DP_B_QKV_MASK: shape[0] = 3 * c->dim; break;
    case DP_B_GATE_W:
    case DP_B_IN_W: shape[0] = inner, shape[1] = c->dim; break;
    case DP_B_GATE_B:
    case DP_B_IN_B: shape[0] = inner; break;
    case DP_B_OUT_W: shape[1] = c->hidden; break;
    default: break;
    }
}

static dp_status check_shapes(const dp_transformer *c, dp_error *err)
{
    const size_t dim = c->dim, vector[1] = {dim};
    const size_t patch[4] = {dim, 3, c->patch_px, c->patch_px};
    const size_t position[2] = {c->position_side * c->position_side + (size_t)c->class_has_position, dim};
    const size_t registers[2] = {c->registers, dim}, periods[1] = {DP_HEAD_DIM / 4};
    dp_status status = DP_OK;
    for (int role = 0; role < DP_GLOBAL_ROLES && !status; role++) {
        const dp_tensor *tensor = c->role[role];
        if (!tensor)
            continue;
        switch ((dp_global_role)role) {
        case DP_G_PATCH_W: status = check_shape(c, tensor, 4, patch, err); break;
        case DP_G_POSITION: status = check_shape(c, tensor, 2, position, err); break;
        case DP_G_PERIODS: status = check_shape(c, tensor, 1, periods, err); break;
        case DP_G_REGISTERS: status = check_shape(c, tensor, 2, registers, err); break;
        default: status = check_shape(c, tensor, 1, vector, err); break;
        }
    }
    for (size_t block = 0; block < c->depth && !status; block++) {
        for (int role = 0; role < DP_BLOCK_ROLES && !status; role++) {
            const dp_tensor *tensor = c->blocks[block].role[role];
            size_t shape[2];
            role_shape(c, (dp_block_role)role, shape);
            if (tensor)
                status = check_shape(c, tensor, shape[1] ? 2 : 1, shape, err);
        }
    }
    return status;
}

static dp_status check_complete(const dp_transformer *c, const naming *as, dp_error *err)
{
    for (size_t block = 0; block < c->depth; block++) {
        for (int role = 0; role < DP_BLOCK_ROLES; role++) {
            const dp_tensor *tensor = c->blocks[block].role[role];
            use how = use_of(c, (dp_block_role)role);
            if (!tensor && how == NEEDED)
                return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s%zu.%s' is missing", c->path, as->block_prefix,
                               block, first_block_name((dp_block_role)role, as->bit));
            if (tensor && how == NONE)
                return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s' is unexpected: the first block has none", c->path,
                               tensor->name);
        }
    }
    return DP_OK;
}

static const char *naming_of(const dp_transformer *c, const naming *as)
{
    if (as->bit != PLAIN)
        return "huggingface";
    if (c->rotary)
        return c->role[DP_G_PERIODS] ? "hub" : "timm";
    const char *in = c->blocks[0].role[DP_B_IN_W]->name;
    int timm = !c->class_has_position || !c->role[DP_G_MASK] || (c->swiglu && strstr(in + as->prefix, "mlp.fc1"));
    return timm ? "timm" : "hub";
}

dp_status dp_read_pixel_statistics(const dp_safetensors *file, const char *path, const char *key, double least,
                                   double value[3], dp_error *err)
{
    const char *text = dp_safetensors_metadata(file, key), *at = text;
    for (size_t i = 0; text && i < 3; i++) {
        char *end;
        value[i] = strtod(at, &end);
        if (i == 0 && end != at && !*end && value[0] >= least && value[0] <= 10) {
            value[1] = value[2] = value[0];
            break;
        }
        if (end == at || !(value[i] >= least && value[i] <= 10) || *end != (i < 2 ? ',' : 0))
            return dp_fail(err, DP_E_CHECKPOINT,
                           "%s: metadata '%s' is '%s'; three numbers such as 0.5,0.5,0.5 are expected", path, key,
                           text);
        at = end + 1;
    }
    return DP_OK;
}

/* Reads the settings that no tensor shows. If the metadata does not give them: models with registers were published
 * with antialiased interpolation and no offset, DINOv2 without registers (patch 14) with the offset 0.1, other vision
 * transformers with neither. TIPSv2 sees pixels in 0..1 and interpolates bilinearly. */
static dp_status read_metadata(dp_transformer *c, dp_error *err)
{
    c->position_offset = !c->registers && c->patch_px == 14 ? 0.1 : 0;
    c->position_antialias = c->registers > 0;
    const bool tips = !c->rotary && c->registers == 1;
    c->family = c->rotary ? "dinov3" : tips ? "tipsv2" : "dinov2";
    c->norm_eps = c->rotary ? 1e-5f : 1e-6f;
    c->position_linear = tips;
    static const double mean[3] = {0.485, 0.456, 0.406}, deviation[3] = {0.229, 0.224, 0.225}; /* of ImageNet */
    for (size_t i = 0; i < 3; i++) {
        c->mean[i] = tips ? 0 : mean[i];
        c->deviation[i] = tips ? 1 : deviation[i];
    }
    dp_status status = dp_read_pixel_statistics(c->file, c->path, "mean", -10, c->mean, err);
    if (!status)
        status = dp_read_pixel_statistics(c->file, c->path, "std", 1e-3, c->deviation, err);
    if (status)
        return status;
    const char *offset = dp_safetensors_metadata(c->file, "offset");
    const char *antialias = dp_safetensors_metadata(c->file, "antialias");
    const char *heads = dp_safetensors_metadata(c->file, "heads");
    const char *stand_in = dp_safetensors_metadata(c->file, "stand_in");
    char *end;
    if (offset) {
        c->position_offset = strtod(offset, &end);
        if (*end || end == offset || !(c->position_offset >= 0 && c->position_offset < 1))
            return dp_fail(err, DP_E_CHECKPOINT, "%s: metadata 'offset' is '%s'; a number from 0 to 1 is expected",
                           c->path, offset);
    }
    if (antialias)
        c->position_antialias = strcmp(antialias, "0") != 0;
    if (heads && strtoull(heads, &end, 10) != c->heads)
        return dp_fail(err, DP_E_CHECKPOINT,
                       "%s: metadata 'heads' is '%s', but only heads of %d channels are supported (%zu heads here)",
                       c->path, heads, DP_HEAD_DIM, c->heads);
    c->stand_in = stand_in && strcmp(stand_in, "0") != 0;
    if (!c->stand_in && c->rotary) /* the licence of the release binds these weights */
        (void)dp_licence_take("DINOv3", c->licence);
    else if (!c->stand_in && tips)
        (void)dp_licence_take("Apache-2.0", c->licence);
    dp_licence_read(c->file, c->licence);
    return DP_OK;
}

bool dp_licence_take(const char *text, char licence[DP_LICENCE_BYTES])
{
    const size_t n = strlen(text);
    if (!n || n >= DP_LICENCE_BYTES)
        return false;
    for (size_t i = 0; i < n; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    memcpy(licence, text, n + 1);
    return true;
}

void dp_licence_read(const dp_safetensors *file, char licence[DP_LICENCE_BYTES])
{
    const char *text = dp_safetensors_metadata(file, "licence");
    if (!text)
        text = dp_safetensors_metadata(file, "license");
    if (text)
        (void)dp_licence_take(text, licence);
}

dp_status dp_transformer_open(const char *path, const dp_limits *limits, dp_transformer *checkpoint, dp_error *err)
{
    dp_transformer c = {.path = dp_strdup(path)};
    if (!c.path)
        return dp_fail_memory(err, path, strlen(path));
    naming as = {0};
    dp_status status = dp_shards_open(path, limits, &c.file, err);
    if (!status)
        status = assign_all(&c, &as, err);
    if (!status)
        status = read_dimensions(&c, &as, err);
    if (!status)
        status = check_complete(&c, &as, err);
    if (!status)
        status = check_shapes(&c, err);
    if (!status)
        status = read_metadata(&c, err);
    if (status) {
        dp_transformer_close(&c);
        return status;
    }
    c.naming = naming_of(&c, &as);
    *checkpoint = c;
    return DP_OK;
}

void dp_transformer_close(dp_transformer *checkpoint)
{
    dp_safetensors_close(&checkpoint->file);
    dp_memory_free(checkpoint->blocks);
    dp_memory_free(checkpoint->path);
    *checkpoint = (dp_transformer){0};
}

/* Returns whether all values are finite. A float is not finite if all bits of its exponent are set. The loops have no
 * exit, so that they vectorise. */
static int tensor_finite(const dp_tensor *tensor)
{
    const unsigned char *data = tensor->data;
    if (tensor->dtype != DP_DTYPE_F32 && tensor->dtype != DP_DTYPE_F16 && tensor->dtype != DP_DTYPE_BF16)
        return 1; /* a counter of a batch norm */
    if (tensor->dtype == DP_DTYPE_F32) {
        uint32_t bad = 0;
        for (size_t i = 0; i < tensor->count; i++) {
            uint32_t bits;
            memcpy(&bits, data + 4 * i, sizeof bits);
            bad |= (bits & 0x7f800000u) == 0x7f800000u;
        }
        return !bad;
    }
    uint16_t mask = tensor->dtype == DP_DTYPE_F16 ? 0x7c00 : 0x7f80, bad = 0;
    for (size_t i = 0; i < tensor->count; i++) {
        uint16_t bits;
        memcpy(&bits, data + 2 * i, sizeof bits);
        bad |= (bits & mask) == mask;
    }
    return !bad;
}

dp_status dp_transformer_check_finite(const dp_transformer *c, dp_error *err)
{
    for (size_t i = 0; i < dp_safetensors_count(c->file); i++) {
        const dp_tensor *tensor = dp_safetensors_at(c->file, i);
        if (!tensor_finite(tensor))
            return dp_fail(err, DP_E_NUMERIC, "%s: tensor '%s' holds a NaN or an infinity", c->path, tensor->name);
    }
    return DP_OK;
}
