/* SPDX-License-Identifier: Apache-2.0 */
/* Compares the layers of the built-in network with torchvision's ResNet-18 in float64, at every instruction set of the
 * machine, and tests that any number of threads gives the same bytes. 256x256, 256x352, 224x320: input rgb_u8, outputs
 * stage1 (every 4th row and column), stage2, stage3. */
#include "levels.h"

#include "network/session.h"
#include "format/safetensors.h"

#include <math.h>

#define BOUND 1e-4f /* of values up to about 10 */
#define LAYERS 3

static const size_t layers[LAYERS] = {1, 2, 3};

struct outputs {
    dp_layer_shape shape[LAYERS];
    float *of[LAYERS]; /* [rows, cols, dim] */
};

static struct outputs run_layers(const dp_network *model, dp_precision precision, dp_isa isa, size_t threads,
                                 const dp_tensor *rgb_u8)
{
    dp_run run;
    dp_run_init(&run);
    run.isa = isa;
    run.threads = threads;
    dp_session *session = NULL;
    assert_ok(dp_session_open(model, precision, &run, &session, err));
    size_t height = rgb_u8->shape[0], width = rgb_u8->shape[1];
    float *rgb = malloc(rgb_u8->count * sizeof *rgb);
    for (size_t i = 0; i < rgb_u8->count; i++)
        rgb[i] = rgb_u8->data[i];
    struct outputs out;
    for (size_t l = 0; l < LAYERS; l++) {
        out.shape[l] = dp_session_layer_shape(session, layers[l], height, width);
        out.of[l] = malloc(out.shape[l].rows * out.shape[l].cols * out.shape[l].dim * sizeof(float));
    }
    /* other layers and another size before, so that plans and buffers change hands */
    assert_ok(dp_session_layers(session, &(dp_inputs){rgb, 1, 64, 72}, layers + 1, 1, out.of + 1, err));
    assert_ok(dp_session_layers(session, &(dp_inputs){rgb, 1, height, width}, layers, LAYERS, out.of, err));
    dp_session_close(&session);
    free(rgb);
    return out;
}

static void compare(const dp_safetensors *golden, const char *size, dp_isa isa, size_t layer, const float *have,
                    dp_layer_shape shape)
{
    char name[16];
    snprintf(name, sizeof name, "stage%zu", layer);
    const dp_tensor *tensor = dp_safetensors_find(golden, name);
    if (!tensor)
        return;
    size_t step = layer == 1 ? 4 : 1;
    assert_true(tensor->shape[0] * step == shape.rows && tensor->shape[1] * step == shape.cols
                && tensor->shape[2] == shape.dim);
    float *want = malloc(tensor->count * sizeof *want), worst = 0, largest = 0;
    assert_ok(dp_tensor_to_f32(tensor, want, err));
    for (size_t y = 0; y < tensor->shape[0]; y++)
        for (size_t x = 0; x < tensor->shape[1]; x++)
            for (size_t c = 0; c < shape.dim; c++) {
                float is = have[(y * step * shape.cols + x * step) * shape.dim + c],
                      should = want[(y * tensor->shape[1] + x) * shape.dim + c];
                worst = fmaxf(worst, fabsf(is - should));
                largest = fmaxf(largest, fabsf(should));
            }
    print_message("%s %s, %s: largest difference %.2g of %.3g\n", size, name, dp_isa_name(isa), (double)worst,
                  (double)largest);
    assert_true(largest > 1);
    if (!(worst <= BOUND))
        fail_msg("%s %s, %s: differs by %g", size, name, dp_isa_name(isa), (double)worst);
    free(want);
}

static void run_case(const dp_network *model, const char *size, dp_isa isa)
{
    char path[512];
    snprintf(path, sizeof path, "%s/nano/%s.safetensors", GOLDEN_FOLDER, size);
    dp_safetensors *golden = NULL;
    assert_ok(dp_safetensors_open(path, &golden, err));
    const dp_tensor *rgb = dp_safetensors_find(golden, "rgb_u8");
    struct outputs one = run_layers(model, DP_FP32, isa, 1, rgb), three = run_layers(model, DP_FP32, isa, 3, rgb);
    for (size_t l = 0; l < LAYERS; l++) {
        compare(golden, size, isa, layers[l], one.of[l], one.shape[l]);
        assert_memory_equal(one.of[l], three.of[l],
                            one.shape[l].rows * one.shape[l].cols * one.shape[l].dim * sizeof(float));
        free(one.of[l]);
        free(three.of[l]);
    }
    dp_safetensors_close(&golden);
}

static void every_case(void **state)
{
    (void)state;
    dp_network *model = NULL;
    assert_ok(dp_network_open(DP_NETWORK_NANO, &model, err));
    run_case(model, "256x256", level);
    if (level != DP_ISA_C) { /* the plain reference takes seconds for each */
        run_case(model, "256x352", level);
        run_case(model, "224x320", level);
    }
    dp_network_close(&model);
}

/* In 8 bits: how far the features of a layer lie from those of float, as a share of their size. */
static void in_bytes(void **state)
{
    (void)state;
    static const double bounds[LAYERS] = {0.03, 0.04, 0.05};
    dp_isa isa = DP_ISA_C;
    assert_ok(dp_isa_resolve(DP_ISA_AUTO, &isa, err));
    if (isa < DP_ISA_AVX512_VNNI) {
        print_message("skipped: int8 needs VNNI\n");
        skip();
    }
    dp_network *model = NULL;
    dp_safetensors *golden = NULL;
    assert_ok(dp_network_open(DP_NETWORK_NANO, &model, err));
    assert_ok(dp_safetensors_open(GOLDEN_FOLDER "/nano/256x352.safetensors", &golden, err));
    const dp_tensor *rgb = dp_safetensors_find(golden, "rgb_u8");
    struct outputs exact = run_layers(model, DP_FP32, isa, 1, rgb), one = run_layers(model, DP_INT8, isa, 1, rgb),
                   three = run_layers(model, DP_INT8, isa, 3, rgb);
    for (size_t l = 0; l < LAYERS; l++) {
        size_t n = one.shape[l].rows * one.shape[l].cols * one.shape[l].dim;
        double apart = 0, size = 0;
        for (size_t i = 0; i < n; i++) {
            apart += pow((double)one.of[l][i] - exact.of[l][i], 2);
            size += pow(exact.of[l][i], 2);
        }
        print_message("layer %zu: differs by %.3f of its size\n", layers[l], sqrt(apart / size));
        assert_true(apart > 0 && sqrt(apart / size) < bounds[l]);
        assert_memory_equal(one.of[l], three.of[l], n * sizeof(float));
        free(exact.of[l]);
        free(one.of[l]);
        free(three.of[l]);
    }
    dp_safetensors_close(&golden);
    dp_network_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(in_bytes)};
    int failed = run_at_each_level("nano", every_case);
    return cmocka_run_group_tests_name("nano in bytes", tests, NULL, NULL) ? 1 : failed;
}
