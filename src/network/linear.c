/* SPDX-License-Identifier: Apache-2.0 */
#include "network/linear.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#define FEWEST_ROWS 16 /* fewest rows of a tile, if there is more than one */

/* Cuts rows into tiles, in fours, so that a layer of few columns still keeps two or four threads busy to its end. */
dp_tiles dp_tiles_of(size_t rows)
{
    size_t about = (rows + DP_TILE_ROWS / 2) / DP_TILE_ROWS, fours = (about + 1) / 4;
    dp_tiles t = {.rows = rows, .count = rows < (size_t)4 * FEWEST_ROWS ? 1 : fours ? 4 * fours : 4};
    t.base = rows / t.count;
    t.longer = rows % t.count;
    return t;
}

size_t dp_tile_begin(const dp_tiles *t, size_t tile)
{
    return tile * t->base + (tile < t->longer ? tile : t->longer);
}

size_t dp_tile_rows(const dp_tiles *t, size_t tile)
{
    return t->base + (tile < t->longer);
}

/* Returns the columns of a task: wide enough for the kernel, narrow enough that its weights stay in the cache from
 * tile to tile. */
static size_t group_columns(size_t n)
{
    static const size_t widths[] = {DP_WIDEST_GROUP, 256, 192, 128, 64};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        if (n % widths[i] == 0)
            return widths[i];
    return n;
}

static dp_status dnnl_fault(dp_error *err, dnnl_status_t status, const char *what)
{
    if (status == dnnl_out_of_memory)
        return dp_fail(err, DP_E_MEMORY, "not enough memory for %s", what);
    return dp_fail(err, DP_E_UNSUPPORTED, "oneDNN cannot make %s (status %d)", what, (int)status);
}

bool dp_linear_hold_isa(dp_isa isa)
{
#if defined(__x86_64__)
    dnnl_cpu_isa_t most = isa == DP_ISA_AVX2     ? dnnl_cpu_isa_avx2
                          : isa == DP_ISA_AVX512 ? dnnl_cpu_isa_avx512_core
                                                 : dnnl_cpu_isa_avx512_core_vnni;
    if (isa < DP_ISA_AVX2 || dnnl_set_max_cpu_isa(most) == dnnl_success)
        return true;
    /* the bits of each level include those of the lower levels */
    return ((unsigned)dnnl_get_effective_cpu_isa() & ~(unsigned)most & (unsigned)dnnl_cpu_isa_avx512_core_vnni) == 0;
#else
    (void)isa;
    return true;
#endif
}

/* ------------------------------------------------------------------------------------------------------ primitives */

static dnnl_status_t matrix(dnnl_memory_desc_t *md, size_t rows, size_t cols, size_t row_stride, size_t col_stride,
                            dnnl_data_type_t type)
{
    dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)cols}, strides = {(dnnl_dim_t)row_stride, (dnnl_dim_t)col_stride};
    return dnnl_memory_desc_init_by_strides(md, 2, dims, type, strides);
}

/* Describes the product. packed NULL: oneDNN chooses the layout of the weights. */
static dnnl_status_t describe(const dp_linear *l, dnnl_engine_t engine, size_t rows, const dnnl_memory_desc_t *packed,
                              dnnl_primitive_desc_t *pd)
{
    dnnl_memory_desc_t x, w, b, y;
    dnnl_dims_t dims = {(dnnl_dim_t)l->k, (dnnl_dim_t)l->group};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_matmul_desc_t desc;
    dnnl_status_t s = matrix(&x, rows, l->k, l->k, 1, dnnl_f32);
    if (!s)
        s = matrix(&y, rows, l->group, l->group, 1, dnnl_f32);
    if (!s)
        s = matrix(&b, 1, l->group, l->group, 1, dnnl_f32);
    if (!s && packed)
        w = *packed;
    else if (!s)
        s = dnnl_memory_desc_init_by_tag(&w, 2, dims, dnnl_f32, dnnl_format_tag_any);
    if (!s)
        s = dnnl_matmul_desc_init(&desc, &x, &w, &b, &y);
    if (!s)
        s = dnnl_primitive_attr_create(&attr);
    if (!s)
        s = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (!s)
        s = dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL);
    dnnl_primitive_attr_destroy(attr);
    return s;
}

/* --------------------------------------------------------------------------------------------------------- weights */

