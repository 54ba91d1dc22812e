/* checkpoint.c - reads the names and shapes of a checkpoint, and trusts neither.
 *
 * Three namings are in use for the same tensors: Hugging Face (embeddings.*, encoder.layer.N.*), the official
 * torch-hub release (blocks.N.*, query, key and value fused) and timm (the names of the hub, but reg_token, SwiGLU as
 * a packed fc1, and in models with registers a class token that contains its position). Any of them may follow a
 * prefix such as "dinov2." or "backbone."; the name of the class token shows the prefix. */
#include "network/checkpoint.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 512

static const struct {
    dp_global_role role;
    const char *name;
} global_names[] = {
    {DP_G_CLS, "embeddings.cls_token"},
    {DP_G_MASK, "embeddings.mask_token"},
    {DP_G_REGISTERS, "embeddings.register_tokens"},
    {DP_G_POSITION, "embeddings.position_embeddings"},
    {DP_G_PATCH_W, "embeddings.patch_embeddings.projection.weight"},
    {DP_G_PATCH_B, "embeddings.patch_embeddings.projection.bias"},
    {DP_G_NORM_W, "layernorm.weight"},
    {DP_G_NORM_B, "layernorm.bias"},
    {DP_G_CLS, "cls_token"},
    {DP_G_MASK, "mask_token"},
    {DP_G_REGISTERS, "register_tokens"},
    {DP_G_REGISTERS, "reg_token"},
    {DP_G_POSITION, "pos_embed"},
    {DP_G_PATCH_W, "patch_embed.proj.weight"},
    {DP_G_PATCH_B, "patch_embed.proj.bias"},
    {DP_G_NORM_W, "norm.weight"},
    {DP_G_NORM_B, "norm.bias"},
};

/* hf: under encoder.layer.N. ; otherwise under blocks.N. */
static const struct {
    dp_block_role role;
    int hf;
    const char *name;
} block_names[] = {
    {DP_B_NORM1_W, 1, "norm1.weight"},
    {DP_B_NORM1_B, 1, "norm1.bias"},
    {DP_B_Q_W, 1, "attention.attention.query.weight"},
    {DP_B_Q_B, 1, "attention.attention.query.bias"},
    {DP_B_K_W, 1, "attention.attention.key.weight"},
    {DP_B_K_B, 1, "attention.attention.key.bias"},
    {DP_B_V_W, 1, "attention.attention.value.weight"},
    {DP_B_V_B, 1, "attention.attention.value.bias"},
    {DP_B_PROJ_W, 1, "attention.output.dense.weight"},
    {DP_B_PROJ_B, 1, "attention.output.dense.bias"},
    {DP_B_SCALE1, 1, "layer_scale1.lambda1"},
    {DP_B_NORM2_W, 1, "norm2.weight"},
    {DP_B_NORM2_B, 1, "norm2.bias"},
    {DP_B_IN_W, 1, "mlp.fc1.weight"},
    {DP_B_IN_B, 1, "mlp.fc1.bias"},
    {DP_B_OUT_W, 1, "mlp.fc2.weight"},
    {DP_B_OUT_B, 1, "mlp.fc2.bias"},
    {DP_B_IN_W, 1, "mlp.weights_in.weight"},
    {DP_B_IN_B, 1, "mlp.weights_in.bias"},
    {DP_B_OUT_W, 1, "mlp.weights_out.weight"},
    {DP_B_OUT_B, 1, "mlp.weights_out.bias"},
    {DP_B_SCALE2, 1, "layer_scale2.lambda1"},
    {DP_B_NORM1_W, 0, "norm1.weight"},
    {DP_B_NORM1_B, 0, "norm1.bias"},
    {DP_B_QKV_W, 0, "attn.qkv.weight"},
    {DP_B_QKV_B, 0, "attn.qkv.bias"},
    {DP_B_PROJ_W, 0, "attn.proj.weight"},
    {DP_B_PROJ_B, 0, "attn.proj.bias"},
    {DP_B_SCALE1, 0, "ls1.gamma"},
    {DP_B_NORM2_W, 0, "norm2.weight"},
    {DP_B_NORM2_B, 0, "norm2.bias"},
    {DP_B_IN_W, 0, "mlp.fc1.weight"},
    {DP_B_IN_B, 0, "mlp.fc1.bias"},
    {DP_B_OUT_W, 0, "mlp.fc2.weight"},
    {DP_B_OUT_B, 0, "mlp.fc2.bias"},
    {DP_B_IN_W, 0, "mlp.w12.weight"},
    {DP_B_IN_B, 0, "mlp.w12.bias"},
    {DP_B_OUT_W, 0, "mlp.w3.weight"},
    {DP_B_OUT_B, 0, "mlp.w3.bias"},
    {DP_B_SCALE2, 0, "ls2.gamma"},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *first_global_name(dp_global_role role, int hf)
{
    for (size_t i = 0; i < COUNT(global_names); i++)
        if ((i < DP_GLOBAL_ROLES) == hf && global_names[i].role == role)
            return global_names[i].name;
    return "";
}

static const char *first_block_name(dp_block_role role, int hf)
{
    for (size_t i = 0; i < COUNT(block_names); i++)
        if (block_names[i].role == role && block_names[i].hf == hf)
            return block_names[i].name;
    return "";
}

/* Parses "encoder.layer.12.rest" or "blocks.12.rest": gives the block's number and the start of the rest; returns 0
 * for any other name. */
static int split_block_name(const char *name, int hf, size_t *block, const char **rest)
{
    const char *start = hf ? "encoder.layer." : "blocks.";
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
    return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s' belongs to no DINOv2 transformer", c->path, name);
}

static dp_status take(const dp_transformer *c, const dp_tensor **slot, const dp_tensor *tensor, dp_error *err)
{
    if (*slot)
        return dp_fail(err, DP_E_CHECKPOINT, "%s: tensors '%s' and '%s' are the same thing under two names", c->path,
                       (*slot)->name, tensor->name);
    if (tensor->dtype != DP_DTYPE_F32 && tensor->dtype != DP_DTYPE_F16 && tensor->dtype != DP_DTYPE_BF16)
        return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s' is %s; F32, F16 and BF16 are read", c->path, tensor->name,
                       dp_dtype_name(tensor->dtype));
    *slot = tensor;
    return DP_OK;
}

