/* SPDX-License-Identifier: Apache-2.0 */
/* Compares convolutions on oneDNN with the plain C reference, and tests what a residual network refuses. */
#include "test.h"

#include "base/error.h"
#include "base/isa.h"
#include "network/conv.h"
#include "network/resnet.h"
#include "format/safetensors.h"

#include <math.h>

static float noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 8388608.0f - 1.0f;
}

struct job {
    dp_conv_plan *plan;
    const dp_conv *conv;
    dnnl_engine_t engine;
    dp_isa isa;
    size_t rows, cols;
    const float *x;
    float *y;
    dp_conv_bytes_in bytes; /* in the place of x */
};

static void run_job(void *context, size_t index, size_t worker)
{
    struct job *job = context;
    (void)index;
    assert_ok(dp_conv_plan_open(job->conv, job->engine, job->isa, 1, job->rows, job->cols, &job->plan, err));
    for (size_t b = 0; b < dp_conv_plan_tasks(job->plan, 1); b++)
        dp_conv_run(job->plan, b, 1, job->x, job->y, worker);
    assert_false(dp_conv_plan_failed(job->plan));
    dp_conv_plan_close(&job->plan);
}

/* What the direct sums and Winograd's method differ from sums of doubles by, in units of 1 + |y| / 4. */
#define CLOSE 8e-6f
#define CLOSE_WINOGRAD 2e-5f /* the largest measured: 9e-6 */

static void compare_with_reference(dp_isa isa)
{
    static const dp_conv_shape shapes[] = {
        {3, 64, 7, 2, 3, false, true},   {16, 32, 3, 1, 1, true, true},   {32, 16, 3, 2, 1, false, true},
        {24, 48, 1, 1, 0, true, true},   {16, 32, 1, 2, 0, false, false}, {5, 7, 3, 1, 1, true, true},
        {3, 10, 7, 2, 3, false, true},   {7, 9, 1, 2, 0, true, false},    {64, 128, 3, 2, 1, false, true},
        {16, 64, 3, 1, 1, true, true},   {96, 64, 3, 1, 1, false, false}, {128, 192, 3, 1, 1, true, false},
        {512, 64, 3, 1, 1, false, true},
    };
    static const size_t sizes[][2] = {{1, 1}, {2, 3}, {7, 5}, {14, 14}, {19, 33}, {60, 8}};
    dnnl_engine_t engine = NULL;
    dp_pool *pool = NULL;
    assert_int_equal(dnnl_engine_create(&engine, dnnl_cpu, 0), 0);
    assert_ok(dp_pool_open(1, &pool, err));
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const dp_conv_shape *s = &shapes[i];
        size_t count = s->out * s->side * s->side * s->in;
        float *weights = malloc(count * sizeof *weights), *bias = malloc(s->out * sizeof *bias);
        for (size_t j = 0; j < count; j++)
            weights[j] = noise(&seed) / sqrtf((float)(s->in * s->side * s->side));
        for (size_t j = 0; j < s->out; j++)
            bias[j] = noise(&seed);
        dp_conv plain = {0}, fast = {0};
        assert_ok(dp_conv_pack(s, DP_BACKING_PLAIN, engine, weights, bias, &plain, err));
        assert_ok(dp_conv_pack(s, DP_BACKING_ONEDNN, engine, weights, bias, &fast, err));
        for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++) {
            size_t rows = sizes[z][0], cols = sizes[z][1], n_in = rows * cols * s->in;
            size_t n_out = dp_conv_out(s, rows) * dp_conv_out(s, cols) * s->out;
            float *x = malloc(n_in * sizeof *x), *y = malloc(n_out * sizeof *y),
                  *z_fast = malloc(n_out * sizeof *z_fast);
            for (size_t j = 0; j < n_in; j++)
                x[j] = noise(&seed);
            for (size_t j = 0; j < n_out; j++)
                y[j] = z_fast[j] = noise(&seed);
            struct job job = {.conv = &plain, .engine = engine, .isa = isa, .rows = rows, .cols = cols, .x = x, .y = y};
            dp_pool_run(pool, 1, run_job, &job);
            job.conv = &fast;
            job.y = z_fast;
            dp_pool_run(pool, 1, run_job, &job);
            for (size_t j = 0; j < n_out; j++)
                if (!(fabsf(y[j] - z_fast[j]) <= (fast.winograd ? CLOSE_WINOGRAD : CLOSE) * (1 + fabsf(y[j]) / 4)))
                    fail_msg("%zu to %zu channels, side %zu, stride %zu, %zux%zu: value %zu is %g, expected %g", s->in,
                             s->out, s->side, s->stride, rows, cols, j, (double)z_fast[j], (double)y[j]);
            free(x);
            free(y);
            free(z_fast);
        }
        dp_conv_free(&plain);
        dp_conv_free(&fast);
        free(weights);
        free(bias);
    }
    dp_pool_close(&pool);
    dnnl_engine_destroy(engine);
}

