/* SPDX-License-Identifier: Apache-2.0 */
/* network.c - opens checkpoints, packs their weights, and describes them.
 *
 * Packing folds two constants into the weights, so that nothing is left to multiply at run time:
 *   - q of the attention carries log2(e) / sqrt(64): softmax(q k / 8) = 2^(q' k - max) normalised;
 *   - LayerScale (one factor for each channel of the projection's and the MLP's output) goes into the rows of both. */
#include "network/network.h"
#include "base/error.h"
#include "base/memory.h"
#include "network/nano.h"
#include "options/network_fit.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define Q_SCALE 0.18033688011112042 /* log2(e) / 8 */

/* ------------------------------------------------------------------------------------------------------- open, close */

/* Leaves the digest empty if it cannot be computed; dp_network_digest tries again and reports the error. */
static void *hash_file(void *argument)
{
    dp_network *model = argument;
    size_t n;
    const dp_bytes *pieces = dp_safetensors_pieces(model->checkpoint.file, &n);
    if (dp_sha256(pieces, n, model->sha256, NULL))
        memset(model->sha256, 0, sizeof model->sha256);
    return NULL;
}

/* Waits for the digest. It takes a second for each gigabyte or two, so a thread computes it beside the other work. */
static void wait_for_hash(dp_network *model)
{
    pthread_mutex_lock(&model->lock);
    if (model->hashing) {
        pthread_join(model->hasher, NULL);
        model->hashing = 0;
    }
    if (!*model->sha256)
        hash_file(model);
    pthread_mutex_unlock(&model->lock);
}

dp_status dp_network_digest(const dp_network *model, dp_error *err)
{
    wait_for_hash((dp_network *)model);
    return *model->sha256 ? DP_OK
                          : dp_fail(err, DP_E_MEMORY, "%s: cannot compute its SHA-256: not enough memory", model->path);
}

static dp_status read_periods(dp_network *model, dp_error *err)
{
    const dp_tensor *rounded = model->checkpoint.role[DP_G_PERIODS];
    float values[DP_ROTARY_PERIODS];
    dp_rotary_periods(model->periods);
    dp_status status = rounded ? dp_tensor_to_f32(rounded, values, err) : DP_OK;
    for (size_t j = 0; rounded && !status && j < DP_ROTARY_PERIODS; j++) {
        if (!(values[j] > 0))
            return dp_fail(err, DP_E_CHECKPOINT, "%s: tensor '%s' holds a period that is not above 0",
                           model->checkpoint.path, rounded->name);
        model->periods[j] = values[j];
    }
    return status;
}

static dp_status read_position(dp_network *model, dp_error *err)
{
    const dp_transformer *c = &model->checkpoint;
    const dp_tensor *position = c->role[DP_G_POSITION];
    model->position = dp_malloc(position->count, sizeof(float));
    if (!model->position)
        return dp_fail_memory(err, c->path, position->count * sizeof(float));
    dp_status status = dp_tensor_to_f32(position, model->position, err);
    if (!status && c->class_has_position) {
        for (size_t i = 0; i < c->dim; i++)
            model->cls[i] += model->position[i];
        memmove(model->position, model->position + c->dim, (position->count - c->dim) * sizeof(float));
    }
    return status;
}

static dp_status read_tokens(dp_network *model, dp_error *err)
{
    const dp_transformer *c = &model->checkpoint;
    model->cls = dp_malloc(c->dim, sizeof(float));
    model->registers = dp_malloc_2d(c->registers, c->dim, sizeof(float));
    if (!model->cls || !model->registers)
        return dp_fail_memory(err, c->path, c->dim * sizeof(float));
    dp_status status = dp_tensor_to_f32(c->role[DP_G_CLS], model->cls, err);
    if (!status && c->registers)
        status = dp_tensor_to_f32(c->role[DP_G_REGISTERS], model->registers, err);
    if (!status)
        status = (c->rotary ? read_periods : read_position)(model, err);
    return status;
}

dp_status dp_network_open(const char *path, dp_network **out, dp_error *err)
{
    return dp_network_open_within(path, NULL, out, err);
}

