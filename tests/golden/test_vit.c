/* SPDX-License-Identifier: Apache-2.0 */
/* Compares the transformer with the float64 reference of the official code, stage by stage, at every instruction set of
 * the machine. The small cases are in tests/golden/vit: checkpoints of random weights with features from the official
 * code, so they cannot be made again here. They are DINOv2 with registers and with SwiGLU, DINOv3 without a bias and
 * with a separate gate and rounded periods, and TIPSv2. Other cases come from $DINOPATCH_TEST_DATA/golden, if it is
 * set. */
#include "test.h"

#include "base/isa.h"
#include "base/memory.h"
#include "network/kernels.h"
#include "network/network.h"
#include "network/session.h"
#include "format/safetensors.h"

#include <math.h>

#define BOUND 5e-5f

static const struct {
    const char *checkpoint, *golden;
} cases[] = {
    {"micro_reg4.hub", "micro_reg4.154x98"},
    {"micro_reg4.hub", "micro_reg4.518x518"},
    {"micro_swiglu.hub", "micro_swiglu.98x154"},
    {"micro.hf", "micro.98x154"},
    {"micro.hf", "micro.224x224"},
    {"micro.hf", "micro.518x518"},
    {"micro_p16.hf", "micro_p16.128x192"},
    {"micro_p16.hf", "micro_p16.224x224"},
    {"micro_reg4.hf", "micro_reg4.154x98"},
    {"micro_reg4.hf", "micro_reg4.224x224"},
    {"micro_reg4.hub", "micro_reg4.224x224"},
    {"micro_reg4.hf", "micro_reg4.518x518"},
    {"micro_swiglu.hf", "micro_swiglu.98x154"},
    {"micro_swiglu.hf", "micro_swiglu.224x224"},
    {"micro_swiglu.hub", "micro_swiglu.224x224"},
    {"dinov3_micro_nobias.timm", "dinov3_micro_nobias.160x96"},
    {"dinov3_micro_swiglu.hub", "dinov3_micro_swiglu.bf16periods.160x96"},
    {"tipsv2_micro.hub", "tipsv2_micro.154x98"},
    {"dinov3_micro.hub", "dinov3_micro.bf16periods.160x96"},
    {"dinov3_micro.hf", "dinov3_micro.160x96"},
    {"dinov3_micro.timm", "dinov3_micro.160x96"},
    {"dinov3_micro.hf", "dinov3_micro.224x224"},
    {"dinov3_micro.timm", "dinov3_micro.512x512"},
    {"dinov3_micro_swiglu.hf", "dinov3_micro_swiglu.160x96"},
    {"dinov3_micro_swiglu.timm", "dinov3_micro_swiglu.224x224"},
    {"dinov3_micro_swiglu.hf", "dinov3_micro_swiglu.512x512"},
    {"tipsv2_micro.timm", "tipsv2_micro.154x98"},
    {"tipsv2_micro.hub", "tipsv2_micro.112x112"},
    {"tipsv2_micro.timm", "tipsv2_micro.224x224"},
};

/* In the tree, else in the test data; 0 where it is in neither. */
static int find_file(const char *name, char path[512])
{
    snprintf(path, 512, "%s/vit/%s.safetensors", GOLDEN_FOLDER, name);
    if (access(path, R_OK) == 0)
        return 1;
    const char *data = getenv("DINOPATCH_TEST_DATA");
    if (!data)
        return 0;
    snprintf(path, 512, "%s/golden/%s.safetensors", data, name);
    return access(path, R_OK) == 0;
}

struct watch {
    const dp_safetensors *golden;
    const char *name;
    const dp_network *model;
    int last, stages;
    float worst;
};

static void compare(struct watch *w, const char *stage, const float *got, size_t n_tokens, size_t dim)
{
    const dp_tensor *expected = dp_safetensors_find(w->golden, stage);
    if (!expected)
        return;
    const char *tokens = dp_safetensors_metadata(w->golden, "tokens");
    size_t rows = expected->shape[0], step = 1;
    if (tokens && strcmp(tokens, "all") != 0)
        assert_int_equal(sscanf(tokens, "every %zuth", &step), 1);
    assert_int_equal(expected->shape[1], dim);
    assert_int_equal(rows, (n_tokens + step - 1) / step);
    float worst = 0, *values = malloc(expected->count * sizeof *values);
    assert_ok(dp_tensor_to_f32(expected, values, err));
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < dim; j++)
            worst = fmaxf(worst, fabsf(values[i * dim + j] - got[i * step * dim + j]));
    free(values);
    w->stages++;
    w->worst = fmaxf(w->worst, worst);
    if (!(worst <= BOUND))
        fail_msg("%s, %s: differs by %g, at most %g is allowed", w->name, stage, (double)worst, (double)BOUND);
}