/* Finds the prefix and the naming from the class token. */
static dp_status find_naming(const dp_transformer *c, const char **prefix_text, size_t *prefix, int *hf, dp_error *err)
{
    for (size_t i = 0; i < dp_safetensors_count(c->file); i++) {
        const char *name = dp_safetensors_at(c->file, i)->name;
        static const char *const ends[] = {"embeddings.cls_token", "cls_token"};
        for (int e = 0; e < 2; e++) {
            size_t length = strlen(name), tail = strlen(ends[e]);
            if (length < tail || strcmp(name + length - tail, ends[e]) != 0)
                continue;
            if (length > tail && name[length - tail - 1] != '.')
                continue;
            *prefix_text = name;
            *prefix = length - tail;
            *hf = e == 0;
            return DP_OK;
        }
    }
    return dp_fail(err, DP_E_CHECKPOINT, "%s: is no DINOv2 checkpoint: no tensor 'embeddings.cls_token' or 'cls_token'",
                   c->path);
}

static dp_status assign(dp_transformer *c, const dp_tensor *tensor, const char *name, int hf, dp_error *err)
{
    size_t block;
    const char *rest;
    if (split_block_name(name, hf, &block, &rest)) {
        if (block >= c->depth)
            return unknown_tensor(c, tensor->name, err);
        for (size_t i = 0; i < COUNT(block_names); i++)
            if (block_names[i].hf == hf && !strcmp(block_names[i].name, rest))
                return take(c, &c->blocks[block].role[block_names[i].role], tensor, err);
        return unknown_tensor(c, tensor->name, err);
    }
    for (size_t i = 0; i < COUNT(global_names); i++)
        if ((i < DP_GLOBAL_ROLES) == hf && !strcmp(global_names[i].name, name))
            return take(c, &c->role[global_names[i].role], tensor, err);
    return unknown_tensor(c, tensor->name, err);
}

