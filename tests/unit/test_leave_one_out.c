/* SPDX-License-Identifier: Apache-2.0 */
/* Compares the scores of the good pictures, and values derived from them, with their definitions: scores, heat scale,
 * the nearest picture, a bank with other scoring settings, the area of a cell. */
#include "test.h"

#include <math.h>

#include "bank_fixture.h"
#include "base/statistics.h"
#include "search/distance.h"
#include "score/cell_score.h"
#include "score/map_scorer.h"
#include "score/leave_one_out.h"
#include "score/learning.h"
#include "search/order_statistics.h"
#include "dinopatch/edit.h"

#define DIM 5
#define PICTURES 9
#define MOST 64 /* cells of a picture */

/* The picture p searched without itself. */
static void map_of(const dp_bank *bank, const dp_view *view, size_t p, float *grid, uint8_t *valid, size_t *cells)
{
    float features[MOST * DIM];
    uint8_t own[MOST];
    dp_neighbour nearest[MOST * 3];
    dp_search search = {.metric = view->metric, .window = view->window, .knn = view->knn, .leave_out = p};
    dp_rows_picture_grid(&bank->rows, p, &search.rows, &search.cols);
    *cells = search.rows * search.cols;
    dp_rows_get(&bank->rows, p, 0, features, own);
    assert_ok(dp_distance_map(&bank->rows, features, own, &search, NULL, &(dp_distances){nearest, grid, valid}, err));
}

/* The score of the picture p that was found is the mean of that map, which is left in grid and valid. */
static void check_mean(const dp_bank *bank, const dp_view *view, size_t p, double score, float *grid, uint8_t *valid,
                       size_t *cells)
{
    float scratch[MOST];
    map_of(bank, view, p, grid, valid, cells);
    assert_true(score == dp_score_cells(DP_SCORE_MEAN, grid, valid, *cells, scratch));
}

/* Grids, with and without mirrored rows, and flat banks; within a window and everywhere; float and int8. */
static void scores_and_heat_scale(void **state)
{
    (void)state;
    for (int kind = 0; kind < 5; kind++) {
        dp_bank *bank = kind < 3 ? random_bank_in(kind == 2 ? DP_STORAGE_I8 : DP_STORAGE_F32, 5, 6, DIM, PICTURES,
                                                  1 + (kind == 1), 3, SIZE_MAX)
                                 : random_flat_without(DIM, PICTURES, (size_t)kind - 2, 4, SIZE_MAX);
        for (size_t p = 0; p < PICTURES; p++) /* of no known size: their cells are all there is of their maps */
            bank->pictures.poses[p].picture_width_px = 0;
        for (size_t window = 0; window < 3; window++)
            for (size_t knn = 1; knn < 4; knn += 2) {
                dp_view view;
                dp_view_init(bank, &view);
                view.window = window < 2 ? window : DP_WINDOW_GLOBAL;
                view.knn = knn;
                view.metric = window == 1 && kind < 3 ? DP_METRIC_COSINE : DP_METRIC_L2;
                view.score = DP_SCORE_MEAN;
                double scores[PICTURES], peaks[PICTURES];
                dp_good good = {.scores = scores, .peaks = peaks};
                assert_ok(dp_bank_calibrate(bank, &view, 0.2, NULL, &good, err));
                dp_interval heat = good.heat;
                float all[PICTURES * MOST] = {0}, peak = 0;
                size_t n = 0;
                for (size_t p = 0; p < PICTURES; p++) {
                    float grid[MOST];
                    uint8_t valid[MOST];
                    size_t cells;
                    check_mean(bank, &view, p, scores[p], grid, valid, &cells);
                    for (size_t i = 0; i < cells; i++)
                        if (valid[i]) {
                            all[n++] = grid[i];
                            peak = fmaxf(peak, grid[i]);
                        }
                }
                dp_sort_f32(all, n);
                assert_true(heat.low == (double)all[(size_t)(0.95 * (double)(n - 1) + 0.5)]);
                assert_float_equal(heat.low + heat.high, 2 * (double)peak, 1e-9);
                assert_int_equal(good.of_scores.n, PICTURES);
            }
        dp_bank_close(&bank);
    }
}

struct steps {
    size_t last, total;
    bool rising;
};