static void fast_equals_reference(void **state)
{
    (void)state;
    static const dp_isa isas[] = {DP_ISA_AVX2, DP_ISA_AVX512, DP_ISA_NEON};
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        dp_isa isa;
        if (dp_isa_resolve(isas[i], &isa, NULL) == DP_OK)
            compare_with_reference(isa);
    }
}

static void run_job_i8(void *context, size_t index, size_t worker)
{
    struct job *job = context;
    (void)index;
    assert_ok(dp_conv_plan_open(job->conv, job->engine, job->isa, 1, job->rows, job->cols, &job->plan, err));
    for (size_t b = 0; b < dp_conv_plan_tasks(job->plan, 1); b++)
        dp_conv_run_i8(job->plan, b, &job->bytes, job->y, worker);
    assert_false(dp_conv_plan_failed(job->plan));
    dp_conv_plan_close(&job->plan);
}

/* The sums of bytes, one output at a time; then what dp_int8_finish says, in plain C. */
static void expect_i8(const struct job *job, const int8_t *w, float *y)
{
    const dp_conv_shape *s = &job->conv->shape;
    size_t rows = dp_conv_out(s, job->rows), cols = dp_conv_out(s, job->cols), at = 0;
    int32_t *sum = calloc(rows * cols * s->out, sizeof *sum);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            for (size_t o = 0; o < s->out; o++, at++)
                for (size_t u = 0; u < s->side; u++)
                    for (size_t v = 0; v < s->side; v++) {
                        size_t row = r * s->stride + u - s->pad, col = c * s->stride + v - s->pad; /* wraps outside */
                        for (size_t i = 0; row < job->rows && col < job->cols && i < s->in; i++)
                            sum[at] += job->bytes.q[(row * job->cols + col) * s->in + i]
                                       * w[((o * s->side + u) * s->side + v) * s->in + i];
                    }
    const dp_int8_finish how = {job->conv->scale, job->conv->bias, s->out, job->bytes.x_scale, s->add, s->relu};
    dp_finish_i8_c(&how, sum, rows * cols, y);
    free(sum);
}