static dp_status assign_all(dp_transformer *c, size_t *prefix_out, int *hf_out, dp_error *err)
{
    const char *prefix_text = NULL;
    size_t prefix = 0, n = dp_safetensors_count(c->file);
    int hf = 0;
    dp_status status = find_naming(c, &prefix_text, &prefix, &hf, err);
    if (status)
        return status;
    for (size_t i = 0; i < n; i++) {
        const char *name = dp_safetensors_at(c->file, i)->name, *rest;
        size_t block;
        if (strlen(name) > prefix && split_block_name(name + prefix, hf, &block, &rest) && block < MAX_DEPTH
            && block + 1 > c->depth)
            c->depth = block + 1;
    }
    if (!c->depth)
        return dp_fail(err, DP_E_CHECKPOINT, "%s: has no transformer blocks: tensor '%s0.%s' is missing", c->path,
                       hf ? "encoder.layer." : "blocks.", first_block_name(DP_B_NORM1_W, hf));
    c->blocks = dp_calloc(c->depth, sizeof *c->blocks);
    if (!c->blocks)
        return dp_fail_memory(err, c->path, c->depth * sizeof *c->blocks);
    for (size_t i = 0; i < n; i++) {
        const dp_tensor *tensor = dp_safetensors_at(c->file, i);
        if (strncmp(tensor->name, prefix_text, prefix) != 0)
            return unknown_tensor(c, tensor->name, err);
        status = assign(c, tensor, tensor->name + prefix, hf, err);
        if (status)
            return status;
        c->parameters += tensor->count;
    }
    *prefix_out = prefix;
    *hf_out = hf;
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

static dp_status read_dimensions(dp_transformer *c, int hf, dp_error *err)
{
    static const dp_global_role needed[] = {DP_G_CLS,     DP_G_POSITION, DP_G_PATCH_W,
                                            DP_G_PATCH_B, DP_G_NORM_W,   DP_G_NORM_B};
    for (size_t i = 0; i < COUNT(needed); i++)
        if (!c->role[needed[i]])
            return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s' is missing", c->path,
                           first_global_name(needed[i], hf));
    c->dim = c->role[DP_G_CLS]->count;
    if (!c->dim || c->dim % DP_HEAD_DIM || c->dim > 16384)
        return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s' has %zu elements; a multiple of %d is expected", c->path,
                       c->role[DP_G_CLS]->name, c->dim, DP_HEAD_DIM);
    c->heads = c->dim / DP_HEAD_DIM;

    const dp_tensor *patch = c->role[DP_G_PATCH_W];
    c->dtype = patch->dtype;
    c->patch_px = patch->rank == 4 ? patch->shape[3] : 0;
    if (c->patch_px < 1 || c->patch_px > 256)
        return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s' is no patch embedding [dim, 3, patch, patch]", c->path,
                       patch->name);

    if (c->role[DP_G_REGISTERS]) {
        c->registers = c->role[DP_G_REGISTERS]->count / c->dim;
        if (!c->registers || c->registers > 1024)
            return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s' holds no register tokens", c->path,
                           c->role[DP_G_REGISTERS]->name);
    }
    const dp_tensor *position = c->role[DP_G_POSITION];
    size_t rows = position->count / c->dim;
    c->class_has_position = rows > 1 && square_root(rows - 1) * square_root(rows - 1) == rows - 1;
    c->position_side = square_root(c->class_has_position ? rows - 1 : rows);
    if (!rows || c->position_side * c->position_side + (size_t)c->class_has_position != rows)
        return dp_fail(err, DP_E_CHECKPOINT,
                       "%s: tensor '%s' has %zu rows: no square grid, with or without the class token", c->path,
                       position->name, rows);
    const dp_transformer_block *first = &c->blocks[0];
    c->fused_qkv = !hf;
    c->layer_scale = first->role[DP_B_SCALE1] != NULL;
    const dp_tensor *in = first->role[DP_B_IN_W], *out = first->role[DP_B_OUT_W];
    if (in && out) {
        c->hidden = out->rank ? out->shape[out->rank - 1] : 0;
        if (!c->hidden || c->hidden > 65536)
            return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s' is no matrix [dim, hidden]", c->path, out->name);
        c->swiglu = in->rank == 2 && in->shape[0] == 2 * c->hidden;
    }
    return DP_OK;
}

