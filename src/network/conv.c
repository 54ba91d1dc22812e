/* SPDX-License-Identifier: Apache-2.0 */
#include "network/conv.h"
#include "base/error.h"
#include "base/memory.h"
#include "network/winograd.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#define MOST_BANDS 16
#define FEWEST_ROWS 3 /* fewest rows of a band, if there is more than one */

size_t dp_conv_out(const dp_conv_shape *shape, size_t in_length)
{
    size_t padded = in_length + 2 * shape->pad;
    return padded < shape->side ? 0 : (padded - shape->side) / shape->stride + 1;
}

/* Output rows [out_begin, out_begin + out_rows) and the input rows that they are computed from. */
typedef struct band {
    size_t out_begin, out_rows, in_begin, in_rows, pad_top, pad_bottom;
} band;

static band band_of(const dp_conv_shape *s, size_t rows_in, size_t out_begin, size_t out_rows)
{
    size_t first = out_begin * s->stride, end = (out_begin + out_rows - 1) * s->stride + s->side; /* in padded rows */
    band b = {.out_begin = out_begin, .out_rows = out_rows};
    b.pad_top = first < s->pad ? s->pad - first : 0;
    b.in_begin = first < s->pad ? 0 : first - s->pad;
    size_t in_end = end - s->pad;
    b.pad_bottom = in_end > rows_in ? in_end - rows_in : 0;
    b.in_rows = in_end - b.pad_bottom - b.in_begin;
    return b;
}

/* ------------------------------------------------------------------------------------------------------------ oneDNN */

static dnnl_status_t image(dnnl_memory_desc_t *md, dnnl_data_type_t type, size_t channels, size_t rows, size_t cols)
{
    dnnl_dims_t dims = {1, (dnnl_dim_t)channels, (dnnl_dim_t)rows, (dnnl_dim_t)cols};
    return dnnl_memory_desc_init_by_tag(md, 4, dims, type, dnnl_nhwc);
}

/* Describes the convolution; oneDNN chooses the layout of the weights. */
static dnnl_status_t describe(const dp_conv *conv, dnnl_engine_t engine, const band *b, size_t cols_in,
                              dnnl_primitive_desc_t *pd)
{
    const dp_conv_shape *c = &conv->shape;
    const bool bytes = conv->backing == DP_BACKING_INT8;
    size_t cols_out = dp_conv_out(c, cols_in), covered = (cols_out - 1) * c->stride + c->side;
    dnnl_memory_desc_t x, w, bias, y;
    dnnl_dims_t kernel = {(dnnl_dim_t)c->out, (dnnl_dim_t)c->in, (dnnl_dim_t)c->side, (dnnl_dim_t)c->side};
    dnnl_dims_t n_out = {(dnnl_dim_t)c->out}, strides = {(dnnl_dim_t)c->stride, (dnnl_dim_t)c->stride};
    dnnl_dims_t before = {(dnnl_dim_t)b->pad_top, (dnnl_dim_t)c->pad};
    dnnl_dims_t after = {(dnnl_dim_t)b->pad_bottom,
                         covered > cols_in + c->pad ? (dnnl_dim_t)(covered - cols_in - c->pad) : 0};
    dnnl_convolution_desc_t desc;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t s = image(&x, bytes ? dnnl_u8 : dnnl_f32, c->in, b->in_rows, cols_in);
    if (!s)
        s = image(&y, bytes ? dnnl_s32 : dnnl_f32, c->out, b->out_rows, cols_out);
    if (!s)
        s = dnnl_memory_desc_init_by_tag(&bias, 1, n_out, dnnl_f32, dnnl_x);
    if (!s)
        s = dnnl_memory_desc_init_by_tag(&w, 4, kernel, bytes ? dnnl_s8 : dnnl_f32, dnnl_format_tag_any);
    if (!s)
        s = dnnl_convolution_forward_desc_init(&desc, dnnl_forward_inference, dnnl_convolution_direct, &x, &w,
                                               bytes ? NULL : &bias, &y, strides, before, after);
    if (!s)
        s = dnnl_post_ops_create(&ops);
    if (!s && c->add && !bytes)
        s = dnnl_post_ops_append_sum(ops, 1.0f);
    if (!s && c->relu && !bytes)
        s = dnnl_post_ops_append_eltwise(ops, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f);
    if (!s)
        s = dnnl_primitive_attr_create(&attr);
    if (!s)
        s = dnnl_primitive_attr_set_post_ops(attr, ops);
    if (!s)
        s = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (!s)
        s = dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL);
    dnnl_primitive_attr_destroy(attr);
    dnnl_post_ops_destroy(ops);
    return s;
}