dp_status dp_network_open_within(const char *path, const dp_limits *limits, dp_network **out, dp_error *err)
{
    dp_network *model = dp_calloc(1, sizeof *model);
    if (!model)
        return dp_fail_memory(err, path, sizeof *model);
    pthread_mutex_init(&model->lock, NULL);
    dp_status status = dp_resnet_open(path, limits, &model->checkpoint, &model->resnet, err);
    if (!status && !model->resnet)
        status = dp_transformer_open(path, limits, &model->checkpoint, err);
    if (status)
        goto fail;
    char *absolute = dp_is_nano(path) ? NULL : realpath(path, NULL);
    model->path = dp_strdup(absolute ? absolute : path);
    free(absolute);
    status =
        model->path ? dp_transformer_check_finite(&model->checkpoint, err) : dp_fail_memory(err, path, strlen(path));
    if (!status && !model->resnet)
        status = read_tokens(model, err);
    if (status)
        goto fail;
    model->hashing = pthread_create(&model->hasher, NULL, hash_file, model) == 0;
    *out = model;
    return DP_OK;
fail:
    dp_network_close(&model);
    return status;
}

static void weights_free(dp_weights *w, size_t depth)
{
    if (!w)
        return;
    dp_linear_free(&w->patch);
    for (size_t i = 0; w->blocks && i < depth; i++) {
        dp_linear_free(&w->blocks[i].qkv);
        dp_linear_free(&w->blocks[i].proj);
        dp_linear_free(&w->blocks[i].in);
        dp_linear_free(&w->blocks[i].out);
    }
    dp_memory_free(w->blocks);
    dp_memory_free(w->norms);
    dp_memory_free(w->norm_weight);
    if (w->engine)
        dnnl_engine_destroy(w->engine);
    dp_memory_free(w);
}

dp_status dp_architecture_check(const dp_architecture *a, const dp_network *model, dp_error *err)
{
    const dp_transformer *c = &model->checkpoint;
    if (model->resnet || a->resnet_blocks[0]) {
        if (!model->resnet || !a->resnet_blocks[0])
            return dp_fail(err, DP_E_CHECKPOINT, "it is a %s",
                           model->resnet ? "residual network, not a transformer"
                                         : "transformer, not a residual network");
        if (model->resnet->width != a->resnet_width[0] || model->resnet->channels[3] != a->resnet_out[2])
            return dp_fail(err, DP_E_CHECKPOINT,
                           "its first layer has %zu channels and its third %zu, but %zu and %zu are expected",
                           model->resnet->width, model->resnet->channels[3], a->resnet_width[0], a->resnet_out[2]);
        return DP_OK;
    }
    const struct {
        const char *name;
        size_t is, should;
    } facts[] = {{"features", c->dim, a->dim},
                 {"blocks", c->depth, a->depth},
                 {"heads", c->heads, a->heads},
                 {"pixels to the side of a patch", c->patch_px, a->patch_px},
                 {"registers", c->registers, a->registers},
                 {"numbers of the MLP's hidden layer", c->hidden, a->hidden ? a->hidden : c->hidden},
                 {"rotary positions", c->rotary != 0, a->position_side == 0},
                 {"SwiGLU", c->swiglu != 0, a->swiglu != 0}};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        if (facts[i].is != facts[i].should)
            return dp_fail(err, DP_E_CHECKPOINT, "%s: %zu, but should be %zu", facts[i].name, facts[i].is,
                           facts[i].should);
    return DP_OK;
}

void dp_network_close(dp_network **model_pointer)
{
    if (!model_pointer || !*model_pointer)
        return;
    dp_network *model = *model_pointer;
    if (model->hashing)
        pthread_join(model->hasher, NULL);
    for (int i = 0; i < DP_BACKINGS; i++)
        weights_free(model->weights[i], model->checkpoint.depth);
    dp_memory_free(model->path);
    dp_memory_free(model->cls);
    dp_memory_free(model->registers);
    dp_memory_free(model->position);
    dp_resnet_close(&model->resnet);
    dp_transformer_close(&model->checkpoint);
    pthread_mutex_destroy(&model->lock);
    dp_memory_free(model);
    *model_pointer = NULL;
}

dp_status dp_network_check_unchanged(const dp_network *model, dp_error *err)
{
    return dp_safetensors_check(model->checkpoint.file, err);
}