static int role_needed(const dp_transformer *c, dp_block_role role)
{
    switch (role) {
    case DP_B_Q_W:
    case DP_B_Q_B:
    case DP_B_K_W:
    case DP_B_K_B:
    case DP_B_V_W:
    case DP_B_V_B: return !c->fused_qkv;
    case DP_B_QKV_W:
    case DP_B_QKV_B: return c->fused_qkv;
    case DP_B_SCALE1:
    case DP_B_SCALE2: return c->layer_scale;
    default: return 1;
    }
}

/* Gives the rows and columns (0: a vector) of a block's tensor. */
static void role_shape(const dp_transformer *c, dp_block_role role, size_t shape[2])
{
    size_t inner = c->swiglu ? 2 * c->hidden : c->hidden;
    shape[0] = c->dim;
    shape[1] = 0;
    switch (role) {
    case DP_B_Q_W:
    case DP_B_K_W:
    case DP_B_V_W:
    case DP_B_PROJ_W: shape[1] = c->dim; break;
    case DP_B_QKV_W: shape[0] = 3 * c->dim, shape[1] = c->dim; break;
    case DP_B_QKV_B: shape[0] = 3 * c->dim; break;
    case DP_B_IN_W: shape[0] = inner, shape[1] = c->dim; break;
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
    const size_t registers[2] = {c->registers, dim};
    dp_status status = DP_OK;
    for (int role = 0; role < DP_GLOBAL_ROLES && !status; role++) {
        const dp_tensor *tensor = c->role[role];
        if (!tensor)
            continue;
        switch ((dp_global_role)role) {
        case DP_G_PATCH_W: status = check_shape(c, tensor, 4, patch, err); break;
        case DP_G_POSITION: status = check_shape(c, tensor, 2, position, err); break;
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

static dp_status check_complete(const dp_transformer *c, int hf, dp_error *err)
{
    for (size_t block = 0; block < c->depth; block++) {
        for (int role = 0; role < DP_BLOCK_ROLES; role++) {
            const dp_tensor *tensor = c->blocks[block].role[role];
            int needed = role_needed(c, (dp_block_role)role);
            if (!tensor && needed)
                return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s%zu.%s' is missing", c->path,
                               hf ? "encoder.layer." : "blocks.", block, first_block_name((dp_block_role)role, hf));
            if (tensor && !needed)
                return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s' is superfluous: the first block has none",
                               c->path, tensor->name);
        }
    }
    return DP_OK;
}

static const char *naming_of(const dp_transformer *c, size_t prefix, int hf)
{
    if (hf)
        return "huggingface";
    const char *in = c->blocks[0].role[DP_B_IN_W]->name;
    int timm = !c->class_has_position || !c->role[DP_G_MASK] || (c->swiglu && strstr(in + prefix, "mlp.fc1"));
    return timm ? "timm" : "hub";
}

/* Reads the settings that no tensor shows. If the metadata does not give them: models with registers were published
 * with antialiased interpolation and no offset, DINOv2 without registers (patch 14) with the offset 0.1, other vision
 * transformers with neither. */
static dp_status read_metadata(dp_transformer *c, dp_error *err)
{
    c->position_offset = !c->registers && c->patch_px == 14 ? 0.1 : 0;
    c->position_antialias = c->registers > 0;
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
                       "%s: metadata 'heads' is '%s'; only heads of %d channels are known (%zu here)", c->path, heads,
                       DP_HEAD_DIM, c->heads);
    c->stand_in = stand_in && strcmp(stand_in, "0") != 0;
    return DP_OK;
}

dp_status dp_transformer_open(const char *path, const dp_limits *limits, dp_transformer *checkpoint, dp_error *err)
{
    dp_transformer c = {.path = dp_strdup(path)};
    if (!c.path)
        return dp_fail_memory(err, path, strlen(path));
    size_t prefix = 0;
    int hf = 0;
    dp_status status = dp_safetensors_open_within(path, limits, &c.file, err);
    if (!status)
        status = assign_all(&c, &prefix, &hf, err);
    if (!status)
        status = read_dimensions(&c, hf, err);
    if (!status)
        status = check_complete(&c, hf, err);
    if (!status)
        status = check_shapes(&c, err);
    if (!status)
        status = read_metadata(&c, err);
    if (status) {
        dp_transformer_close(&c);
        return status;
    }
    c.naming = naming_of(&c, prefix, hf);
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