static dnnl_status_t pack_group(dp_linear *l, dnnl_engine_t engine, dnnl_stream_t stream, dnnl_primitive_t reorder,
                                const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to, const float *weights,
                                size_t group)
{
    dnnl_memory_t source = NULL;
    dnnl_memory_desc_t bias;
    dnnl_status_t s = dnnl_memory_create(&source, from, engine, (float *)weights + group * l->group * l->k);
    if (!s)
        s = dnnl_memory_create(&l->weights[group], to, engine, DNNL_MEMORY_ALLOCATE);
    if (!s) {
        dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, l->weights[group]}};
        s = dnnl_primitive_execute(reorder, stream, 2, args);
    }
    if (!s)
        s = dnnl_stream_wait(stream);
    if (!s)
        s = matrix(&bias, 1, l->group, l->group, 1, dnnl_f32);
    if (!s)
        s = dnnl_memory_create(&l->bias_memory[group], &bias, engine, l->bias + group * l->group);
    dnnl_memory_destroy(source);
    return s;
}

static dnnl_status_t pack_onednn(dp_linear *l, dnnl_engine_t engine, const float *weights)
{
    dnnl_primitive_desc_t pd = NULL, reorder_pd = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_stream_t stream = NULL;
    dnnl_memory_desc_t from;
    const dnnl_memory_desc_t *to = NULL;
    dnnl_status_t s = describe(l, engine, DP_TILE_ROWS, NULL, &pd);
    if (!s)
        s = (to = dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0)) ? dnnl_success : dnnl_unimplemented;
    if (!s)
        s = matrix(&from, l->k, l->group, 1, l->k, dnnl_f32);
    if (!s)
        s = dnnl_reorder_primitive_desc_create(&reorder_pd, &from, engine, to, engine, NULL);
    if (!s)
        s = dnnl_primitive_create(&reorder, reorder_pd);
    if (!s)
        s = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    for (size_t g = 0; !s && g < l->n_groups; g++)
        s = pack_group(l, engine, stream, reorder, &from, to, weights, g);
    dnnl_stream_destroy(stream);
    dnnl_primitive_destroy(reorder);
    dnnl_primitive_desc_destroy(reorder_pd);
    dnnl_primitive_desc_destroy(pd);
    return s;
}

dp_status dp_linear_pack(const dp_linear_source *source, dp_backing backing, dnnl_engine_t engine, dp_linear *linear,
                         dp_error *err)
{
    const size_t k = source->k, n = source->n;
    dp_linear l = {.k = k, .n = n, .group = group_columns(n), .backing = backing};
    l.n_groups = n / l.group;
    if (backing == DP_BACKING_INT8) {
        dp_status status = dp_int8_pack(n, k, source->input, source->weights, source->bias, &l.bytes, err);
        if (status)
            return status;
        l.group = group_columns(l.bytes.n_panels * DP_INT8_PANEL);
        l.n_groups = l.bytes.n_panels * DP_INT8_PANEL / l.group;
        *linear = l;
        return DP_OK;
    }
    l.bias = dp_malloc(n, sizeof *l.bias);
    if (!l.bias)
        goto no_memory;
    memcpy(l.bias, source->bias, n * sizeof *l.bias);
    if (backing == DP_BACKING_PLAIN) {
        l.plain = dp_malloc_2d(n, k, sizeof *l.plain);
        if (!l.plain)
            goto no_memory;
        memcpy(l.plain, source->weights, n * k * sizeof *l.plain);
    } else {
        l.weights = dp_calloc(l.n_groups, sizeof(dnnl_memory_t));
        l.bias_memory = dp_calloc(l.n_groups, sizeof(dnnl_memory_t));
        if (!l.weights || !l.bias_memory)
            goto no_memory;
        dnnl_status_t status = pack_onednn(&l, engine, source->weights);
        if (status) {
            dp_linear_free(&l);
            return dnnl_fault(err, status, "packed weights");
        }
    }
    *linear = l;
    return DP_OK;
no_memory:
    dp_linear_free(&l);
    return dp_fail_memory(err, "packed weights", n * k * sizeof(float));
}