static dp_status fault(dp_error *err, dnnl_status_t status, const dp_conv_shape *c)
{
    if (status == dnnl_out_of_memory)
        return dp_fail(err, DP_E_MEMORY, "not enough memory for a convolution of %zu to %zu channels", c->in, c->out);
    return dp_fail(err, DP_E_UNSUPPORTED, "oneDNN cannot make a convolution of %zu to %zu channels (status %d)", c->in,
                   c->out, (int)status);
}

typedef struct layout {
    dnnl_memory_t weights;
    struct layout *next;
} layout;

struct dp_conv_layouts {
    pthread_mutex_t lock;
    void *raw;     /* [out, side, side, in]; NULL once there is a layout */
    layout *first; /* none is freed before all are */
};

static void layouts_free(struct dp_conv_layouts *layouts)
{
    if (!layouts)
        return;
    for (layout *l = layouts->first, *next; l; l = next) {
        next = l->next;
        dnnl_memory_destroy(l->weights);
        dp_memory_free(l);
    }
    pthread_mutex_destroy(&layouts->lock);
    dp_memory_free(layouts->raw);
    dp_memory_free(layouts);
}

static dnnl_status_t rearrange(dnnl_engine_t engine, dnnl_memory_t from, const dnnl_memory_desc_t *to_md,
                               dnnl_memory_t *to)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_stream_t stream = NULL;
    const dnnl_memory_desc_t *from_md = NULL;
    dnnl_status_t s = dnnl_memory_get_memory_desc(from, &from_md);
    if (!s)
        s = dnnl_reorder_primitive_desc_create(&pd, from_md, engine, to_md, engine, NULL);
    if (!s)
        s = dnnl_primitive_create(&reorder, pd);
    if (!s)
        s = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    if (!s)
        s = dnnl_memory_create(to, to_md, engine, DNNL_MEMORY_ALLOCATE);
    if (!s) {
        dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, *to}};
        s = dnnl_primitive_execute(reorder, stream, 2, args);
    }
    if (!s)
        s = dnnl_stream_wait(stream);
    dnnl_stream_destroy(stream);
    dnnl_primitive_destroy(reorder);
    dnnl_primitive_desc_destroy(pd);
    return s;
}

/* Adds a layout; the caller holds the lock. */
static dnnl_status_t add_layout(const dp_conv *conv, dnnl_engine_t engine, const dnnl_memory_desc_t *wanted,
                                dnnl_memory_t *weights)
{
    struct dp_conv_layouts *layouts = conv->layouts;
    const dp_conv_shape *c = &conv->shape;
    dnnl_dims_t dims = {(dnnl_dim_t)c->out, (dnnl_dim_t)c->in, (dnnl_dim_t)c->side, (dnnl_dim_t)c->side};
    dnnl_memory_desc_t raw_md;
    dnnl_memory_t raw = NULL;
    layout *added = dp_calloc(1, sizeof *added);
    dnnl_status_t s = added ? dnnl_success : dnnl_out_of_memory;
    if (!s && layouts->raw) {
        s = dnnl_memory_desc_init_by_tag(&raw_md, 4, dims, conv->backing == DP_BACKING_INT8 ? dnnl_s8 : dnnl_f32,
                                         dnnl_ohwi);
        if (!s)
            s = dnnl_memory_create(&raw, &raw_md, engine, layouts->raw);
    }
    if (!s)
        s = raw || layouts->first ? rearrange(engine, raw ? raw : layouts->first->weights, wanted, &added->weights)
                                  : dnnl_invalid_arguments;
    dnnl_memory_destroy(raw);
    if (s) {
        if (added)
            dnnl_memory_destroy(added->weights);
        dp_memory_free(added);
        return s;
    }
    dp_memory_free(layouts->raw);
    layouts->raw = NULL;
    layout **last = &layouts->first;
    while (*last)
        last = &(*last)->next;
    *last = added;
    *weights = added->weights;
    return dnnl_success;
}

