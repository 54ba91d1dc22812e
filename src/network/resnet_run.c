/* SPDX-License-Identifier: Apache-2.0 */
/* resnet_run.c - runs pictures of one size through a residual network and computes PatchCore's features from its layers.
 *
 *     x = maxpool(relu(conv1(picture)))                           [H/4, W/4, stem]; 3x3, stride 2
 *     for each block:  x = relu(convs(x) + shortcut(x))           the last convolution includes the sum and the relu
 *
 * Features (Roth et al., "Towards total recall in industrial anomaly detection", 2022, and its published code). For
 * each requested layer, at each cell of its own grid:
 *     v [9 C]   = the 3x3 cells around it, channel by channel (c, y, x), zeros outside
 *     p [1024]  = adaptive mean of v: entry i is the mean of v[floor(i n / 1024) .. ceil((i + 1) n / 1024)), n = 9 C
 * Deeper layers are interpolated bilinearly to the grid of the first one (corners not aligned). The layers are laid
 * side by side, and entry i of the token is the mean of the n_layers entries from i n_layers on. (The published code
 * interpolates before it takes the means. Both are linear, so the order changes only the rounding.)
 *
 * In 8 bits each activation that enters a convolution becomes bytes first, with one scale: its largest value is 255.
 *
 * Workspace, in floats: x, y, t, u: the largest activation of all pictures each; pooled: [cells, 1024] for each layer. */
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "network/resnet.h"

#include <math.h>
#include <string.h>

#define DIM DP_RESNET_DIM
#define MOST_CHUNKS 32 /* of an activation that becomes bytes */

typedef struct size_of {
    size_t rows, cols;
} size_of;

struct dp_resnet_run {
    const dp_resnet *net;
    const dp_resnet_weights *weights;
    dp_pool *pool;
    dp_conv_plan **plans; /* [n_convs], for the current size */
    size_t height, width; /* 0: none */
    size_t n;             /* pictures that are run at once */
    size_t planned;       /* number of layers that have plans */
    size_t room, pooled_room;
    float *x, *y, *t, *u, *pooled[DP_RESNET_LAYERS + 1];
    dp_isa isa;
    const dp_int8_kernels *kernels;
    uint8_t *q; /* in 8 bits: the input of the current convolution */
    float top[MOST_CHUNKS], by;
    size_t n_in, n_chunks;
    dp_conv_bytes_in bytes;
    float *scratch; /* [workers, 9 * widest + n * DIM] */
    size_t scratch_floats;
    size_of sizes[DP_RESNET_LAYERS + 1];

    /* the current task */
    const float *rgb, *from;
    float *to;
    dp_conv_plan *plan;
    size_t layer;
    const size_t *layers;
    size_t n_layers;
    float *tokens;
};

dp_status dp_resnet_run_open(const dp_resnet *net, const dp_resnet_weights *weights, dp_isa isa,
                             const dp_int8_kernels *kernels, dp_pool *pool, dp_resnet_run **out, dp_error *err)
{
    dp_resnet_run *r = dp_calloc(1, sizeof *r);
    if (!r)
        return dp_fail_memory(err, "a session", sizeof *r);
    r->net = net;
    r->weights = weights;
    r->isa = isa;
    r->kernels = kernels;
    r->pool = pool;
    size_t widest = 0;
    for (size_t l = 1; l <= net->depth; l++)
        widest = net->channels[l] > widest ? net->channels[l] : widest;
    r->scratch_floats = 9 * widest + (size_t)(DP_RESNET_LAYERS + 1) * DIM;
    r->plans = dp_calloc(net->n_convs, sizeof(dp_conv_plan *));
    r->scratch = dp_malloc_2d(dp_pool_threads(pool), r->scratch_floats, sizeof(float));
    if (!r->plans || !r->scratch) {
        size_t bytes = dp_pool_threads(pool) * r->scratch_floats * sizeof(float);
        dp_resnet_run_close(&r);
        return dp_fail_memory(err, "a session", bytes);
    }
    *out = r;
    return DP_OK;
}

static void release(dp_resnet_run *r)
{
    for (size_t i = 0; r->plans && i < r->net->n_convs; i++)
        dp_conv_plan_close(&r->plans[i]);
    r->height = r->width = r->planned = 0;
}

static void free_buffer(float **buffer)
{
    dp_memory_free(*buffer);
    *buffer = NULL;
}

static void release_buffers(dp_resnet_run *r)
{
    free_buffer(&r->x);
    free_buffer(&r->y);
    free_buffer(&r->t);
    free_buffer(&r->u);
    dp_memory_free(r->q);
    r->q = NULL;
    for (size_t i = 1; i <= DP_RESNET_LAYERS; i++)
        free_buffer(&r->pooled[i]);
    r->room = r->pooled_room = 0;
}

