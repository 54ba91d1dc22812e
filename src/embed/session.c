/* session.c - one picture through the transformer.
 *
 *     x = patches W + b + position                        [tokens, dim]; class token, registers, then the grid
 *     for each block:
 *         x += LS1 (attention(norm1(x)) W_proj + b)
 *         x += LS2 (mlp(norm2(x)))                          mlp: GELU, or SwiGLU: (silu(g) * u) W_out
 *     tokens = norm(x) of the grid, after the last block or after each one asked for
 *
 * Source: Oquab et al., "DINOv2", 2023, and its published code; Dosovitskiy et al. 2021; registers: Darcet et al. 2023.
 *
 * Workspace, in floats, grown to the largest input met and then kept:
 *     x      [n, dim]        residual stream
 *     y      [n, dim]        normalised x, then what the attention returns
 *     q k v  [heads, n, 64]  each head in one piece, so that attention reads K and V straight through
 *     h      [n, inner]      patches (before the first block), then the MLP's hidden layer; inner = hidden, 2 hidden (SwiGLU)
 *     gated  [n, hidden]     SwiGLU only: what goes into the MLP's second layer
 *     a8     [n, max(dim, hidden)]  bytes of the activations that go into the next product, with their scales, int8 only
 *     k8 v8  [heads, n4, 64] bytes of K and V, with their scales (int8.h), int8 only
 *     position [grid, dim]   interpolated for the last grid met
 *     scratch [workers, ...] one piece for each worker */
#include "embed/session.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "embed/int8.h"
#include "embed/kernels.h"
#include "embed/model.h"
#include "embed/position.h"

#include <math.h>
#include <string.h>

#define HEAD DP_HEAD_DIM
#define ROWS_AT_ONCE 32 /* of a task that goes row by row */

enum { PLAN_PATCH, PLAN_QKV, PLAN_PROJ, PLAN_IN, PLAN_OUT, PLANS };

struct dp_session {
    const dp_model *model;
    const dp_weights *weights;
    dp_precision precision;
    dp_run run;
    dp_isa isa;
    dp_pool *pool;
    dp_vit_kernels kernels;
    dp_int8_kernels int8;
    bool bytes; /* computes in int8 */
    dp_linear_plan *plans[PLANS];
    size_t dim, heads, inner, hidden, patch_floats;

    /* the input at hand */
    size_t rows, cols, n; /* grid, tokens in all */
    const float *rgb;
    dp_tiles tiles, patch_tiles;
    const dp_block_weights *block;

    /* workspace */
    size_t room_n; /* tokens there is room for */
    float *x, *y, *q, *k, *v, *h, *gated;
    uint8_t *a8;       /* int8 only: what follows */
    float *a8_scale;
    dp_int8_input a8_input;
    dp_int8_head *prepared;
    int8_t *k8, *v8;
    float *k8_scale, *v8_scale;
    int32_t *k8_start;
    size_t position_rows, position_cols;
    float *position;
    float *scratch;
    size_t scratch_floats; /* of one worker */

    /* output of the block at hand */
    const float *norm_weight, *norm_bias;
    const float *from;
    float *to;
    size_t ld_from, ld_to, count;

    dp_stage_seconds seconds;
    dp_block_fn watch;
    void *watch_user;
};

/* ------------------------------------------------------------------------------------------------------- open, close */

