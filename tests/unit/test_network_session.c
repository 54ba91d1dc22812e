/* SPDX-License-Identifier: Apache-2.0 */
/* Tests sessions: the same bytes for any number of threads, instruction sets that agree over odd grids, layers,
 * arguments, int8. */
#include "test.h"

#include "base/isa.h"
#include "base/memory.h"
#include "network/session.h"
#include "format/safetensors.h"

#include <math.h>

#define SYNTH_SHA256 "2838f3a30c9d6224fb65772f5ccf6f11b9adb7caaa7f633540ef61e49785814d"

static dp_network *plain, *gated;

static int open_models(void **state)
{
    (void)state;
    dp_architecture small = {.dim = 128, .depth = 3, .heads = 2, .patch_px = 4, .position_side = 5};
    assert_ok(dp_network_synthesise(&small, 7, temporary_path("plain.safetensors"), err));
    assert_ok(dp_network_open(temporary_path("plain.safetensors"), &plain, err));
    small.swiglu = 1;
    small.registers = 4;
    assert_ok(dp_network_synthesise(&small, 7, temporary_path("gated.safetensors"), err));
    assert_ok(dp_network_open(temporary_path("gated.safetensors"), &gated, err));
    return 0;
}

static int close_models(void **state)
{
    (void)state;
    dp_network_close(&plain);
    dp_network_close(&gated);
    return 0;
}

static float *picture(size_t height, size_t width, uint32_t seed)
{
    float *rgb = malloc(height * width * 3 * sizeof *rgb);
    for (size_t i = 0; i < height * width * 3; i++) {
        seed = seed * 1664525u + 1013904223u;
        rgb[i] = (float)(seed >> 24);
    }
    return rgb;
}

static float *embed(const dp_network *model, dp_precision precision, dp_isa isa, size_t threads, size_t height,
                    size_t width, const size_t *layers, size_t n_layers, dp_layer_mix mix)
{
    dp_run run;
    dp_run_init(&run);
    run.isa = isa;
    run.threads = threads;
    dp_session *session = NULL;
    assert_ok(dp_session_open(model, precision, &run, &session, err));
    float *rgb = picture(height, width, 3), *tokens = calloc(height * width * 128, sizeof *tokens);
    assert_ok(dp_session_embed(session, rgb, height, width, layers, n_layers, mix, tokens, err));
    free(rgb);
    dp_session_close(&session);
    assert_null(session);
    return tokens;
}

static void threads(void **state)
{
    (void)state;
    for (int precision = DP_FP32; precision <= (dp_isa_detect() == DP_ISA_AVX512_VNNI ? DP_INT8 : DP_FP32); precision++)
        for (int which = 0; which < 2; which++) {
            const dp_network *model = which ? gated : plain;
            size_t n = 21 * 17 * 128;
            float *one = embed(model, (dp_precision)precision, DP_ISA_AUTO, 1, 84, 68, NULL, 0, DP_LAYERS_MEAN);
            for (size_t count = 2; count <= 5; count++) {
                float *many =
                    embed(model, (dp_precision)precision, DP_ISA_AUTO, count, 84, 68, NULL, 0, DP_LAYERS_MEAN);
                assert_memory_equal(one, many, n * sizeof *one);
                free(many);
            }
            free(one);
        }
}

/* Grids of one token, one row, one column, primes, and around the sizes of tiles and blocks. */
static void levels_agree(void **state)
{
    (void)state;
    static const size_t grids[][2] = {{1, 1}, {1, 2},   {2, 1},  {1, 13},  {7, 1},  {3, 5},
                                      {5, 5}, {11, 13}, {8, 14}, {16, 14}, {19, 23}};
    static const dp_isa levels[] = {DP_ISA_NEON, DP_ISA_AVX2, DP_ISA_AVX512, DP_ISA_AVX512_VNNI};
    for (size_t g = 0; g < sizeof grids / sizeof *grids; g++)
        for (int which = 0; which < 2; which++) {
            size_t rows = grids[g][0], cols = grids[g][1], n = rows * cols * 128;
            const dp_network *model = which ? gated : plain;
            float *reference = embed(model, DP_FP32, DP_ISA_C, 2, rows * 4, cols * 4, NULL, 0, DP_LAYERS_MEAN);
            for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
                dp_isa usable;
                if (dp_isa_resolve(levels[l], &usable, NULL))
                    continue;
                float *fast = embed(model, DP_FP32, usable, 2, rows * 4, cols * 4, NULL, 0, DP_LAYERS_MEAN);
                for (size_t i = 0; i < n; i++)
                    if (!(fabsf(fast[i] - reference[i]) <= 2e-5f))
                        fail_msg("%s, %s, grid %zux%zu, value %zu: %g, expected %g", which ? "gated" : "plain",
                                 dp_isa_name(usable), rows, cols, i, (double)fast[i], (double)reference[i]);
                free(fast);
            }
            free(reference);
        }
}

