/* SPDX-License-Identifier: Apache-2.0 */
/* synth.c - makes checkpoints of seeded random weights, to measure time and to try the program.
 *
 * Every number depends only on the seed, the position of the tensor in the list and the position of the element in
 * the tensor:
 *     bits   = splitmix64 of (seed, tensor, element)         (Steele, Lea and Flood 2014)
 *     normal = (sum of the four 16-bit pieces of bits - 2 * 65535) / (sqrt(4 * (65536^2 - 1) / 12))
 * This is the Irwin-Hall distribution of four. It is nearly normal and made of whole numbers, so the bytes are the
 * same on every machine. Standard deviations keep the size of the signal through the blocks: 1 / sqrt(inputs) for
 * most matrices. */
#include "base/error.h"
#include "base/memory.h"
#include "dinopatch/experimental.h"
#include "network/checkpoint.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define CHUNK 16384
#define NAME_BYTES 128
#define PER_BLOCK 19 /* tensors per block, at most */

typedef struct recipe {
    float centre, deviation;
} recipe;

typedef struct plan {
    dp_tensor *tensors;        /* [n] */
    char (*names)[NAME_BYTES]; /* [n] */
    recipe *recipes;           /* [n] */
    size_t n;
} plan;

static uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static float normal(uint64_t key, uint64_t element)
{
    uint64_t bits = mix(key + element * 0xd1342543de82ef95u);
    int64_t sum = (int64_t)(bits & 0xffff) + (int64_t)(bits >> 16 & 0xffff) + (int64_t)(bits >> 32 & 0xffff)
                  + (int64_t)(bits >> 48);
    return (float)((double)(sum - 131070) * 2.6429148e-5);
}

static const struct {
    const char *name;
    size_t dim, depth;
} sizes[] = {{"vits14", 384, 12}, {"vitb14", 768, 12}, {"vitl14", 1024, 24}, {"vitg14", 1536, 40}};

static const struct {
    const char *name;
    size_t dim, depth, hidden;
    int swiglu;
} dinov3[] = {{"dinov3_vits16", 384, 12, 1536, 0},
              {"dinov3_vits16plus", 384, 12, 1536, 1},
              {"dinov3_vitb16", 768, 12, 3072, 0},
              {"dinov3_vitl16", 1024, 24, 4096, 0},
              {"dinov3_vith16plus", 1280, 32, 5120, 1}};

static const struct {
    const char *name;
    size_t dim, depth, hidden;
} tipsv2[] = {{"tipsv2_b14", 768, 12, 3072}, {"tipsv2_l14", 1024, 24, 4096}, {"tipsv2_g14", 1536, 40, 4096}};

/* blocks, width inside a block of layer 1, bottleneck */
static const struct {
    const char *name;
    size_t blocks[4], width;
    int bottleneck;
} residual[] = {
    {"resnet18", {2, 2, 2, 2}, 64, 0}, {"resnet50", {3, 4, 6, 3}, 64, 1}, {"wide_resnet50_2", {3, 4, 6, 3}, 128, 1}};

dp_status dp_architecture_parse(const char *name, dp_architecture *architecture, dp_error *err)
{
    for (size_t i = 0; i < sizeof residual / sizeof *residual; i++) {
        if (strcmp(name, residual[i].name) != 0)
            continue;
        *architecture = (dp_architecture){.resnet_stem = 64, .resnet_bottleneck = residual[i].bottleneck};
        for (size_t l = 0; l < 4; l++) {
            architecture->resnet_blocks[l] = residual[i].blocks[l];
            architecture->resnet_width[l] = residual[i].width << l;
            architecture->resnet_out[l] = (residual[i].bottleneck ? (size_t)256 : (size_t)64) << l;
        }
        return DP_OK;
    }
    if (!strcmp(name, "demo")) {
        *architecture = (dp_architecture){.dim = 192, .depth = 4, .heads = 3, .patch_px = 14, .position_side = 16};
        return DP_OK;
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t length = strlen(sizes[i].name);
        if (strncmp(name, sizes[i].name, length) != 0)
            continue;
        int registers = !strcmp(name + length, "_reg");
        if (name[length] && !registers)
            continue;
        *architecture = (dp_architecture){.dim = sizes[i].dim,
                                          .depth = sizes[i].depth,
                                          .heads = sizes[i].dim / DP_HEAD_DIM,
                                          .patch_px = 14,
                                          .registers = registers ? 4 : 0,
                                          .position_side = 37,
                                          .swiglu = sizes[i].dim == 1536};
        return DP_OK;
    }
    for (size_t i = 0; i < sizeof dinov3 / sizeof *dinov3; i++)
        if (!strcmp(name, dinov3[i].name)) {
            *architecture = (dp_architecture){.dim = dinov3[i].dim,
                                              .depth = dinov3[i].depth,
                                              .heads = dinov3[i].dim / DP_HEAD_DIM,
                                              .patch_px = 16,
                                              .registers = 4,
                                              .hidden = dinov3[i].hidden,
                                              .swiglu = dinov3[i].swiglu};
            return DP_OK;
        }
    for (size_t i = 0; i < sizeof tipsv2 / sizeof *tipsv2; i++)
        if (!strcmp(name, tipsv2[i].name)) {
            *architecture = (dp_architecture){.dim = tipsv2[i].dim,
                                              .depth = tipsv2[i].depth,
                                              .heads = tipsv2[i].dim / DP_HEAD_DIM,
                                              .patch_px = 14,
                                              .registers = 1,
                                              .position_side = 32,
                                              .hidden = tipsv2[i].hidden,
                                              .swiglu = tipsv2[i].dim == 1536};
            return DP_OK;
        }
    return dp_fail(err, DP_E_ARGUMENT,
                   "architecture '%s' is unknown; give vits14, vitb14, vitl14, vitg14, each with or without _reg, "
                   "dinov3_vits16, dinov3_vits16plus, dinov3_vitb16, dinov3_vitl16, dinov3_vith16plus, tipsv2_b14, "
                   "tipsv2_l14, tipsv2_g14, demo, resnet18, resnet50 or wide_resnet50_2",
                   name);
}

