/* SPDX-License-Identifier: Apache-2.0 */
/* resnet.c - reads a residual network from its checkpoint and folds the batch norms.
 *
 * Names are those of torchvision and timm: conv1, bn1, layerL.B.convK, layerL.B.bnK, layerL.B.downsample.0
 * (convolution) and .1 (batch norm), fc (not used). A block with conv3 is a bottleneck: its stride is in the 3x3
 * convolution (torchvision since 0.2, timm). In a basic block the stride is in the first convolution. Layers 2, 3 and
 * 4 begin with stride 2. A network may end after layer 2 or 3, because the features need no more. Source: He et al.,
 * "Deep residual learning for image recognition", 2016; Zagoruyko and Komodakis, "Wide residual networks", 2016.
 *
 * Folding, in double:   w' = w gamma / sqrt(var + 1e-5),   b' = beta - mean gamma / sqrt(var + 1e-5) */
#include "network/resnet.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/shards.h"
#include "network/nano.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPSILON 1e-5    /* of the batch norm */
#define MOST_BLOCKS 256 /* of a layer */
#define NAME_BYTES 256

typedef struct reader {
    dp_resnet *net;
    const dp_safetensors *file;
    const char *path, *prefix;
    const dp_tensor **used; /* [count of the file] */
    size_t n_used;
    dp_error *err;
} reader;

static dp_status find(reader *r, const char *stem, const char *part, size_t rank, size_t n, const dp_tensor **out)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s%s%s", r->prefix, stem, part);
    const dp_tensor *t = dp_safetensors_find(r->file, name);
    if (!t)
        return dp_fail(r->err, DP_E_CHECKPOINT, "%s: tensor '%s' is missing", r->path, name);
    if (t->dtype != DP_DTYPE_F32 && t->dtype != DP_DTYPE_F16 && t->dtype != DP_DTYPE_BF16)
        return dp_fail(r->err, DP_E_CHECKPOINT, "%s: tensor '%s' is %s; only F32, F16 and BF16 can be read", r->path,
                       name, dp_dtype_name(t->dtype));
    if (t->rank != rank || (n && t->shape[0] != n))
        return dp_fail(r->err, DP_E_CHECKPOINT, "%s: tensor '%s' is not a %s of %zu channels", r->path, name,
                       rank == 4 ? "convolution" : "batch norm", n);
    r->used[r->n_used++] = t;
    *out = t;
    return DP_OK;
}

/* Reads a convolution. stem: name of the convolution; norm: name of its batch norm. The tensor says how many channels come
 * out, and half a kernel is padding. */
static dp_status read_conv(reader *r, const char *stem, const char *norm, dp_conv_shape expected, size_t *index)
{
    dp_resnet_conv *c = &r->net->convs[r->net->n_convs];
    dp_status status = find(r, stem, ".weight", 4, 0, &c->weight);
    if (status)
        return status;
    const size_t *shape = c->weight->shape;
    if (!shape[0] || shape[0] > 65536 || shape[1] != expected.in || shape[2] != shape[3] || shape[2] != expected.side)
        return dp_fail(r->err, DP_E_CHECKPOINT,
                       "%s: tensor '%s' has shape [%zu, %zu, %zu, %zu]; [channels, %zu, %zu, %zu] is expected", r->path,
                       c->weight->name, shape[0], shape[1], shape[2], shape[3], expected.in, expected.side,
                       expected.side);
    c->shape = expected;
    c->shape.out = shape[0];
    c->shape.pad = expected.side / 2;
    const struct {
        const char *name;
        const dp_tensor **slot;
    } parts[] = {
        {".weight", &c->gamma}, {".bias", &c->beta}, {".running_mean", &c->mean}, {".running_var", &c->variance}};
    for (size_t i = 0; i < 4 && !status; i++)
        status = find(r, norm, parts[i].name, 1, shape[0], parts[i].slot);
    *index = r->net->n_convs++;
    return status;
}

static bool present(const reader *r, const char *stem, const char *part)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s%s%s", r->prefix, stem, part);
    return dp_safetensors_find(r->file, name) != NULL;
}

