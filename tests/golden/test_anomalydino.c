/* SPDX-License-Identifier: Apache-2.0 */
/* AnomalyDINO's scores and masks against bench/peer_anomalydino.py (OpenCV, scikit-learn, PyTorch), which wrote the files in anomalydino/:
 *
 *     peer_anomalydino.py --store BACKGROUND-ROTATIONS.txt FOLDER micro_reg4 154 ROTATIONS BACKGROUND 1 good0.png,good1.png tests
 *
 * "edge E rotations R background B threshold T rows N", then for each test picture its name, score, rows and columns of the grid, and
 * the mask in reading order, '#' object.  Of the pictures, 164x130, the smaller side becomes 154 pixels. */
#include "one_result.h"
#include "test.h"

#include "bank/bank.h"

#include <math.h>

#define RELATIVE 1e-3

static void run_file(dp_session *session, const char *name, dp_background expected_background, double *worst)
{
    char path[512], background[16];
    size_t edge, rotations, n_rows;
    double threshold;
    snprintf(path, sizeof path, "%s/anomalydino/%s.txt", GOLDEN_FOLDER, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "edge %zu rotations %zu background %15s threshold %lf rows %zu", &edge, &rotations,
                            background, &threshold, &n_rows),
                     5);
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_ANOMALYDINO);
    recipe.edge_px = edge;
    recipe.rotations = rotations;
    recipe.background = expected_background;
    recipe.background_threshold = threshold;
    char good[2][512];
    for (int i = 0; i < 2; i++)
        snprintf(good[i], sizeof good[i], "%s/anomalydino/good%d.png", GOLDEN_FOLDER, i);
    const char *paths[2] = {good[0], good[1]};
    dp_bank *bank = NULL;
    dp_view view;
    assert_ok(dp_bank_fit(session, &recipe, paths, 2, NULL, NULL, &bank, NULL, err));
    if (bank->rows.n_rows != n_rows)
        fail_msg("%s: %zu rows, the peer has %zu", name, bank->rows.n_rows, n_rows);
    dp_view_init(bank, &view);
    char picture_name[64], mask[512];
    double score;
    size_t rows, cols, n = 0;
    while (fscanf(file, "%63s %lf %zu %zu %511s", picture_name, &score, &rows, &cols, mask) == 5) {
        dp_picture *picture = NULL;
        dp_result *result = NULL;
        snprintf(path, sizeof path, "%s/anomalydino/%s", GOLDEN_FOLDER, picture_name);
        assert_ok(dp_picture_load(path, 0, &picture, err));
        assert_ok(inspect_once(session, bank, &view, picture, &result, err));
        assert_int_equal(result->grid_rows, rows);
        assert_int_equal(result->grid_cols, cols);
        size_t masked = 0;
        for (size_t i = 0; i < rows * cols; i++) {
            masked += mask[i] == '.';
            if ((result->grid[i] > 0) != (mask[i] == '#'))
                fail_msg("%s, %s: cell %zu is %s", name, picture_name, i,
                         mask[i] == '#' ? "masked here alone" : "masked by the peer alone");
        }
        assert_float_equal(result->masked_fraction, (double)masked / (double)(rows * cols), 1e-9);
        double difference = fabs(result->score - score) / score;
        *worst = fmax(*worst, difference);
        if (!(difference <= RELATIVE))
            fail_msg("%s, %s: score %.9g, the peer's %.9g", name, picture_name, result->score, score);
        free_result(&result);
        dp_picture_free(&picture);
        n++;
    }
    assert_int_equal(n, 3);
    fclose(file);
    dp_bank_close(&bank);
}

static void scores_and_masks_are_the_peers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        dp_background background;
    } files[] = {{"none-1", DP_BACKGROUND_NONE},           {"none-8", DP_BACKGROUND_NONE},
                 {"test-1", DP_BACKGROUND_TEST},           {"both-1", DP_BACKGROUND_BOTH},
                 {"reference-1", DP_BACKGROUND_REFERENCE}, {"both-8", DP_BACKGROUND_BOTH}};
    dp_network *model = NULL;
    dp_session *session = NULL;
    dp_run run;
    double worst = 0;
    dp_run_init(&run);
    assert_ok(dp_network_open(GOLDEN_FOLDER "/vit/micro_reg4.hub.safetensors", &model, err));
    assert_ok(dp_session_open(model, DP_FP32, &run, &session, err));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        run_file(session, files[i].name, files[i].background, &worst);
    print_message("largest relative difference of a score: %.2e\n", worst);
    dp_session_close(&session);
    dp_network_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(scores_and_masks_are_the_peers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