static void add(plan *p, float centre, double deviation, size_t rank, const size_t *shape, const char *prefix,
                const char *name)
{
    dp_tensor *t = &p->tensors[p->n];
    snprintf(p->names[p->n], NAME_BYTES, "%s%s", prefix, name);
    *t = (dp_tensor){.name = p->names[p->n], .dtype = DP_DTYPE_F32, .rank = rank, .count = 1};
    for (size_t i = 0; i < rank; i++) {
        t->shape[i] = shape[i];
        t->count *= shape[i];
    }
    p->recipes[p->n++] = (recipe){centre, (float)deviation};
}

static void add_vector(plan *p, float centre, double deviation, size_t n, const char *prefix, const char *name)
{
    add(p, centre, deviation, 1, (size_t[]){n}, prefix, name);
}

static void add_matrix(plan *p, double deviation, size_t rows, size_t cols, const char *prefix, const char *name)
{
    add(p, 0, deviation, 2, (size_t[]){rows, cols}, prefix, name);
}

/* The names of DINOv3 on the hub of Hugging Face. */
static void lay_out_dinov3(const dp_architecture *a, plan *p)
{
    const size_t dim = a->dim, hidden = a->hidden ? a->hidden : 4 * dim;
    const double unit = 1 / sqrt((double)dim);
    add(p, 0, 0.02, 3, (size_t[]){1, 1, dim}, "", "embeddings.cls_token");
    add(p, 0, 0.02, 3, (size_t[]){1, a->registers, dim}, "", "embeddings.register_tokens");
    add(p, 0, 0.05, 4, (size_t[]){dim, 3, a->patch_px, a->patch_px}, "", "embeddings.patch_embeddings.weight");
    add_vector(p, 0, 0.02, dim, "", "embeddings.patch_embeddings.bias");
    for (size_t i = 0; i < a->depth; i++) {
        char b[48];
        snprintf(b, sizeof b, "layer.%zu.", i);
        for (size_t norm = 1; norm <= 2; norm++) {
            char name[48];
            snprintf(name, sizeof name, "norm%zu.weight", norm);
            add_vector(p, 1, 0.1, dim, b, name);
            snprintf(name, sizeof name, "norm%zu.bias", norm);
            add_vector(p, 0, 0.1, dim, b, name);
            snprintf(name, sizeof name, "layer_scale%zu.lambda1", norm);
            add_vector(p, 0.25f, 0.05, dim, b, name);
        }
        add_matrix(p, 1.5 * unit, dim, dim, b, "attention.q_proj.weight");
        add_vector(p, 0, 0.02, dim, b, "attention.q_proj.bias");
        add_matrix(p, 1.5 * unit, dim, dim, b, "attention.k_proj.weight");
        add_matrix(p, 1.5 * unit, dim, dim, b, "attention.v_proj.weight");
        add_vector(p, 0, 0.02, dim, b, "attention.v_proj.bias");
        add_matrix(p, unit, dim, dim, b, "attention.o_proj.weight");
        add_vector(p, 0, 0.02, dim, b, "attention.o_proj.bias");
        if (a->swiglu) {
            add_matrix(p, unit, hidden, dim, b, "mlp.gate_proj.weight");
            add_vector(p, 0, 0.02, hidden, b, "mlp.gate_proj.bias");
        }
        add_matrix(p, unit, hidden, dim, b, "mlp.up_proj.weight");
        add_vector(p, 0, 0.02, hidden, b, "mlp.up_proj.bias");
        add_matrix(p, 1 / sqrt((double)hidden), dim, hidden, b, "mlp.down_proj.weight");
        add_vector(p, 0, 0.02, dim, b, "mlp.down_proj.bias");
    }
    add_vector(p, 1, 0.1, dim, "", "norm.weight");
    add_vector(p, 0, 0.1, dim, "", "norm.bias");
}