static dp_status read_block(reader *r, size_t layer, size_t number, size_t in, size_t *out)
{
    dp_resnet *net = r->net;
    dp_resnet_block *b = &net->blocks[net->n_blocks++];
    char block[64], conv[96], norm[96];
    snprintf(block, sizeof block, "layer%zu.%zu.", layer, number);
    bool bottleneck = present(r, block, "conv3.weight");
    size_t channels = in, index = 0, stride = number == 0 && layer > 1 ? 2 : 1;
    *b = (dp_resnet_block){.layer = layer, .first = net->n_convs, .n = bottleneck ? 3 : 2};
    dp_status status = DP_OK;
    for (size_t k = 1; k <= b->n && !status; k++) {
        snprintf(conv, sizeof conv, "%sconv%zu", block, k);
        snprintf(norm, sizeof norm, "%sbn%zu", block, k);
        const dp_conv_shape shape = {.in = channels,
                                     .side = bottleneck && k != 2 ? 1 : 3,
                                     .stride = k == (bottleneck ? 2 : 1) ? stride : 1,
                                     .add = k == b->n,
                                     .relu = true};
        status = read_conv(r, conv, norm, shape, &index);
        channels = status ? 0 : net->convs[index].shape.out;
    }
    if (!status && present(r, block, "downsample.0.weight")) {
        snprintf(conv, sizeof conv, "%sdownsample.0", block);
        snprintf(norm, sizeof norm, "%sdownsample.1", block);
        status = read_conv(r, conv, norm, (dp_conv_shape){.in = in, .side = 1, .stride = stride}, &b->downsample);
        if (!status && net->convs[b->downsample].shape.out != channels)
            status = dp_fail(r->err, DP_E_CHECKPOINT,
                             "%s: the shortcut of block '%s' has %zu channels, but the block has %zu", r->path, block,
                             net->convs[b->downsample].shape.out, channels);
    } else if (!status && (stride != 1 || channels != in)) {
        status = dp_fail(r->err, DP_E_CHECKPOINT, "%s: tensor '%s%sdownsample.0.weight' is missing", r->path, r->prefix,
                         block);
    }
    *out = channels;
    return status;
}

/* Checks that every unused tensor belongs to the classifier or is a counter of a batch norm. */
static dp_status check_known(const reader *r)
{
    size_t prefix = strlen(r->prefix);
    for (size_t i = 0; i < dp_safetensors_count(r->file); i++) {
        const dp_tensor *t = dp_safetensors_at(r->file, i);
        const char *name = strncmp(t->name, r->prefix, prefix) ? t->name : t->name + prefix, *dot = strrchr(name, '.');
        if (!strncmp(name, "fc.", 3) || (dot && !strcmp(dot, ".num_batches_tracked")))
            continue;
        size_t j = 0;
        while (j < r->n_used && r->used[j] != t)
            j++;
        if (j == r->n_used)
            return dp_fail(r->err, DP_E_CHECKPOINT,
                           "%s: tensor '%s' does not belong to a residual network that this library knows", r->path,
                           t->name);
    }
    return DP_OK;
}

/* Returns the name of the architecture from the layers that are there. */
static const char *architecture_of(const dp_resnet *net, const size_t blocks[DP_RESNET_LAYERS + 1])
{
    static const struct {
        const char *name;
        size_t blocks[DP_RESNET_LAYERS], width, out;
    } known[] = {{"resnet18", {2, 2, 2, 2}, 64, 512},
                 {"resnet50", {3, 4, 6, 3}, 64, 2048},
                 {"wide_resnet50_2", {3, 4, 6, 3}, 128, 2048}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!memcmp(known[i].blocks, blocks + 1, net->depth * sizeof *blocks) && known[i].width == net->width
            && known[i].out >> (DP_RESNET_LAYERS - net->depth) == net->channels[net->depth])
            return known[i].name;
    return "resnet";
}

/* Returns whether the name of any tensor begins with stem. A layer with a missing part is broken, not absent. */
static bool any_begins(const reader *r, const char *stem)
{
    size_t prefix = strlen(r->prefix), n = strlen(stem);
    for (size_t i = 0; i < dp_safetensors_count(r->file); i++) {
        const char *name = dp_safetensors_at(r->file, i)->name;
        if (!strncmp(name, r->prefix, prefix) && !strncmp(name + prefix, stem, n))
            return true;
    }
    return false;
}