void dp_network_get_info(const dp_network *model, dp_network_info *info)
{
    /* The digest is the one field that is filled after opening; no caller can see it change. */
    dp_network *hidden = (dp_network *)model;
    wait_for_hash(hidden);
    const dp_transformer *c = &model->checkpoint;
    *info = (dp_network_info){
        .path = model->path,
        .kind = model->resnet ? "resnet" : "vit",
        .architecture = model->resnet ? model->resnet->architecture : c->family,
        .dim = c->dim,
        .depth = c->depth,
        .heads = c->heads,
        .patch_px = c->patch_px,
        .registers = c->registers,
        .hidden = c->hidden,
        .position_rows = c->position_side,
        .position_cols = c->position_side,
        .swiglu = c->swiglu,
        .stand_in = c->stand_in,
        .parameters = c->parameters,
        .naming = c->naming,
        .dtype = dp_dtype_name(c->dtype),
        .licence = *c->licence                                      ? c->licence
                   : !strcmp(model->sha256, DP_NETWORK_NANO_SHA256) ? DP_LICENCE_NANO
                                                                    : "",
        .unused = c->unused,
        .n_unused = c->n_unused,
    };
    (void)dp_safetensors_pieces(c->file, &info->n_files);
    memcpy(info->sha256, model->sha256, sizeof info->sha256);
}

void dp_network_set_licence(dp_network *model, const char *licence)
{
    if (!*model->checkpoint.licence)
        (void)dp_licence_take(licence, model->checkpoint.licence);
}

/* ------------------------------------------------------------------------------------------------------------ packing */

/* Scratch memory for one layer in the checkpoint's layout. */
typedef struct packer {
    const dp_transformer *c;
    dp_backing backing;
    dnnl_engine_t engine;
    float *matrix, *bias; /* largest weight and bias of the model */
    size_t bytes;
} packer;

static dp_status read_rows(const packer *p, const dp_tensor *weight, const dp_tensor *bias, size_t first_row, size_t k,
                           dp_error *err)
{
    dp_status status = dp_tensor_to_f32(weight, p->matrix + first_row * k, err);
    if (!status && !bias)
        memset(p->bias + first_row, 0, weight->count / k * sizeof *p->bias);
    return status || !bias ? status : dp_tensor_to_f32(bias, p->bias + first_row, err);
}

/* Reads the fused weights of query, key and value. DINOv3 has no bias for the keys: its release masks that part of the
 * bias, timm leaves it out. */
static dp_status read_fused(packer *p, const dp_tensor *const *role, dp_error *err)
{
    const size_t dim = p->c->dim;
    float *mask = p->bias + 3 * dim;
    dp_status status = read_rows(p, role[DP_B_QKV_W], role[DP_B_QKV_B], 0, dim, err);
    for (size_t i = 0; i < 3 && !status; i++)
        if (role[DP_B_Q_B + 2 * i])
            status = dp_tensor_to_f32(role[DP_B_Q_B + 2 * i], p->bias + i * dim, err);
    if (!status && role[DP_B_QKV_MASK])
        status = dp_tensor_to_f32(role[DP_B_QKV_MASK], mask, err);
    for (size_t i = 0; i < 3 * dim && !status && role[DP_B_QKV_MASK]; i++)
        p->bias[i] *= mask[i];
    return status;
}

/* Multiplies rows [0, n) by factor[i], or by constant if factor is NULL. */
static dp_status scale_rows(const packer *p, size_t n, size_t k, const dp_tensor *factor, double constant, float *room,
                            dp_error *err)
{
    dp_status status = factor ? dp_tensor_to_f32(factor, room, err) : DP_OK;
    for (size_t i = 0; !status && i < n; i++) {
        double by = factor ? (double)room[i] : constant;
        for (size_t j = 0; j < k; j++)
            p->matrix[i * k + j] = (float)(p->matrix[i * k + j] * by);
        p->bias[i] = (float)(p->bias[i] * by);
    }
    return status;
}

static dp_status pack(packer *p, dp_backing backing, size_t k, size_t n, dp_int8_input input, dp_linear *linear,
                      dp_error *err)
{
    const dp_linear_source source = {k, n, input, p->matrix, p->bias};
    dp_status status = dp_linear_pack(&source, backing, p->engine, linear, err);
    p->bytes += status ? 0 : dp_linear_bytes(linear);
    return status;
}

