/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - runs one picture through the transformer.
 *
 *     x = patches W + b + position                        [tokens, dim]; class token, registers, then the grid
 *     for each block:
 *         x += LS1 (attention(norm1(x)) W_proj + b)
 *         x += LS2 (mlp(norm2(x)))                          mlp: GELU, or SwiGLU: (silu(g) * u) W_out
 *     tokens = norm(x) of the grid, after the last block or after each requested block
 *
 * Source: Oquab et al., "DINOv2", 2023, and its published code; Dosovitskiy et al. 2021; registers: Darcet et al.
 * 2023. */
#include "base/clock.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "base/settings.h"
#include "network/workspace.h"
#include "options/check.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------------------- open, close */

dp_status dp_session_open(const dp_network *model, dp_precision precision, const dp_run *run, dp_session **out,
                          dp_error *err)
{
    dp_run own;
    dp_status status = dp_run_take(run, &own, err);
    if (status)
        return status;
    dp_session *s = dp_calloc(1, sizeof *s);
    if (!s)
        return dp_fail_memory(err, "a session", sizeof *s);
    const dp_transformer *c = &model->checkpoint;
    s->model = model;
    s->precision = precision;
    s->run = own;
    s->dim = c->dim;
    s->heads = c->heads;
    s->hidden = c->hidden;
    s->inner = c->swiglu ? 2 * c->hidden : c->hidden;
    s->patch_floats = 3 * c->patch_px * c->patch_px;
    status = dp_isa_resolve(s->run.isa, &s->isa, err);
    if (status)
        goto fail;
    dp_vit_kernels_init(&s->kernels, s->isa);
    status = dp_pool_open(s->run.threads, &s->pool, err);
    if (status)
        goto fail;
    s->bytes = precision == DP_INT8 && dp_int8_kernels_init(&s->int8, s->isa);
    /* computing fp32 in place of int8 would change every score and label without a word */
    if (precision == DP_INT8 && !s->bytes) {
        status = dp_fail(err, DP_E_UNSUPPORTED,
                         "precision=int8 needs the instruction set %s, but %s is %s; set precision=fp32 (an int8 bank "
                         "must be fitted again)",
                         dp_isa_name(DP_ISA_AVX512_VNNI),
                         s->run.isa == DP_ISA_AUTO ? "the best on this machine" : "the one that was asked for",
                         dp_isa_name(s->isa));
        goto fail;
    }
    if (s->run.isa != DP_ISA_AUTO && !dp_linear_hold_isa(s->isa) && s->run.log)
        s->run.log(
            s->run.user, DP_LOG_WARNING,
            "this process used oneDNN before, so its matrix products are not limited to the requested instruction set");
    dp_backing backing = s->bytes ? DP_BACKING_INT8 : s->isa == DP_ISA_C ? DP_BACKING_PLAIN : DP_BACKING_ONEDNN;
    if (model->resnet) {
        const dp_resnet_weights *weights = NULL;
        status = dp_network_resnet_weights(model, backing, &weights, err);
        if (!status)
            status = dp_network_check_unchanged(model, err);
        if (!status)
            status = dp_resnet_run_open(model->resnet, weights, s->isa, &s->int8, s->pool, &s->resnet, err);
        if (status)
            goto fail;
        s->resnet_bytes = weights->bytes;
        *out = s;
        return DP_OK;
    }
    status = dp_network_weights(model, backing, &s->weights, err);
    if (!status)
        status = dp_network_check_unchanged(model, err);
    if (status)
        goto fail;
    const dp_block_weights *block = &s->weights->blocks[0];
    const dp_linear *const shapes[PLANS] = {[PLAN_PATCH] = &s->weights->patch,
                                            [PLAN_QKV] = &block->qkv,
                                            [PLAN_PROJ] = &block->proj,
                                            [PLAN_IN] = &block->in,
                                            [PLAN_OUT] = &block->out};
    s->scratch_floats = DP_ATTENTION_SCRATCH; /* or the output of the largest task */
    for (int i = 0; i < PLANS; i++) {
        status = dp_linear_plan_open(shapes[i], s->weights->engine, dp_pool_threads(s->pool), &s->plans[i], err);
        if (status)
            goto fail;
        size_t widest = shapes[i]->group > DP_WIDEST_GROUP ? shapes[i]->group : DP_WIDEST_GROUP,
               tile = (size_t)2 * DP_TILE_ROWS * widest;
        s->scratch_floats = tile > s->scratch_floats ? tile : s->scratch_floats;
    }
    s->scratch_floats = (s->scratch_floats + 15) / 16 * 16;
    s->scratch = dp_malloc_2d(dp_pool_threads(s->pool), s->scratch_floats, sizeof(float));
    if (!s->scratch) {
        status = dp_fail_memory(err, "a session", dp_pool_threads(s->pool) * s->scratch_floats * sizeof(float));
        goto fail;
    }
    *out = s;
    return DP_OK;
fail:
    dp_session_close(&s);
    return status;
}

