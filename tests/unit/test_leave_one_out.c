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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