void dp_resnet_run_close(dp_resnet_run **run)
{
    if (!run || !*run)
        return;
    release(*run);
    release_buffers(*run);
    dp_memory_free((*run)->plans);
    dp_memory_free((*run)->scratch);
    dp_memory_free(*run);
    *run = NULL;
}

/* ------------------------------------------------------------------------------------------------------------- plans */

static size_t halved(size_t n)
{
    return (n - 1) / 2 + 1; /* of a 3x3 window with stride 2 and one row of padding; also of 1x1 with stride 2 */
}

/* Calls visit for every convolution up to layer `deepest`, with the size of its input. */
typedef dp_status (*visit_fn)(void *user, size_t conv, size_of in);
static dp_status walk(const dp_resnet *net, size_t height, size_t width, size_t deepest, visit_fn visit, void *user)
{
    dp_status status = visit(user, 0, (size_of){height, width});
    size_of at = {halved(dp_conv_out(&net->convs[0].shape, height)), halved(dp_conv_out(&net->convs[0].shape, width))};
    for (size_t b = 0; b < net->n_blocks && net->blocks[b].layer <= deepest && !status; b++) {
        const dp_resnet_block *block = &net->blocks[b];
        if (block->downsample)
            status = visit(user, block->downsample, at);
        for (size_t k = 0; k < block->n && !status; k++) {
            const dp_conv_shape *s = &net->convs[block->first + k].shape;
            status = visit(user, block->first + k, at);
            at = (size_of){dp_conv_out(s, at.rows), dp_conv_out(s, at.cols)};
        }
    }
    return status;
}

struct count {
    const dp_resnet *net;
    double flop;
    size_t largest;
};

static dp_status count_conv(void *user, size_t conv, size_of in)
{
    struct count *c = user;
    const dp_conv_shape *s = &c->net->convs[conv].shape;
    size_t out = dp_conv_out(s, in.rows) * dp_conv_out(s, in.cols) * s->out;
    c->flop += 2.0 * (double)out * (double)(s->side * s->side * s->in);
    c->largest = out > c->largest ? out : c->largest;
    return DP_OK;
}

double dp_resnet_gflop(const dp_resnet *net, size_t height, size_t width, size_t deepest)
{
    struct count c = {.net = net};
    (void)walk(net, height, width, deepest, count_conv, &c);
    return c.flop * 1e-9;
}

static bool in_bytes(const dp_resnet_run *r)
{
    return r->weights->convs[r->net->n_convs - 1].backing == DP_BACKING_INT8;
}

struct preparation {
    dp_resnet_run *run;
    size_t height, width, deepest;
    dp_status status;
    dp_error *err;
};

static dp_status plan_conv(void *user, size_t conv, size_of in)
{
    struct preparation *p = user;
    dp_resnet_run *r = p->run;
    if (r->plans[conv])
        return DP_OK;
    return dp_conv_plan_open(&r->weights->convs[conv], r->weights->engine, r->isa, dp_pool_threads(r->pool), in.rows,
                             in.cols, &r->plans[conv], p->err);
}

/* Prepares the plans. Runs as a task, because oneDNN must see one thread when it makes its primitives. */
static void prepare_task(void *context, size_t index, size_t worker)
{
    struct preparation *p = context;
    (void)index, (void)worker;
    p->status = walk(p->run->net, p->height, p->width, p->deepest, plan_conv, p);
}

/* pools: also make room for PatchCore's features. */
static dp_status prepare(dp_resnet_run *r, const dp_resnet_input *in, size_t deepest, bool pools, dp_error *err)
{
    const size_t height = in->height, width = in->width,
                 cells = pools ? (height / DP_RESNET_STRIDE) * (width / DP_RESNET_STRIDE) : 0;
    struct count count = {.net = r->net, .largest = height * width * 3};
    (void)walk(r->net, height, width, r->net->depth, count_conv, &count);
    const size_t floats = in->n * count.largest /* checked: few pictures */;
    r->n = in->n;
    if (r->height == height && r->width == width && r->planned >= deepest && r->room >= floats
        && r->pooled_room >= cells)
        return DP_OK;
    if (r->height != height || r->width != width)
        release(r);
    if (floats > r->room || cells > r->pooled_room) {
        release_buffers(r);
        float **const buffers[] = {&r->x, &r->y, &r->t, &r->u};
        bool good = true;
        for (size_t i = 0; i < 4; i++)
            good = (*buffers[i] = dp_malloc(floats, sizeof(float))) && good;
        if (in_bytes(r))
            good = (r->q = dp_malloc(floats, 1)) && good;
        for (size_t l = DP_RESNET_GRID_LAYER; cells && l <= r->net->depth; l++)
            good = (r->pooled[l] = dp_malloc(cells, DIM * sizeof(float))) && good;
        if (!good) {
            release_buffers(r);
            return dp_fail_memory(err, "a residual network's activations", 4 * floats * sizeof(float));
        }
        r->room = floats;
        r->pooled_room = cells;
    }
    struct preparation p = {r, height, width, deepest, DP_OK, err};
    dp_pool_run(r->pool, 1, prepare_task, &p);
    if (p.status) {
        release(r);
        return p.status;
    }
    r->height = height;
    r->width = width;
    r->planned = deepest;
    return DP_OK;
}

