/* SPDX-License-Identifier: Apache-2.0 */
/* bench.c - measures the speed of the network and the speed that the machine could reach.
 *
 * The bound is measured in the same run, between the passes, because clock rates change: all threads run
 * multiply-adds on registers alone, with the session's instruction set. The best of these is the bound. */
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "network/network.h"
#include "network/session.h"
#include "options/check.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

_Static_assert(DP_BENCH_STAGES == DP_STAGES, "the public stages are those of the session");

#define FMA_TASKS 8 /* for each thread */
#define FMA_TASK_FLOP 200e6

void dp_bench_settings_init(dp_bench_settings *settings)
{
    *settings = (dp_bench_settings){.height_px = 784, .width_px = 784, .repeat = 5, .warm_up = 1};
}

const char *dp_bench_stage_name(size_t stage)
{
    static const char *const names[] = {"patch",   "qkv",  "attention", "proj", "mlp_in",
                                        "mlp_out", "norm", "other",     "conv"};
    return stage < DP_BENCH_STAGES ? names[stage] : NULL;
}

struct bound {
    const dp_vit_kernels *kernels;
    size_t rounds;
    atomic_int odd; /* uses the results, so that the compiler keeps them */
};

static void fma_task(void *context, size_t index, size_t worker)
{
    struct bound *bound = context;
    (void)index, (void)worker;
    if (bound->kernels->fma_rounds(bound->rounds) < 0)
        atomic_fetch_add(&bound->odd, 1);
}

static double measure_bound(dp_session *session)
{
    struct bound bound = {.kernels = dp_session_kernels(session),
                          .rounds = (size_t)(FMA_TASK_FLOP / DP_FMA_ROUND_FLOP)};
    size_t tasks = FMA_TASKS * dp_pool_threads(dp_session_pool(session));
    double begin = dp_now_seconds();
    dp_pool_run(dp_session_pool(session), tasks, fma_task, &bound);
    return (double)tasks * (double)bound.rounds * DP_FMA_ROUND_FLOP * 1e-9 / (dp_now_seconds() - begin);
}

typedef struct pass {
    double seconds;
    dp_stage_seconds stages;
} pass;

static int by_seconds(const void *a, const void *b)
{
    const pass *x = a, *y = b;
    return (x->seconds > y->seconds) - (x->seconds < y->seconds);
}

/* Fills rgb with noise of the mean and spread of a photograph; only its finiteness matters. */
static void fill(float *rgb, size_t n)
{
    uint32_t state = 12345;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        rgb[i] = (float)(state >> 24);
    }
}

/* What a pass computes, with room for it. */
struct outputs {
    float *memory;
    size_t layers[2], n_layers; /* of a residual network; 0: the final tokens */
    float *of[2];
};

/* A residual network gives the outputs of stages 2 and 3, as far as it has them: those of the method `auto`. */
static dp_status make_room(const dp_session *session, size_t height, size_t width, struct outputs *to, dp_error *err)
{
    const dp_network *model = dp_session_network(session);
    const size_t patch = model->checkpoint.patch_px;
    size_t floats = 0, begin[2] = {0};
    bool good = true;
    if (!model->resnet)
        good = dp_mul_size(height / patch * (width / patch), model->checkpoint.dim, &floats);
    for (size_t layer = 2; model->resnet && layer <= model->resnet->depth && layer <= 3; layer++) {
        const dp_layer_shape shape = dp_session_layer_shape(session, layer, height, width);
        begin[to->n_layers] = floats;
        to->layers[to->n_layers++] = layer;
        floats += shape.rows * shape.cols * shape.dim; /* the picture's token limit bounds it */
    }
    to->memory = good ? dp_malloc(floats, sizeof(float)) : NULL;
    if (!to->memory)
        return dp_fail_memory(err, "a benchmark", floats * sizeof(float));
    for (size_t i = 0; i < to->n_layers; i++)
        to->of[i] = to->memory + begin[i];
    return DP_OK;
}

static dp_status run_network(dp_session *session, const float *rgb, size_t height, size_t width, struct outputs *to,
                             dp_error *err)
{
    if (to->n_layers)
        return dp_session_layers(session, &(dp_inputs){rgb, 1, height, width}, to->layers, to->n_layers, to->of, err);
    return dp_session_embed(session, rgb, height, width, NULL, 0, DP_LAYERS_MEAN, to->memory, err);
}

dp_status dp_session_bench(dp_session *session, const dp_bench_settings *settings, dp_bench_result *result,
                           dp_error *err)
{
    const dp_network *model = dp_session_network(session);
    size_t patch = model->checkpoint.patch_px, height = settings->height_px, width = settings->width_px, n_rgb;
    if (!settings->repeat || settings->repeat > 100000)
        return dp_fail(err, DP_E_ARGUMENT, "%zu repeats are impossible; give 1 to 100000", settings->repeat);
    const dp_run *run = dp_session_run(session);
    dp_status status = dp_check_cells(run->max_tokens, height, width, patch, NULL, err);
    if (status)
        return status;
    if (!dp_mul_size(height, width, &n_rgb) || !dp_mul_size(n_rgb, 3, &n_rgb))
        return dp_fail(err, DP_E_ARGUMENT, "input of %zux%zu pixels is too large", height, width);
    struct outputs outputs = {0};
    float *rgb = dp_malloc(n_rgb, sizeof *rgb);
    pass *passes = dp_calloc(settings->repeat, sizeof *passes);
    double bound = 0;
    if (!rgb || !passes) {
        status = dp_fail_memory(err, "a benchmark", n_rgb * sizeof *rgb);
        goto done;
    }
    status = make_room(session, height, width, &outputs, err);
    if (status)
        goto done;
    fill(rgb, n_rgb);
    for (size_t i = 0; i < settings->warm_up && !status; i++)
        status = run_network(session, rgb, height, width, &outputs, err);
    for (size_t i = 0; i < settings->repeat && !status; i++) {
        double this_bound = measure_bound(session), begin = dp_now_seconds();
        bound = this_bound > bound ? this_bound : bound;
        memset(dp_session_stage_seconds(session), 0, sizeof(dp_stage_seconds));
        status = run_network(session, rgb, height, width, &outputs, err);
        passes[i] = (pass){dp_now_seconds() - begin, *dp_session_stage_seconds(session)};
        if (!status && run->progress && run->progress(run->user, "bench", i + 1, settings->repeat))
            status = dp_fail(err, DP_E_CANCELLED, "stopped");
    }
    if (status)
        goto done;
    qsort(passes, settings->repeat, sizeof *passes, by_seconds);
    const pass *median = &passes[settings->repeat / 2];
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    *result = (dp_bench_result){
        .median_s = median->seconds,
        .min_s = passes[0].seconds,
        .max_s = passes[settings->repeat - 1].seconds,
        .threads = dp_pool_threads(dp_session_pool(session)),
        .precision = dp_session_precision(session),
        .isa = dp_session_isa(session),
        .gflop = dp_session_gflop(session, height, width),
        .fma_bound_gflop_per_s = bound,
        .peak_rss_bytes = (size_t)usage.ru_maxrss * 1024,
        .weights_bytes = dp_session_weights_bytes(session),
    };
    result->gflop_per_s = result->gflop / result->median_s;
    result->share_of_bound = result->gflop_per_s / bound;
    memcpy(result->stage_s, median->stages.of, sizeof result->stage_s);
done:
    dp_memory_free(rgb);
    dp_memory_free(outputs.memory);
    dp_memory_free(passes);
    return status;
}