static dp_status read_all(reader *r)
{
    dp_resnet *net = r->net;
    size_t index, blocks[DP_RESNET_LAYERS + 1] = {0};
    const dp_conv_shape stem = {.in = 3, .side = 7, .stride = 2, .relu = true};
    dp_status status = read_conv(r, "conv1", "bn1", stem, &index);
    if (status)
        return status;
    size_t channels = net->channels[0] = net->convs[0].shape.out;
    for (size_t layer = 1; layer <= DP_RESNET_LAYERS; layer++) {
        char first[32];
        snprintf(first, sizeof first, "layer%zu.", layer);
        if (layer > DP_RESNET_GRID_LAYER && !any_begins(r, first))
            break;
        net->depth = layer;
        for (size_t b = 0; b < MOST_BLOCKS && !status; b++) {
            char block[64];
            snprintf(block, sizeof block, "layer%zu.%zu.", layer, b);
            if (b && !present(r, block, "conv1.weight"))
                break;
            status = read_block(r, layer, b, channels, &channels);
            blocks[layer]++;
        }
        if (status)
            return status;
        net->channels[layer] = channels;
    }
    net->width = net->convs[1].shape.out;
    net->architecture = architecture_of(net, blocks);
    status = dp_read_pixel_statistics(r->file, r->path, "mean", -10, net->mean, r->err);
    if (!status)
        status = dp_read_pixel_statistics(r->file, r->path, "std", 1e-3, net->deviation, r->err);
    return status ? status : check_known(r);
}

/* Returns the text before "layer1.0.conv1.weight" in the name that ends with it; NULL if there is none. */
static char *prefix_of(const dp_safetensors *file)
{
    static const char mark[] = "layer1.0.conv1.weight";
    for (size_t i = 0; i < dp_safetensors_count(file); i++) {
        const char *name = dp_safetensors_at(file, i)->name, *at = strstr(name, mark);
        if (!at || at[sizeof mark - 1] || (size_t)(at - name) > 64)
            continue;
        char *prefix = dp_strdup(name);
        if (prefix)
            prefix[at - name] = 0;
        return prefix;
    }
    return NULL;
}

dp_status dp_resnet_open(const char *path, const dp_limits *limits, dp_transformer *checkpoint, dp_resnet **out,
                         dp_error *err)
{
    dp_safetensors *file = NULL;
    dp_status status = dp_is_nano(path) ? dp_nano_open(&file, err) : dp_shards_open(path, limits, &file, err);
    char *prefix = status ? NULL : prefix_of(file);
    *out = NULL;
    if (!prefix) {
        dp_safetensors_close(&file);
        return status;
    }
    size_t n = dp_safetensors_count(file);
    dp_resnet *net = dp_calloc(1, sizeof *net);
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    reader r = {net, file, path, prefix, dp_calloc(n + 8, sizeof *r.used), 0, err};
    if (net) {
        static const double mean[3] = {0.485, 0.456, 0.406}, deviation[3] = {0.229, 0.224, 0.225}; /* of ImageNet */
        memcpy(net->mean, mean, sizeof mean);
        memcpy(net->deviation, deviation, sizeof deviation);
        net->convs = dp_calloc(n + 8, sizeof *net->convs);
        net->blocks = dp_calloc(n + 8, sizeof *net->blocks);
    }
    dp_transformer c = {.file = file, .path = dp_strdup(path)};
    if (!net || !net->convs || !net->blocks || !r.used || !c.path)
        status = dp_fail_memory(err, path, n * sizeof *net->convs);
    else
        status = read_all(&r);
    if (!status) {
        const char *stand_in = dp_safetensors_metadata(file, "stand_in");
        dp_licence_read(file, c.licence);
        c.dim = DP_RESNET_DIM;
        c.depth = net->depth;
        c.patch_px = DP_RESNET_STRIDE;
        c.stand_in = stand_in && strcmp(stand_in, "0") != 0;
        c.naming = "torchvision";
        c.dtype = net->convs[0].weight->dtype;
        for (size_t i = 0; i < n; i++) {
            const dp_tensor *t = dp_safetensors_at(file, i);
            if (!strncmp(t->name, prefix, strlen(prefix)) && !strncmp(t->name + strlen(prefix), "fc.", 3)) {
                c.unused = c.unused ? c.unused : t->name;
                c.n_unused++;
            }
            c.parameters += strstr(t->name, ".running_") || strstr(t->name, ".num_batches") ? 0 : t->count;
        }
        *checkpoint = c;
        *out = net;
    } else {
        dp_transformer_close(&c);
        dp_resnet_close(&net);
    }
    dp_memory_free(r.used);
    dp_memory_free(prefix);
    return status;
}