/* ----------------------------------------------------------------------------------------------------------- network */

/* Normalises one row of the pictures with the network's mean and standard deviation. */
static void normalise_task(void *context, size_t row, size_t worker)
{
    dp_resnet_run *r = context;
    const double *mean = r->net->mean, *deviation = r->net->deviation;
    (void)worker;
    const float *from = r->rgb + row * r->width * 3;
    float *to = r->to + row * r->width * 3;
    for (size_t c = 0; c < 3; c++) {
        float scale = (float)(1 / (255 * deviation[c])), shift = (float)(mean[c] / deviation[c]);
        for (size_t x = 0; x < r->width; x++)
            to[3 * x + c] = from[3 * x + c] * scale - shift;
    }
}

static void conv_task(void *context, size_t band, size_t worker)
{
    dp_resnet_run *r = context;
    dp_conv_run(r->plan, band, r->n, r->from, r->to, worker);
}

static void conv_task_i8(void *context, size_t band, size_t worker)
{
    dp_resnet_run *r = context;
    dp_conv_run_i8(r->plan, band, &r->bytes, r->to, worker);
}

static void convolve(dp_resnet_run *r, size_t conv, const float *from, float *to)
{
    bool bytes = r->weights->convs[conv].backing == DP_BACKING_INT8;
    r->plan = r->plans[conv];
    r->from = from;
    r->to = to;
    dp_pool_run(r->pool, dp_conv_plan_tasks(r->plan, r->n), bytes ? conv_task_i8 : conv_task, r);
}

static void largest_task(void *context, size_t chunk, size_t worker)
{
    dp_resnet_run *r = context;
    size_t begin = chunk * r->n_in / r->n_chunks, end = (chunk + 1) * r->n_in / r->n_chunks;
    (void)worker;
    r->top[chunk] = r->kernels->largest(r->from + begin, end - begin);
}

static void quantise_task(void *context, size_t chunk, size_t worker)
{
    dp_resnet_run *r = context;
    size_t begin = chunk * r->n_in / r->n_chunks, end = (chunk + 1) * r->n_in / r->n_chunks;
    (void)worker;
    r->kernels->quantise_relu(r->from + begin, end - begin, r->by, r->q + begin);
}

/* Turns the input of the next convolutions into bytes, if they take bytes. */
static void take_input(dp_resnet_run *r, const float *from, size_t n)
{
    float top = 0;
    if (!r->q)
        return;
    r->from = from;
    r->n_in = n;
    r->n_chunks = n / 8192 < 1 ? 1 : n / 8192 < MOST_CHUNKS ? n / 8192 : MOST_CHUNKS;
    dp_pool_run(r->pool, r->n_chunks, largest_task, r);
    for (size_t i = 0; i < r->n_chunks; i++)
        top = r->top[i] > top ? r->top[i] : top;
    r->by = top > 0 ? 255 / top : 1;
    r->bytes = (dp_conv_bytes_in){r->kernels, r->q, top > 0 ? top / 255 : 1};
    dp_pool_run(r->pool, r->n_chunks, quantise_task, r);
}

/* Computes one output row of the 3x3 maximum with stride 2. It follows a relu, so pixels outside may count as 0. */
static void maximum_task(void *context, size_t index, size_t worker)
{
    dp_resnet_run *r = context;
    (void)worker;
    size_t channels = r->net->channels[0], rows = dp_conv_out(&r->net->convs[0].shape, r->height);
    size_t cols = dp_conv_out(&r->net->convs[0].shape, r->width), out_cols = halved(cols);
    const size_t picture = index / halved(rows), row = index % halved(rows);
    for (size_t col = 0; col < out_cols; col++) {
        float *to = r->to + (index * out_cols + col) * channels;
        memset(to, 0, channels * sizeof *to);
        for (size_t v = row ? 2 * row - 1 : 0; v <= 2 * row + 1 && v < rows; v++)
            for (size_t u = col ? 2 * col - 1 : 0; u <= 2 * col + 1 && u < cols; u++) {
                const float *from = r->from + ((picture * rows + v) * cols + u) * channels;
                for (size_t c = 0; c < channels; c++)
                    to[c] = from[c] > to[c] ? from[c] : to[c];
            }
    }
}

