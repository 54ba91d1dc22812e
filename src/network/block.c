/* SPDX-License-Identifier: Apache-2.0 */
/* block.c - the stages of the transformer: patches, and block after block of attention and MLP. Each stage is a run
 * of tasks on the session's pool (session.c has the formulas, workspace.h the buffers). */
#include "base/clock.h"
#include "network/workspace.h"

#include <string.h>

#define ROWS_AT_ONCE 32 /* rows of a task that works row by row */

static void run_stage(dp_session *s, dp_stage stage, size_t n_tasks, dp_task_fn task)
{
    double begin = dp_now_seconds();
    dp_pool_run(s->pool, n_tasks, task, s);
    s->seconds.of[stage] += dp_now_seconds() - begin;
}

/* Splits a task index into (group, tile). Tiles run fastest, so that the weights of a group stay in the cache. */
static void split(const dp_tiles *tiles, size_t index, size_t *group, size_t *begin, size_t *rows)
{
    *group = index / tiles->count;
    *begin = dp_tile_begin(tiles, index % tiles->count);
    *rows = dp_tile_rows(tiles, index % tiles->count);
}

/* Copies one grid row of patches into h [grid, 3 * patch * patch] (channel, y, x), normalised with the network's mean
 * and standard deviation: (rgb / 255 - mean) / std. */
static void gather_patches(void *context, size_t index, size_t worker)
{
    dp_session *s = context;
    const double *mean = s->model->checkpoint.mean, *deviation = s->model->checkpoint.deviation;
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

/* One task of a layer: the worker's tile, [rows, group], and its position in the output. */
typedef struct product {
    const float *tile; /* [rows, ld] */
    size_t ld, begin, rows, column, columns;
} product;

static product multiply(dp_session *s, int plan, const dp_linear *l, const dp_tiles *tiles, const float *x,
                        size_t index, size_t worker)
{
    float *tile = s->scratch + worker * s->scratch_floats;
    size_t group, begin, rows;
    split(tiles, index, &group, &begin, &rows);
    const size_t column = group * l->group, columns = l->n - column < l->group ? l->n - column : l->group;
    if (l->backing == DP_BACKING_INT8)
        s->int8.product(&l->bytes, column / DP_INT8_PANEL, l->group / DP_INT8_PANEL,
                        s->a8 + begin * l->bytes.n_groups * DP_INT8_GROUP, s->a8_scale + begin * l->bytes.n_groups,
                        rows, tile, l->group);
    else
        dp_linear_run(s->plans[plan], l, group, rows, x + begin * l->k, tile, worker);
    return (product){tile, l->group, begin, rows, column, columns};
}

/* Writes s->from [., ld_from] as bytes to a8, for the product that follows. */
static void quantise_task(void *context, size_t index, size_t worker)
{
    dp_session *s = context;
    (void)worker;
    size_t begin = index * ROWS_AT_ONCE, rows = s->n - begin < ROWS_AT_ONCE ? s->n - begin : ROWS_AT_ONCE;
    size_t groups = (s->ld_from + DP_INT8_GROUP - 1) / DP_INT8_GROUP;
    s->int8.quantise(s->from + begin * s->ld_from, rows, s->ld_from, s->a8_input,
                     s->a8 + begin * groups * DP_INT8_GROUP, s->a8_scale + begin * groups);
}

static void prepare_head_task(void *context, size_t index, size_t worker)
{
    dp_session *s = context;
    (void)worker;
    size_t base = index * s->n * HEAD;
    s->int8.prepare_head(s->k + base, s->v + base, s->n, &s->prepared[index]);
}

/* Adds the product to x [., dim]; its first row goes to row `first`. */
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
    s->kernels.layernorm(&s->norm, s->from + begin * s->ld_from, s->ld_from, rows, s->to + begin * s->ld_to, s->ld_to);
}