static void layers(void **state)
{
    (void)state;
    const size_t cells = 6 * 9, dim = 128, wanted[] = {2, 0, 1};
    float *each[3] = {0}, *both = embed(plain, DP_FP32, DP_ISA_AUTO, 1, 24, 36, wanted, 3, DP_LAYERS_CONCAT);
    float *mean = embed(plain, DP_FP32, DP_ISA_AUTO, 1, 24, 36, wanted, 3, DP_LAYERS_MEAN);
    for (size_t i = 0; i < 3; i++)
        each[i] = embed(plain, DP_FP32, DP_ISA_AUTO, 1, 24, 36, &wanted[i], 1, DP_LAYERS_MEAN);
    float *last = embed(plain, DP_FP32, DP_ISA_AUTO, 1, 24, 36, NULL, 0, DP_LAYERS_MEAN);
    assert_memory_equal(last, each[0], cells * dim * sizeof *last);
    for (size_t c = 0; c < cells; c++)
        for (size_t d = 0; d < dim; d++) {
            float sum = 0;
            for (size_t i = 0; i < 3; i++) {
                assert_true(both[(c * 3 + i) * dim + d] == each[i][c * dim + d]);
                sum += each[i][c * dim + d];
            }
            assert_true(fabsf(mean[c * dim + d] - sum / 3) < 1e-6f);
        }
    for (size_t i = 0; i < 3; i++)
        free(each[i]);
    free(both), free(mean), free(last);
}

static void wrong_arguments(void **state)
{
    (void)state;
    dp_session *session = NULL;
    assert_ok(dp_session_open(plain, DP_FP32, NULL, &session, err));
    float *rgb = picture(8, 8, 1), tokens[4 * 128];
    const size_t deep = 3;
    assert_fails(DP_E_ARGUMENT, "multiples of the patch, 4",
                 dp_session_embed(session, rgb, 8, 6, NULL, 0, DP_LAYERS_MEAN, tokens, err));
    assert_fails(DP_E_ARGUMENT, "multiples of the patch",
                 dp_session_embed(session, rgb, 0, 8, NULL, 0, DP_LAYERS_MEAN, tokens, err));
    assert_fails(DP_E_ARGUMENT, "more than the 16384 that a side may have",
                 dp_session_embed(session, rgb, 8, (size_t)1 << 40, NULL, 0, DP_LAYERS_MEAN, tokens, err));
    assert_fails(DP_E_ARGUMENT, "layers 0 to 2",
                 dp_session_embed(session, rgb, 8, 8, &deep, 1, DP_LAYERS_MEAN, tokens, err));
    rgb[17] = NAN;
    assert_fails(DP_E_NUMERIC, "not finite",
                 dp_session_embed(session, rgb, 8, 8, NULL, 0, DP_LAYERS_MEAN, tokens, err));
    rgb[17] = 0;
    assert_ok(dp_session_embed(session, rgb, 8, 8, NULL, 0, DP_LAYERS_MEAN, tokens, err));
    free(rgb);
    dp_session_close(&session);
    dp_session_close(&session);
    dp_session_close(NULL);
}