static int on_step(void *user, const char *stage, size_t done, size_t total)
{
    struct steps *steps = user;
    assert_string_equal(stage, "leave one out");
    steps->rising = steps->rising && done >= steps->last && (!steps->total || total == steps->total);
    steps->last = done;
    steps->total = total;
    return 0;
}

/* More than are searched, and kept, at a time: the last ones are scored as the first are; progress ends at all of them. */
static void many_pictures(void **state)
{
    (void)state;
    enum { MANY = 150 };
    dp_bank *bank = random_bank(2, 3, DIM, MANY, 1, 6);
    for (size_t window = 0; window < 3; window++) {
        dp_view view;
        dp_view_init(bank, &view);
        view.window = window < 2 ? window : DP_WINDOW_GLOBAL;
        view.score = DP_SCORE_MEAN;
        view.knn = 2;
        struct steps steps = {.rising = true};
        dp_run run;
        dp_run_init(&run);
        run.threads = 2;
        run.progress = on_step;
        run.user = &steps;
        double scores[MANY], peaks[MANY];
        dp_good good = {.scores = scores, .peaks = peaks};
        assert_ok(dp_bank_calibrate(bank, &view, 0.2, &run, &good, err));
        for (size_t p = 0; p < MANY; p++) {
            float grid[MOST];
            uint8_t valid[MOST];
            size_t cells;
            check_mean(bank, &view, p, scores[p], grid, valid, &cells);
        }
        assert_true(steps.rising && steps.last == steps.total);
        assert_int_equal(steps.total, MANY * 6);
    }
    dp_bank_close(&bank);
}

/* Where all good pictures lie equally far from one another, colours end at twice that; where they are all the same there is no scale. */
static void heat_scale_of_equals(void **state)
{
    (void)state;
    for (int apart = 0; apart <= 1; apart++) {
        dp_bank *bank = NULL;
        dp_bank_builder *builder = empty_bank(2, 3, DIM, 2, 1);
        for (size_t p = 0; p < 2; p++) {
            float features[6 * DIM] = {0};
            size_t index;
            for (size_t i = 0; i < 6; i++)
                features[i * DIM + 2] = apart ? 3.0f * (float)p : 1.0f;
            dp_pose pose = {.status = DP_ALIGN_OFF};
            assert_ok(dp_bank_builder_add(builder, "good.png", &pose, &index, err));
            assert_ok(dp_bank_builder_put(builder, index, 0, features, NULL, err));
        }
        assert_ok(dp_bank_builder_finish(&builder, &bank, err));
        assert_ok(dp_bank_leave_one_out(bank, DP_ISA_AUTO, NULL, NULL, NULL, err));
        assert_true(apart ? bank->levels.heat.low == 3 && bank->levels.heat.high == 6
                          : isnan(bank->levels.heat.low) && isnan(bank->levels.heat.high));
        assert_true(bank->pictures.loo_scores[0] == 3 * apart && bank->pictures.loo_scores[1] == 3 * apart);
        /* Scored as the bank is, the scores are the bank's own, and no search is made for them. */
        dp_view view;
        double scores[2] = {0}, peaks[2] = {0};
        dp_good good = {.scores = scores, .peaks = peaks};
        dp_view_init(bank, &view);
        bank->pictures.loo_scores[0] = 7;
        bank->pictures.loo_scores[1] = 8;
        assert_ok(dp_bank_calibrate(bank, &view, 0.2, NULL, &good, err));
        assert_true(scores[0] == 7 && scores[1] == 8 && peaks[0] == bank->pictures.loo_peaks[0]
                    && good.of_peaks.threshold == bank->levels.cell_threshold);
        dp_bank_close(&bank);
    }
}

