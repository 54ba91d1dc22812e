/* SPDX-License-Identifier: Apache-2.0 */
/* Tests numbers that are not finite: a weight, an activation, a distance. Nothing is scored with them, and the
 * message names their source: the tensor or the picture. */
#include "bank/bank.h"
#include "one_result.h"
#include "small_world.h"
#include "dinopatch/edit.h"

#include <math.h>

static const uint32_t nan_bits = 0x7fc00000, infinity_bits = 0x7f800000, minus_infinity_bits = 0xff800000;

static float number(const char *path, const char *tensor, size_t index)
{
    dp_safetensors *file = NULL;
    float value;
    assert_ok(dp_safetensors_open(path, &file, err));
    memcpy(&value, dp_safetensors_find(file, tensor)->data + index * sizeof value, sizeof value);
    dp_safetensors_close(&file);
    return value;
}

/* The first, a middle and the last weight of every tensor; NaN and both infinities. */
static void every_tensor_is_looked_at(void **state)
{
    (void)state;
    static const char *const architectures[] = {"demo", "resnet18"};
    for (size_t a = 0; a < 2; a++) {
        char *path = world_model("weights.safetensors", architectures[a], 1);
        dp_safetensors *file = NULL;
        assert_ok(dp_safetensors_open(path, &file, err));
        size_t n = dp_safetensors_count(file), looked_at = 0;
        for (size_t t = 0; t < n; t++) {
            const dp_tensor *tensor = dp_safetensors_at(file, t);
            if (tensor->dtype != DP_DTYPE_F32 || strstr(tensor->name, "mask_token") || !strncmp(tensor->name, "fc.", 3)
                || (a && t % 5)) /* the residual network is large */
                continue;
            const size_t places[] = {0, tensor->count / 2, tensor->count - 1};
            const uint32_t bits[] = {nan_bits, infinity_bits, minus_infinity_bits};
            size_t k = looked_at++ % 3;
            char name[128];
            snprintf(name, sizeof name, "%s", tensor->name);
            float before = number(path, name, places[k]);
            world_poke(path, name, places[k], 1, &bits[(looked_at + k) % 3], sizeof bits[0]);
            dp_network *model = NULL;
            assert_fails(DP_E_NUMERIC, name, dp_network_open(path, &model, err));
            assert_null(model);
            world_poke(path, name, places[k], 1, &before, sizeof before);
        }
        assert_true(looked_at > 10);
        dp_network *model = NULL;
        assert_ok(dp_network_open(path, &model, err));
        dp_network_close(&model);
        dp_safetensors_close(&file);
        free(path);
    }
}

/* A checkpoint of finite weights with which the last step passes the largest float. */
static dp_network *overflowing(const char *name, float scale)
{
    char *path = world_model(name, "demo", 1);
    dp_safetensors *file = NULL;
    assert_ok(dp_safetensors_open(path, &file, err));
    size_t dim = dp_safetensors_find(file, "layernorm.weight")->count;
    dp_safetensors_close(&file);
    world_poke(path, "layernorm.weight", 0, dim, &scale, sizeof scale);
    dp_network *model = NULL;
    assert_ok(dp_network_open(path, &model, err));
    free(path);
    return model;
}

struct seen {
    size_t errors, results;
    char message[DP_ERROR_MESSAGE_BYTES];
};

static int on_result(void *user, size_t index, const char *path, const dp_picture *picture, const dp_result *result,
                     double ms, const char *message)
{
    (void)index, (void)path, (void)picture, (void)ms;
    struct seen *seen = user;
    assert_true(!result == !!message);
    seen->results += result != NULL;
    if (message) {
        seen->errors++;
        snprintf(seen->message, sizeof seen->message, "%s", message);
    }
    return 0;
}

/* Turns a bank into one that was made with the given model. */
static void adopt(dp_bank *bank, const dp_network *model)
{
    dp_network_info info;
    dp_network_get_info(model, &info);
    memcpy(bank->model.sha256, info.sha256, sizeof bank->model.sha256);
}