dp_status dp_session_open(const dp_model *model, dp_precision precision, const dp_run *run, dp_session **out, dp_error *err)
{
    dp_run defaults;
    dp_run_init(&defaults);
    dp_session *s = dp_calloc(1, sizeof *s);
    if (!s)
        return dp_fail_memory(err, "a session", sizeof *s);
    const dp_transformer *c = &model->checkpoint;
    s->model = model;
    s->precision = precision;
    s->run = run ? *run : defaults;
    s->dim = c->dim;
    s->heads = c->heads;
    s->hidden = c->hidden;
    s->inner = c->swiglu ? 2 * c->hidden : c->hidden;
    s->patch_floats = 3 * c->patch_px * c->patch_px;
    dp_status status;
    status = dp_isa_resolve(s->run.isa, &s->isa, err);
    if (status)
        goto fail;
    dp_vit_kernels_init(&s->kernels, s->isa);
    status = dp_pool_open(s->run.threads, &s->pool, err);
    if (status)
        goto fail;
    s->bytes = precision == DP_INT8 && dp_int8_kernels_init(&s->int8, s->isa);
    if (precision == DP_INT8 && !s->bytes && s->run.log)
        s->run.log(s->run.user, DP_LOG_WARNING, "int8 was asked for, but this machine has no VNNI: computing in fp32");
    if (s->run.isa != DP_ISA_AUTO && !dp_linear_hold_isa(s->isa) && s->run.log)
        s->run.log(s->run.user, DP_LOG_WARNING, "oneDNN is already at work in this process: its matrix products are not held to the "
                                                "instruction set asked for");
    dp_backing backing = s->bytes ? DP_BACKING_INT8 : s->isa == DP_ISA_C ? DP_BACKING_PLAIN : DP_BACKING_ONEDNN;
    status = dp_model_weights(model, backing, &s->weights, err);
    if (status)
        goto fail;
    const dp_block_weights *block = &s->weights->blocks[0];
    const dp_linear *const shapes[PLANS] = {[PLAN_PATCH] = &s->weights->patch, [PLAN_QKV] = &block->qkv,
                                            [PLAN_PROJ] = &block->proj, [PLAN_IN] = &block->in, [PLAN_OUT] = &block->out};
    s->scratch_floats = DP_ATTENTION_SCRATCH; /* or the largest task's output */
    for (int i = 0; i < PLANS; i++) {
        status = dp_linear_plan_open(shapes[i], s->weights->engine, dp_pool_threads(s->pool), &s->plans[i], err);
        if (status)
            goto fail;
        size_t tile = 2 * DP_TILE_ROWS * shapes[i]->group;
        s->scratch_floats = tile > s->scratch_floats ? tile : s->scratch_floats;
    }
    s->scratch_floats = (s->scratch_floats + 15) / 16 * 16;
    s->scratch = dp_malloc(dp_pool_threads(s->pool) * s->scratch_floats, sizeof(float));
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

static void release_workspace(dp_session *s)
{
    void *const buffers[] = {s->x,  s->y,        s->q,        s->k,  s->v,  s->h,        s->gated,    s->position,
                             s->a8, s->a8_scale, s->prepared, s->k8, s->v8, s->k8_scale, s->v8_scale, s->k8_start};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        dp_memory_free(buffers[i]);
    s->x = s->y = s->q = s->k = s->v = s->h = s->gated = s->position = s->a8_scale = s->k8_scale = s->v8_scale = NULL;
    s->a8 = NULL;
    s->prepared = NULL;
    s->k8 = s->v8 = NULL;
    s->k8_start = NULL;
    s->room_n = s->position_rows = s->position_cols = 0;
}

void dp_session_close(dp_session **session_pointer)
{
    if (!session_pointer || !*session_pointer)
        return;
    dp_session *s = *session_pointer;
    release_workspace(s);
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

const dp_model *dp_session_model(const dp_session *session)
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

dp_stage_seconds *dp_session_stage_seconds(dp_session *session)
{
    return &session->seconds;
}

size_t dp_session_weights_bytes(const dp_session *session)
{
    return session->weights->bytes;
}

const dp_vit_kernels *dp_session_kernels(const dp_session *session)
{
    return &session->kernels;
}

/* Two for each multiply-add of the matrix products and of the attention; nothing else is counted. */
double dp_session_gflop(const dp_session *session, size_t height, size_t width)
{
    const dp_transformer *c = &session->model->checkpoint;
    double cells = (double)(height / c->patch_px) * (double)(width / c->patch_px), n = cells + 1 + (double)c->registers;
    double dim = (double)c->dim, linear = 4 * dim * dim + dim * (double)(session->inner + session->hidden);
    return 1e-9 * (2 * cells * (double)session->patch_floats * dim + (double)c->depth * (2 * n * linear + 4 * n * n * dim));
}

void dp_session_watch_blocks(dp_session *session, dp_block_fn watch, void *user)
{
    session->watch = watch;
    session->watch_user = user;
}

/* ------------------------------------------------------------------------------------------------------------- tasks */

static void run_stage(dp_session *s, dp_stage stage, size_t n_tasks, dp_task_fn task)
{
    double begin = dp_now_seconds();
    dp_pool_run(s->pool, n_tasks, task, s);
    s->seconds.of[stage] += dp_now_seconds() - begin;
}

/* Task (group, tile): tiles run fastest, so that a group's weights stay in the cache. */
static void split(const dp_tiles *tiles, size_t index, size_t *group, size_t *begin, size_t *rows)
{
    *group = index / tiles->count;
    *begin = dp_tile_begin(tiles, index % tiles->count);
    *rows = dp_tile_rows(tiles, index % tiles->count);
}

/* One grid row of patches into h [grid, 3 * patch * patch] (channel, y, x), normalised with ImageNet's mean and standard
 * deviation: (rgb / 255 - mean) / std. */
static void gather_patches(void *context, size_t index, size_t worker)
{
    static const double mean[3] = {0.485, 0.456, 0.406}, deviation[3] = {0.229, 0.224, 0.225};
    dp_session *s = context;
    (void)worker;
    size_t p = s->model->checkpoint.patch_px, width = s->cols * p;
    float *to = s->h + index * s->cols * s->patch_floats;
    for (size_t col = 0; col < s->cols; col++)
        for (size_t channel = 0; channel < 3; channel++) {
            float scale = (float)(1 / (255 * deviation[channel])), shift = (float)(mean[channel] / deviation[channel]);
            for (size_t y = 0; y < p; y++) {
                const float *from = s->rgb + ((index * p + y) * width + col * p) * 3 + channel;
                for (size_t x = 0; x < p; x++)
                    *to++ = from[3 * x] * scale - shift;
            }
        }
}

/* One task of a layer: the worker's tile, [rows, group], and where it belongs. */
typedef struct product {
    const float *tile; /* [rows, ld] */
    size_t ld, begin, rows, column, columns;
} product;

static product multiply(dp_session *s, int plan, const dp_linear *l, const dp_tiles *tiles, const float *x, size_t index,
                        size_t worker)
{
    float *tile = s->scratch + worker * s->scratch_floats;
    size_t group, begin, rows;
    split(tiles, index, &group, &begin, &rows);
    const size_t column = group * l->group, columns = l->n - column < l->group ? l->n - column : l->group;
    if (l->backing == DP_BACKING_INT8)
        s->int8.product(&l->bytes, column / DP_INT8_PANEL, l->group / DP_INT8_PANEL, s->a8 + begin * l->bytes.n_groups * DP_INT8_GROUP,
                        s->a8_scale + begin * l->bytes.n_groups, rows, tile, l->group);
    else
        dp_linear_run(s->plans[plan], l, group, rows, x + begin * l->k, tile, worker);
    return (product){tile, l->group, begin, rows, column, columns};
}

/* s->from [., ld_from] to bytes in a8, for the product that follows. */
static void quantise_task(void *context, size_t index, size_t worker)
{
    dp_session *s = context;
    (void)worker;
    size_t begin = index * ROWS_AT_ONCE, rows = s->n - begin < ROWS_AT_ONCE ? s->n - begin : ROWS_AT_ONCE;
    size_t groups = (s->ld_from + DP_INT8_GROUP - 1) / DP_INT8_GROUP;
    s->int8.quantise(s->from + begin * s->ld_from, rows, s->ld_from, s->a8_input, s->a8 + begin * groups * DP_INT8_GROUP,
                     s->a8_scale + begin * groups);
}

static void prepare_head_task(void *context, size_t index, size_t worker)
{
    dp_session *s = context;
    (void)worker;
    size_t base = index * s->n * HEAD;
    s->int8.prepare_head(s->k + base, s->v + base, s->n, &s->prepared[index]);
}

/* x [., dim] += the product, its first row going to row `first`. */
static void add_residual(dp_session *s, const product *p, size_t first)
{
    const float *from = p->tile;
    float *to = s->x + (first + p->begin) * s->dim + p->column;
    for (size_t i = 0; i < p->rows; i++, from += p->ld, to += s->dim)
        for (size_t j = 0; j < p->columns; j++)
            to[j] += from[j];
}

static void patch_task(void *context, size_t index, size_t worker)
{
    dp_session *s = context;
    product p = multiply(s, PLAN_PATCH, &s->weights->patch, &s->patch_tiles, s->h, index, worker);
    add_residual(s, &p, s->n - s->rows * s->cols);
}

static void norm_task(void *context, size_t index, size_t worker)
{
    dp_session *s = context;
    (void)worker;
    size_t begin = index * ROWS_AT_ONCE, rows = s->count - begin < ROWS_AT_ONCE ? s->count - begin : ROWS_AT_ONCE;
    s->kernels.layernorm(s->from + begin * s->ld_from, s->ld_from, rows, s->dim, s->norm_weight, s->norm_bias,
                         s->to + begin * s->ld_to, s->ld_to);
}

static void qkv_task(void *context, size_t index, size_t worker)
{
    dp_session *s = context;
    product p = multiply(s, PLAN_QKV, &s->block->qkv, &s->tiles, s->y, index, worker);
    for (size_t column = 0; column < p.columns; column += HEAD) {
        size_t at = p.column + column, head = at % s->dim / HEAD;
        float *part = at < s->dim ? s->q : at < 2 * s->dim ? s->k : s->v;
        float *to = part + (head * s->n + p.begin) * HEAD;
        for (size_t i = 0; i < p.rows; i++)
            memcpy(to + i * HEAD, p.tile + i * p.ld + column, HEAD * sizeof *to);
    }
}

static size_t query_blocks(const dp_session *s)
{
    return (s->n + DP_QUERY_BLOCK - 1) / DP_QUERY_BLOCK;
}

static void attention_task(void *context, size_t index, size_t worker)
{
    dp_session *s = context;
    size_t head = index / query_blocks(s), begin = index % query_blocks(s) * DP_QUERY_BLOCK;
    size_t rows = s->n - begin < DP_QUERY_BLOCK ? s->n - begin : DP_QUERY_BLOCK, base = head * s->n * HEAD;
    if (s->bytes) {
        s->int8.attention(s->q + base + begin * HEAD, &s->prepared[head], rows, s->n, s->y + begin * s->dim + head * HEAD, s->dim,
                          s->scratch + worker * s->scratch_floats);
        return;
    }
    s->kernels.attention(s->q + base + begin * HEAD, s->k + base, s->v + base, rows, s->n, s->y + begin * s->dim + head * HEAD,
                         s->dim, s->scratch + worker * s->scratch_floats);
}

static void proj_task(void *context, size_t index, size_t worker)
{
    dp_session *s = context;
    product p = multiply(s, PLAN_PROJ, &s->block->proj, &s->tiles, s->y, index, worker);
    add_residual(s, &p, 0);
}

static void in_task(void *context, size_t index, size_t worker)
{
    dp_session *s = context;
    product p = multiply(s, PLAN_IN, &s->block->in, &s->tiles, s->y, index, worker);
    float *to = s->h + p.begin * s->inner + p.column;
    if (!s->gated) {
        s->kernels.gelu(p.tile, p.ld, p.rows, p.columns, to, s->inner);
        return;
    }
    for (size_t i = 0; i < p.rows; i++)
        memcpy(to + i * s->inner, p.tile + i * p.ld, p.columns * sizeof *to);
}

static void swiglu_task(void *context, size_t index, size_t worker)
{
    dp_session *s = context;
    (void)worker;
    size_t begin = dp_tile_begin(&s->tiles, index);
    s->kernels.swiglu(s->h + begin * s->inner, dp_tile_rows(&s->tiles, index), s->hidden, s->gated + begin * s->hidden);
}

static void out_task(void *context, size_t index, size_t worker)
{
    dp_session *s = context;
    product p = multiply(s, PLAN_OUT, &s->block->out, &s->tiles, s->gated ? s->gated : s->h, index, worker);
    add_residual(s, &p, 0);
}

/* -------------------------------------------------------------------------------------------------------- preparation */

/* a * b elements; counts the bytes and whether all went well. */
struct room {
    size_t bytes;
    bool short_of_memory;
};

static void *reserve(struct room *room, size_t a, size_t b, size_t element)
{
    size_t count, bytes;
    void *memory = NULL;
    if (dp_mul_size(a, b, &count) && dp_mul_size(count, element, &bytes)) {
        room->bytes += bytes;
        memory = dp_malloc(count, element);
    }
    room->short_of_memory |= !memory;
    return memory;
}

static void reserve_int8(dp_session *s, struct room *room, size_t n)
{
    size_t n4 = (n + 3) / 4 * 4;
    size_t groups = ((s->hidden > s->dim ? s->hidden : s->dim) + DP_INT8_GROUP - 1) / DP_INT8_GROUP;
    s->a8 = reserve(room, n, groups, DP_INT8_GROUP);
    s->a8_scale = reserve(room, n, groups, sizeof(float));
    s->prepared = reserve(room, s->heads, 1, sizeof *s->prepared);
    s->k8 = reserve(room, n4, s->dim, 1);
    s->v8 = reserve(room, n4, s->dim, 1);
    s->k8_scale = reserve(room, n4, s->heads, sizeof(float));
    s->k8_start = reserve(room, n4, s->heads, sizeof(int32_t));
    s->v8_scale = reserve(room, s->dim, 1, sizeof(float));
    for (size_t head = 0; !room->short_of_memory && head < s->heads; head++)
        s->prepared[head] = (dp_int8_head){s->k8 + head * n4 * HEAD, s->k8_scale + head * n4, s->k8_start + head * n4,
                                           s->v8 + head * n4 * HEAD, s->v8_scale + head * HEAD};
}

static dp_status make_room(dp_session *s, dp_error *err)
{
    if (s->n <= s->room_n)
        return DP_OK;
    release_workspace(s);
    struct room room = {0};
    size_t n = s->n, inner = s->inner > s->patch_floats ? s->inner : s->patch_floats;
    s->x = reserve(&room, n, s->dim, sizeof(float));
    s->y = reserve(&room, n, s->dim, sizeof(float));
    s->q = reserve(&room, n, s->dim, sizeof(float));
    s->k = reserve(&room, n, s->dim, sizeof(float));
    s->v = reserve(&room, n, s->dim, sizeof(float));
    s->h = reserve(&room, n, inner, sizeof(float));
    s->position = reserve(&room, n, s->dim, sizeof(float));
    if (s->inner > s->hidden)
        s->gated = reserve(&room, n, s->hidden, sizeof(float));
    if (s->bytes)
        reserve_int8(s, &room, n);
    if (room.short_of_memory) {
        release_workspace(s);
        return dp_fail(err, DP_E_MEMORY, "not enough memory for %zu tokens (%zu bytes)", n, room.bytes);
    }
    s->room_n = n;
    return DP_OK;
}

static dp_status make_position(dp_session *s, dp_error *err)
{
    const dp_transformer *c = &s->model->checkpoint;
    if (s->position_rows == s->rows && s->position_cols == s->cols)
        return DP_OK;
    s->position_rows = s->position_cols = 0;
    dp_status status = dp_position_interpolate(s->model->position, c->position_side, s->dim, c->position_offset,
                                               c->position_antialias, s->rows, s->cols, s->position, err);
    if (status)
        return status;
    s->position_rows = s->rows;
    s->position_cols = s->cols;
    return DP_OK;
}

struct preparation {
    dp_session *session;
    dp_status status;
    dp_error *err;
};

/* Runs as a task, because oneDNN must see one thread when it makes its primitives. */
static void prepare_plans(void *context, size_t index, size_t worker)
{
    struct preparation *p = context;
    dp_session *s = p->session;
    (void)index, (void)worker;
    for (int i = 0; i < PLANS && !p->status; i++) {
        const dp_tiles *tiles = i == PLAN_PATCH ? &s->patch_tiles : &s->tiles;
        p->status = dp_linear_plan_rows(s->plans[i], tiles->base, p->err);
        if (!p->status && tiles->longer)
            p->status = dp_linear_plan_rows(s->plans[i], tiles->base + 1, p->err);
    }
}

static dp_status check_arguments(const dp_session *s, size_t height, size_t width, const size_t *layers, size_t n_layers,
                                 dp_error *err)
{
    size_t patch = s->model->checkpoint.patch_px, depth = s->model->checkpoint.depth;
    if (!height || !width || height % patch || width % patch)
        return dp_fail(err, DP_E_ARGUMENT, "input of %zux%zu pixels: both sides must be multiples of the patch, %zu", height, width,
                       patch);
    if (height / patch > 16384 || width / patch > 16384)
        return dp_fail(err, DP_E_ARGUMENT, "input of %zux%zu pixels is too large", height, width);
    if (n_layers > DP_MAX_LAYERS)
        return dp_fail(err, DP_E_ARGUMENT, "%zu layers asked for; at most %d", n_layers, DP_MAX_LAYERS);
    for (size_t i = 0; i < n_layers; i++)
        if (layers[i] >= depth)
            return dp_fail(err, DP_E_ARGUMENT, "layer %zu asked for; the model has layers 0 to %zu", layers[i], depth - 1);
    return DP_OK;
}

/* ------------------------------------------------------------------------------------------------------------ forward */

static void normalise(dp_session *s, const float *weight, const float *bias, const float *from, size_t count, float *to,
                      size_t ld_to)
{
    s->norm_weight = weight;
    s->norm_bias = bias;
    s->from = from;
    s->ld_from = s->dim;
    s->count = count;
    s->to = to;
    s->ld_to = ld_to;
    run_stage(s, DP_STAGE_NORM, (count + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE, norm_task);
}

static void embed_patches(dp_session *s)
{
    const dp_transformer *c = &s->model->checkpoint;
    double begin = dp_now_seconds();
    memcpy(s->x, s->model->cls, s->dim * sizeof(float));
    memcpy(s->x + s->dim, s->model->registers, c->registers * s->dim * sizeof(float));
    memcpy(s->x + (1 + c->registers) * s->dim, s->position, s->rows * s->cols * s->dim * sizeof(float));
    s->seconds.of[DP_STAGE_PATCH] += dp_now_seconds() - begin;
    run_stage(s, DP_STAGE_PATCH, s->rows, gather_patches);
    run_stage(s, DP_STAGE_PATCH, s->patch_tiles.count * s->weights->patch.n_groups, patch_task);
    if (s->watch)
        s->watch(s->watch_user, -1, s->x, s->n, s->dim);
}

/* What goes into the next product, as bytes where that layer is held in bytes. */
static void quantise(dp_session *s, dp_stage stage, const dp_linear *next, const float *from)
{
    if (next->backing != DP_BACKING_INT8)
        return;
    s->from = from;
    s->ld_from = next->k;
    s->a8_input = next->bytes.input;
    run_stage(s, stage, (s->n + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE, quantise_task);
}

static void run_block(dp_session *s, size_t index)
{
    const dp_block_weights *b = s->block = &s->weights->blocks[index];
    normalise(s, b->norm1_weight, b->norm1_bias, s->x, s->n, s->y, s->dim);
    quantise(s, DP_STAGE_NORM, &b->qkv, s->y);
    run_stage(s, DP_STAGE_QKV, s->tiles.count * b->qkv.n_groups, qkv_task);
    if (s->bytes)
        run_stage(s, DP_STAGE_ATTENTION, s->heads, prepare_head_task);
    run_stage(s, DP_STAGE_ATTENTION, query_blocks(s) * s->heads, attention_task);
    quantise(s, DP_STAGE_PROJ, &b->proj, s->y);
    run_stage(s, DP_STAGE_PROJ, s->tiles.count * b->proj.n_groups, proj_task);
    normalise(s, b->norm2_weight, b->norm2_bias, s->x, s->n, s->y, s->dim);
    quantise(s, DP_STAGE_NORM, &b->in, s->y);
    run_stage(s, DP_STAGE_MLP_IN, s->tiles.count * b->in.n_groups, in_task);
    if (s->gated)
        run_stage(s, DP_STAGE_MLP_IN, s->tiles.count, swiglu_task);
    quantise(s, DP_STAGE_MLP_OUT, &b->out, s->gated ? s->gated : s->h);
    run_stage(s, DP_STAGE_MLP_OUT, s->tiles.count * b->out.n_groups, out_task);
    if (s->watch)
        s->watch(s->watch_user, (int)index, s->x, s->n, s->dim);
}

/* Final LayerNorm of the grid's tokens into their place in tokens, for every entry of layers that names this block. */
static void put_tokens(dp_session *s, size_t block, const size_t *layers, size_t n_layers, dp_layer_mix mix, size_t *n_done,
                       float *tokens)
{
    const size_t cells = s->rows * s->cols;
    const float *from = s->x + (s->n - cells) * s->dim;
    const dp_weights *w = s->weights;
    for (size_t i = 0; i < n_layers; i++) {
        if (layers[i] != block)
            continue;
        if (mix == DP_LAYERS_CONCAT) {
            normalise(s, w->norm_weight, w->norm_bias, from, cells, tokens + i * s->dim, s->dim * n_layers);
        } else if (*n_done == 0) {
            normalise(s, w->norm_weight, w->norm_bias, from, cells, tokens, s->dim);
        } else {
            normalise(s, w->norm_weight, w->norm_bias, from, cells, s->y, s->dim);
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

dp_status dp_session_embed(dp_session *s, const float *rgb, size_t height, size_t width, const size_t *layers, size_t n_layers,
                           dp_layer_mix mix, float *tokens, dp_error *err)
{
    const dp_transformer *c = &s->model->checkpoint;
    dp_status status = check_arguments(s, height, width, layers, n_layers, err);
    if (status)
        return status;
    const size_t last_block = c->depth - 1;
    if (!n_layers) {
        layers = &last_block;
        n_layers = 1;
    }
    size_t last = 0, n_done = 0;
    for (size_t i = 0; i < n_layers; i++)
        last = layers[i] > last ? layers[i] : last;
    s->rows = height / c->patch_px;
    s->cols = width / c->patch_px;
    s->n = s->rows * s->cols + 1 + c->registers;
    s->rgb = rgb;
    s->tiles = dp_tiles_of(s->n);
    s->patch_tiles = dp_tiles_of(s->rows * s->cols);
    status = make_room(s, err);
    if (!status)
        status = make_position(s, err);
    if (status)
        return status;
    struct preparation preparation = {s, DP_OK, err};
    dp_pool_run(s->pool, 1, prepare_plans, &preparation);
    if (preparation.status)
        return preparation.status;

    embed_patches(s);
    for (size_t block = 0; block <= last; block++) {
        run_block(s, block);
        put_tokens(s, block, layers, n_layers, mix, &n_done, tokens);
    }
    double begin = dp_now_seconds();
    size_t n_values = s->rows * s->cols * s->dim * (mix == DP_LAYERS_CONCAT ? n_layers : 1);
    if (mix == DP_LAYERS_MEAN && n_layers > 1)
        for (size_t i = 0; i < n_values; i++)
            tokens[i] *= 1.0f / (float)n_layers;
    for (int i = 0; i < PLANS; i++)
        if (dp_linear_plan_failed(s->plans[i]))
            return dp_fail(err, DP_E_UNSUPPORTED, "oneDNN could not run a matrix product");
    int finite = all_finite(tokens, n_values);
    s->seconds.of[DP_STAGE_OTHER] += dp_now_seconds() - begin;
    return finite ? DP_OK : dp_fail(err, DP_E_NUMERIC, "the transformer returned a value that is not finite");
}