void dp_session_close(dp_session **session_pointer)
{
    if (!session_pointer || !*session_pointer)
        return;
    dp_session *s = *session_pointer;
    dp_workspace_release(s);
    dp_resnet_run_close(&s->resnet);
    for (int i = 0; i < PLANS; i++)
        dp_linear_plan_close(&s->plans[i]);
    dp_memory_free(s->scratch);
    dp_pool_close(&s->pool);
    dp_memory_free(s);
    *session_pointer = NULL;
}

dp_pool *dp_session_pool(dp_session *session)
{
    return session->pool;
}

dp_isa dp_session_isa(const dp_session *session)
{
    return session->isa;
}

const dp_network *dp_session_network(const dp_session *session)
{
    return session->model;
}

dp_precision dp_session_precision(const dp_session *session)
{
    return session->precision;
}

const dp_run *dp_session_run(const dp_session *session)
{
    return &session->run;
}

dp_network_facts dp_session_facts(const dp_session *session)
{
    return dp_network_facts_of(session->model, session->run.max_tokens);
}

dp_stage_seconds *dp_session_stage_seconds(dp_session *session)
{
    return &session->seconds;
}

size_t dp_session_weights_bytes(const dp_session *session)
{
    return session->resnet ? session->resnet_bytes : session->weights->bytes;
}

const dp_vit_kernels *dp_session_kernels(const dp_session *session)
{
    return &session->kernels;
}

/* Counts two operations for each multiply-add of the matrix products and of the attention, and nothing else. */
double dp_session_gflop(const dp_session *session, size_t height, size_t width)
{
    const dp_transformer *c = &session->model->checkpoint;
    if (session->resnet) /* of the default layers */
        return dp_resnet_gflop(session->model->resnet, height, width, c->depth < 3 ? c->depth : 3);
    size_t rows = height / c->patch_px, cols = width / c->patch_px;
    double cells = (double)rows * (double)cols, n = cells + 1 + (double)c->registers;
    double dim = (double)c->dim, linear = 4 * dim * dim + dim * (double)(session->inner + session->hidden);
    return 1e-9
           * (2 * cells * (double)session->patch_floats * dim + (double)c->depth * (2 * n * linear + 4 * n * n * dim));
}

void dp_session_watch_blocks(dp_session *session, dp_block_fn watch, void *user)
{
    session->watch = watch;
    session->watch_user = user;
}

/* -------------------------------------------------------------------------------------------------------------- embed */

static dp_status check_arguments(const dp_session *s, size_t height, size_t width, const size_t *layers,
                                 size_t n_layers, dp_error *err)
{
    size_t patch = s->model->checkpoint.patch_px, depth = s->model->checkpoint.depth;
    if (!height || !width || height % patch || width % patch)
        return dp_fail(err, DP_E_ARGUMENT, "input of %zux%zu pixels: both sides must be multiples of the patch, %zu",
                       height, width, patch);
    dp_status status = dp_check_cells(s->run.max_tokens, height, width, patch, NULL, err);
    if (status)
        return status;
    if (n_layers > DP_MAX_LAYERS)
        return dp_fail(err, DP_E_ARGUMENT, "%zu layers are too many; give at most %d", n_layers, DP_MAX_LAYERS);
    for (size_t i = 0; i < n_layers && !s->resnet; i++)
        if (layers[i] >= depth)
            return dp_fail(err, DP_E_ARGUMENT, "layer %zu does not exist; the network has layers 0 to %zu", layers[i],
                           depth - 1);
    return DP_OK;
}

/* Writes the final LayerNorm of the grid's tokens to their place in tokens, for every entry of layers that names this
 * block. */