static void on_block(void *user, int block, const float *x, size_t n_tokens, size_t dim)
{
    struct watch *w = user;
    char stage[16] = "embed";
    if (block >= 0)
        snprintf(stage, sizeof stage, "block%d", block);
    compare(w, stage, x, n_tokens, dim);
    if (block != w->last)
        return;
    const dp_weights *weights;
    assert_ok(dp_network_weights(w->model, DP_BACKING_PLAIN, &weights, err));
    float *final = malloc(n_tokens * dim * sizeof *final);
    const dp_norm norm = {dim, weights->norm_weight, weights->norm_bias, w->model->checkpoint.norm_eps};
    dp_layernorm_f32_c(&norm, x, dim, n_tokens, final, dim);
    compare(w, "final", final, n_tokens, dim);
    free(final);
}

static void run_case(const char *checkpoint, const char *golden_name, dp_isa isa)
{
    char model_path[512], golden_path[512], name[128];
    assert_true(find_file(checkpoint, model_path) && find_file(golden_name, golden_path));
    snprintf(name, sizeof name, "%s on %s, %s", golden_name, checkpoint, dp_isa_name(isa));
    dp_safetensors *golden = NULL;
    dp_network *model = NULL;
    dp_session *session = NULL;
    assert_ok(dp_safetensors_open(golden_path, &golden, err));
    assert_ok(dp_network_open(model_path, &model, err));
    dp_network_info info;
    dp_network_get_info(model, &info);
    dp_run run;
    dp_run_init(&run);
    run.isa = isa;
    assert_ok(dp_session_open(model, DP_FP32, &run, &session, err));
    const dp_tensor *rgb_u8 = dp_safetensors_find(golden, "rgb_u8");
    dp_safetensors *picture = NULL;
    if (!rgb_u8) { /* it stands in another file */
        char other[128], picture_path[512];
        snprintf(other, sizeof other, "%s", dp_safetensors_metadata(golden, "rgb_u8"));
        *strstr(other, ".safetensors") = 0;
        assert_true(find_file(other, picture_path));
        assert_ok(dp_safetensors_open(picture_path, &picture, err));
        rgb_u8 = dp_safetensors_find(picture, "rgb_u8");
    }
    size_t height = rgb_u8->shape[0], width = rgb_u8->shape[1], rows = height / info.patch_px,
           cols = width / info.patch_px;
    float *rgb = malloc(rgb_u8->count * sizeof *rgb), *tokens = malloc(rows * cols * info.dim * sizeof *tokens);
    for (size_t i = 0; i < rgb_u8->count; i++)
        rgb[i] = rgb_u8->data[i];
    struct watch watch = {golden, name, model, (int)info.depth - 1, 0, 0};
    dp_session_watch_blocks(session, on_block, &watch);
    assert_ok(dp_session_embed(session, rgb, height, width, NULL, 0, DP_LAYERS_MEAN, tokens, err));
    assert_true(watch.stages >= 1 && watch.stages <= (int)info.depth + 2);

    /* the public tokens are the grid's part of `final` */
    const dp_tensor *expected = dp_safetensors_find(golden, "final");
    if (expected->shape[0] == rows * cols + 1 + info.registers) {
        float *values = malloc(expected->count * sizeof *values);
        assert_ok(dp_tensor_to_f32(expected, values, err));
        for (size_t i = 0; i < rows * cols * info.dim; i++)
            if (!(fabsf(tokens[i] - values[(1 + info.registers) * info.dim + i]) <= BOUND))
                fail_msg("%s: token value %zu is %g, expected %g", name, i, (double)tokens[i],
                         (double)values[(1 + info.registers) * info.dim + i]);
        float *class_token = malloc(info.dim * sizeof *class_token);
        dp_session_class_token(session, class_token);
        for (size_t i = 0; i < info.dim; i++)
            if (!(fabsf(class_token[i] - values[i]) <= BOUND))
                fail_msg("%s: value %zu of the class token is %g, expected %g", name, i, (double)class_token[i],
                         (double)values[i]);
        free(class_token);
        free(values);
    }
    print_message("%s: %d stages, largest difference %.2g\n", name, watch.stages, (double)watch.worst);
    free(rgb);
    free(tokens);
    dp_session_close(&session);
    dp_network_close(&model);
    dp_safetensors_close(&picture);
    dp_safetensors_close(&golden);
}