static void tokens_file(void **state)
{
    (void)state;
    float tokens[2 * 3 * 4];
    for (size_t i = 0; i < 24; i++)
        tokens[i] = (float)i / 8;
    const char *path = temporary_path("tokens.safetensors");
    assert_ok(dp_tokens_save(tokens, 2, 3, 4, path, err));
    dp_safetensors *file = NULL;
    assert_ok(dp_safetensors_open(path, &file, err));
    const dp_tensor *t = dp_safetensors_find(file, "tokens");
    assert_true(t && t->rank == 3 && t->shape[0] == 2 && t->shape[1] == 3 && t->shape[2] == 4);
    assert_memory_equal(t->data, tokens, sizeof tokens);
    dp_safetensors_close(&file);
    assert_fails(DP_E_IO, "cannot create", dp_tokens_save(tokens, 2, 3, 4, "/no/such/folder/t.safetensors", err));
}

static void stand_ins(void **state)
{
    (void)state;
    dp_network_info info;
    dp_network_get_info(plain, &info);
    assert_true(info.stand_in && info.dim == 128 && info.depth == 3 && info.patch_px == 4 && info.hidden == 512);
    /* the bytes of this architecture and seed, on every machine */
    assert_string_equal(info.sha256, SYNTH_SHA256);
    dp_architecture a;
    assert_ok(dp_architecture_parse("vitg14_reg", &a, err));
    assert_true(a.dim == 1536 && a.depth == 40 && a.heads == 24 && a.registers == 4 && a.swiglu);
    assert_ok(dp_architecture_parse("vits14", &a, err));
    assert_true(a.dim == 384 && a.depth == 12 && !a.registers && !a.swiglu && a.position_side == 37);
    assert_fails(DP_E_ARGUMENT, "'vits14x' is unknown", dp_architecture_parse("vits14x", &a, err));
    a.dim = 100;
    assert_fails(DP_E_ARGUMENT, "100 channels", dp_network_synthesise(&a, 1, temporary_path("x"), err));
}

static void cosines(const float *a, const float *b, size_t n, size_t dim, double *least, double *mean)
{
    *least = 1;
    *mean = 0;
    for (size_t i = 0; i < n; i++) {
        double ab = 0, aa = 0, bb = 0;
        for (size_t d = 0; d < dim; d++) {
            ab += (double)a[i * dim + d] * b[i * dim + d];
            aa += (double)a[i * dim + d] * a[i * dim + d];
            bb += (double)b[i * dim + d] * b[i * dim + d];
        }
        double cosine = ab / sqrt(aa * bb);
        *least = fmin(*least, cosine);
        *mean += cosine / (double)n;
    }
}

static void int8_is_near(void **state)
{
    (void)state;
    if (dp_isa_detect() != DP_ISA_AVX512_VNNI) {
        print_message("skipped: no AVX-512 VNNI here\n");
        skip();
    }
    for (int which = 0; which < 2; which++) {
        const dp_network *model = which ? gated : plain;
        float *exact = embed(model, DP_FP32, DP_ISA_AUTO, 0, 76, 92, NULL, 0, DP_LAYERS_MEAN);
        float *bytes = embed(model, DP_INT8, DP_ISA_AUTO, 0, 76, 92, NULL, 0, DP_LAYERS_MEAN);
        double least, mean;
        cosines(exact, bytes, 19 * 23, 128, &least, &mean);
        print_message("int8, %s: cosine for each token, least %.5f, mean %.5f\n", which ? "gated" : "plain", least,
                      mean);
        assert_true(least > 0.995);
        free(exact), free(bytes);
    }
}

