/* SPDX-License-Identifier: Apache-2.0 */
/* Compares src/extract with NumPy in float64 (make_extract.py), and the recipe of nano with torch in float64: features,
 * scales, and the distances (L2, the nearest good feature within one cell) and scores (mean of the top 1 % of cells)
 * that follow from them. */
#include "one_result.h"
#include "test.h"

#include "network/session.h"
#include "extract/extract_plan.h"
#include "geometry/layer_grid.h"
#include "format/safetensors.h"

#include <math.h>

static const dp_recipe normalised = {.layer_norm = DP_LAYER_NORM_RMS};

static dp_safetensors *golden;

static const dp_tensor *tensor(const char *name)
{
    const dp_tensor *t = dp_safetensors_find(golden, name);
    if (!t)
        fail_msg("no tensor %s", name);
    return t;
}

static float *values(const char *name)
{
    const dp_tensor *t = tensor(name);
    float *x = malloc(t->count * sizeof *x);
    assert_ok(dp_tensor_to_f32(t, x, err));
    return x;
}

static void compare(const char *name, const float *have, double bound)
{
    float *want = values(name);
    double worst = 0;
    for (size_t i = 0; i < tensor(name)->count; i++)
        worst = fmax(worst, fabs((double)have[i] - (double)want[i]));
    print_message("%s: largest difference %.2g\n", name, worst);
    if (!(worst <= bound))
        fail_msg("%s: differs by %g", name, worst);
    free(want);
}

static int open_golden(const char *file)
{
    char path[512];
    snprintf(path, sizeof path, "%s/recipe/%s.safetensors", GOLDEN_FOLDER, file);
    return dp_safetensors_open(path, &golden, NULL) != DP_OK;
}

static int open_extract(void **state)
{
    (void)state;
    return open_golden("extract");
}

static int open_nano(void **state)
{
    (void)state;
    return open_golden("nano");
}

static int close_golden(void **state)
{
    (void)state;
    dp_safetensors_close(&golden);
    return 0;
}

static void grids(void **state)
{
    (void)state;
    float *grid = values("grid"), *small = values("small"), out[6 * 8 * 2], mean[5 * 7 * 3];
    dp_mean_3x3(grid, 5, 7, 3, mean);
    compare("grid_mean", mean, 1e-6);
    static const struct {
        const char *name;
        size_t rows, cols;
    } sizes[] = {{"small_6x8", 6, 8}, {"small_5x7", 5, 7}, {"small_2x3", 2, 3}};
    for (size_t i = 0; i < 3; i++) {
        const dp_grid_slot slot = {out, sizes[i].rows, sizes[i].cols, 2};
        dp_grid_resample(small, 3, 4, 2, &slot);
        compare(sizes[i].name, out, 1e-6);
    }
    free(grid);
    free(small);
}

static void statistics(void **state)
{
    (void)state;
    static const size_t dims[] = {7, 6, 4};
    const size_t cells = tensor("cells")->shape[0], dim = tensor("cells")->shape[1];
    float *x = values("cells"), *y = malloc(cells * dim * sizeof *y), shift[17], factor[17];
    dp_cell_statistics s;
    assert_ok(dp_cell_statistics_open(dim, &s, err));
    for (size_t c = 0; c < cells; c += 20)
        assert_ok(dp_cell_statistics_add(&s, x + c * dim, NULL, 20, err));
    const double *mean = (const double *)(const void *)tensor("mean")->data,
                 *square = (const double *)(const void *)tensor("square")->data;
    for (size_t i = 0; i < dim; i++) {
        double m, q;
        memcpy(&m, mean + i, sizeof m);
        memcpy(&q, square + i, sizeof q);
        assert_true(fabs(s.mean[i] - m) <= 1e-12 * fabs(m) + 1e-14 && fabs(s.square[i] - q) <= 1e-9 * q + 1e-20);
    }
    memcpy(y, x, cells * dim * sizeof *y);
    assert_ok(dp_layer_norm_find(&s, DP_LAYER_NORM_STANDARD, dims, 3, shift, factor, err));
    dp_layer_norm_apply(y, cells, dim, shift, factor);
    compare("standard", y, 2e-4); /* float32 of a channel around 4,000 with a spread of a half */
    memcpy(y, x, cells * dim * sizeof *y);
    assert_ok(dp_layer_norm_find(&s, DP_LAYER_NORM_RMS, dims, 3, shift, factor, err));
    dp_layer_norm_apply(y, cells, dim, shift, factor);
    compare("rms", y, 1e-6);
    dp_cell_statistics_close(&s);
    free(x);
    free(y);
}