static void put_tokens(dp_session *s, size_t block, const size_t *layers, size_t n_layers, dp_layer_mix mix,
                       size_t *n_done, float *tokens)
{
    const size_t cells = s->rows * s->cols;
    const float *from = s->x + (s->n - cells) * s->dim;
    const dp_weights *w = s->weights;
    for (size_t i = 0; i < n_layers; i++) {
        if (layers[i] != block)
            continue;
        if (mix != DP_LAYERS_MEAN) {
            dp_block_normalise(s, w->norm_weight, w->norm_bias, from, cells, tokens + i * s->dim, s->dim * n_layers);
        } else if (*n_done == 0) {
            dp_block_normalise(s, w->norm_weight, w->norm_bias, from, cells, tokens, s->dim);
        } else {
            dp_block_normalise(s, w->norm_weight, w->norm_bias, from, cells, s->y, s->dim);
            for (size_t j = 0; j < cells * s->dim; j++)
                tokens[j] += s->y[j];
        }
        ++*n_done;
    }
}

static int all_finite(const float *values, size_t n)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return !bad;
}

static dp_status embed_resnet(dp_session *s, const dp_resnet_input *asked, dp_layer_mix mix, float *tokens,
                              dp_error *err)
{
    size_t layers[DP_MAX_LAYERS];
    dp_resnet_input input = *asked;
    if (mix != DP_LAYERS_MEAN)
        return dp_fail(err, DP_E_ARGUMENT, "a residual network averages its layers, so layers.mix cannot be changed");
    const dp_network_facts network = dp_network_facts_of(s->model, 0);
    dp_status status = dp_check_layers(&network, asked->layers, asked->n_layers, err);
    if (status)
        return status;
    if (asked->n_layers)
        memcpy(layers, asked->layers, asked->n_layers * sizeof *layers);
    dp_layers_settle(&network, layers, &input.n_layers);
    input.layers = layers;
    status = dp_resnet_embed(s->resnet, &input, &s->seconds, tokens, err);
    if (!status
        && !all_finite(tokens, input.height / DP_RESNET_STRIDE * (input.width / DP_RESNET_STRIDE) * DP_RESNET_DIM))
        status = dp_fail(err, DP_E_NUMERIC, "the residual network returned a value that is not finite");
    return status;
}

/* x = the tokens before the first block. */
static dp_status begin_picture(dp_session *s, const float *rgb, size_t height, size_t width, dp_error *err)
{
    const dp_transformer *c = &s->model->checkpoint;
    s->rows = height / c->patch_px;
    s->cols = width / c->patch_px;
    s->n = s->rows * s->cols + 1 + c->registers;
    s->rgb = rgb;
    s->tiles = dp_tiles_of(s->n);
    s->patch_tiles = dp_tiles_of(s->rows * s->cols);
    dp_status status = dp_workspace_prepare(s, err);
    if (!status)
        dp_block_embed_patches(s);
    return status;
}

static dp_status run_block(dp_session *s, size_t block, dp_error *err)
{
    dp_shelf *shelf = dp_shelf_use(NULL); /* memory for the caller comes from the caller's own shelf */
    int stopped = s->run.stop && s->run.stop(s->run.user);
    dp_shelf_use(shelf);
    if (stopped)
        return dp_fail(err, DP_E_CANCELLED, "stopped in block %zu of the transformer", block);
    dp_block_run(s, block);
    return DP_OK;
}

static dp_status check_plans(const dp_session *s, dp_error *err)
{
    for (int i = 0; i < PLANS; i++)
        if (dp_linear_plan_failed(s->plans[i]))
            return dp_fail(err, DP_E_UNSUPPORTED, "oneDNN could not run a matrix product");
    return DP_OK;
}

dp_status dp_session_embed(dp_session *s, const float *rgb, size_t height, size_t width, const size_t *layers,
                           size_t n_layers, dp_layer_mix mix, float *tokens, dp_error *err)
{
    const dp_transformer *c = &s->model->checkpoint;
    dp_status status = check_arguments(s, height, width, layers, n_layers, err);
    if (status)
        return status;
    if (s->resnet)
        return embed_resnet(s, &(dp_resnet_input){rgb, 1, height, width, layers, n_layers}, mix, tokens, err);
    const size_t last_block[] = {c->depth - 1};
    if (!n_layers) {
        layers = last_block;
        n_layers = 1;
    }
    size_t last = 0, n_done = 0;
    for (size_t i = 0; i < n_layers; i++)
        last = layers[i] > last ? layers[i] : last;
    status = begin_picture(s, rgb, height, width, err);
    for (size_t block = 0; block <= last && !status; block++) {
        status = run_block(s, block, err);
        if (!status)
            put_tokens(s, block, layers, n_layers, mix, &n_done, tokens);
    }
    if (status)
        return status;
    double begin = dp_now_seconds();
    size_t n_values = s->rows * s->cols * s->dim * (mix != DP_LAYERS_MEAN ? n_layers : 1);
    if (mix == DP_LAYERS_MEAN && n_layers > 1)
        for (size_t i = 0; i < n_values; i++)
            tokens[i] *= 1.0f / (float)n_layers;
    status = check_plans(s, err);
    if (status)
        return status;
    int finite = all_finite(tokens, n_values);
    s->seconds.of[DP_STAGE_OTHER] += dp_now_seconds() - begin;
    return finite ? DP_OK : dp_fail(err, DP_E_NUMERIC, "the transformer returned a value that is not finite");
}