/* In 8 bits the sums are exact, so every output has the same bits as that of the reference. */
static void bytes_equal_reference(void **state)
{
    (void)state;
    static const dp_conv_shape shapes[] = {
        {16, 32, 3, 1, 1, true, true},   {32, 16, 3, 2, 1, false, true}, {24, 48, 1, 1, 0, true, true},
        {16, 32, 1, 2, 0, false, false}, {5, 7, 3, 1, 1, true, true},    {64, 128, 3, 2, 1, false, true},
    };
    static const size_t sizes[][2] = {{1, 1}, {2, 3}, {7, 5}, {19, 33}, {60, 8}};
    dp_int8_kernels kernels;
    dp_isa isa = DP_ISA_C;
    assert_ok(dp_isa_resolve(DP_ISA_AUTO, &isa, err));
    if (!dp_int8_kernels_init(&kernels, isa)) {
        print_message("skipped: no VNNI here\n");
        skip();
    }
    dnnl_engine_t engine = NULL;
    dp_pool *pool = NULL;
    assert_int_equal(dnnl_engine_create(&engine, dnnl_cpu, 0), 0);
    assert_ok(dp_pool_open(1, &pool, err));
    uint32_t seed = 5;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const dp_conv_shape *s = &shapes[i];
        size_t k = s->side * s->side * s->in, count = s->out * k;
        float *weights = malloc(count * sizeof *weights), *bias = malloc(s->out * sizeof *bias),
              *scale = malloc(s->out * sizeof *scale);
        int8_t *bytes = malloc(count);
        for (size_t j = 0; j < count; j++)
            weights[j] = noise(&seed) / sqrtf((float)k);
        for (size_t j = 0; j < s->out; j++)
            bias[j] = noise(&seed);
        memset(weights, 0, k * sizeof *weights); /* a channel without weights */
        dp_conv conv = {0};
        assert_ok(dp_conv_pack(s, DP_BACKING_INT8, engine, weights, bias, &conv, err));
        dp_conv_quantise(s->out, k, weights, bytes, scale);
        for (size_t j = 0; j < count; j++)
            assert_true(fabsf(bytes[j] * scale[j / k] - weights[j]) <= 0.501f * scale[j / k]);
        for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++) {
            size_t rows = sizes[z][0], cols = sizes[z][1], n_in = rows * cols * s->in;
            size_t n_out = dp_conv_out(s, rows) * dp_conv_out(s, cols) * s->out;
            float *x = malloc(n_in * sizeof *x), *y = malloc(n_out * sizeof *y), *want = malloc(n_out * sizeof *want);
            uint8_t *q = malloc(n_in), *q_plain = malloc(n_in);
            for (size_t j = 0; j < n_in; j++)
                x[j] = fmaxf(0, noise(&seed));
            for (size_t j = 0; j < n_out; j++)
                y[j] = want[j] = noise(&seed);
            float top = kernels.largest(x, n_in);
            assert_true(top == dp_largest_c(x, n_in));
            kernels.quantise_relu(x, n_in, top > 0 ? 255 / top : 1, q);
            dp_quantise_relu_c(x, n_in, top > 0 ? 255 / top : 1, q_plain);
            assert_memory_equal(q, q_plain, n_in);
            struct job job = {.conv = &conv,
                              .engine = engine,
                              .isa = isa,
                              .rows = rows,
                              .cols = cols,
                              .y = y,
                              .bytes = {&kernels, q, top / 255}};
            expect_i8(&job, bytes, want);
            dp_pool_run(pool, 1, run_job_i8, &job);
            for (size_t j = 0; j < n_out; j++)
                if (memcmp(&y[j], &want[j], sizeof *y) != 0)
                    fail_msg("%zu to %zu channels, side %zu, stride %zu, %zux%zu: value %zu is %.9g, expected %.9g",
                             s->in, s->out, s->side, s->stride, rows, cols, j, (double)y[j], (double)want[j]);
            free(x);
            free(y);
            free(want);
            free(q);
            free(q_plain);
        }
        dp_conv_free(&conv);
        free(weights);
        free(bias);
        free(scale);
        free(bytes);
    }
    dp_pool_close(&pool);
    dnnl_engine_destroy(engine);
}

static void kernels_job(void *context, size_t index, size_t worker)
{
    struct job *job = context;
    (void)index, (void)worker;
    assert_ok(dp_conv_plan_open(job->conv, job->engine, job->isa, 1, job->rows, job->cols, &job->plan, err));
    for (size_t b = 0; b < dp_conv_plan_tasks(job->plan, 1); b++)
        if (strstr(dp_conv_plan_kernel(job->plan, b), "ref"))
            fail_msg("%zu to %zu channels, side %zu, stride %zu, %zux%zu: band %zu of %zu is computed by %s",
                     job->conv->shape.in, job->conv->shape.out, job->conv->shape.side, job->conv->shape.stride,
                     job->rows, job->cols, b, dp_conv_plan_tasks(job->plan, 1), dp_conv_plan_kernel(job->plan, b));
    dp_conv_plan_close(&job->plan);
}