/* Distances that are not finite are those of the two pictures that share a cell, of which the first is named. */
static void the_picture_is_named(void **state)
{
    (void)state;
    dp_bank *bank = NULL;
    dp_bank_builder *builder = empty_bank(2, 3, DIM, 5, 1);
    for (size_t p = 0; p < 5; p++) {
        float features[6 * DIM];
        uint8_t valid[6];
        size_t index;
        char name[32];
        for (size_t i = 0; i < 6 * DIM; i++)
            features[i] = i / DIM == 4 ? (p == 2 ? 1e25f : -1e25f) : 1.0f / (float)(i + p + 1);
        for (size_t i = 0; i < 6; i++)
            valid[i] = i != 4 || p == 2 || p == 3;
        snprintf(name, sizeof name, "good/%zu.png", p);
        dp_pose pose = {.status = DP_ALIGN_OFF};
        assert_ok(dp_bank_builder_add(builder, name, &pose, &index, err));
        assert_ok(dp_bank_builder_put(builder, index, 0, features, valid, err));
    }
    assert_ok(dp_bank_builder_finish(&builder, &bank, err));
    assert_fails(DP_E_NUMERIC, "good/2.png: ", dp_bank_leave_one_out(bank, DP_ISA_AUTO, NULL, NULL, NULL, err));
    dp_bank_close(&bank);
}

/* Everything that a view holds, through the file and back. */
static void a_view_is_saved(void **state)
{
    (void)state;
    dp_bank *bank = random_bank(5, 6, DIM, PICTURES, 1, 3), *back = NULL;
    const char *path = temporary_path("viewed.bank");
    double scores[PICTURES], peaks[PICTURES];
    dp_view view, is;
    dp_good good = {.scores = scores, .peaks = peaks};
    dp_view_init(bank, &view);
    view.metric = DP_METRIC_COSINE;
    view.window = 2;
    view.knn = 3;
    view.score = DP_SCORE_MEAN;
    view.post.median = 3;
    assert_ok(dp_bank_calibrate(bank, &view, 0.2, NULL, &good, err));
    view.heat = good.heat;
    view.threshold = good.of_scores.threshold;
    view.cell_threshold = good.of_peaks.threshold;
    view.good_scores = scores;
    view.good_peaks = peaks;
    view.n_good_scores = PICTURES;
    assert_ok(dp_bank_save_view(bank, &view, 0.2, path, err));
    assert_ok(dp_bank_open(path, &back, err));
    dp_view_init(back, &is);
    assert_true(is.metric == view.metric && is.window == 2 && is.knn == 3 && is.score == DP_SCORE_MEAN
                && is.post.median == 3);
    assert_true(is.threshold == view.threshold && is.cell_threshold == view.cell_threshold && is.cell_threshold > 0);
    assert_memory_equal(is.good_peaks, peaks, sizeof peaks);
    assert_true(is.heat.low == view.heat.low && is.heat.high == view.heat.high);
    assert_true(back->recipe.fpr == 0.2);
    assert_memory_equal(is.good_scores, scores, sizeof scores);
    dp_bank_close(&back);
    dp_bank_close(&bank);
}

/* Grids of several sizes in turn give what each gives alone. */
static void one_judge_for_many_sizes(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{4, 5}, {5, 4}, {7, 8}, {2, 10}, {4, 5}};
    dp_post post = {0};
    dp_map_scorer judge;
    uint64_t seed = 8;
    post.median = 3;
    assert_ok(dp_map_scorer_open(&post, DP_SCORE_MEAN, &judge, err));
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        size_t n = sizes[k][0] * sizes[k][1];
        float grid[MOST], same[MOST];
        uint8_t valid[MOST];
        for (size_t i = 0; i < n; i++) {
            grid[i] = same[i] = fabsf(uniform(&seed));
            valid[i] = 1;
        }
        double score, alone_score;
        dp_map_scorer alone;
        assert_ok(dp_map_scorer_open(&post, DP_SCORE_MEAN, &alone, err));
        assert_ok(dp_map_scorer_run(&judge, grid, valid, sizes[k][0], sizes[k][1], 1, &score, err));
        assert_ok(dp_map_scorer_run(&alone, same, valid, sizes[k][0], sizes[k][1], 1, &alone_score, err));
        assert_true(score == alone_score);
        assert_memory_equal(grid, same, n * sizeof *grid);
        dp_map_scorer_close(&alone);
    }
    dp_map_scorer_close(&judge);
}

