/* SPDX-License-Identifier: Apache-2.0 */
/* Tests features from layers: blocks of any depth, statistics in parts, layers without spread, transformers and
 * residual networks. */
#include "test.h"

#include "extract/extract_plan.h"
#include "geometry/layer_grid.h"

#include <math.h>

static const dp_recipe normalised = {.layer_norm = DP_LAYER_NORM_RMS};

static void blocks_at_the_quarters(void **state)
{
    (void)state;
    static const struct {
        size_t depth, n, blocks[3];
    } cases[] = {{1, 1, {0}},       {2, 2, {0, 1}},     {3, 2, {0, 1}},       {4, 3, {0, 1, 2}},
                 {6, 3, {1, 2, 4}}, {12, 3, {2, 5, 8}}, {24, 3, {5, 11, 17}}, {40, 3, {9, 19, 29}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const dp_network_facts network = {.depth = cases[i].depth};
        size_t blocks[DP_EXTRACT_LAYERS], n = dp_extract_layers(&network, blocks);
        if (n != cases[i].n || memcmp(blocks, cases[i].blocks, n * sizeof *blocks) != 0)
            fail_msg("depth %zu: %zu blocks from %zu on", cases[i].depth, n, blocks[0]);
    }
}

static float noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 8388608.0f - 1.0f;
}

#define CELLS 50
#define DIM 6

/* Parts that are merged agree with one after the other to the last digits; cells that are not valid do not count. */
static void statistics_in_parts(void **state)
{
    (void)state;
    float x[CELLS * DIM];
    uint8_t valid[CELLS];
    uint32_t seed = 3;
    for (size_t i = 0; i < CELLS * DIM; i++)
        x[i] = 100 * noise(&seed) + 1000;
    for (size_t c = 0; c < CELLS; c++)
        valid[c] = c % 3 != 0;
    dp_cell_statistics whole, first, second, again;
    assert_ok(dp_cell_statistics_open(DIM, &whole, err));
    assert_ok(dp_cell_statistics_open(DIM, &again, err));
    assert_ok(dp_cell_statistics_open(DIM, &first, err));
    assert_ok(dp_cell_statistics_open(DIM, &second, err));
    assert_ok(dp_cell_statistics_add(&whole, x, valid, CELLS, err));
    assert_ok(dp_cell_statistics_add(&again, x, valid, CELLS, err));
    assert_memory_equal(whole.mean, again.mean, DIM * sizeof(double));
    assert_memory_equal(whole.square, again.square, DIM * sizeof(double));
    assert_ok(dp_cell_statistics_add(&first, x, valid, 20, err));
    assert_ok(dp_cell_statistics_add(&second, x + 20 * DIM, valid + 20, CELLS - 20, err));
    dp_cell_statistics_merge(&first, &second);
    assert_true(whole.n == 33 && first.n == 33);
    for (size_t i = 0; i < DIM; i++) {
        double mean = 0, square = 0;
        for (size_t c = 0; c < CELLS; c++)
            mean += valid[c] ? (double)x[c * DIM + i] / 33 : 0;
        for (size_t c = 0; c < CELLS; c++)
            square += valid[c] ? ((double)x[c * DIM + i] - mean) * ((double)x[c * DIM + i] - mean) : 0;
        assert_true(fabs(whole.mean[i] - mean) < 1e-10 && fabs(whole.square[i] - square) < 1e-6);
        assert_true(fabs(first.mean[i] - mean) < 1e-10 && fabs(first.square[i] - square) < 1e-6);
    }
    memset(valid, 0, sizeof valid); /* nothing new */
    assert_ok(dp_cell_statistics_add(&whole, x, valid, CELLS, err));
    assert_memory_equal(whole.mean, again.mean, DIM * sizeof(double));
    dp_cell_statistics_close(&whole);
    dp_cell_statistics_close(&again);
    dp_cell_statistics_close(&first);
    dp_cell_statistics_close(&second);
}

