/* SPDX-License-Identifier: Apache-2.0 */
/* Compares residual networks with PyTorch in float64 (make_resnet.py), at every instruction set of the machine, and
 * tests that any number of threads gives the same bytes. */
#include "levels.h"

#include "network/session.h"
#include "format/safetensors.h"

#include <math.h>

#define BOUND 2e-5f /* of the largest feature */

static const struct {
    const char *name;
    size_t layers[3], n;
} sets[] = {{"tokens23", {0}, 0}, {"tokens23", {2, 3}, 2}, {"tokens2", {2}, 1}, {"tokens234", {2, 3, 4}, 3}};

static float *embed(const dp_network *model, dp_isa isa, size_t threads, const dp_tensor *rgb_u8, const size_t *layers,
                    size_t n)
{
    dp_run run;
    dp_run_init(&run);
    run.isa = isa;
    run.threads = threads;
    dp_session *session = NULL;
    assert_ok(dp_session_open(model, DP_FP32, &run, &session, err));
    size_t height = rgb_u8->shape[0], width = rgb_u8->shape[1];
    float *rgb = malloc(rgb_u8->count * sizeof *rgb),
          *tokens = malloc(height / 8 * (width / 8) * 1024 * sizeof *tokens);
    for (size_t i = 0; i < rgb_u8->count; i++)
        rgb[i] = rgb_u8->data[i];
    /* another size before, so that plans and buffers change hands */
    assert_ok(dp_session_embed(session, rgb, 16, 24, layers, n, DP_LAYERS_MEAN, tokens, err));
    assert_ok(dp_session_embed(session, rgb, height, width, layers, n, DP_LAYERS_MEAN, tokens, err));
    dp_session_close(&session);
    free(rgb);
    return tokens;
}

static void run_case(const char *name, dp_isa isa)
{
    char path[2][512];
    snprintf(path[0], sizeof path[0], "%s/resnet/%s.safetensors", GOLDEN_FOLDER, name);
    snprintf(path[1], sizeof path[1], "%s/resnet/%s.56x88.safetensors", GOLDEN_FOLDER, name);
    dp_network *model = NULL;
    dp_safetensors *golden = NULL;
    assert_ok(dp_network_open(path[0], &model, err));
    assert_ok(dp_safetensors_open(path[1], &golden, err));
    dp_network_info info;
    dp_network_get_info(model, &info);
    assert_string_equal(info.kind, "resnet");
    assert_string_equal(info.architecture, "resnet");
    assert_true(info.dim == 1024 && info.patch_px == 8 && info.depth == 4);
    const dp_tensor *rgb = dp_safetensors_find(golden, "rgb_u8");
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
        const dp_tensor *tensor = dp_safetensors_find(golden, sets[s].name);
        float *want = malloc(tensor->count * sizeof *want),
              *have = embed(model, isa, 1, rgb, sets[s].layers, sets[s].n);
        assert_ok(dp_tensor_to_f32(tensor, want, err));
        float worst = 0, largest = 0;
        for (size_t i = 0; i < tensor->shape[0]; i++)
            for (size_t j = 0; j < 1024; j++) {
                worst = fmaxf(worst, fabsf(want[i * 1024 + j] - have[i * 5 * 1024 + j]));
                largest = fmaxf(largest, fabsf(want[i * 1024 + j]));
            }
        print_message("%s %s, %s: largest difference %.2g of %.3g\n", name, sets[s].name, dp_isa_name(isa),
                      (double)worst, (double)largest);
        assert_true(largest > 0.1f);
        if (!(worst <= BOUND * largest))
            fail_msg("%s %s, %s: differs by %g of %g", name, sets[s].name, dp_isa_name(isa), (double)worst,
                     (double)largest);
        float *again = embed(model, isa, 3, rgb, sets[s].layers, sets[s].n);
        assert_memory_equal(have, again, 7 * 11 * 1024 * sizeof *have);
        free(want);
        free(have);
        free(again);
    }
    dp_safetensors_close(&golden);
    dp_network_close(&model);
}

static void every_case(void **state)
{
    (void)state;
    run_case("basic", level);
    run_case("bottleneck", level);
}

int main(void)
{
    return run_at_each_level("resnet", every_case);
}