static void lay_out(const dp_architecture *a, plan *p)
{
    const size_t dim = a->dim, cells = a->position_side * a->position_side;
    const double unit = 1 / sqrt((double)dim);
    add(p, 0, 0.02, 3, (size_t[]){1, 1, dim}, "", "embeddings.cls_token");
    add(p, 0, 0.02, 2, (size_t[]){1, dim}, "", "embeddings.mask_token");
    add(p, 0, 0.1, 3, (size_t[]){1, cells + 1, dim}, "", "embeddings.position_embeddings");
    if (a->registers)
        add(p, 0, 0.02, 3, (size_t[]){1, a->registers, dim}, "", "embeddings.register_tokens");
    add(p, 0, 0.05, 4, (size_t[]){dim, 3, a->patch_px, a->patch_px}, "",
        "embeddings.patch_embeddings.projection.weight");
    add_vector(p, 0, 0.02, dim, "", "embeddings.patch_embeddings.projection.bias");
    /* published SwiGLU models round 2/3 of four times dim up to a multiple of 8 */
    const size_t hidden = a->hidden ? a->hidden : a->swiglu ? (dim * 4 * 2 / 3 + 7) / 8 * 8 : 4 * dim;
    for (size_t i = 0; i < a->depth; i++) {
        char b[48];
        snprintf(b, sizeof b, "encoder.layer.%zu.", i);
        add_vector(p, 1, 0.1, dim, b, "norm1.weight");
        add_vector(p, 0, 0.1, dim, b, "norm1.bias");
        static const char *const parts[] = {"query", "key", "value"};
        for (size_t q = 0; q < 3; q++) {
            char name[48];
            snprintf(name, sizeof name, "attention.attention.%s.weight", parts[q]);
            add_matrix(p, 1.5 * unit, dim, dim, b, name);
            snprintf(name, sizeof name, "attention.attention.%s.bias", parts[q]);
            add_vector(p, 0, 0.02, dim, b, name);
        }
        add_matrix(p, unit, dim, dim, b, "attention.output.dense.weight");
        add_vector(p, 0, 0.02, dim, b, "attention.output.dense.bias");
        add_vector(p, 0.25f, 0.05, dim, b, "layer_scale1.lambda1");
        add_vector(p, 1, 0.1, dim, b, "norm2.weight");
        add_vector(p, 0, 0.1, dim, b, "norm2.bias");
        add_matrix(p, unit, a->swiglu ? 2 * hidden : hidden, dim, b,
                   a->swiglu ? "mlp.weights_in.weight" : "mlp.fc1.weight");
        add_vector(p, 0, 0.02, a->swiglu ? 2 * hidden : hidden, b, a->swiglu ? "mlp.weights_in.bias" : "mlp.fc1.bias");
        add_matrix(p, 1 / sqrt((double)hidden), dim, hidden, b,
                   a->swiglu ? "mlp.weights_out.weight" : "mlp.fc2.weight");
        add_vector(p, 0, 0.02, dim, b, a->swiglu ? "mlp.weights_out.bias" : "mlp.fc2.bias");
        add_vector(p, 0.25f, 0.05, dim, b, "layer_scale2.lambda1");
    }
    add_vector(p, 1, 0.1, dim, "", "layernorm.weight");
    add_vector(p, 0, 0.1, dim, "", "layernorm.bias");
}

static void add_conv(plan *p, size_t in, size_t out, size_t side, const char *prefix, const char *conv,
                     const char *norm, float gain)
{
    char name[64];
    snprintf(name, sizeof name, "%s.weight", conv);
    add(p, 0, sqrt(2 / (double)(in * side * side)), 4, (size_t[]){out, in, side, side}, prefix, name);
    static const struct {
        const char *name;
        float centre, deviation;
    } parts[] = {{"weight", 1, 0.1f}, {"bias", 0, 0.1f}, {"running_mean", 0, 0.1f}, {"running_var", 1, 0.1f}};
    for (size_t i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s.%s", norm, parts[i].name);
        add_vector(p, i ? parts[i].centre : gain, (double)parts[i].deviation, out, prefix, name);
    }
}

/* Lays out a residual network. The last convolution of a block adds a quarter of its size to the shortcut, so that
 * deep networks keep the size of the signal. */