/* Features [n, rows, cols, dim] of pictures [n, height, width, 3]. */
static float *extract_all(dp_session *session, dp_extract_plan *plan, const dp_tensor *rgb_u8)
{
    const size_t height = rgb_u8->shape[1], width = rgb_u8->shape[2], n = height * width * 3,
                 per = plan->rows * plan->cols * plan->dim;
    float *rgb = malloc(n * sizeof *rgb), *features = malloc(rgb_u8->shape[0] * per * sizeof *features);
    for (size_t p = 0; p < rgb_u8->shape[0]; p++) {
        for (size_t i = 0; i < n; i++)
            rgb[i] = rgb_u8->data[p * n + i];
        assert_ok(dp_extract(plan, session, rgb, height, width, features + p * per, err));
    }
    free(rgb);
    return features;
}

/* One cell against all good pictures but one, within a cell. */
static double nearest(const dp_extract_plan *plan, const float *q, size_t r, size_t c, const float *good, size_t n,
                      size_t but)
{
    double best = INFINITY;
    for (size_t p = 0; p < n; p++)
        for (size_t y = r ? r - 1 : 0; p != but && y <= r + 1 && y < plan->rows; y++)
            for (size_t x = c ? c - 1 : 0; x <= c + 1 && x < plan->cols; x++) {
                const float *f = good + ((p * plan->rows + y) * plan->cols + x) * plan->dim;
                double sum = 0;
                for (size_t i = 0; i < plan->dim; i++)
                    sum += ((double)q[i] - (double)f[i]) * ((double)q[i] - (double)f[i]);
                best = fmin(best, sum);
            }
    return sqrt(best);
}

/* maps [n, rows, cols] of features; leave_out: picture i is not compared with good picture i. */
static float *maps_of(const dp_extract_plan *plan, const float *features, size_t n, const float *good, size_t n_good,
                      bool leave_out)
{
    float *maps = malloc(n * plan->rows * plan->cols * sizeof *maps), *to = maps;
    for (size_t p = 0; p < n; p++)
        for (size_t r = 0; r < plan->rows; r++)
            for (size_t c = 0; c < plan->cols; c++) {
                const float *q = features + ((p * plan->rows + r) * plan->cols + c) * plan->dim;
                *to++ = (float)nearest(plan, q, r, c, good, n_good, leave_out ? p : SIZE_MAX);
            }
    return maps;
}

static int descending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* Sorts each map. */
static void compare_scores(const char *name, float *maps, size_t n, size_t cells)
{
    float scores[16] = {0};
    for (size_t p = 0; p < n; p++) {
        double sum = 0;
        size_t k = cells / 100;
        qsort(maps + p * cells, cells, sizeof *maps, descending);
        for (size_t i = 0; i < k; i++)
            sum += (double)maps[p * cells + i];
        scores[p] = (float)(sum / (double)k);
    }
    compare(name, scores, 1e-4);
}

static void recipe_for_nano(void **state)
{
    (void)state;
    dp_network *model = NULL;
    dp_session *session = NULL;
    dp_extract_plan plan;
    assert_ok(dp_network_open(DP_NETWORK_NANO, &model, err));
    assert_ok(dp_session_open(model, DP_FP32, NULL, &session, err));
    const dp_tensor *good_rgb = tensor("good_rgb_u8"), *test_rgb = tensor("test_rgb_u8");
    size_t n = good_rgb->shape[0], n_test = test_rgb->shape[0], dims[DP_EXTRACT_LAYERS];
    assert_ok(dp_extract_plan_open(session, &normalised, good_rgb->shape[1], good_rgb->shape[2], &plan, err));
    assert_true(plan.rows == 16 && plan.cols == 20 && plan.dim == 384 && plan.n_layers == 2);
    const size_t cells = plan.rows * plan.cols, per = cells * plan.dim;
    float *good = extract_all(session, &plan, good_rgb), *test = extract_all(session, &plan, test_rgb), shift[384],
          factor[384];
    dp_cell_statistics s;
    assert_ok(dp_cell_statistics_open(plan.dim, &s, err));
    for (size_t p = 0; p < n; p++)
        assert_ok(dp_cell_statistics_add(&s, good + p * per, NULL, cells, err));
    dp_extract_dims(&plan, dims);
    assert_ok(dp_layer_norm_find(&s, DP_LAYER_NORM_RMS, dims, plan.n_layers, shift, factor, err));
    double scales[2];
    memcpy(scales, tensor("scales")->data, sizeof scales);
    assert_true(fabs(1 / (double)factor[0] - scales[0]) < 1e-5 && fabs(1 / (double)factor[383] - scales[1]) < 1e-5
                && shift[200] == 0);
    dp_layer_norm_apply(good, n * cells, plan.dim, shift, factor);
    dp_layer_norm_apply(test, n_test * cells, plan.dim, shift, factor);
    compare("features_first_good", good, 1e-5);
    float *loo = maps_of(&plan, good, n, good, n, true), *maps = maps_of(&plan, test, n_test, good, n, false);
    compare("loo_maps", loo, 1e-4);
    compare("test_maps", maps, 1e-4);
    compare_scores("loo_scores", loo, n, cells);
    compare_scores("test_scores", maps, n_test, cells);
    free(loo);
    free(maps);
    free(good);
    free(test);
    dp_cell_statistics_close(&s);
    dp_extract_plan_close(&plan);
    dp_session_close(&session);
    dp_network_close(&model);
}