static void swap(float **a, float **b)
{
    float *t = *a;
    *a = *b;
    *b = t;
}

/* Runs x through one block. The last convolution adds to the shortcut, in place. */
static void run_block(dp_resnet_run *r, const dp_resnet_block *block, size_of *at)
{
    const float *from = r->x;
    take_input(r, from, at->rows * at->cols * r->net->convs[block->first].shape.in);
    if (block->downsample)
        convolve(r, block->downsample, r->x, r->y);
    for (size_t k = 0; k < block->n; k++) {
        size_t conv = block->first + k;
        const dp_conv_shape *s = &r->net->convs[conv].shape;
        if (k)
            take_input(r, from, at->rows * at->cols * s->in);
        float *to = k + 1 == block->n ? (block->downsample ? r->y : r->x) : k ? r->u : r->t;
        convolve(r, conv, from, to);
        from = to;
        *at = (size_of){dp_conv_out(s, at->rows), dp_conv_out(s, at->cols)};
    }
    if (block->downsample)
        swap(&r->x, &r->y);
}

/* ---------------------------------------------------------------------------------------------------------- features */

/* Pools one row of cells of the layer in x. */
static void pool_task(void *context, size_t row, size_t worker)
{
    dp_resnet_run *r = context;
    size_of size = r->sizes[r->layer];
    size_t channels = r->net->channels[r->layer], n = 9 * channels;
    float *v = r->scratch + worker * r->scratch_floats; /* [channels, 3, 3] */
    for (size_t col = 0; col < size.cols; col++) {
        for (size_t y = 0; y < 3; y++)
            for (size_t x = 0; x < 3; x++) {
                size_t in_row = row + y, in_col = col + x; /* padded */
                bool inside = in_row >= 1 && in_row <= size.rows && in_col >= 1 && in_col <= size.cols;
                const float *from = inside ? r->x + ((in_row - 1) * size.cols + in_col - 1) * channels : NULL;
                for (size_t c = 0; c < channels; c++)
                    v[9 * c + 3 * y + x] = from ? from[c] : 0;
            }
        float *to = r->pooled[r->layer] + (row * size.cols + col) * DIM;
        for (size_t i = 0; i < DIM; i++) {
            size_t begin = i * n / DIM, end = ((i + 1) * n + DIM - 1) / DIM;
            float sum = 0;
            for (size_t j = begin; j < end; j++)
                sum += v[j];
            to[i] = sum / (float)(end - begin);
        }
    }
}

/* Finds the position of cell `at` of n_to cells among n_from cells: between *first and *second, at the share *share. */
static void place(size_t at, size_t n_to, size_t n_from, size_t *first, size_t *second, float *share)
{
    double position = fmax(((double)at + 0.5) * (double)n_from / (double)n_to - 0.5, 0);
    *first = (size_t)position < n_from ? (size_t)position : n_from - 1;
    *second = *first + 1 < n_from ? *first + 1 : *first;
    *share = (float)(position - (double)*first);
}

/* Computes one row of tokens. */
static void token_task(void *context, size_t row, size_t worker)
{
    dp_resnet_run *r = context;
    size_of grid = r->sizes[r->layers[0]];
    float *side = r->scratch + worker * r->scratch_floats; /* [n_layers, DIM] */
    for (size_t col = 0; col < grid.cols; col++) {
        for (size_t l = 0; l < r->n_layers; l++) {
            size_of size = r->sizes[r->layers[l]];
            size_t top, bottom, left, right;
            float down, across;
            place(row, grid.rows, size.rows, &top, &bottom, &down);
            place(col, grid.cols, size.cols, &left, &right, &across);
            const float *p = r->pooled[r->layers[l]];
            const float *a = p + (top * size.cols + left) * DIM, *b = p + (top * size.cols + right) * DIM;
            const float *c = p + (bottom * size.cols + left) * DIM, *d = p + (bottom * size.cols + right) * DIM;
            for (size_t i = 0; i < DIM; i++)
                side[l * DIM + i] =
                    (1 - down) * ((1 - across) * a[i] + across * b[i]) + down * ((1 - across) * c[i] + across * d[i]);
        }
        float *to = r->tokens + (row * grid.cols + col) * DIM;
        for (size_t i = 0; i < DIM; i++) {
            float sum = 0;
            for (size_t j = 0; j < r->n_layers; j++)
                sum += side[i * r->n_layers + j];
            to[i] = sum / (float)r->n_layers;
        }
    }
}