static void activations_that_overflow(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    dp_recipe recipe = world_recipe();
    dp_session *good = world_session(w.model, DP_FP32, 2);
    dp_bank *bank = world_fit(&w, good, &recipe), *none = NULL;
    dp_network *model = overflowing("overflow.safetensors", 3e38f);
    const char *further = temporary_path("further.png");
    world_save(further, 99);
    for (int precision = DP_FP32; precision <= (dp_isa_detect() == DP_ISA_AVX512_VNNI ? DP_INT8 : DP_FP32);
         precision++) {
        dp_session *session = world_session(model, (dp_precision)precision, 2);
        recipe.precision = (dp_precision)precision;
        dp_fit_counts report = {77, 77};
        assert_fails(DP_E_NUMERIC, "world-0.png: the transformer returned a value that is not finite",
                     dp_bank_fit(session, &recipe, (const char *const *)w.paths, WORLD_PICTURES, NULL, NULL, &none,
                                 &report, err));
        assert_null(none);
        assert_int_equal(report.n_failed, 77);
        adopt(bank, model);
        bank->recipe.precision = (dp_precision)precision;
        assert_fails(DP_E_NUMERIC,
                     "further.png: ", dp_bank_add(session, bank, &further, 1, NULL, NULL, &none, NULL, err));
        dp_view view;
        dp_view_init(bank, &view);
        struct seen seen = {0};
        assert_ok(
            dp_session_inspect_files(session, bank, &view, (const char *const *)w.paths, 2, on_result, &seen, err));
        assert_true(seen.errors == 2 && !seen.results);
        assert_non_null(strstr(seen.message, "world-1.png: the transformer returned a value that is not finite"));
        dp_result *result = NULL;
        dp_picture *picture = world_picture(1);
        assert_fails(DP_E_NUMERIC, "not finite", inspect_once(session, bank, &view, picture, &result, err));
        assert_null(result);
        dp_picture_free(&picture);
        dp_session_close(&session);
    }
    dp_bank_close(&bank);
    dp_session_close(&good);
    dp_network_close(&model);
    world_close(&w);
}

/* Features are finite, their differences are not to be squared. */
static void distances_that_overflow(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    dp_network *model = overflowing("far.safetensors", 1e25f);
    dp_session *session = world_session(model, DP_FP32, 2);
    for (int layout = DP_LAYOUT_GRID; layout <= DP_LAYOUT_FLAT; layout++) {
        dp_recipe recipe = world_recipe();
        recipe.layout = (dp_layout)layout;
        dp_bank *bank = NULL;
        for (size_t window = 0; window < 3; window++) {
            recipe.window = window < 2 ? window : DP_WINDOW_GLOBAL;
            assert_fails(DP_E_NUMERIC, "world-0.png: a distance to the bank is not finite",
                         dp_bank_fit(session, &recipe, (const char *const *)w.paths, WORLD_PICTURES, NULL, NULL, &bank,
                                     NULL, err));
            assert_null(bank);
        }
        /* One picture has nothing to be compared with: the bank is made, and the next picture fails. */
        assert_ok(dp_bank_fit(session, &recipe, (const char *const *)w.paths, 1, NULL, NULL, &bank, NULL, err));
        dp_view view;
        dp_view_init(bank, &view);
        struct seen seen = {0};
        assert_ok(
            dp_session_inspect_files(session, bank, &view, (const char *const *)w.paths + 1, 2, on_result, &seen, err));
        assert_true(seen.errors == 2 && !seen.results);
        assert_non_null(strstr(seen.message, "world-2.png: a distance to the bank is not finite"));
        dp_bank_close(&bank);
        /* Half floats hold no such features: the picture is named before anything is scored. */
        recipe.storage = DP_STORAGE_F16;
        assert_fails(DP_E_NUMERIC, "world-0.png: a feature is too large",
                     dp_bank_fit(session, &recipe, (const char *const *)w.paths, 1, NULL, NULL, &bank, NULL, err));
        assert_null(bank);
    }
    dp_session_close(&session);
    dp_network_close(&model);
    world_close(&w);
}