/* The pictures of the golden file as a source. */
static const char *picture_name(void *user, size_t index)
{
    static const char *const names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    (void)user;
    return names[index];
}

static dp_picture *picture_of(const dp_tensor *rgb_u8, size_t index)
{
    dp_picture *picture = NULL;
    const size_t bytes = rgb_u8->shape[1] * rgb_u8->shape[2] * 3;
    assert_ok(dp_picture_new(rgb_u8->shape[2], rgb_u8->shape[1], &picture, err));
    memcpy(picture->rgb, rgb_u8->data + index * bytes, bytes);
    return picture;
}

static dp_status load_picture(void *user, size_t index, const dp_picture_options *options, dp_picture **picture,
                              dp_picture_notes *notes, dp_error *err)
{
    (void)options, (void)notes, (void)err;
    *picture = picture_of(user, index);
    return DP_OK;
}

/* The same through fit and inspect. */
static void method_auto(void **state)
{
    (void)state;
    dp_network *model = NULL;
    dp_session *session = NULL;
    dp_bank *bank = NULL;
    dp_recipe recipe;
    dp_view view;
    assert_ok(dp_network_open(DP_NETWORK_NANO, &model, err));
    assert_ok(dp_session_open(model, DP_FP32, NULL, &session, err));
    const dp_tensor *good = tensor("good_rgb_u8"), *test = tensor("test_rgb_u8");
    dp_recipe_preset(&recipe, DP_METHOD_AUTO);
    recipe.short_px = 128; /* their own size */
    const dp_source source = {.n = good->shape[0], .name = picture_name, .load = load_picture, .user = (void *)good};
    const dp_fit_input input = {.source = &source};
    assert_ok(dp_bank_fit_from(session, &recipe, &input, &bank, NULL, err));
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    assert_true(info.grid_rows == 16 && info.grid_cols == 20 && info.dim == 384
                && info.recipe.layer_norm == DP_LAYER_NORM_RMS);
    float loo[10], scores[4], *maps = malloc(tensor("test_maps")->count * sizeof *maps);
    for (size_t p = 0; p < good->shape[0]; p++)
        loo[p] = (float)dp_bank_picture_score(bank, p);
    compare("loo_scores", loo, 1e-4);
    dp_view_init(bank, &view);
    for (size_t p = 0; p < test->shape[0]; p++) {
        dp_picture *picture = picture_of(test, p);
        dp_result *result = NULL;
        assert_ok(inspect_once(session, bank, &view, picture, &result, err));
        scores[p] = (float)result->score;
        assert_true(result->grid_rows == 16 && result->grid_cols == 20);
        memcpy(maps + p * 320, result->grid, 320 * sizeof *maps);
        free_result(&result);
        dp_picture_free(&picture);
    }
    compare("test_scores", scores, 1e-4);
    compare("test_maps", maps, 1e-4);
    free(maps);
    dp_bank_close(&bank);
    dp_session_close(&session);
    dp_network_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(grids, open_extract, close_golden),
        cmocka_unit_test_setup_teardown(statistics, open_extract, close_golden),
        cmocka_unit_test_setup_teardown(recipe_for_nano, open_nano, close_golden),
        cmocka_unit_test_setup_teardown(method_auto, open_nano, close_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