void dp_session_class_token(dp_session *s, float *out)
{
    dp_block_normalise(s, s->weights->norm_weight, s->weights->norm_bias, s->x, 1, out, s->dim);
}

dp_layer_shape dp_session_layer_shape(const dp_session *s, size_t layer, size_t height, size_t width)
{
    const dp_transformer *c = &s->model->checkpoint;
    if (s->resnet)
        return dp_resnet_layer_shape(s->model->resnet, layer, height, width);
    return (dp_layer_shape){height / c->patch_px, width / c->patch_px, c->dim};
}

/* One picture of a transformer. */
static dp_status blocks_of_one(dp_session *s, const dp_inputs *inputs, size_t picture, const size_t *layers,
                               size_t n_layers, float *const *out, dp_error *err)
{
    const float *rgb = inputs->rgb + picture * inputs->height * inputs->width * 3;
    dp_status status = begin_picture(s, rgb, inputs->height, inputs->width, err);
    const size_t values = s->rows * s->cols * s->dim;
    for (size_t block = 0, next = 0; !status && next < n_layers; block++) {
        status = run_block(s, block, err);
        for (; !status && next < n_layers && layers[next] == block; next++)
            memcpy(out[next] + picture * values, s->x + s->n * s->dim - values, values * sizeof(float));
    }
    return status ? status : check_plans(s, err);
}

/* In floats all pictures at once; in 8 bits one by one, for each has its own scales. */
static dp_status resnet_layers(dp_session *s, const dp_inputs *inputs, const size_t *layers, size_t n_layers,
                               float *const *out, dp_error *err)
{
    const size_t at_once = s->precision == DP_INT8 ? 1 : inputs->n;
    dp_status status = DP_OK;
    for (size_t i = 0; i < inputs->n && !status; i += at_once) {
        const dp_resnet_input input = {inputs->rgb + i * inputs->height * inputs->width * 3,
                                       at_once,
                                       inputs->height,
                                       inputs->width,
                                       layers,
                                       n_layers};
        float *to[DP_MAX_LAYERS];
        for (size_t l = 0; l < n_layers; l++) {
            const dp_layer_shape shape = dp_session_layer_shape(s, layers[l], inputs->height, inputs->width);
            to[l] = out[l] + i * shape.rows * shape.cols * shape.dim;
        }
        status = dp_resnet_layers(s->resnet, &input, &s->seconds, to, err);
    }
    return status;
}

dp_status dp_session_layers(dp_session *s, const dp_inputs *inputs, const size_t *layers, size_t n_layers,
                            float *const *out, dp_error *err)
{
    dp_status status = n_layers ? check_arguments(s, inputs->height, inputs->width, layers, n_layers, err)
                                : dp_fail(err, DP_E_ARGUMENT, "no layers are given");
    if (status)
        return status;
    for (size_t i = 0; s->resnet && i < n_layers; i++)
        if (layers[i] < 1 || layers[i] > s->model->resnet->depth)
            return dp_fail(err, DP_E_ARGUMENT, "layer %zu does not exist; this residual network has layers 1 to %zu",
                           layers[i], s->model->resnet->depth);
    if (s->resnet)
        status = resnet_layers(s, inputs, layers, n_layers, out, err);
    for (size_t i = 0; !s->resnet && i < inputs->n && !status; i++)
        status = blocks_of_one(s, inputs, i, layers, n_layers, out, err);
    for (size_t i = 0; i < n_layers && !status; i++) {
        dp_layer_shape shape = dp_session_layer_shape(s, layers[i], inputs->height, inputs->width);
        if (!all_finite(out[i], inputs->n * shape.rows * shape.cols * shape.dim))
            status = dp_fail(err, DP_E_NUMERIC, "the network returned a value that is not finite");
    }
    return status;
}