void dp_resnet_close(dp_resnet **resnet)
{
    if (!resnet || !*resnet)
        return;
    dp_resnet *net = *resnet;
    for (size_t w = 0; w < DP_BACKINGS; w++) {
        for (size_t i = 0; net->weights[w].convs && i < net->n_convs; i++)
            dp_conv_free(&net->weights[w].convs[i]);
        dp_memory_free(net->weights[w].convs);
        if (net->weights[w].engine)
            dnnl_engine_destroy(net->weights[w].engine);
    }
    dp_memory_free(net->convs);
    dp_memory_free(net->blocks);
    dp_memory_free(net);
    *resnet = NULL;
}

/* ----------------------------------------------------------------------------------------------------------- folding */

static dp_status fold(const dp_resnet_conv *c, const char *path, float *raw, float *norm, float *weights, float *bias,
                      dp_error *err)
{
    size_t out = c->shape.out, in = c->shape.in, area = c->shape.side * c->shape.side;
    const dp_tensor *const parts[] = {c->gamma, c->beta, c->mean, c->variance};
    dp_status status = dp_tensor_to_f32(c->weight, raw, err);
    for (size_t i = 0; i < 4 && !status; i++)
        status = dp_tensor_to_f32(parts[i], norm + i * out, err);
    for (size_t o = 0; o < out && !status; o++) {
        double variance = norm[3 * out + o];
        if (variance < 0)
            return dp_fail(err, DP_E_NUMERIC, "%s: tensor '%s' holds a negative variance", path, c->variance->name);
        double factor = (double)norm[o] / sqrt(variance + EPSILON);
        bias[o] = (float)((double)norm[out + o] - (double)norm[2 * out + o] * factor);
        for (size_t i = 0; i < in; i++)
            for (size_t a = 0; a < area; a++)
                weights[(o * area + a) * in + i] = (float)((double)raw[(o * in + i) * area + a] * factor);
    }
    return status;
}

dp_status dp_resnet_pack(dp_resnet *net, const char *path, dp_backing backing, const dp_resnet_weights **weights,
                         dp_error *err)
{
    dp_resnet_weights *w = &net->weights[backing];
    *weights = w;
    if (w->convs)
        return DP_OK;
    size_t largest = 0, widest = 0;
    for (size_t i = 0; i < net->n_convs; i++) {
        largest = net->convs[i].weight->count > largest ? net->convs[i].weight->count : largest;
        widest = net->convs[i].shape.out > widest ? net->convs[i].shape.out : widest;
    }
    float *raw = dp_malloc(largest, sizeof *raw), *folded = dp_malloc(largest, sizeof *folded),
          *norm = dp_malloc(widest, 5 * sizeof *norm);
    dp_conv *convs = dp_calloc(net->n_convs, sizeof *convs);
    dp_status status = DP_OK;
    if (!raw || !folded || !norm || !convs)
        status = dp_fail_memory(err, path, 2 * largest * sizeof *raw);
    if (!status && backing != DP_BACKING_PLAIN && !w->engine && dnnl_engine_create(&w->engine, dnnl_cpu, 0))
        status = dp_fail(err, DP_E_UNSUPPORTED, "oneDNN finds no processor to run on");
    w->bytes = 0;
    for (size_t i = 0; i < net->n_convs && !status; i++) {
        status = fold(&net->convs[i], path, raw, norm, folded, norm + 4 * widest, err);
        if (!status)
            status = dp_conv_pack(&net->convs[i].shape, i || backing == DP_BACKING_PLAIN ? backing : DP_BACKING_ONEDNN,
                                  w->engine, folded, norm + 4 * widest, &convs[i], err);
        w->bytes += status ? 0 : dp_conv_bytes(&convs[i]);
    }
    for (size_t i = 0; status && convs && i < net->n_convs; i++)
        dp_conv_free(&convs[i]);
    if (status)
        dp_memory_free(convs);
    else
        w->convs = convs;
    dp_memory_free(raw);
    dp_memory_free(folded);
    dp_memory_free(norm);
    return status;
}