static void qkv_task(void *context, size_t index, size_t worker)
{
    dp_session *s = context;
    product p = multiply(s, PLAN_QKV, &s->block->qkv, &s->tiles, s->y, index, worker);
    const size_t before = s->n - s->rows * s->cols; /* class token and registers have no position */
    const size_t skip = p.begin < before ? before - p.begin : 0;
    for (size_t column = 0; column < p.columns; column += HEAD) {
        size_t at = p.column + column, head = at % s->dim / HEAD;
        float *part = at < s->dim ? s->q : at < 2 * s->dim ? s->k : s->v;
        float *to = part + (head * s->n + p.begin) * HEAD;
        for (size_t i = 0; i < p.rows; i++)
            memcpy(to + i * HEAD, p.tile + i * p.ld + column, HEAD * sizeof *to);
        if (s->model->checkpoint.rotary && at < 2 * s->dim && skip < p.rows)
            s->kernels.rotate(to + skip * HEAD, p.rows - skip, s->position + (p.begin + skip - before) * HEAD);
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
        s->int8.attention(s->q + base + begin * HEAD, &s->prepared[head], rows, s->n,
                          s->y + begin * s->dim + head * HEAD, s->dim, s->scratch + worker * s->scratch_floats);
        return;
    }
    s->kernels.attention(s->q + base + begin * HEAD, s->k + base, s->v + base, rows, s->n,
                         s->y + begin * s->dim + head * HEAD, s->dim, s->scratch + worker * s->scratch_floats);
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

/* ------------------------------------------------------------------------------------------------------------- stages */

void dp_block_normalise(dp_session *s, const float *weight, const float *bias, const float *from, size_t count,
                        float *to, size_t ld_to)
{
    s->norm = (dp_norm){s->dim, weight, bias, s->model->checkpoint.norm_eps};
    s->from = from;
    s->ld_from = s->dim;
    s->count = count;
    s->to = to;
    s->ld_to = ld_to;
    run_stage(s, DP_STAGE_NORM, (count + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE, norm_task);
}

void dp_block_embed_patches(dp_session *s)
{
    const dp_transformer *c = &s->model->checkpoint;
    double begin = dp_now_seconds();
    memcpy(s->x, s->model->cls, s->dim * sizeof(float));
    memcpy(s->x + s->dim, s->model->registers, c->registers * s->dim * sizeof(float));
    float *grid = s->x + (1 + c->registers) * s->dim;
    if (c->rotary)
        memset(grid, 0, s->rows * s->cols * s->dim * sizeof *grid);
    else
        memcpy(grid, s->position, s->rows * s->cols * s->dim * sizeof *grid);
    s->seconds.of[DP_STAGE_PATCH] += dp_now_seconds() - begin;
    run_stage(s, DP_STAGE_PATCH, s->rows, gather_patches);
    run_stage(s, DP_STAGE_PATCH, s->patch_tiles.count * s->weights->patch.n_groups, patch_task);
    if (s->watch)
        s->watch(s->watch_user, -1, s->x, s->n, s->dim);
}

/* Writes the input of the next product as bytes, if that layer is held in bytes. */
static void quantise(dp_session *s, dp_stage stage, const dp_linear *next, const float *from)
{
    if (next->backing != DP_BACKING_INT8)
        return;
    s->from = from;
    s->ld_from = next->k;
    s->a8_input = next->bytes.input;
    run_stage(s, stage, (s->n + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE, quantise_task);
}

void dp_block_run(dp_session *s, size_t index)
{
    const dp_block_weights *b = s->block = &s->weights->blocks[index];
    dp_block_normalise(s, b->norm1_weight, b->norm1_bias, s->x, s->n, s->y, s->dim);
    quantise(s, DP_STAGE_NORM, &b->qkv, s->y);
    run_stage(s, DP_STAGE_QKV, s->tiles.count * b->qkv.n_groups, qkv_task);
    if (s->bytes)
        run_stage(s, DP_STAGE_ATTENTION, s->heads, prepare_head_task);
    run_stage(s, DP_STAGE_ATTENTION, query_blocks(s) * s->heads, attention_task);
    quantise(s, DP_STAGE_PROJ, &b->proj, s->y);
    run_stage(s, DP_STAGE_PROJ, s->tiles.count * b->proj.n_groups, proj_task);
    dp_block_normalise(s, b->norm2_weight, b->norm2_bias, s->x, s->n, s->y, s->dim);
    quantise(s, DP_STAGE_NORM, &b->in, s->y);
    run_stage(s, DP_STAGE_MLP_IN, s->tiles.count * b->in.n_groups, in_task);
    if (s->gated)
        run_stage(s, DP_STAGE_MLP_IN, s->tiles.count, swiglu_task);
    quantise(s, DP_STAGE_MLP_OUT, &b->out, s->gated ? s->gated : s->h);
    run_stage(s, DP_STAGE_MLP_OUT, s->tiles.count * b->out.n_groups, out_task);
    if (s->watch)
        s->watch(s->watch_user, (int)index, s->x, s->n, s->dim);
}