/* In 8 bits DINOv3 is as near to float as DINOv2 is: queries and keys are turned before they become bytes. */
static void in_bytes(void **state)
{
    (void)state;
    static const char *const names[] = {"micro_reg4.hub", "dinov3_micro_nobias.timm", "dinov3_micro_swiglu.hub",
                                        "tipsv2_micro.hub"};
    dp_isa isa;
    assert_ok(dp_isa_resolve(DP_ISA_AUTO, &isa, err));
    if (isa < DP_ISA_AVX512_VNNI) {
        print_message("skipped: int8 needs VNNI\n");
        skip();
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512];
        dp_network *model = NULL;
        assert_true(find_file(names[i], path));
        assert_ok(dp_network_open(path, &model, err));
        dp_network_info info;
        dp_network_get_info(model, &info);
        const size_t rows = 9, cols = 12, height = rows * info.patch_px, width = cols * info.patch_px,
                     n = rows * cols * info.dim;
        float *rgb = malloc(height * width * 3 * sizeof *rgb), *tokens[2] = {malloc(n * 4), malloc(n * 4)};
        for (size_t k = 0; k < height * width * 3; k++)
            rgb[k] = (float)(k * 2654435761u >> 8 & 255);
        for (int bytes = 0; bytes < 2; bytes++) {
            dp_session *session = NULL;
            assert_ok(dp_session_open(model, bytes ? DP_INT8 : DP_FP32, NULL, &session, err));
            assert_ok(dp_session_embed(session, rgb, height, width, NULL, 0, DP_LAYERS_MEAN, tokens[bytes], err));
            dp_session_close(&session);
        }
        double apart = 0, size = 0;
        for (size_t k = 0; k < n; k++) {
            apart += pow((double)tokens[0][k] - tokens[1][k], 2);
            size += pow(tokens[0][k], 2);
        }
        print_message("%s in bytes: differs by %.4f of its size\n", names[i], sqrt(apart / size));
        assert_true(apart > 0 && sqrt(apart / size) < 0.05);
        free(rgb);
        free(tokens[0]);
        free(tokens[1]);
        dp_network_close(&model);
    }
}

/* The angles of rotary positions against the official code's, with exact periods. */
static void rotary_table(void **state)
{
    (void)state;
    char path[512];
    dp_safetensors *golden = NULL;
    assert_true(find_file("dinov3_micro.160x96", path));
    assert_ok(dp_safetensors_open(path, &golden, err));
    float table[60 * 64], want[60 * 64];
    double periods[DP_ROTARY_PERIODS];
    dp_rotary_periods(periods);
    dp_rotary_table(periods, 10, 6, table);
    for (size_t part = 0; part < 2; part++) {
        assert_ok(dp_tensor_to_f32(dp_safetensors_find(golden, part ? "rope_sin" : "rope_cos"), want, err));
        for (size_t i = 0; i < 60; i++)
            for (size_t j = 0; j < 64; j++) /* the second half repeats the first */
                assert_true(fabsf(table[i * 64 + part * 32 + j % 32] - want[i * 64 + j]) < 1e-6f);
    }
    dp_safetensors_close(&golden);
}

static void every_case(void **state)
{
    (void)state;
    static const dp_isa levels[] = {DP_ISA_C, DP_ISA_NEON, DP_ISA_AVX2, DP_ISA_AVX512, DP_ISA_AVX512_VNNI};
    size_t done = 0, missing = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[2][512];
        if (!find_file(cases[i].checkpoint, path[0]) || !find_file(cases[i].golden, path[1])) {
            missing++;
            continue;
        }
        for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
            dp_isa usable;
            if (dp_isa_resolve(levels[l], &usable, NULL) == DP_OK)
                run_case(cases[i].checkpoint, cases[i].golden, usable);
        }
        done++;
    }
    if (missing)
        print_message("%zu cases left out: DINOPATCH_TEST_DATA is not set\n", missing);
    assert_true(done >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case), cmocka_unit_test(in_bytes),
                                       cmocka_unit_test(rotary_table)};
    return cmocka_run_group_tests_name("vit", tests, NULL, NULL);
}
