/* SPDX-License-Identifier: Apache-2.0 */
/* Tests that parts that do not match are refused: a bank and another checkpoint, precision, size or choice of layers.
 * A bank whose recipe does not match its features is refused too, because anybody can seal a file. */
#include "bank/bank.h"
#include "one_result.h"
#include "small_world.h"
#include "dinopatch/edit.h"

static void refused(dp_session *session, const dp_bank *bank, const char *picture, const char *text)
{
    dp_view view;
    dp_view_init(bank, &view);
    dp_bank *larger = NULL;
    dp_result *result = NULL;
    dp_picture *taken = world_picture(3);
    assert_fails(DP_E_MISMATCH, text, inspect_once(session, bank, &view, taken, &result, err));
    assert_fails(DP_E_MISMATCH, text, dp_session_inspect_files(session, bank, &view, &picture, 1, NULL, NULL, err));
    assert_fails(DP_E_MISMATCH, text, dp_bank_add(session, bank, &picture, 1, NULL, NULL, &larger, NULL, err));
    assert_null(result);
    assert_null(larger);
    dp_picture_free(&taken);
}

static void accepted(dp_session *session, const dp_bank *bank)
{
    dp_view view;
    dp_view_init(bank, &view);
    dp_result *result = NULL;
    dp_picture *taken = world_picture(3);
    assert_ok(inspect_once(session, bank, &view, taken, &result, err));
    free_result(&result);
    dp_picture_free(&taken);
}

static void another_checkpoint(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    const char *further = temporary_path("further.png");
    world_save(further, 99);
    dp_session *session = world_session(w.model, DP_FP32, 1);
    dp_recipe recipe = world_recipe();
    dp_bank *bank = world_fit(&w, session, &recipe);
    accepted(session, bank);
    /* The same shape with other weights; one bit of one weight; another architecture. */
    char *other = world_model("other.safetensors", "demo", 2), *flipped = world_model("flipped.safetensors", "demo", 1),
         *network = world_model("network.safetensors", "resnet18", 1);
    dp_safetensors *file = NULL;
    uint32_t bits;
    assert_ok(dp_safetensors_open(flipped, &file, err));
    memcpy(&bits, dp_safetensors_find(file, "layernorm.weight")->data, sizeof bits);
    dp_safetensors_close(&file);
    bits ^= 1;
    world_poke(flipped, "layernorm.weight", 0, 1, &bits, sizeof bits);
    char *const paths[] = {other, flipped, network};
    for (size_t i = 0; i < 3; i++) {
        dp_network *model = NULL;
        assert_ok(dp_network_open(paths[i], &model, err));
        dp_session *foreign = world_session(model, DP_FP32, 1);
        dp_network_info info;
        dp_network_get_info(model, &info);
        refused(foreign, bank, further, info.sha256); /* both hashes are named */
        refused(foreign, bank, further, bank->model.sha256);
        dp_session_close(&foreign);
        dp_network_close(&model);
        free(paths[i]);
    }
    dp_bank_close(&bank);
    dp_session_close(&session);
    world_close(&w);
}

static void another_precision(void **state)
{
    (void)state;
    if (dp_isa_detect() != DP_ISA_AVX512_VNNI) {
        print_message("skipped: no AVX-512 VNNI here\n");
        skip();
    }
    world w;
    world_open(&w);
    const char *further = temporary_path("further.png");
    world_save(further, 99);
    for (int precision = DP_FP32; precision <= DP_INT8; precision++) {
        dp_session *session = world_session(w.model, (dp_precision)precision, 1);
        dp_session *other = world_session(w.model, precision == DP_FP32 ? DP_INT8 : DP_FP32, 1);
        dp_recipe recipe = world_recipe();
        recipe.precision = (dp_precision)precision;
        dp_bank *bank = world_fit(&w, session, &recipe), *none = NULL;
        refused(other, bank, further,
                precision == DP_FP32 ? "the bank holds fp32 features, but the session computes int8"
                                     : "the bank holds int8 features, but the session computes fp32");
        assert_fails(DP_E_MISMATCH, "precision",
                     dp_bank_fit(other, &recipe, (const char *const *)w.paths, 1, NULL, NULL, &none, NULL, err));
        dp_bank_close(&bank);
        dp_session_close(&session);
        dp_session_close(&other);
    }
    world_close(&w);
}