static dp_status pack_block(packer *p, size_t index, dp_block_weights *w, float *norms, dp_error *err)
{
    const dp_transformer *c = p->c;
    const dp_tensor *const *role = c->blocks[index].role;
    /* Two layers cause a third of the loss of int8: the first block's projection and first MLP layer, whose inputs fit
     * no scale (docs/numerics.md). They stay in fp32. */
    const dp_backing careful = p->backing == DP_BACKING_INT8 && index == 0 ? DP_BACKING_ONEDNN : p->backing;
    size_t dim = c->dim, inner = c->swiglu ? 2 * c->hidden : c->hidden;
    static const dp_block_role norm_roles[] = {DP_B_NORM1_W, DP_B_NORM1_B, DP_B_NORM2_W, DP_B_NORM2_B};
    dp_status status = DP_OK;
    for (size_t i = 0; i < 4 && !status; i++)
        status = dp_tensor_to_f32(role[norm_roles[i]], norms + i * dim, err);
    w->norm1_weight = norms;
    w->norm1_bias = norms + dim;
    w->norm2_weight = norms + 2 * dim;
    w->norm2_bias = norms + 3 * dim;

    if (!status && c->fused_qkv)
        status = read_fused(p, role, err);
    for (size_t i = 0; i < 3 && !status && !c->fused_qkv; i++)
        status = read_rows(p, role[DP_B_Q_W + 2 * i], role[DP_B_Q_B + 2 * i], i * dim, dim, err);
    if (!status)
        status = scale_rows(p, dim, dim, NULL, Q_SCALE, NULL, err);
    if (!status)
        status = pack(p, p->backing, dim, 3 * dim, DP_INT8_SIGNED, &w->qkv, err);

    float *room = p->bias + dim; /* the bias in use ends before it */
    if (!status)
        status = read_rows(p, role[DP_B_PROJ_W], role[DP_B_PROJ_B], 0, dim, err);
    if (!status && c->layer_scale)
        status = scale_rows(p, dim, dim, role[DP_B_SCALE1], 0, room, err);
    if (!status)
        status = pack(p, careful, dim, dim, DP_INT8_SIGNED, &w->proj, err);

    if (!status && c->gate_apart)
        status = read_rows(p, role[DP_B_GATE_W], role[DP_B_GATE_B], 0, dim, err);
    if (!status)
        status = read_rows(p, role[DP_B_IN_W], role[DP_B_IN_B], c->gate_apart ? c->hidden : 0, dim, err);
    if (!status)
        status = pack(p, careful, dim, inner, DP_INT8_SIGNED, &w->in, err);

    if (!status)
        status = read_rows(p, role[DP_B_OUT_W], role[DP_B_OUT_B], 0, c->hidden, err);
    if (!status && c->layer_scale)
        status = scale_rows(p, dim, c->hidden, role[DP_B_SCALE2], 0, room, err);
    return status ? status
                  : pack(p, p->backing, c->hidden, dim, c->swiglu ? DP_INT8_SIGNED : DP_INT8_GELU, &w->out, err);
}

/* Gives the mapped pages back to the system. The page cache keeps them, should anything read them again. */
static void release_pages(const dp_transformer *c)
{
    size_t n, page = (size_t)sysconf(_SC_PAGESIZE);
    const dp_bytes *pieces = dp_safetensors_pieces(c->file, &n);
    for (size_t i = 0; i < n; i++) {
        char *data = (char *)pieces[i].data;
        size_t before = (page - (uintptr_t)data % page) % page, after = (uintptr_t)(data + pieces[i].bytes) % page;
        if (before + after < pieces[i].bytes)
            (void)madvise(data + before, pieces[i].bytes - before - after, MADV_DONTNEED);
    }
}