/* What the background covers is out, or has a distance of 0, by the rule. */
static void two_rules_for_the_background(void **state)
{
    (void)state;
    for (int list = 0; list <= 1; list++) {
        dp_recipe recipe;
        dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
        recipe.background_rule = list ? DP_BACKGROUND_LIST : DP_BACKGROUND_CELLS;
        float grid[4] = {1, 2, 3, 4};
        uint8_t valid[4] = {1, 1, 0, 1};
        dp_grid_mask(&recipe, (const uint8_t[4]){0, 1, 1, 0}, 4, grid, valid);
        assert_true(grid[0] == 1 && grid[1] == 0 && grid[2] == 0 && grid[3] == 4);
        assert_true(valid[0] == 1 && valid[1] == list && valid[2] == list && valid[3] == 1);
    }
}

/* The nearest valid row of picture q to cell (r, c) of picture p; infinite where there is none. */
static float nearest_in(const dp_bank *bank, size_t p, size_t q, size_t r, size_t c, size_t window)
{
    const dp_rows *rows = &bank->rows;
    float best = INFINITY, x[DIM], y[DIM];
    const size_t own = p * rows->rows_per_picture;
    dp_rows_widen(rows, r * rows->grid_cols + c, own, 1, x);
    for (size_t i = 0; i < dp_rows_cells(rows); i++) {
        size_t row = i / rows->grid_cols, col = i % rows->grid_cols;
        if ((row > r ? row - r : r - row) > window || (col > c ? col - c : c - col) > window)
            continue;
        for (size_t k = 0; k < rows->rows_per_picture; k++) {
            if (!rows->valid[i * rows->n_rows + q * rows->rows_per_picture + k])
                continue;
            dp_rows_widen(rows, i, q * rows->rows_per_picture + k, 1, y);
            double sum = 0;
            for (size_t d = 0; d < DIM; d++)
                sum += ((double)x[d] - y[d]) * ((double)x[d] - y[d]);
            best = fminf(best, (float)sqrt(sum));
        }
    }
    return best;
}

/* Mean over all subsets of m of d [n] of their smallest, one by one. */
static double over_subsets(const float *d, size_t n, size_t m)
{
    double sum = 0;
    size_t count = 0;
    for (size_t set = 0; set < (size_t)1 << n; set++) {
        float least = INFINITY;
        if ((size_t)__builtin_popcountll(set) != m)
            continue;
        for (size_t i = 0; i < n; i++)
            least = set >> i & 1 ? fminf(least, d[i]) : least;
        sum += least;
        count++;
    }
    return sum / (double)count;
}

static void order_statistics(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (size_t n = 1; n <= 10; n++) {
        float d[10];
        for (size_t i = 0; i < n; i++)
            d[i] = uniform(&seed) + 1;
        dp_sort_f32(d, n);
        for (size_t m = 1; m <= n; m++)
            assert_float_equal(dp_mean_smallest(d, n, m), over_subsets(d, n, m), 1e-6);
        assert_true(dp_mean_smallest(d, n, n) == (double)d[0] && dp_mean_smallest(d, n, n + 3) == (double)d[0]);
    }
    float many[5000];
    for (size_t i = 0; i < 5000; i++)
        many[i] = (float)i; /* of m of 0 .. n-1 the smallest is on average (n + 1) / (m + 1) - 1 */
    for (size_t m = 1; m < 5000; m *= 3)
        assert_float_equal(dp_mean_smallest(many, 5000, m), 5001.0 / (double)(m + 1) - 1, 1e-6 * 5000);
}