/* Gives the weights in the layout `wanted`; conv keeps ownership. */
static dnnl_status_t weights_as(const dp_conv *conv, dnnl_engine_t engine, const dnnl_memory_desc_t *wanted,
                                dnnl_memory_t *weights)
{
    dnnl_status_t s = dnnl_success;
    *weights = NULL;
    pthread_mutex_lock(&conv->layouts->lock);
    for (const layout *l = conv->layouts->first; l && !*weights && !s; l = l->next) {
        const dnnl_memory_desc_t *md = NULL;
        s = dnnl_memory_get_memory_desc(l->weights, &md);
        if (!s && dnnl_memory_desc_equal(md, wanted))
            *weights = l->weights;
    }
    if (!s && !*weights)
        s = add_layout(conv, engine, wanted, weights);
    pthread_mutex_unlock(&conv->layouts->lock);
    return s;
}

/* Keeps the weights as Winograd's method takes them. */
static dnnl_status_t keep_winograd(dp_conv *conv, const float *weights)
{
    const size_t in = conv->shape.in, out = conv->shape.out, floats = dp_winograd_weights(in, out);
    if (!(conv->winograd = dp_malloc(floats + in, sizeof(float))))
        return dnnl_out_of_memory;
    dp_winograd_pack(in, out, weights, conv->winograd);
    memset(conv->winograd + floats, 0, in * sizeof(float));
    return dnnl_success;
}

/* Keeps the raw weights until a plan chooses a layout. */
static dnnl_status_t keep(dp_conv *conv, dnnl_engine_t engine, const float *weights, size_t count)
{
    dnnl_dims_t n_out = {(dnnl_dim_t)conv->shape.out};
    dnnl_memory_desc_t bias;
    conv->layouts = dp_calloc(1, sizeof *conv->layouts);
    if (!conv->layouts)
        return dnnl_out_of_memory;
    pthread_mutex_init(&conv->layouts->lock, NULL);
    const bool bytes = conv->backing == DP_BACKING_INT8;
    if (!(conv->layouts->raw = dp_malloc(count, bytes ? 1 : sizeof(float))))
        return dnnl_out_of_memory;
    if (bytes) {
        dp_conv_quantise(conv->shape.out, count / conv->shape.out, weights, conv->layouts->raw, conv->scale);
        return dnnl_success;
    }
    memcpy(conv->layouts->raw, weights, count * sizeof(float));
    dnnl_status_t s = dnnl_memory_desc_init_by_tag(&bias, 1, n_out, dnnl_f32, dnnl_x);
    return s ? s : dnnl_memory_create(&conv->bias_memory, &bias, engine, conv->bias);
}

/* ----------------------------------------------------------------------------------------------------------- weights */

void dp_conv_quantise(size_t out, size_t k, const float *weights, int8_t *bytes, float *scale)
{
    for (size_t o = 0; o < out; o++, weights += k, bytes += k) {
        float largest = 0;
        for (size_t i = 0; i < k; i++)
            largest = fmaxf(largest, fabsf(weights[i]));
        scale[o] = largest > 0 ? largest / 127 : 1;
        for (size_t i = 0; i < k; i++)
            bytes[i] = (int8_t)rintf(weights[i] / scale[o]);
    }
}

dp_status dp_conv_pack(const dp_conv_shape *shape, dp_backing backing, dnnl_engine_t engine, const float *weights,
                       const float *bias, dp_conv *out, dp_error *err)
{
    size_t count = shape->out * shape->side * shape->side * shape->in;
    dp_conv conv = {.shape = *shape, .backing = backing, .bias = dp_malloc(shape->out, sizeof(float))};
    if (backing == DP_BACKING_PLAIN)
        conv.plain = dp_malloc(count, sizeof(float));
    if (backing == DP_BACKING_INT8)
        conv.scale = dp_malloc(shape->out, sizeof(float));
    if (!conv.bias || (backing == DP_BACKING_PLAIN && !conv.plain) || (backing == DP_BACKING_INT8 && !conv.scale)) {
        dp_conv_free(&conv);
        return dp_fail_memory(err, "packed weights", count * sizeof(float));
    }
    memcpy(conv.bias, bias, shape->out * sizeof *bias);
    if (conv.plain) {
        memcpy(conv.plain, weights, count * sizeof *weights);
    } else {
        const bool winograd = backing == DP_BACKING_ONEDNN && shape->side == 3 && shape->stride == 1 && shape->pad == 1
                              && dp_winograd_suits(shape->in, shape->out);
        dnnl_status_t status = winograd ? keep_winograd(&conv, weights) : keep(&conv, engine, weights, count);
        if (status) {
            dp_conv_free(&conv);
            return fault(err, status, shape);
        }
    }
    *out = conv;
    return DP_OK;
}