static void lay_out_residual(const dp_architecture *a, plan *p)
{
    size_t channels = a->resnet_stem;
    add_conv(p, 3, channels, 7, "", "conv1", "bn1", 1);
    for (size_t l = 0; l < 4; l++)
        for (size_t i = 0; i < a->resnet_blocks[l]; i++) {
            char b[64];
            size_t width = a->resnet_width[l], out = a->resnet_out[l];
            snprintf(b, sizeof b, "layer%zu.%zu.", l + 1, i);
            if (a->resnet_bottleneck) {
                add_conv(p, channels, width, 1, b, "conv1", "bn1", 1);
                add_conv(p, width, width, 3, b, "conv2", "bn2", 1);
                add_conv(p, width, out, 1, b, "conv3", "bn3", 0.25f);
            } else {
                add_conv(p, channels, width, 3, b, "conv1", "bn1", 1);
                add_conv(p, width, out, 3, b, "conv2", "bn2", 0.25f);
            }
            if (i == 0 && (l > 0 || channels != out))
                add_conv(p, channels, out, 1, b, "downsample.0", "downsample.1", 0.7f);
            channels = out;
        }
}

static dp_status check_architecture(const dp_architecture *a, size_t *most, dp_error *err)
{
    if (!a->resnet_blocks[0]) {
        if (!a->dim || a->dim % DP_HEAD_DIM || a->heads != a->dim / DP_HEAD_DIM || a->dim > 16384 || !a->depth
            || a->depth > 512 || !a->patch_px || a->patch_px > 256 || a->registers > 1024 || a->position_side > 1024
            || a->hidden > 65536 || (!a->position_side && !a->registers))
            return dp_fail(
                err, DP_E_ARGUMENT,
                "a transformer of %zu channels, %zu blocks, %zu heads, patch %zu and %zu registers is impossible",
                a->dim, a->depth, a->heads, a->patch_px, a->registers);
        *most = 8 + a->depth * PER_BLOCK;
        return DP_OK;
    }
    bool good = a->resnet_stem > 0 && a->resnet_stem <= 4096;
    *most = 5;
    for (size_t l = 0; l < 4; l++) {
        size_t blocks = a->resnet_blocks[l], width = a->resnet_width[l], out = a->resnet_out[l];
        good = good && blocks > 0 && blocks <= 200 && width > 0 && width <= 8192 && out > 0 && out <= 16384
               && (a->resnet_bottleneck || width == out);
        *most += good ? 20 * blocks : 0;
    }
    return good ? DP_OK
                : dp_fail(err, DP_E_ARGUMENT, "a residual network with a stem of %zu channels is impossible",
                          a->resnet_stem);
}

static dp_status put_tensor(dp_writer *writer, const dp_tensor *tensor, recipe by, uint64_t key, dp_error *err)
{
    float chunk[CHUNK];
    dp_status status = DP_OK;
    for (size_t i = 0; i < tensor->count && !status; i += CHUNK) {
        size_t n = tensor->count - i < CHUNK ? tensor->count - i : CHUNK;
        for (size_t j = 0; j < n; j++)
            chunk[j] = by.centre + by.deviation * normal(key, i + j);
        status = dp_writer_put(writer, chunk, n * sizeof *chunk, err);
    }
    return status;
}

dp_status dp_network_synthesise(const dp_architecture *a, uint64_t seed, const char *path, dp_error *err)
{
    size_t most = 0;
    dp_status checked = check_architecture(a, &most, err);
    if (checked)
        return checked;
    plan p = {dp_calloc(most, sizeof *p.tensors), dp_calloc(most, NAME_BYTES), dp_calloc(most, sizeof *p.recipes), 0};
    dp_writer *writer = NULL;
    dp_status status = DP_OK;
    if (!p.tensors || !p.names || !p.recipes) {
        status = dp_fail_memory(err, path, most * sizeof *p.tensors);
        goto done;
    }
    if (a->resnet_blocks[0])
        lay_out_residual(a, &p);
    else if (a->position_side)
        lay_out(a, &p);
    else
        lay_out_dinov3(a, &p);
    char seed_text[24];
    snprintf(seed_text, sizeof seed_text, "%llu", (unsigned long long)seed);
    const dp_key_value metadata[] = {{"stand_in", "1"}, {"seed", seed_text}};
    status = dp_safetensors_begin(path, p.tensors, p.n, metadata, 2, &writer, err);
    for (size_t i = 0; i < p.n && !status; i++)
        status = put_tensor(writer, &p.tensors[i], p.recipes[i], mix(seed * 0x2545f4914f6cdd1du + i), err);
    if (!status)
        status = dp_writer_commit(&writer, err);
done:
    dp_writer_abort(&writer);
    dp_memory_free(p.tensors);
    dp_memory_free(p.names);
    dp_memory_free(p.recipes);
    return status;
}