/* A norm beyond the largest float: the cosine is not known, whatever the other vector is. */
static void angles_that_are_not_known(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    dp_recipe recipe = world_recipe();
    recipe.metric = DP_METRIC_COSINE;
    dp_session *plain = world_session(w.model, DP_FP32, 2);
    dp_network *model = overflowing("long.safetensors", 1e38f);
    dp_session *session = world_session(model, DP_FP32, 2);
    for (size_t window = 0; window < 3; window++) {
        recipe.window = window < 2 ? window : DP_WINDOW_GLOBAL;
        dp_bank *bank = world_fit(&w, plain, &recipe), *none = NULL;
        /* Rows so small that their products with such features are finite again, and one that is zero. */
        for (size_t i = 0; i < dp_rows_cells(&bank->rows) * bank->rows.n_rows; i++) {
            for (size_t d = 0; d < bank->rows.dim; d++)
                ((float *)bank->memory.features)[i * bank->rows.dim + d] *= i % 4 ? 1e-30f : 0;
            bank->memory.norms[i] = dp_norm_f32((float *)bank->memory.features + i * bank->rows.dim, bank->rows.dim);
        }
        adopt(bank, model);
        dp_view view;
        dp_view_init(bank, &view);
        struct seen seen = {0};
        assert_ok(
            dp_session_inspect_files(session, bank, &view, (const char *const *)w.paths, 1, on_result, &seen, err));
        assert_int_equal(seen.errors, 1);
        assert_non_null(strstr(seen.message, "world-0.png: "));
        assert_fails(DP_E_NUMERIC, "world-0.png: ",
                     dp_bank_fit(session, &recipe, (const char *const *)w.paths, 1, NULL, NULL, &none, NULL, err));
        dp_bank_close(&bank);
    }
    dp_session_close(&session);
    dp_session_close(&plain);
    dp_network_close(&model);
    world_close(&w);
}

/* What a smaller type cannot hold is not made infinite unnoticed. */
static void too_large_to_be_compressed(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    dp_network *model = overflowing("large.safetensors", 1e7f);
    dp_session *session = world_session(model, DP_FP32, 2);
    for (int layout = DP_LAYOUT_GRID; layout <= DP_LAYOUT_FLAT; layout++) {
        dp_recipe recipe = world_recipe();
        recipe.layout = (dp_layout)layout;
        dp_bank *bank = world_fit(&w, session, &recipe), *smaller = NULL;
        dp_compression how;
        dp_compression_init(bank, &how);
        how.storage = DP_STORAGE_F16;
        assert_fails(DP_E_NUMERIC, "type half floats", dp_bank_compress(bank, &how, NULL, &smaller, NULL, err));
        how.storage = DP_STORAGE_I8;
        assert_ok(dp_bank_compress(bank, &how, NULL, &smaller, NULL, err));
        dp_bank_close(&smaller);
        dp_bank_close(&bank);
    }
    dp_recipe recipe = world_recipe();
    dp_bank *bank = NULL;
    recipe.layout = DP_LAYOUT_FLAT;
    recipe.coreset = 0.5;
    recipe.storage = DP_STORAGE_F16;
    assert_fails(
        DP_E_NUMERIC, "world-0.png: a feature is too large for the bank to hold", /* collected in the type asked for */
        dp_bank_fit(session, &recipe, (const char *const *)w.paths, WORLD_PICTURES, NULL, NULL, &bank, NULL, err));
    assert_null(bank);
    dp_session_close(&session);
    dp_network_close(&model);
    world_close(&w);
}

/* A broken feature in the bank's own memory: no picture is scored against it. */
static void a_broken_bank(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    dp_session *session = world_session(w.model, DP_FP32, 2);
    for (int metric = DP_METRIC_L2; metric <= DP_METRIC_COSINE; metric++)
        for (size_t window = 0; window < 3; window++) {
            dp_recipe recipe = world_recipe();
            recipe.metric = (dp_metric)metric;
            recipe.window = window < 2 ? window : DP_WINDOW_GLOBAL;
            dp_bank *bank = world_fit(&w, session, &recipe);
            ((float *)bank->memory.features)[5] = NAN;
            dp_view view;
            dp_view_init(bank, &view);
            struct seen seen = {0};
            assert_ok(
                dp_session_inspect_files(session, bank, &view, (const char *const *)w.paths, 1, on_result, &seen, err));
            assert_int_equal(seen.errors, 1);
            assert_non_null(strstr(seen.message, "world-0.png: a distance to the bank is not finite"));
            assert_fails(DP_E_NUMERIC, "not finite", dp_bank_save(bank, temporary_path("broken.bank"), err));
            assert_fails(DP_E_NUMERIC, "not finite", dp_bank_verify(bank, err));
            dp_bank_close(&bank);
        }
    dp_session_close(&session);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tensor_is_looked_at),  cmocka_unit_test(activations_that_overflow),
        cmocka_unit_test(distances_that_overflow),    cmocka_unit_test(angles_that_are_not_known),
        cmocka_unit_test(too_large_to_be_compressed), cmocka_unit_test(a_broken_bank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