void dp_conv_free(dp_conv *conv)
{
    layouts_free(conv->layouts);
    dnnl_memory_destroy(conv->bias_memory);
    dp_memory_free(conv->bias);
    dp_memory_free(conv->scale);
    dp_memory_free(conv->plain);
    dp_memory_free(conv->winograd);
    *conv = (dp_conv){0};
}

size_t dp_conv_bytes(const dp_conv *conv)
{
    const dp_conv_shape *c = &conv->shape;
    size_t weights = conv->winograd ? dp_winograd_weights(c->in, c->out) : c->out * c->side * c->side * c->in;
    return conv->backing == DP_BACKING_INT8 ? weights + 2 * c->out * sizeof(float) : (weights + c->out) * sizeof(float);
}

/* ------------------------------------------------------------------------------------------------------------- plans */

typedef struct operands {
    dnnl_memory_t x, y, scratchpad;
    void *scratch;
    int32_t *sum; /* [out_rows, cols_out, out]; INT8 only */
} operands;

typedef struct task {
    band band;
    dnnl_primitive_t primitive;
    dnnl_memory_t weights; /* of the convolution */
    const char *kernel;
    operands *workers; /* [n_workers] */
} task;

struct dp_conv_plan {
    const dp_conv *conv;
    size_t rows_in, cols_in, cols_out, n_workers, n_tasks;
    dnnl_stream_t *streams; /* [n_workers] */
    task tasks[MOST_BANDS];
    dp_winograd_fn winograd; /* NULL: the tasks above */
    float *scratch;          /* [n_workers, dp_winograd_scratch]; winograd only */
    atomic_bool failed;
};

static dnnl_status_t task_make(const dp_conv_plan *plan, dnnl_engine_t engine, task *t)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t s = describe(plan->conv, engine, &t->band, plan->cols_in, &pd);
    if (!s)
        s = weights_as(plan->conv, engine, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0), &t->weights);
    if (!s)
        s = dnnl_primitive_create(&t->primitive, pd);
    if (!s && !(t->workers = dp_calloc(plan->n_workers, sizeof *t->workers)))
        s = dnnl_out_of_memory;
    for (size_t i = 0; !s && i < plan->n_workers; i++) {
        operands *o = &t->workers[i];
        const dnnl_memory_desc_t *scratchpad = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
        s = dnnl_memory_create(&o->x, dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0), engine, DNNL_MEMORY_NONE);
        if (!s)
            s = dnnl_memory_create(&o->y, dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0), engine,
                                   DNNL_MEMORY_NONE);
        if (!s && !(o->scratch = dp_malloc(dnnl_memory_desc_get_size(scratchpad), 1)))
            s = dnnl_out_of_memory;
        if (!s)
            s = dnnl_memory_create(&o->scratchpad, scratchpad, engine, o->scratch);
        const size_t cells = t->band.out_rows * plan->cols_out; /* the picture's token limit bounds them */
        if (!s && plan->conv->backing == DP_BACKING_INT8
            && !(o->sum = dp_malloc_2d(cells, plan->conv->shape.out, sizeof *o->sum)))
            s = dnnl_out_of_memory;
    }
    if (!s)
        (void)dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&t->kernel);
    if (s)
        t->kernel = NULL;
    dnnl_primitive_desc_destroy(pd);
    return s;
}

static size_t tiles_of(const dp_conv_plan *plan)
{
    return ((plan->rows_in + 3) / 4) * ((plan->cols_in + 3) / 4);
}

static size_t groups_of(const dp_conv_plan *plan, size_t n)
{
    return (n * tiles_of(plan) + DP_WINOGRAD_TILES - 1) / DP_WINOGRAD_TILES;
}

static dp_status plan_winograd(dp_conv_plan *plan, dp_isa isa, dp_error *err)
{
    plan->winograd = dp_winograd_kernel(isa);
    if (!plan->winograd)
        return dp_fail(err, DP_E_UNSUPPORTED, "these weights were packed for an instruction set faster than %s",
                       dp_isa_name(isa));
    const size_t floats = dp_winograd_scratch(plan->conv->shape.in);
    plan->scratch = dp_malloc_2d(plan->n_workers, floats, sizeof(float));
    return plan->scratch ? DP_OK : dp_fail_memory(err, "a convolution", plan->n_workers * floats * sizeof(float));
}