/* A layer of which nothing moves becomes 0, or stays 0; no feature becomes infinite. */
static void layers_without_spread(void **state)
{
    (void)state;
    float x[4 * 4] = {0, 0, 7, 1, 0, 0, 7, 2, 0, 0, 7, 3, 0, 0, 7, 4}, y[16], shift[4], factor[4];
    static const size_t dims[] = {2, 2};
    dp_cell_statistics s;
    assert_ok(dp_cell_statistics_open(4, &s, err));
    assert_ok(dp_cell_statistics_add(&s, x, NULL, 4, err));
    for (int norm = DP_LAYER_NORM_NONE; norm <= DP_LAYER_NORM_STANDARD; norm++) {
        memcpy(y, x, sizeof y);
        assert_ok(dp_layer_norm_find(&s, (dp_layer_norm)norm, dims, 2, shift, factor, err));
        dp_layer_norm_apply(y, 4, 4, shift, factor);
        for (size_t i = 0; i < 16; i++)
            assert_true(isfinite(y[i]) && (i % 4 > 1 || y[i] == 0));
        if (norm == DP_LAYER_NORM_NONE)
            assert_memory_equal(x, y, sizeof y);
        if (norm == DP_LAYER_NORM_STANDARD)
            assert_true(y[2] == 0 && y[3] < 0 && y[15] > 0);
    }
    dp_cell_statistics_close(&s);
}

/* Features are the layers as the session gives them, side by side; any thread count gives the same bytes. */
static void a_transformer(void **state)
{
    (void)state;
    const char *path = temporary_path("vit.safetensors");
    dp_architecture architecture = {.dim = 64, .depth = 4, .heads = 1, .patch_px = 14, .position_side = 4};
    assert_ok(dp_network_synthesise(&architecture, 1, path, err));
    dp_network *model = NULL;
    assert_ok(dp_network_open(path, &model, err));
    float rgb[28 * 42 * 3], features[2][6 * 192], block[6 * 64], *to = block;
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof rgb / sizeof *rgb; i++)
        rgb[i] = 127 + 127 * noise(&seed);
    for (size_t threads = 1; threads <= 2; threads++) {
        dp_run run;
        dp_run_init(&run);
        run.threads = threads;
        dp_session *session = NULL;
        dp_extract_plan plan;
        assert_ok(dp_session_open(model, DP_FP32, &run, &session, err));
        assert_ok(dp_extract_plan_open(session, &normalised, 28, 42, &plan, err));
        assert_true(plan.rows == 2 && plan.cols == 3 && plan.dim == 192 && plan.n_layers == 3 && !plan.averages);
        assert_ok(dp_extract(&plan, session, rgb, 28, 42, features[threads - 1], err));
        assert_ok(dp_session_layers(session, &(dp_inputs){rgb, 1, 28, 42}, (size_t[]){1}, 1, &to, err));
        for (size_t c = 0; c < 6; c++)
            assert_memory_equal(features[threads - 1] + c * 192 + 64, block + c * 64, 64 * sizeof(float));
        dp_extract_plan_close(&plan);
        dp_session_close(&session);
    }
    assert_memory_equal(features[0], features[1], sizeof features[0]);
    dp_network_close(&model);
}

/* Layer 3 has a smaller grid, of sides rounded up. */
static void a_residual_network(void **state)
{
    (void)state;
    dp_network *model = NULL;
    dp_session *session = NULL;
    dp_extract_plan plan;
    assert_ok(dp_network_open(DP_NETWORK_NANO, &model, err));
    assert_ok(dp_session_open(model, DP_FP32, NULL, &session, err));
    assert_ok(dp_extract_plan_open(session, &normalised, 40, 64, &plan, err));
    assert_true(plan.rows == 5 && plan.cols == 8 && plan.dim == 384 && plan.averages && plan.n_layers == 2);
    assert_true(plan.shapes[1].rows == 3 && plan.shapes[1].cols == 4);
    float *rgb = calloc(40 * 64 * 3, sizeof *rgb), *features = malloc(5 * 8 * 384 * sizeof *features);
    assert_ok(dp_extract(&plan, session, rgb, 40, 64, features, err));
    assert_int_equal(dp_extract(&plan, session, rgb, 41, 64, features, NULL), DP_E_ARGUMENT);
    free(rgb);
    free(features);
    dp_extract_plan_close(&plan);
    dp_session_close(&session);
    dp_network_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_at_the_quarters), cmocka_unit_test(statistics_in_parts),
        cmocka_unit_test(layers_without_spread),  cmocka_unit_test(a_transformer),
        cmocka_unit_test(a_residual_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