/* Every point of the curve against a search of its own over all subsets; the last one is the mean leave-one-out score. */
static void learning_curve(void **state)
{
    (void)state;
    enum { N = 7 };
    for (int kind = 0; kind < 3; kind++) {
        dp_bank *bank =
            random_bank_in(kind == 2 ? DP_STORAGE_I8 : DP_STORAGE_F32, 4, 5, DIM, N, 1 + (kind == 1), 3, SIZE_MAX);
        bank->recipe.score = DP_SCORE_MEAN;
        bank->recipe.window = (size_t)kind % 2;
        dp_learning_curve curve;
        assert_ok(dp_bank_learning_curve(bank, NULL, &curve, err));
        assert_true(curve.n_points == 4 && curve.n_sampled == N && isnan(curve.drift));
        assert_true(curve.pictures[0] == 1 && curve.pictures[2] == 4 && curve.pictures[3] == N - 1);
        for (size_t i = 0; i < curve.n_points; i++) {
            double mean = 0;
            for (size_t p = 0; p < N; p++) {
                double sum = 0;
                size_t cells = 0;
                for (size_t cell = 0; cell < 20; cell++) {
                    float d[N];
                    size_t n = 0;
                    if (!bank->rows.valid[cell * bank->rows.n_rows + p * bank->rows.rows_per_picture])
                        continue;
                    for (size_t q = 0; q < N; q++)
                        if (q != p && isfinite(d[n] = nearest_in(bank, p, q, cell / 5, cell % 5, bank->recipe.window)))
                            n++;
                    if (!n)
                        continue;
                    sum += over_subsets(d, n, curve.pictures[i] < n ? curve.pictures[i] : n);
                    cells++;
                }
                mean += sum / (double)cells / N;
            }
            assert_float_equal(curve.scores[i], mean, 1e-5);
        }
        assert_ok(dp_bank_leave_one_out(bank, DP_ISA_AUTO, NULL, NULL, NULL, err));
        double mean = 0;
        for (size_t p = 0; p < N; p++)
            mean += bank->pictures.loo_scores[p] / N;
        assert_float_equal(curve.scores[3], mean, 1e-5);
        dp_bank_close(&bank);
    }
    dp_bank *flat = random_flat_without(DIM, PICTURES, 1, 4, SIZE_MAX);
    dp_learning_curve curve;
    assert_ok(dp_bank_learning_curve(flat, NULL, &curve, err));
    assert_true(curve.n_points == 0 && isnan(curve.drift));
    dp_bank_close(&flat);
}

/* Pictures alike within each fifth by name are found out; the file keeps the figure. */
static void drift(void **state)
{
    (void)state;
    enum { N = 25 };
    for (int drifted = 0; drifted < 2; drifted++) {
        uint64_t seed = 9;
        dp_bank_builder *builder = empty_bank_in(DP_STORAGE_F32, 3, 3, DIM, N, 1);
        for (size_t p = 0; p < N; p++) {
            char name[32];
            float *x = random_floats(9 * DIM, &seed);
            for (size_t i = 0; i < 9 * DIM; i++)
                x[i] += drifted ? 3 * (float)(p / 5) : 0;
            snprintf(name, sizeof name, "shot-%zu.png", p + 8); /* 8, 9, 10: not in the order of their letters */
            const dp_pose pose = {.status = DP_ALIGN_OFF};      /* of no known size */
            size_t at;
            uint8_t valid[9];
            memset(valid, 1, sizeof valid);
            assert_ok(dp_bank_builder_add(builder, name, &pose, &at, err));
            assert_ok(dp_bank_builder_put(builder, at, 0, x, valid, err));
            dp_memory_free(x);
        }
        dp_bank *bank = NULL;
        assert_ok(dp_bank_builder_finish(&builder, &bank, err));
        assert_ok(dp_bank_leave_one_out(bank, DP_ISA_AUTO, NULL, NULL, NULL, err));
        dp_bank_details details;
        dp_bank_get_details(bank, &details);
        if (drifted ? !(details.drift > 1.5) : !(details.drift > 0.98 && details.drift < 1.08))
            fail_msg("drift %g of pictures that %s", details.drift, drifted ? "drifted" : "did not");
        dp_bank_close(&bank);
    }
    assert_true(dp_compare_names("a9.png", "a10.png") < 0 && dp_compare_names("a010", "a9") > 0
                && dp_compare_names("a", "a") == 0 && dp_compare_names("a1b", "a1c") < 0
                && dp_compare_names("a", "a1") < 0 && dp_compare_names("a07", "a7") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_statistics),
        cmocka_unit_test(learning_curve),
        cmocka_unit_test(drift),
        cmocka_unit_test(scores_and_heat_scale),
        cmocka_unit_test(many_pictures),
        cmocka_unit_test(heat_scale_of_equals),
        cmocka_unit_test(the_picture_is_named),
        cmocka_unit_test(a_view_is_saved),
        cmocka_unit_test(one_judge_for_many_sizes),
        cmocka_unit_test(two_rules_for_the_background),
    };
    return cmocka_run_group_tests_name("leave one out", tests, NULL, NULL);
}