dp_status dp_conv_plan_open(const dp_conv *conv, dnnl_engine_t engine, dp_isa isa, size_t workers, size_t rows_in,
                            size_t cols_in, dp_conv_plan **out, dp_error *err)
{
    const dp_conv_shape *c = &conv->shape;
    size_t rows_out = dp_conv_out(c, rows_in);
    dp_conv_plan *plan = dp_calloc(1, sizeof *plan);
    if (!plan)
        return dp_fail_memory(err, "a convolution", sizeof *plan);
    *plan = (dp_conv_plan){.conv = conv,
                           .rows_in = rows_in,
                           .cols_in = cols_in,
                           .cols_out = dp_conv_out(c, cols_in),
                           .n_workers = workers};
    if (!rows_out || !plan->cols_out) {
        dp_conv_plan_close(&plan);
        return dp_fail(err, DP_E_ARGUMENT, "an input of %zux%zu is too small for a convolution of side %zu", rows_in,
                       cols_in, c->side);
    }
    if (conv->winograd) {
        dp_status status = plan_winograd(plan, isa, err);
        if (status)
            dp_conv_plan_close(&plan);
        *out = plan;
        return status;
    }
    size_t n = rows_out / FEWEST_ROWS;
    plan->n_tasks = n < 1 ? 1 : n > MOST_BANDS ? MOST_BANDS : n;
    for (size_t i = 0; i < plan->n_tasks; i++) {
        size_t begin = i * rows_out / plan->n_tasks, end = (i + 1) * rows_out / plan->n_tasks;
        plan->tasks[i].band = band_of(c, rows_in, begin, end - begin);
    }
    dnnl_status_t status = dnnl_success;
    if (conv->backing != DP_BACKING_PLAIN) {
        plan->streams = dp_calloc(workers, sizeof(dnnl_stream_t));
        status = plan->streams ? dnnl_success : dnnl_out_of_memory;
        for (size_t i = 0; !status && i < workers; i++)
            status = dnnl_stream_create(&plan->streams[i], engine, dnnl_stream_default_flags);
        for (size_t i = 0; !status && i < plan->n_tasks; i++)
            status = task_make(plan, engine, &plan->tasks[i]);
    }
    if (status) {
        dp_conv_plan_close(&plan);
        return fault(err, status, c);
    }
    *out = plan;
    return DP_OK;
}

void dp_conv_plan_close(dp_conv_plan **plan_pointer)
{
    if (!plan_pointer || !*plan_pointer)
        return;
    dp_conv_plan *plan = *plan_pointer;
    for (size_t i = 0; i < plan->n_tasks; i++) {
        task *t = &plan->tasks[i];
        for (size_t w = 0; t->workers && w < plan->n_workers; w++) {
            dnnl_memory_destroy(t->workers[w].x);
            dnnl_memory_destroy(t->workers[w].y);
            dnnl_memory_destroy(t->workers[w].scratchpad);
            dp_memory_free(t->workers[w].scratch);
            dp_memory_free(t->workers[w].sum);
        }
        dp_memory_free(t->workers);
        dnnl_primitive_destroy(t->primitive);
    }
    for (size_t i = 0; plan->streams && i < plan->n_workers; i++)
        dnnl_stream_destroy(plan->streams[i]);
    dp_memory_free(plan->streams);
    dp_memory_free(plan->scratch);
    dp_memory_free(plan);
    *plan_pointer = NULL;
}

size_t dp_conv_plan_tasks(const dp_conv_plan *plan, size_t n)
{
    return plan->winograd ? groups_of(plan, n) * (plan->conv->shape.out / DP_WINOGRAD_OUT) : n * plan->n_tasks;
}

bool dp_conv_plan_failed(const dp_conv_plan *plan)
{
    return plan && atomic_load(&plan->failed);
}

const char *dp_conv_plan_kernel(const dp_conv_plan *plan, size_t index)
{
    if (plan->winograd)
        return "winograd";
    return plan->tasks[index].kernel ? plan->tasks[index].kernel : "c";
}

/* The reference: double sums, one output at a time, from the whole picture. */
static void run_plain(const dp_conv_plan *plan, const band *b, const float *x, float *y)
{
    const dp_conv_shape *c = &plan->conv->shape;
    for (size_t r = b->out_begin; r < b->out_begin + b->out_rows; r++)
        for (size_t col = 0; col < plan->cols_out; col++)
            for (size_t o = 0; o < c->out; o++) {
                float *to = y + (r * plan->cols_out + col) * c->out + o;
                double sum = plan->conv->bias[o] + (c->add ? (double)*to : 0);
                for (size_t u = 0; u < c->side; u++)
                    for (size_t v = 0; v < c->side; v++) {
                        size_t in_row = r * c->stride + u, in_col = col * c->stride + v; /* padded */
                        if (in_row < c->pad || in_row >= plan->rows_in + c->pad || in_col < c->pad
                            || in_col >= plan->cols_in + c->pad)
                            continue;
                        const float *from = x + ((in_row - c->pad) * plan->cols_in + in_col - c->pad) * c->in;
                        const float *w = plan->conv->plain + ((o * c->side + u) * c->side + v) * c->in;
                        for (size_t i = 0; i < c->in; i++)
                            sum += (double)from[i] * w[i];
                    }
                *to = c->relu && sum < 0 ? 0 : (float)sum;
            }
}