void dp_linear_free(dp_linear *l)
{
    for (size_t g = 0; g < l->n_groups; g++) {
        if (l->weights)
            dnnl_memory_destroy(l->weights[g]);
        if (l->bias_memory)
            dnnl_memory_destroy(l->bias_memory[g]);
    }
    dp_memory_free(l->weights);
    dp_memory_free(l->bias_memory);
    dp_memory_free(l->plain);
    dp_int8_matrix_free(&l->bytes);
    dp_memory_free(l->bias);
    *l = (dp_linear){0};
}

size_t dp_linear_bytes(const dp_linear *l)
{
    if (l->backing == DP_BACKING_INT8)
        return dp_int8_matrix_bytes(&l->bytes);
    return (l->n * l->k + l->n) * sizeof(float);
}

/* ----------------------------------------------------------------------------------------------------------- plans */

#define MAX_SHAPES 32 /* row counts of a plan; a new one replaces the least recently used */

typedef struct operands {
    dnnl_memory_t x, y, scratchpad;
    void *scratch;
} operands;

typedef struct shape {
    size_t rows, used; /* used: time of the last use */
    dnnl_primitive_t primitive;
    operands *workers; /* [n_workers] */
} shape;

struct dp_linear_plan {
    size_t n_workers;
    dp_linear layer; /* shape only; its pointers are borrowed */
    dnnl_engine_t engine;
    dnnl_stream_t *streams; /* [n_workers] */
    shape shapes[MAX_SHAPES];
    size_t n_shapes, clock;
    atomic_bool failed;
};

dp_status dp_linear_plan_open(const dp_linear *linear, dnnl_engine_t engine, size_t workers, dp_linear_plan **out,
                              dp_error *err)
{
    dp_linear_plan *plan = dp_calloc(1, sizeof *plan);
    if (!plan)
        return dp_fail_memory(err, "a matrix product", sizeof *plan);
    *plan = (dp_linear_plan){.n_workers = workers, .layer = *linear, .engine = engine};
    if (linear->backing == DP_BACKING_ONEDNN) {
        plan->streams = dp_calloc(workers, sizeof(dnnl_stream_t));
        if (!plan->streams) {
            dp_linear_plan_close(&plan);
            return dp_fail_memory(err, "a matrix product", workers * sizeof(dnnl_stream_t));
        }
        for (size_t i = 0; i < workers; i++) {
            dnnl_status_t status = dnnl_stream_create(&plan->streams[i], engine, dnnl_stream_default_flags);
            if (status) {
                dp_linear_plan_close(&plan);
                return dnnl_fault(err, status, "a stream");
            }
        }
    }
    *out = plan;
    return DP_OK;
}

static void shape_free(shape *s, size_t n_workers)
{
    for (size_t i = 0; s->workers && i < n_workers; i++) {
        dnnl_memory_destroy(s->workers[i].x);
        dnnl_memory_destroy(s->workers[i].y);
        dnnl_memory_destroy(s->workers[i].scratchpad);
        dp_memory_free(s->workers[i].scratch);
    }
    dp_memory_free(s->workers);
    dnnl_primitive_destroy(s->primitive);
    *s = (shape){0};
}

void dp_linear_plan_close(dp_linear_plan **plan_pointer)
{
    if (!plan_pointer || !*plan_pointer)
        return;
    dp_linear_plan *plan = *plan_pointer;
    for (size_t i = 0; i < plan->n_shapes; i++)
        shape_free(&plan->shapes[i], plan->n_workers);
    for (size_t i = 0; plan->streams && i < plan->n_workers; i++)
        dnnl_stream_destroy(plan->streams[i]);
    dp_memory_free(plan->streams);
    dp_memory_free(plan);
    *plan_pointer = NULL;
}

static const shape *find_shape(const dp_linear_plan *plan, size_t rows)
{
    size_t i = 0;
    while (i < plan->n_shapes && plan->shapes[i].rows != rows)
        i++;
    return i < plan->n_shapes ? &plan->shapes[i] : NULL;
}

/* Returns a free place, or that of the least recently used shape. */
static shape *place(dp_linear_plan *plan)
{
    if (plan->n_shapes < MAX_SHAPES)
        return &plan->shapes[plan->n_shapes++];
    shape *oldest = plan->shapes;
    for (size_t i = 1; i < MAX_SHAPES; i++)
        if (plan->shapes[i].used < oldest->used)
            oldest = &plan->shapes[i];
    shape_free(oldest, plan->n_workers);
    return oldest;
}