/* Each setting that features depend on, changed under a bank that is otherwise sound. */
static void another_recipe(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    const char *further = temporary_path("further.png");
    world_save(further, 99);
    dp_session *session = world_session(w.model, DP_FP32, 1);
    dp_recipe recipe = world_recipe();
    recipe.layers[0] = 2;
    recipe.layers[1] = 3;
    recipe.n_layers = 2;
    for (int concat = 0; concat < 2; concat++) {
        recipe.layer_mix = concat ? DP_LAYERS_CONCAT : DP_LAYERS_MEAN;
        dp_bank *bank = world_fit(&w, session, &recipe);
        accepted(session, bank);
        bank->recipe.layer_mix = concat ? DP_LAYERS_MEAN : DP_LAYERS_CONCAT;
        refused(session, bank, further, "features of");
        bank->recipe.layer_mix = recipe.layer_mix;
        bank->recipe.n_layers = 1;
        if (concat)
            refused(session, bank, further, "features of");
        bank->recipe.n_layers = 2;
        bank->recipe.canvas_width_px *= 2;
        refused(session, bank, further, "canvas");
        bank->recipe.canvas_width_px /= 2;
        bank->recipe.canvas_height_px /= 2;
        refused(session, bank, further, "canvas");
        bank->recipe.canvas_height_px *= 2;
        accepted(session, bank);
        bank->recipe.layers[1] = 40;
        dp_view view;
        dp_view_init(bank, &view);
        dp_picture *picture = world_picture(1);
        dp_result *result = NULL;
        assert_fails(DP_E_ARGUMENT, "does not exist", inspect_once(session, bank, &view, picture, &result, err));
        dp_picture_free(&picture);
        dp_bank_close(&bank);
    }
    dp_session_close(&session);
    world_close(&w);
}

/* Every setting that features depend on keeps two banks apart. */
static void banks_of_other_settings(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    dp_session *session = world_session(w.model, DP_FP32, 1);
    dp_recipe recipe = world_recipe();
    dp_bank *bank = world_fit(&w, session, &recipe), *merged = NULL;
    for (int setting = 0; setting < 5; setting++) {
        dp_recipe changed = recipe;
        const char *name = NULL;
        switch (setting) {
        case 0: changed.layers[0] = 1, changed.n_layers = 1, name = "layers"; break;
        case 1: changed.canvas_width_px *= 2, name = "canvas_width_px"; break;
        case 2: changed.neighbourhood = 3, name = "neighbourhood"; break;
        case 3: changed.mirror = 1, name = "mirror"; break;
        case 4: changed.layout = DP_LAYOUT_FLAT, name = "layout"; break;
        }
        dp_bank *other = world_fit(&w, session, &changed);
        assert_fails(DP_E_MISMATCH, name, dp_bank_merge(bank, other, NULL, &merged, err));
        assert_fails(DP_E_MISMATCH, name, dp_bank_merge(other, bank, NULL, &merged, err));
        assert_null(merged);
        dp_bank_close(&other);
    }
    /* How features are kept, compared, scored and decided on keeps no banks apart: the first bank's way holds. */
    recipe.storage = DP_STORAGE_F16;
    recipe.metric = DP_METRIC_COSINE;
    recipe.window = 1;
    recipe.knn = 2;
    recipe.score = DP_SCORE_MAX;
    recipe.map_sigma_px = 3;
    recipe.fpr = 0.3;
    dp_bank *other = world_fit(&w, session, &recipe);
    for (int way = 0; way < 2; way++) {
        const dp_bank *first = way ? other : bank, *second = way ? bank : other;
        dp_bank_details a, b;
        assert_ok(dp_bank_merge(first, second, NULL, &merged, err));
        dp_bank_get_details(first, &a);
        dp_bank_get_details(merged, &b);
        assert_memory_equal(&a.recipe, &b.recipe, sizeof a.recipe);
        assert_int_equal(b.n_pictures, WORLD_PICTURES); /* the same in both */
        assert_true(a.threshold == b.threshold);
        assert_true(b.threshold_origin.by == DP_ORIGIN_LEAVE_ONE_OUT && b.threshold_origin.fpr == a.recipe.fpr
                    && b.threshold_origin.n_good == WORLD_PICTURES);
        dp_bank_close(&merged);
    }
    dp_bank_close(&other);
    dp_bank_close(&bank);
    dp_session_close(&session);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_checkpoint),
        cmocka_unit_test(another_precision),
        cmocka_unit_test(another_recipe),
        cmocka_unit_test(banks_of_other_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