/* Tasks of one block of output channels follow each other, so that its weights stay in the cache. */
static void run_winograd(const dp_conv_plan *plan, size_t index, size_t n, const float *x, float *y, size_t worker)
{
    const dp_conv *conv = plan->conv;
    const size_t groups = groups_of(plan, n), first = index % groups * DP_WINOGRAD_TILES,
                 left = n * tiles_of(plan) - first;
    const dp_winograd_task t = {.x = x,
                                .y = y,
                                .weights = conv->winograd,
                                .bias = conv->bias,
                                .zeros = conv->winograd + dp_winograd_weights(conv->shape.in, conv->shape.out),
                                .rows = plan->rows_in,
                                .cols = plan->cols_in,
                                .in = conv->shape.in,
                                .out = conv->shape.out,
                                .first_tile = first,
                                .n_tiles = left < DP_WINOGRAD_TILES ? left : DP_WINOGRAD_TILES,
                                .first_out = index / groups * DP_WINOGRAD_OUT,
                                .add = conv->shape.add,
                                .relu = conv->shape.relu,
                                .scratch = plan->scratch + worker * dp_winograd_scratch(conv->shape.in)};
    plan->winograd(&t);
}

void dp_conv_run(dp_conv_plan *plan, size_t index, size_t n, const float *x, float *y, size_t worker)
{
    if (plan->winograd) {
        run_winograd(plan, index, n, x, y, worker);
        return;
    }
    const task *t = &plan->tasks[index % plan->n_tasks];
    const dp_conv_shape *c = &plan->conv->shape;
    const size_t picture = index / plan->n_tasks;
    x += picture * plan->rows_in * plan->cols_in * c->in;
    y += picture * dp_conv_out(c, plan->rows_in) * plan->cols_out * c->out;
    if (plan->conv->backing == DP_BACKING_PLAIN) {
        run_plain(plan, &t->band, x, y);
        return;
    }
    operands *o = &t->workers[worker];
    dnnl_memory_set_data_handle(o->x, (float *)x + t->band.in_begin * plan->cols_in * c->in);
    dnnl_memory_set_data_handle(o->y, y + t->band.out_begin * plan->cols_out * c->out);
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, o->x},
                              {DNNL_ARG_WEIGHTS, t->weights},
                              {DNNL_ARG_BIAS, plan->conv->bias_memory},
                              {DNNL_ARG_DST, o->y},
                              {DNNL_ARG_SCRATCHPAD, o->scratchpad}};
    if (dnnl_primitive_execute(t->primitive, plan->streams[worker], 5, args) || dnnl_stream_wait(plan->streams[worker]))
        atomic_store(&plan->failed, true);
}

void dp_conv_run_i8(dp_conv_plan *plan, size_t index, const dp_conv_bytes_in *in, float *y, size_t worker)
{
    const task *t = &plan->tasks[index];
    const dp_conv_shape *c = &plan->conv->shape;
    operands *o = &t->workers[worker];
    dnnl_memory_set_data_handle(o->x, (uint8_t *)in->q + t->band.in_begin * plan->cols_in * c->in);
    dnnl_memory_set_data_handle(o->y, o->sum);
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, o->x},
                              {DNNL_ARG_WEIGHTS, t->weights},
                              {DNNL_ARG_DST, o->y},
                              {DNNL_ARG_SCRATCHPAD, o->scratchpad}};
    if (dnnl_primitive_execute(t->primitive, plan->streams[worker], 4, args)
        || dnnl_stream_wait(plan->streams[worker])) {
        atomic_store(&plan->failed, true);
        return;
    }
    const dp_int8_finish how = {plan->conv->scale, plan->conv->bias, c->out, in->x_scale, c->add, c->relu};
    in->kernels->finish(&how, o->sum, t->band.out_rows * plan->cols_out,
                        y + t->band.out_begin * plan->cols_out * c->out);
}