static dp_status pack_all(const dp_network *model, dp_backing backing, dp_weights *w, dp_error *err)
{
    const dp_transformer *c = &model->checkpoint;
    size_t dim = c->dim, inner = c->swiglu ? 2 * c->hidden : c->hidden, patch = 3 * c->patch_px * c->patch_px;
    size_t rows = inner > 3 * dim ? inner : 3 * dim, widest = c->hidden > dim ? c->hidden : dim, largest = rows * dim;
    largest = largest > dim * widest ? largest : dim * widest;
    largest = largest > dim * patch ? largest : dim * patch;
    w->backing = backing;
    if (backing != DP_BACKING_PLAIN && dnnl_engine_create(&w->engine, dnnl_cpu, 0))
        return dp_fail(err, DP_E_UNSUPPORTED, "oneDNN finds no processor to run on");
    packer p = {.c = c, .backing = backing, .engine = w->engine};
    p.matrix = dp_malloc(largest, sizeof *p.matrix);
    p.bias = dp_malloc(rows + 3 * dim, sizeof *p.bias); /* and what goes into it */
    w->blocks = dp_calloc(c->depth, sizeof *w->blocks);
    w->norms = dp_malloc_2d(c->depth, dim, 4 * sizeof *w->norms);
    w->norm_weight = dp_malloc(dim, 2 * sizeof *w->norm_weight);
    dp_status status = DP_OK;
    if (!p.matrix || !p.bias || !w->blocks || !w->norms || !w->norm_weight) {
        status = dp_fail_memory(err, c->path, largest * sizeof *p.matrix);
        goto done;
    }
    w->norm_bias = w->norm_weight + dim;
    status = dp_tensor_to_f32(c->role[DP_G_NORM_W], w->norm_weight, err);
    if (!status)
        status = dp_tensor_to_f32(c->role[DP_G_NORM_B], w->norm_bias, err);
    if (!status)
        status = read_rows(&p, c->role[DP_G_PATCH_W], c->role[DP_G_PATCH_B], 0, patch, err);
    if (!status)
        status = pack(&p, backing == DP_BACKING_PLAIN ? backing : DP_BACKING_ONEDNN, patch, dim, DP_INT8_SIGNED,
                      &w->patch, err);
    for (size_t i = 0; i < c->depth && !status; i++)
        status = pack_block(&p, i, &w->blocks[i], w->norms + i * 4 * dim, err);
    w->bytes = p.bytes;
    if (!status)
        release_pages(c);
done:
    dp_memory_free(p.matrix);
    dp_memory_free(p.bias);
    return status;
}

dp_status dp_network_resnet_weights(const dp_network *model, dp_backing backing, const dp_resnet_weights **weights,
                                    dp_error *err)
{
    dp_network *owner = (dp_network *)model; /* as below */
    pthread_mutex_lock(&owner->lock);
    dp_status status = dp_resnet_pack(owner->resnet, owner->path, backing, weights, err);
    pthread_mutex_unlock(&owner->lock);
    return status;
}

dp_network_facts dp_network_facts_of(const dp_network *model, size_t max_cells)
{
    const dp_transformer *c = &model->checkpoint;
    dp_network_facts facts = {.residual = model->resnet != NULL,
                              .depth = model->resnet ? model->resnet->depth : c->depth,
                              .patch_px = c->patch_px,
                              .dim = c->dim,
                              .max_cells = max_cells};
    if (model->resnet)
        memcpy(facts.channels, model->resnet->channels, sizeof facts.channels);
    return facts;
}

dp_status dp_network_settle_recipe(const dp_network *model, dp_recipe *recipe, dp_error *err)
{
    const dp_network_facts facts = dp_network_facts_of(model, 0);
    return dp_recipe_fit_network(recipe, &facts, err);
}

dp_status dp_network_weights(const dp_network *model, dp_backing backing, const dp_weights **weights, dp_error *err)
{
    dp_network *owner = (dp_network *)model; /* the packed copies are a cache, guarded by the model's lock */
    dp_status status = DP_OK;
    pthread_mutex_lock(&owner->lock);
    if (!owner->weights[backing]) {
        dp_weights *made = dp_calloc(1, sizeof *made);
        status = made ? pack_all(model, backing, made, err) : dp_fail_memory(err, model->checkpoint.path, sizeof *made);
        if (status)
            weights_free(made, model->checkpoint.depth);
        else
            owner->weights[backing] = made;
    }
    if (!status)
        *weights = owner->weights[backing];
    pthread_mutex_unlock(&owner->lock);
    return status;
}
