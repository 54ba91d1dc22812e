/* SPDX-License-Identifier: Apache-2.0 */
/* Tests the built-in network: its file, its name, the statistics of its pixels, and its layers in a session. */
#include "noise.h"
#include "test.h"

#include "base/hash.h"
#include "base/isa.h"
#include "network/network.h"
#include "network/nano.h"

static void the_file_is_the_one_it_says(void **state)
{
    (void)state;
    dp_safetensors *file = NULL;
    char digest[65];
    assert_ok(dp_nano_open(&file, err));
    dp_bytes bytes = dp_safetensors_bytes(file);
    assert_true(bytes.bytes == 5598952 && (uintptr_t)bytes.data % 64 == 0);
    assert_ok(dp_sha256(&bytes, 1, digest, err));
    assert_string_equal(digest, DP_NETWORK_NANO_SHA256);
    assert_string_equal(dp_safetensors_metadata(file, "name"), "nano");
    dp_safetensors_close(&file);
}

/* Whatever lies in the folder under that name. */
static void the_name_means_the_built_in_one(void **state)
{
    (void)state;
    dp_network *model = NULL;
    dp_network_info info;
    assert_true(dp_is_nano("nano"));
    assert_false(dp_is_nano("./nano") || dp_is_nano("nano.safetensors") || dp_is_nano(""));
    assert_ok(dp_file_write("nano", "x", 1, err));
    assert_ok(dp_network_open("nano", &model, err));
    dp_network_get_info(model, &info);
    assert_string_equal(info.path, "nano");
    assert_string_equal(info.sha256, DP_NETWORK_NANO_SHA256);
    assert_string_equal(info.architecture, "resnet18");
    assert_true(info.depth == 3 && info.patch_px == 8 && !info.stand_in);
    assert_ok(dp_network_check_unchanged(model, err));
    dp_network_close(&model);
    assert_int_equal(dp_network_open("./nano", &model, NULL), DP_E_FORMAT);
    remove("nano");
}

/* The network whose file has these values of the metadata `mean` and `std`. */
static dp_status open_with(const char *mean, const char *deviation, dp_network **model, dp_error *error)
{
    const char *path = "nano_statistics.safetensors";
    dp_safetensors *file = NULL;
    assert_ok(dp_nano_open(&file, err));
    size_t n = dp_safetensors_count(file);
    dp_tensor *tensors = calloc(n, sizeof *tensors);
    for (size_t i = 0; i < n; i++)
        tensors[i] = *dp_safetensors_at(file, i);
    dp_key_value metadata[2];
    size_t n_metadata = 0;
    if (mean)
        metadata[n_metadata++] = (dp_key_value){"mean", mean};
    if (deviation)
        metadata[n_metadata++] = (dp_key_value){"std", deviation};
    dp_writer *writer = NULL;
    assert_ok(dp_safetensors_begin(path, tensors, n, metadata, n_metadata, &writer, err));
    for (size_t i = 0; i < n; i++)
        assert_ok(dp_writer_put(writer, tensors[i].data, tensors[i].count * dp_dtype_bytes(tensors[i].dtype), err));
    assert_ok(dp_writer_commit(&writer, err));
    dp_status status = dp_network_open(path, model, error);
    remove(path);
    free(tensors);
    dp_safetensors_close(&file);
    return status;
}

static void pixel_statistics_come_from_the_file(void **state)
{
    (void)state;
    dp_network *model = NULL;
    dp_error error;
    assert_ok(open_with(NULL, NULL, &model, err));
    assert_true(model->resnet->mean[0] == 0.485 && model->resnet->deviation[2] == 0.225);
    dp_network_close(&model);
    assert_ok(open_with("0.5,0,0.25", "1,0.5,2", &model, err));
    assert_true(model->resnet->mean[0] == 0.5 && model->resnet->mean[1] == 0 && model->resnet->deviation[2] == 2);
    dp_network_close(&model);
    assert_ok(open_with("0.5", NULL, &model, err));
    assert_true(model->resnet->mean[0] == 0.5 && model->resnet->mean[2] == 0.5);
    dp_network_close(&model);
    static const char *const wrong[] = {"",        "0.5,0.5",     "0.5,0.5,0.5,0.5", "0.5,0.5,x",
                                        "nan,0,0", "0.5 0.5 0.5", "1e9,0,0",         "0.5 "};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (open_with(wrong[i], NULL, &model, &error) != DP_E_CHECKPOINT || !strstr(error.message, "metadata 'mean'"))
            fail_msg("mean '%s' was taken", wrong[i]);
        if (open_with(NULL, wrong[i], &model, &error) != DP_E_CHECKPOINT || !strstr(error.message, "metadata 'std'"))
            fail_msg("std '%s' was taken", wrong[i]);
    }
    assert_int_equal(open_with(NULL, "0.5,0,0.5", &model, &error), DP_E_CHECKPOINT);
}