/* With a trained model and photographs, where the test data is at hand. */
static void int8_on_photographs(void **state)
{
    (void)state;
    const char *data = getenv("DINOPATCH_TEST_DATA");
    if (dp_isa_detect() != DP_ISA_AVX512_VNNI) {
        print_message("skipped: no AVX-512 VNNI here\n");
        skip();
    }
    if (!data) {
        print_message("left out: DINOPATCH_TEST_DATA is not set\n");
        return;
    }
    char path[512];
    snprintf(path, sizeof path, "%s/data/vit_tiny16.safetensors", data);
    dp_network *model = NULL;
    assert_ok(dp_network_open(path, &model, err));
    dp_session *sessions[2] = {NULL};
    assert_ok(dp_session_open(model, DP_FP32, NULL, &sessions[0], err));
    assert_ok(dp_session_open(model, DP_INT8, NULL, &sessions[1], err));
    static const char *const folders[] = {"aliens/train/good", "magnetic_tile/train/good"};
    for (size_t f = 0; f < 2; f++) {
        char command[600];
        snprintf(command, sizeof command, "ls %s/data/%s/* | head -6", data, folders[f]);
        FILE *list = popen(command, "r");
        double least = 1, sum = 0;
        size_t n = 0;
        while (fgets(path, sizeof path, list)) {
            path[strcspn(path, "\n")] = 0;
            dp_picture *photo = NULL;
            assert_ok(dp_picture_load(path, 0, &photo, err));
            dp_pose pose = {.status = DP_ALIGN_OFF};
            float *rgb = malloc(448 * 448 * 3 * sizeof *rgb), *tokens[2];
            assert_ok(dp_canvas_warp(photo, &pose, 1, 0, 448, 448, rgb, NULL, err));
            for (int p = 0; p < 2; p++) {
                tokens[p] = malloc(28 * 28 * 192 * sizeof(float));
                assert_ok(dp_session_embed(sessions[p], rgb, 448, 448, NULL, 0, DP_LAYERS_MEAN, tokens[p], err));
            }
            double worst, mean;
            cosines(tokens[0], tokens[1], 28 * 28, 192, &worst, &mean);
            least = fmin(least, worst);
            sum += mean;
            n++;
            free(rgb), free(tokens[0]), free(tokens[1]);
            dp_picture_free(&photo);
        }
        pclose(list);
        assert_true(n > 0);
        print_message("int8, %s: cosine for each token, least %.5f, mean %.5f\n", folders[f], least, sum / (double)n);
        assert_true(sum / (double)n > 0.999 && least > 0.9);
    }
    dp_session_close(&sessions[0]);
    dp_session_close(&sessions[1]);
    dp_network_close(&model);
}

/* No session computes in another precision than it says. */
static void int8_without_its_instructions(void **state)
{
    (void)state;
    dp_run run;
    dp_run_init(&run);
    run.isa = DP_ISA_C;
    dp_session *session = NULL;
    assert_fails(DP_E_UNSUPPORTED, "precision=fp32", dp_session_open(plain, DP_INT8, &run, &session, err));
    assert_null(session);
}

static void bench(void **state)
{
    (void)state;
    dp_session *session = NULL;
    assert_ok(dp_session_open(plain, DP_FP32, NULL, &session, err));
    dp_bench_settings settings;
    dp_bench_settings_init(&settings);
    settings.height_px = 40;
    settings.width_px = 24;
    dp_bench_result result;
    assert_ok(dp_session_bench(session, &settings, &result, err));
    assert_true(result.min_s > 0 && result.min_s <= result.median_s && result.median_s <= result.max_s);
    double linear = 2 * 61.0 * 128 * 128 * 12, mix = 4 * 61.0 * 61 * 128, patches = 2 * 60.0 * 48 * 128;
    assert_true(fabs(result.gflop - 1e-9 * (3 * (linear + mix) + patches)) < 1e-9);
    double sum = 0;
    for (size_t i = 0; dp_bench_stage_name(i); i++)
        sum += result.stage_s[i];
    assert_true(sum > 0 && sum <= result.max_s * 1.01);
    settings.width_px = 25;
    assert_fails(DP_E_ARGUMENT, "multiples", dp_session_bench(session, &settings, &result, err));
    settings.repeat = 0;
    assert_fails(DP_E_ARGUMENT, "0 repeats", dp_session_bench(session, &settings, &result, err));
    dp_session_close(&session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads),
        cmocka_unit_test(levels_agree),
        cmocka_unit_test(layers),
        cmocka_unit_test(wrong_arguments),
        cmocka_unit_test(tokens_file),
        cmocka_unit_test(stand_ins),
        cmocka_unit_test(int8_is_near),
        cmocka_unit_test(int8_on_photographs),
        cmocka_unit_test(int8_without_its_instructions),
        cmocka_unit_test(bench),
    };
    return cmocka_run_group_tests_name("network_session", tests, open_models, close_models);
}