static dnnl_status_t shape_make(const dp_linear_plan *plan, size_t rows, shape *s)
{
    dnnl_primitive_desc_t pd = NULL;
    const dnnl_memory_desc_t *packed = NULL, *x, *y, *scratchpad;
    dnnl_status_t status = dnnl_memory_get_memory_desc(plan->layer.weights[0], &packed);
    if (!status)
        status = describe(&plan->layer, plan->engine, rows, packed, &pd);
    if (!status)
        status = dnnl_primitive_create(&s->primitive, pd);
    s->rows = rows;
    s->workers = dp_calloc(plan->n_workers, sizeof *s->workers);
    if (!status && !s->workers)
        status = dnnl_out_of_memory;
    for (size_t i = 0; !status && i < plan->n_workers; i++) {
        operands *o = &s->workers[i];
        x = dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0);
        y = dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0);
        scratchpad = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
        status = dnnl_memory_create(&o->x, x, plan->engine, DNNL_MEMORY_NONE);
        if (!status)
            status = dnnl_memory_create(&o->y, y, plan->engine, DNNL_MEMORY_NONE);
        if (!status && !(o->scratch = dp_malloc(dnnl_memory_desc_get_size(scratchpad), 1)))
            status = dnnl_out_of_memory;
        if (!status)
            status = dnnl_memory_create(&o->scratchpad, scratchpad, plan->engine, o->scratch);
    }
    dnnl_primitive_desc_destroy(pd);
    return status;
}

dp_status dp_linear_plan_rows(dp_linear_plan *plan, size_t rows, dp_error *err)
{
    if (plan->layer.backing != DP_BACKING_ONEDNN)
        return DP_OK;
    for (size_t i = 0; i < plan->n_shapes; i++) {
        if (plan->shapes[i].rows == rows) {
            plan->shapes[i].used = ++plan->clock;
            return DP_OK;
        }
    }
    shape made = {0};
    dnnl_status_t status = shape_make(plan, rows, &made);
    if (status) {
        shape_free(&made, plan->n_workers);
        return dnnl_fault(err, status, "a matrix product");
    }
    made.used = ++plan->clock;
    *place(plan) = made;
    return DP_OK;
}

bool dp_linear_plan_failed(const dp_linear_plan *plan)
{
    return plan && atomic_load(&plan->failed);
}

/* The reference: double sums, one output at a time. */
static void run_plain(const dp_linear *l, size_t group, size_t rows, const float *x, float *y)
{
    for (size_t i = 0; i < rows; i++, x += l->k, y += l->group) {
        for (size_t j = 0; j < l->group; j++) {
            const float *w = l->plain + (group * l->group + j) * l->k;
            double part[4] = {0}, sum = l->bias[group * l->group + j];
            size_t d = 0;
            for (; d + 4 <= l->k; d += 4)
                for (int p = 0; p < 4; p++)
                    part[p] += (double)x[d + (size_t)p] * w[d + (size_t)p];
            for (; d < l->k; d++)
                part[0] += (double)x[d] * w[d];
            sum += part[0] + part[1] + part[2] + part[3];
            y[j] = (float)sum;
        }
    }
}

void dp_linear_run(dp_linear_plan *plan, const dp_linear *l, size_t group, size_t rows, const float *x, float *y,
                   size_t worker)
{
    if (l->backing == DP_BACKING_PLAIN) {
        run_plain(l, group, rows, x, y);
        return;
    }
    const shape *s = find_shape(plan, rows);
    if (!s) {
        atomic_store(&plan->failed, true); /* the plan was made for other numbers of rows */
        return;
    }
    operands *o = &s->workers[worker];
    dnnl_memory_set_data_handle(o->x, (float *)x);
    dnnl_memory_set_data_handle(o->y, y);
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, o->x},
                              {DNNL_ARG_WEIGHTS, l->weights[group]},
                              {DNNL_ARG_DST, o->y},
                              {DNNL_ARG_SCRATCHPAD, o->scratchpad},
                              {DNNL_ARG_BIAS, l->bias_memory[group]}};
    if (dnnl_primitive_execute(s->primitive, plan->streams[worker], 5, args) || dnnl_stream_wait(plan->streams[worker]))
        atomic_store(&plan->failed, true);
}