/* Uses the output of a layer, which is in x on the grid `at`. index: its place in input->layers. */
typedef void (*take_fn)(dp_resnet_run *r, size_t index, size_of at, void *user);

/* Runs the pictures up to the deepest layer. The time of the convolutions goes to their stages, the time of `take` to
 * the others. */
static dp_status forward(dp_resnet_run *r, const dp_resnet_input *in, bool pools, dp_stage_seconds *seconds,
                         take_fn take, void *user, dp_error *err)
{
    const dp_resnet *net = r->net;
    const size_t deepest = in->layers[in->n_layers - 1];
    dp_status status = prepare(r, in, deepest, pools, err);
    if (status)
        return status;
    double begin = dp_now_seconds(), taking = 0;
    r->rgb = in->rgb;
    r->to = r->t;
    dp_pool_run(r->pool, in->n * in->height, normalise_task, r);
    convolve(r, 0, r->t, r->y);
    size_of at = {halved(dp_conv_out(&net->convs[0].shape, in->height)),
                  halved(dp_conv_out(&net->convs[0].shape, in->width))};
    r->from = r->y;
    r->to = r->x;
    dp_pool_run(r->pool, in->n * at.rows, maximum_task, r);
    seconds->of[DP_STAGE_PATCH] += dp_now_seconds() - begin;

    begin = dp_now_seconds();
    for (size_t b = 0, next = 0; b < net->n_blocks && net->blocks[b].layer <= deepest; b++) {
        run_block(r, &net->blocks[b], &at);
        bool last_of_layer = b + 1 == net->n_blocks || net->blocks[b + 1].layer != net->blocks[b].layer;
        if (!last_of_layer || net->blocks[b].layer != in->layers[next])
            continue;
        double take_begin = dp_now_seconds();
        take(r, next++, at, user);
        taking += dp_now_seconds() - take_begin;
    }
    seconds->of[DP_STAGE_CONV] += dp_now_seconds() - begin - taking;
    seconds->of[DP_STAGE_OTHER] += taking;
    for (size_t i = 0; i < net->n_convs; i++)
        if (dp_conv_plan_failed(r->plans[i]))
            return dp_fail(err, DP_E_UNSUPPORTED, "oneDNN could not run a convolution");
    return DP_OK;
}

static void take_pooled(dp_resnet_run *r, size_t index, size_of at, void *user)
{
    const dp_resnet_input *in = user;
    r->layer = in->layers[index];
    r->sizes[r->layer] = at;
    dp_pool_run(r->pool, at.rows, pool_task, r);
}

dp_status dp_resnet_embed(dp_resnet_run *r, const dp_resnet_input *input, dp_stage_seconds *seconds, float *tokens,
                          dp_error *err)
{
    dp_status status = forward(r, input, true, seconds, take_pooled, (void *)input, err);
    if (status)
        return status;
    double begin = dp_now_seconds();
    r->layers = input->layers;
    r->n_layers = input->n_layers;
    r->tokens = tokens;
    dp_pool_run(r->pool, r->sizes[input->layers[0]].rows, token_task, r);
    seconds->of[DP_STAGE_OTHER] += dp_now_seconds() - begin;
    return DP_OK;
}

struct copies {
    const dp_resnet_input *input;
    float *const *out;
};

static void take_copy(dp_resnet_run *r, size_t index, size_of at, void *user)
{
    const struct copies *copies = user;
    size_t channels = r->net->channels[copies->input->layers[index]];
    memcpy(copies->out[index], r->x, r->n * at.rows * at.cols * channels * sizeof(float));
}

dp_status dp_resnet_layers(dp_resnet_run *r, const dp_resnet_input *input, dp_stage_seconds *seconds, float *const *out,
                           dp_error *err)
{
    struct copies copies = {input, out};
    return forward(r, input, false, seconds, take_copy, &copies, err);
}

dp_layer_shape dp_resnet_layer_shape(const dp_resnet *net, size_t layer, size_t height, size_t width)
{
    size_of at = {halved(dp_conv_out(&net->convs[0].shape, height)), halved(dp_conv_out(&net->convs[0].shape, width))};
    for (size_t l = 2; l <= layer; l++)
        at = (size_of){halved(at.rows), halved(at.cols)};
    return (dp_layer_shape){at.rows, at.cols, net->channels[layer]};
}