/* oneDNN's reference kernel is a hundred times slower and gives the same numbers: only its name tells. */
static void fast_kernels(void **state)
{
    (void)state;
    static const struct {
        dp_conv_shape shape;
        size_t side;
    } cases[] = {
        {{3, 64, 7, 2, 3, false, true}, 224},   {{64, 64, 3, 1, 1, false, true}, 56},
        {{64, 64, 3, 1, 1, true, true}, 56},    {{64, 128, 3, 2, 1, false, true}, 56},
        {{64, 128, 1, 2, 0, false, false}, 56}, {{128, 128, 3, 1, 1, true, true}, 28},
        {{256, 256, 3, 1, 1, true, true}, 14},  {{512, 512, 3, 1, 1, true, true}, 7},
        {{512, 512, 3, 1, 1, true, true}, 10},  {{64, 256, 1, 1, 0, true, true}, 56},
        {{256, 64, 1, 1, 0, false, true}, 56},  {{1024, 2048, 1, 2, 0, false, false}, 14},
        {{512, 2048, 1, 1, 0, true, true}, 7},  {{64, 64, 3, 1, 1, true, true}, 80},
        {{256, 256, 3, 2, 1, false, true}, 28},
    };
    dp_isa isa = DP_ISA_C;
    assert_ok(dp_isa_resolve(DP_ISA_AUTO, &isa, err));
    if (isa < DP_ISA_AVX2) {
        print_message("skipped: no AVX2 here\n");
        skip();
    }
    dnnl_engine_t engine = NULL;
    dp_pool *pool = NULL;
    assert_int_equal(dnnl_engine_create(&engine, dnnl_cpu, 0), 0);
    assert_ok(dp_pool_open(1, &pool, err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const dp_conv_shape *s = &cases[i].shape;
        float *weights = calloc(s->out * s->side * s->side * s->in, sizeof *weights),
              *bias = calloc(s->out, sizeof *bias);
        dp_conv conv = {0};
        assert_ok(dp_conv_pack(s, DP_BACKING_ONEDNN, engine, weights, bias, &conv, err));
        struct job job = {.conv = &conv, .engine = engine, .isa = isa, .rows = cases[i].side, .cols = cases[i].side};
        dp_pool_run(pool, 1, kernels_job, &job);
        dp_conv_free(&conv);
        dp_int8_kernels kernels;
        if (s->in > 3 && dp_int8_kernels_init(&kernels, isa)) {
            assert_ok(dp_conv_pack(s, DP_BACKING_INT8, engine, weights, bias, &conv, err));
            dp_pool_run(pool, 1, kernels_job, &job);
            dp_conv_free(&conv);
        }
        free(weights);
        free(bias);
    }
    dp_pool_close(&pool);
    dnnl_engine_destroy(engine);
}

static void settings_that_mean_nothing(void **state)
{
    (void)state;
    const char *path = "conv_small.safetensors";
    dp_architecture small = {
        .resnet_blocks = {1, 1, 1, 1}, .resnet_width = {8, 8, 8, 8}, .resnet_out = {8, 8, 8, 8}, .resnet_stem = 8};
    assert_ok(dp_network_synthesise(&small, 1, path, err));
    dp_network *model = NULL;
    dp_session *session = NULL;
    dp_error error;
    assert_ok(dp_network_open(path, &model, err));
    dp_network_info info;
    dp_network_get_info(model, &info);
    assert_true(info.stand_in && info.dim == 1024);
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    assert_ok(dp_network_settle_recipe(model, &recipe, err));
    assert_true(recipe.n_layers == 2 && recipe.layers[0] == 2 && recipe.layers[1] == 3);
    recipe = (dp_recipe){.n_layers = 3, .layers = {(size_t)-1, 3, 2}};
    assert_ok(dp_network_settle_recipe(model, &recipe, err));
    assert_true(recipe.n_layers == 3 && recipe.layers[0] == 2 && recipe.layers[2] == 4);
    const dp_recipe wrong[] = {{.n_layers = 1, .layers = {3}}, {.n_layers = 2, .layers = {1, 2}},
                               {.n_layers = 1, .layers = {0}}, {.n_layers = 2, .layers = {2, 2}},
                               {.n_layers = 1, .layers = {5}}, {.layer_mix = DP_LAYERS_CONCAT}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        recipe = wrong[i];
        if (dp_network_settle_recipe(model, &recipe, &error) != DP_E_ARGUMENT || !error.message[0])
            fail_msg("recipe %zu was taken", i);
    }
    assert_ok(dp_session_open(model, DP_FP32, NULL, &session, err));
    float *rgb = calloc(64 * 64 * 3, sizeof *rgb), *tokens = malloc(64 * 1024 * sizeof *tokens);
    assert_ok(dp_session_embed(session, rgb, 64, 64, NULL, 0, DP_LAYERS_MEAN, tokens, err));
    assert_ok(dp_session_embed(session, rgb, 8, 8, NULL, 0, DP_LAYERS_MEAN, tokens, err));
    assert_int_equal(dp_session_embed(session, rgb, 60, 64, NULL, 0, DP_LAYERS_MEAN, tokens, &error), DP_E_ARGUMENT);
    assert_int_equal(dp_session_embed(session, rgb, 64, 64, (size_t[]){3}, 1, DP_LAYERS_MEAN, tokens, &error),
                     DP_E_ARGUMENT);
    assert_int_equal(dp_session_embed(session, rgb, 64, 64, NULL, 0, DP_LAYERS_CONCAT, tokens, &error), DP_E_ARGUMENT);
    free(rgb);
    free(tokens);
    dp_session_close(&session);
    dp_network_close(&model);
    remove(path);
}

/* A checkpoint of the small network with one tensor left out, renamed, or of a wrong shape is refused and the tensor named. */
static void faults_are_named(void **state)
{
    (void)state;
    const char *path = "conv_faults.safetensors", *broken = "conv_broken.safetensors";
    dp_architecture small = {.resnet_blocks = {1, 1, 1, 1},
                             .resnet_width = {4, 4, 4, 4},
                             .resnet_out = {8, 8, 8, 8},
                             .resnet_stem = 4,
                             .resnet_bottleneck = 1};
    assert_ok(dp_network_synthesise(&small, 1, path, err));
    dp_safetensors *file = NULL;
    assert_ok(dp_safetensors_open(path, &file, err));
    size_t n = dp_safetensors_count(file);
    dp_tensor *tensors = calloc(n, sizeof *tensors);
    static const char *const marks[] = {"layer2.0.conv2.weight", "layer1.0.bn3.running_var",
                                        "layer3.0.downsample.0.weight"};
    for (size_t fault = 0; fault < 9; fault++) {
        size_t kept = 0;
        const char *mark = marks[fault % 3];
        for (size_t i = 0; i < n; i++) {
            tensors[kept] = *dp_safetensors_at(file, i);
            if (strcmp(tensors[kept].name, mark) != 0) {
                kept++;
            } else if (fault / 3 == 1) {
                tensors[kept++].name = "layer9.extra";
            } else if (fault / 3 == 2) {
                tensors[kept].shape[0] /= 2;
                tensors[kept++].count /= 2;
            }
        }
        dp_writer *writer = NULL;
        assert_ok(dp_safetensors_begin(broken, tensors, kept, NULL, 0, &writer, err));
        for (size_t i = 0; i < kept; i++)
            assert_ok(dp_writer_put(writer, tensors[i].data, tensors[i].count * sizeof(float), err));
        assert_ok(dp_writer_commit(&writer, err));
        dp_network *model = NULL;
        dp_error error;
        dp_status status = dp_network_open(broken, &model, &error);
        if (status != DP_E_CHECKPOINT
            || !strstr(error.message, fault / 3 < 2    ? mark
                                      : fault % 3 == 0 ? "layer2.0.bn2.weight"
                                      : fault % 3 == 1 ? mark
                                                       : "layer3.0.downsample.1.weight"))
            fail_msg("fault %zu: status %d, '%s'", fault, (int)status, status ? error.message : "");
    }
    free(tensors);
    dp_safetensors_close(&file);
    remove(path);
    remove(broken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fast_equals_reference), cmocka_unit_test(bytes_equal_reference),
                                       cmocka_unit_test(fast_kernels), cmocka_unit_test(settings_that_mean_nothing),
                                       cmocka_unit_test(faults_are_named)};
    return cmocka_run_group_tests_name("network_conv", tests, NULL, NULL);
}