static void layers_that_are_not_there(void **state)
{
    (void)state;
    dp_network *model = NULL;
    dp_session *session = NULL;
    dp_error error;
    assert_ok(dp_network_open(DP_NETWORK_NANO, &model, err));
    assert_ok(dp_session_open(model, DP_FP32, NULL, &session, err));
    float *rgb = calloc(64 * 72 * 3, sizeof *rgb), *values = malloc(8 * 9 * 128 * sizeof *values);
    dp_layer_shape shape = dp_session_layer_shape(session, 3, 64, 72);
    assert_true(shape.rows == 4 && shape.cols == 5 && shape.dim == 256);
    shape = dp_session_layer_shape(session, 1, 64, 72);
    assert_true(shape.rows == 16 && shape.cols == 18 && shape.dim == 64);
    assert_ok(dp_session_layers(session, &(dp_inputs){rgb, 1, 64, 72}, (size_t[]){2}, 1, &values, err));
    assert_int_equal(dp_session_layers(session, &(dp_inputs){rgb, 1, 64, 72}, NULL, 0, &values, &error), DP_E_ARGUMENT);
    assert_int_equal(dp_session_layers(session, &(dp_inputs){rgb, 1, 64, 72}, (size_t[]){0}, 1, &values, &error),
                     DP_E_ARGUMENT);
    assert_int_equal(dp_session_layers(session, &(dp_inputs){rgb, 1, 64, 72}, (size_t[]){4}, 1, &values, &error),
                     DP_E_ARGUMENT);
    assert_int_equal(dp_session_layers(session, &(dp_inputs){rgb, 1, 60, 72}, (size_t[]){2}, 1, &values, &error),
                     DP_E_ARGUMENT);
    free(rgb);
    free(values);
    dp_session_close(&session);
    dp_network_close(&model);
}

#define TOGETHER 5

/* A picture has the same features alone and among others, with plans and memory of any size before. */
static void several_together(dp_network *model, dp_precision precision, const dp_run *run, const size_t *layers,
                             size_t first)
{
    static const size_t sizes[][2] = {{96, 96}, {40, 72}, {8, 8}};
    dp_session *session = NULL;
    assert_ok(dp_session_open(model, precision, run, &session, err));
    for (size_t size = first; size < sizeof sizes / sizeof *sizes; size++) {
        const size_t height = sizes[size][0], width = sizes[size][1], pixels = height * width * 3;
        float *rgb = noise(TOGETHER * pixels, 127.0f), *alone[2], *all[2];
        size_t values[2];
        for (size_t i = 0; i < TOGETHER * pixels; i++)
            rgb[i] += 128;
        for (size_t l = 0; l < 2; l++) {
            const dp_layer_shape shape = dp_session_layer_shape(session, layers[l], height, width);
            values[l] = shape.rows * shape.cols * shape.dim;
            alone[l] = dp_malloc(values[l], sizeof **alone);
            all[l] = dp_malloc_2d(TOGETHER, values[l], sizeof **all);
        }
        for (size_t n = 1; n <= TOGETHER; n += 2) {
            assert_ok(dp_session_layers(session, &(dp_inputs){rgb, n, height, width}, layers, 2, all, err));
            for (size_t i = 0; i < n; i++) {
                const dp_inputs one = {rgb + i * pixels, 1, height, width};
                assert_ok(dp_session_layers(session, &one, layers, 2, alone, err));
                for (size_t l = 0; l < 2; l++)
                    assert_memory_equal(all[l] + i * values[l], alone[l], values[l] * sizeof(float));
            }
        }
        dp_memory_free(rgb);
        for (size_t l = 0; l < 2; l++) {
            dp_memory_free(alone[l]);
            dp_memory_free(all[l]);
        }
    }
    dp_session_close(&session);
}

static void pictures_alone_and_together(void **state)
{
    (void)state;
    static const dp_isa isas[] = {DP_ISA_C, DP_ISA_NEON, DP_ISA_AVX2, DP_ISA_AVX512, DP_ISA_AVX512_VNNI};
    dp_network *nano = NULL, *vit = NULL;
    const char *path = temporary_path("together.safetensors");
    const dp_architecture architecture = {.dim = 64, .depth = 2, .heads = 1, .patch_px = 8, .position_side = 4};
    assert_ok(dp_network_open(DP_NETWORK_NANO, &nano, err));
    assert_ok(dp_network_synthesise(&architecture, 1, path, err));
    assert_ok(dp_network_open(path, &vit, err));
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        dp_run run;
        dp_isa isa;
        dp_run_init(&run);
        run.isa = isas[i];
        if (dp_isa_resolve(isas[i], &isa, NULL))
            continue;
        for (run.threads = 1; run.threads <= 2; run.threads++) {
            several_together(vit, DP_FP32, &run, (size_t[]){0, 1}, 0);
            several_together(nano, DP_FP32, &run, (size_t[]){2, 3}, isa == DP_ISA_C ? 2 : 0); /* plain C is slow */
            if (isa == DP_ISA_AVX512_VNNI)
                several_together(nano, DP_INT8, &run, (size_t[]){2, 3}, 0);
        }
    }
    dp_network_close(&vit);
    dp_network_close(&nano);
}

/* DinoPatch's own canvas is a transformer's; a canvas that was named stays. */
static void the_default_canvas_is_fitted(void **state)
{
    (void)state;
    dp_network *model = NULL;
    dp_recipe recipe;
    assert_ok(dp_network_open(DP_NETWORK_NANO, &model, err));
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    assert_ok(dp_network_settle_recipe(model, &recipe, err));
    assert_true(recipe.canvas_height_px == 256 && recipe.canvas_width_px == 256 && !recipe.preset);
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.preset = 0;
    assert_ok(dp_network_settle_recipe(model, &recipe, err));
    assert_true(recipe.canvas_height_px == 784 && recipe.canvas_width_px == 784);
    dp_recipe_preset(&recipe, DP_METHOD_ANOMALYDINO);
    assert_ok(dp_network_settle_recipe(model, &recipe, err));
    assert_true(recipe.edge_px == 448 && !recipe.canvas_height_px);
    dp_network_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_is_the_one_it_says),         cmocka_unit_test(the_name_means_the_built_in_one),
        cmocka_unit_test(pixel_statistics_come_from_the_file), cmocka_unit_test(layers_that_are_not_there),
        cmocka_unit_test(the_default_canvas_is_fitted),        cmocka_unit_test(pictures_alone_and_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
