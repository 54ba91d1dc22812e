/* SPDX-License-Identifier: Apache-2.0 */
/* Tests what PatchCore adds: coreset, mean over neighbourhoods, and weight of the score. */
#include "reduce/coreset.h"
#include "geometry/layer_grid.h"
#include "search/distance.h"
#include "bank_fixture.h"
#include "base/isa.h"
#include "score/leave_one_out.h"
#include "search/reweight.h"
#include "extract/extractor.h"
#include "dinopatch/edit.h"

#include <math.h>
#include <string.h>

static dp_pool *flat_of(size_t threads)
{
    dp_pool *pool = NULL;
    assert_ok(dp_pool_open(threads, &pool, err));
    return pool;
}

/* One picture of n cells with these features. */
static dp_bank *flat_of_rows(const float *x, size_t n, size_t dim)
{
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.layout = DP_LAYOUT_FLAT;
    dp_bank_spec spec = {
        .recipe = &recipe, .dim = dim, .capacity = 1, .rows_per_picture = 1, .model_sha256 = random_hash};
    dp_bank *bank = NULL;
    dp_bank_builder *builder = NULL;
    size_t picture;
    dp_pose pose = {.status = DP_ALIGN_OFF};
    assert_ok(dp_bank_builder_open(&spec, &builder, err));
    assert_ok(dp_bank_builder_add(builder, "a", &pose, &picture, err));
    assert_ok(dp_bank_builder_put_grid(builder, 0, 0, x, NULL, 1, n, err));
    assert_ok(dp_bank_builder_finish(&builder, &bank, err));
    return bank;
}

/* ------------------------------------------------------------------------------------------------------------- coreset */

/* Greedy k-centre with the whole table of distances in double, from the same first row: chosen [n] 0 or 1. */
static void naive(const float *x, size_t n, size_t dim, size_t k, size_t first, uint8_t *chosen)
{
    memset(chosen, 0, n);
    chosen[first] = 1;
    for (size_t step = 1; step < k; step++) {
        double farthest = -1;
        size_t best = 0;
        for (size_t i = 0; i < n; i++) {
            double least = INFINITY;
            for (size_t c = 0; c < n; c++) {
                double sum = 0;
                for (size_t d = 0; d < dim && chosen[c]; d++) {
                    double difference = (double)x[i * dim + d] - (double)x[c * dim + d];
                    sum += difference * difference;
                }
                if (chosen[c] && sum < least)
                    least = sum;
            }
            if (least > farthest) {
                farthest = least;
                best = i;
            }
        }
        chosen[best] = 1;
    }
}

static void coreset_is_the_naive_one(void **state)
{
    (void)state;
    static const struct {
        size_t n, dim, k;
    } shapes[] = {{1, 3, 1}, {7, 1, 3}, {50, 17, 9}, {300, 32, 40}, {200, 128, 25}, {31, 5, 31}};
    dp_pool *pool = flat_of(2);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        size_t n = shapes[s].n, dim = shapes[s].dim, k = shapes[s].k;
        for (uint64_t seed = 0; seed < 3; seed++) {
            uint64_t numbers = 100 * s + seed;
            float *x = random_floats(n * dim, &numbers);
            dp_bank *bank = flat_of_rows(x, n, dim);
            uint32_t *one = NULL, *rows = NULL;
            size_t n_one, n_rows;
            assert_ok(
                dp_coreset_choose(&bank->rows, &(dp_coreset){1, seed, DP_ISA_AUTO}, pool, NULL, &one, &n_one, err));
            assert_int_equal(n_one, 1);
            assert_ok(dp_coreset_choose(&bank->rows, &(dp_coreset){(double)k, seed, DP_ISA_AUTO}, pool, NULL, &rows,
                                        &n_rows, err));
            assert_int_equal(n_rows, k);
            uint8_t *expected = dp_malloc(n, 1);
            naive(x, n, dim, k, one[0], expected);
            for (size_t i = 0; i < k; i++) {
                if (!expected[rows[i]] || (i && rows[i] <= rows[i - 1]))
                    fail_msg("%zu rows of %zu numbers, seed %zu: row %u is not one of the %zu", n, dim, (size_t)seed,
                             rows[i], k);
            }
            dp_memory_free(expected);
            dp_memory_free(one);
            dp_memory_free(rows);
            dp_memory_free(x);
            dp_bank_close(&bank);
        }
    }
    dp_pool_close(&pool);
}

/* More rows than a task has, and dimensions that are projected. */
static void coreset_does_not_depend_on_threads(void **state)
{
    (void)state;
    uint64_t seed = 5;
    size_t n = 5000, dim = 150;
    float *x = random_floats(n * dim, &seed);
    dp_bank *bank = flat_of_rows(x, n, dim);
    uint32_t *rows[2] = {NULL, NULL};
    size_t found[2];
    for (size_t i = 0; i < 2; i++) {
        dp_pool *pool = flat_of(i ? 3 : 1);
        assert_ok(
            dp_coreset_choose(&bank->rows, &(dp_coreset){0.02, 9, DP_ISA_AUTO}, pool, NULL, &rows[i], &found[i], err));
        dp_pool_close(&pool);
    }
    assert_int_equal(found[0], 100);
    assert_int_equal(found[1], 100);
    assert_memory_equal(rows[0], rows[1], 100 * sizeof *rows[0]);
    dp_memory_free(rows[0]);
    dp_memory_free(rows[1]);
    dp_memory_free(x);
    dp_bank_close(&bank);
}

/* Far groups in 300 dimensions: the projection must keep them apart, so that each gets its centre. */
static void projection_keeps_groups_apart(void **state)
{
    (void)state;
    uint64_t seed = 1;
    size_t groups = 12, each = 20, dim = 300;
    float *centres = random_floats(groups * dim, &seed), *x = random_floats(groups * each * dim, &seed);
    for (size_t i = 0; i < groups * each; i++)
        for (size_t d = 0; d < dim; d++)
            x[i * dim + d] = 10 * centres[i / each * dim + d] + 0.1f * x[i * dim + d];
    dp_bank *bank = flat_of_rows(x, groups * each, dim);
    dp_pool *pool = flat_of(2);
    uint32_t *rows = NULL;
    size_t n;
    assert_ok(
        dp_coreset_choose(&bank->rows, &(dp_coreset){(double)groups, 3, DP_ISA_AUTO}, pool, NULL, &rows, &n, err));
    assert_int_equal(n, groups);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(rows[i] / each, i);
    dp_memory_free(rows);
    dp_memory_free(centres);
    dp_memory_free(x);
    dp_pool_close(&pool);
    dp_bank_close(&bank);
}

static int stop_at_once(void *user, const char *stage, size_t done, size_t total)
{
    (void)done;
    (void)total;
    *(bool *)user = !strcmp(stage, "coreset");
    return 1;
}

static void coreset_at_its_limits(void **state)
{
    (void)state;
    const float copies[8] = {1, 2, 1, 2, 3, 4, 1, 2}; /* two different rows of four */
    dp_bank *bank = flat_of_rows(copies, 4, 2), *grid = random_bank(2, 3, 4, 2, 1, 7);
    dp_pool *pool = flat_of(1);
    uint32_t *rows = NULL;
    size_t n = 0;
    assert_ok(dp_coreset_choose(&bank->rows, &(dp_coreset){4, 0, DP_ISA_AUTO}, pool, NULL, &rows, &n, err));
    assert_int_equal(n, 2);
    assert_int_equal(rows[0] == 2 || rows[1] == 2, 1);
    dp_memory_free(rows);
    assert_ok(dp_coreset_choose(&bank->rows, &(dp_coreset){0.01, 0, DP_ISA_AUTO}, pool, NULL, &rows, &n,
                                err)); /* never none */
    assert_int_equal(n, 1);
    dp_memory_free(rows);
    assert_fails(DP_E_ARGUMENT, "flat",
                 dp_coreset_choose(&grid->rows, &(dp_coreset){0.5, 0, DP_ISA_AUTO}, pool, NULL, &rows, &n, err));
    assert_fails(DP_E_ARGUMENT, "coreset",
                 dp_coreset_choose(&bank->rows, &(dp_coreset){0, 0, DP_ISA_AUTO}, pool, NULL, &rows, &n, err));
    bool stage = false;
    dp_run run;
    dp_run_init(&run);
    run.progress = stop_at_once;
    run.user = &stage;
    assert_fails(DP_E_CANCELLED, "coreset",
                 dp_coreset_choose(&bank->rows, &(dp_coreset){1, 0, DP_ISA_AUTO}, pool, &run, &rows, &n, err));
    assert_true(stage);
    dp_pool_close(&pool);
    dp_bank_close(&bank);
    dp_bank_close(&grid);
}

/* The rows that were chosen, with their pictures and cells; the leave-one-out score of a picture from all its features against the
 * kept rows of the others, by hand. */
static void a_cut_bank_and_its_scores(void **state)
{
    (void)state;
    size_t dim = 6, pictures = 5;
    dp_bank *bank = random_flat_without(dim, pictures, 2, 4, SIZE_MAX), *cut = NULL, *again = NULL;
    dp_pool *pool = flat_of(2);
    uint32_t *rows = NULL;
    size_t n;
    bank->recipe.score = DP_SCORE_MAX;
    bank->recipe.window = DP_WINDOW_GLOBAL;
    assert_ok(dp_coreset_choose(&bank->rows, &(dp_coreset){0.3, 2, DP_ISA_AUTO}, pool, NULL, &rows, &n, err));
    dp_recipe recipe = bank->recipe;
    recipe.coreset = 0.3;
    assert_ok(dp_bank_keep_rows(bank, rows, n, &recipe, &cut, err));
    assert_int_equal(cut->rows.n_rows, n);
    for (size_t i = 0; i < n; i++) {
        assert_memory_equal(dp_rows_stored(&cut->rows, 0, i), dp_rows_stored(&bank->rows, 0, rows[i]),
                            dim * sizeof(float));
        assert_true(cut->rows.norms[i] == bank->rows.norms[rows[i]]);
        assert_int_equal(dp_rows_picture(&cut->rows, 0, i), dp_rows_picture(&bank->rows, 0, rows[i]));
        assert_int_equal(dp_rows_cell(&cut->rows, 0, i), dp_rows_cell(&bank->rows, 0, rows[i]));
    }
    assert_ok(dp_bank_leave_one_out_of(bank, cut, DP_ISA_C, pool, NULL, NULL, err));
    for (size_t p = 0; p < pictures; p++) {
        size_t grid_rows, grid_cols, first, all;
        double worst = -1;
        dp_rows_picture_grid(&bank->rows, p, &grid_rows, &grid_cols);
        dp_rows_flat_range(&bank->rows, p, &first, &all);
        for (size_t q = first; q < first + all; q++) {
            double least = INFINITY;
            if ((size_t)bank->rows.row_cell[q] >= grid_rows * grid_cols) /* of its augmentation */
                continue;
            for (size_t i = 0; i < n; i++) {
                double sum = 0;
                for (size_t d = 0; d < dim; d++) {
                    double difference =
                        (double)rows_of_cell(bank, 0)[q * dim + d] - (double)rows_of_cell(cut, 0)[i * dim + d];
                    sum += difference * difference;
                }
                if (dp_rows_picture(&cut->rows, 0, i) != p && sum < least)
                    least = sum;
            }
            worst = sqrt(least) > worst ? sqrt(least) : worst;
        }
        assert_float_equal(cut->pictures.loo_scores[p], worst, 1e-5);
    }
    double scores[5];
    dp_view view;
    dp_view_init(cut, &view);
    assert_false(dp_bank_has_pictures(cut));
    assert_fails(DP_E_MISMATCH, "coreset",
                 dp_leave_one_out(cut, &view, &(dp_workers){DP_ISA_C, pool, NULL}, &(dp_loo){.scores = scores}, err));
    assert_fails(DP_E_MISMATCH, "coreset", dp_bank_remove(cut, NULL, 0, NULL, &again, err));
    const char *path = temporary_path("cut.bank");
    assert_ok(dp_bank_save(cut, path, err));
    assert_ok(dp_bank_open(path, &again, err));
    assert_ok(dp_bank_verify(again, err));
    assert_true(again->recipe.coreset == 0.3 && again->rows.n_rows == n);
    assert_memory_equal(again->pictures.loo_scores, cut->pictures.loo_scores,
                        pictures * sizeof *cut->pictures.loo_scores);
    dp_memory_free(rows);
    dp_pool_close(&pool);
    dp_bank_close(&again);
    dp_bank_close(&cut);
    dp_bank_close(&bank);
}

/* --------------------------------------------------------------------------------------------------------------- means */

static void mean_by_hand(void **state)
{
    (void)state;
    const float in[12] = {9, 18, 27, 36, 45, 54, 63, 72, 81, 90, 99, 108}; /* 3 x 4 cells */
    float out[12], wide[12 * 5], wide_out[12 * 5];
    dp_mean_3x3(in, 3, 4, 1, out);
    /* corner (9+18+45+54)/9, edge (9+18+27+45+54+63)/9, ..., middle of the second row: all nine */
    assert_float_equal(out[0], 14, 0);
    assert_float_equal(out[1], 24, 0);
    assert_float_equal(out[3], 22, 0);
    assert_float_equal(out[5], 54, 0);
    assert_float_equal(out[11], 38, 0);
    for (size_t i = 0; i < 12; i++)
        for (size_t d = 0; d < 5; d++)
            wide[i * 5 + d] = in[i] * (float)(d + 1);
    dp_mean_3x3(wide, 3, 4, 5, wide_out);
    for (size_t i = 0; i < 12; i++)
        for (size_t d = 0; d < 5; d++)
            assert_float_equal(wide_out[i * 5 + d], out[i] * (float)(d + 1), 1e-4);
    const float lone[2] = {18, -9};
    dp_mean_3x3(lone, 1, 1, 2, out);
    assert_true(out[0] == 2 && out[1] == -1);
}

/* ------------------------------------------------------------------------------------------------------------- weights */

static void factor_by_hand(void **state)
{
    (void)state;
    const double same[3] = {2, 2, 2}, ln[2] = {0, log(3)}, large[2] = {5000, 5000 + log(4)}, one[1] = {7};
    assert_float_equal(dp_reweight_factor(same, 3), 2.0 / 3, 1e-12);
    assert_float_equal(dp_reweight_factor(ln, 2), 0.75, 1e-12);
    assert_float_equal(dp_reweight_factor(large, 2), 0.8, 1e-9); /* exp(5000) is no number */
    assert_float_equal(dp_reweight_factor(one, 1), 0, 0);
    assert_float_equal(dp_reweight_factor(NULL, 0), 1, 0);
}

/* Rows on a line at 0, 1, 3, 7; cells at 3.5, 10 and 20 (which does not count).  The largest is 10: nearest row 7, whose nearest are 7 itself and 3. */
static void weight_in_a_pool(void **state)
{
    (void)state;
    const float line[4] = {0, 1, 3, 7}, cells[3] = {3.5f, 10, 20};
    const uint8_t valid[3] = {1, 1, 0};
    dp_bank *bank = flat_of_rows(line, 4, 1);
    dp_neighbour nearest[3];
    float grid[3];
    uint8_t found[3];
    dp_search search = {.metric = DP_METRIC_L2,
                        .window = DP_WINDOW_GLOBAL,
                        .knn = 1,
                        .leave_out = DP_NO_PICTURE,
                        .isa = DP_ISA_C,
                        .rows = 1,
                        .cols = 3};
    assert_ok(dp_distance_map(&bank->rows, cells, valid, &search, NULL, &(dp_distances){nearest, grid, found}, err));
    double factor;
    assert_ok(dp_reweight(&bank->rows, &search, &(dp_found){cells, nearest, grid, found, 3}, 2, NULL, &factor, err));
    assert_float_equal(factor, 1 - exp(3.0) / (exp(3.0) + exp(7.0)), 1e-6);
    assert_ok(dp_reweight(&bank->rows, &search, &(dp_found){cells, nearest, grid, found, 3}, 9, NULL, &factor,
                          err)); /* only four there are */
    assert_float_equal(factor, 1 - exp(3.0) / (exp(3.0) + exp(7.0) + exp(9.0) + exp(10.0)), 1e-6);
    const uint8_t none[3] = {0};
    assert_ok(dp_reweight(&bank->rows, &search, &(dp_found){cells, nearest, grid, none, 3}, 9, NULL, &factor, err));
    assert_float_equal(factor, 1, 0);
    dp_bank_close(&bank);
}

/* Two dimensions, three cells, two neighbours each, both metrics: the weight is that of the farthest cell, by its first neighbour,
 * in the metric that is asked for. */
static void weight_by_its_definition(void **state)
{
    (void)state;
    const float rows[5 * 2] = {1, 0, 4, 3, 0, 2, 4, 3, -3, 1}; /* the second stands there twice */
    const float cells[3 * 2] = {1, 0.5f, 9, 7, 0.5f, 2};
    const uint8_t valid[3] = {1, 1, 1};
    dp_bank *bank = flat_of_rows(rows, 5, 2);
    for (int metric = DP_METRIC_L2; metric <= DP_METRIC_COSINE; metric++)
        for (size_t n = 1; n <= 5; n++) {
            dp_neighbour nearest[3 * 2];
            float grid[3];
            uint8_t found[3];
            dp_search search = {.metric = (dp_metric)metric,
                                .window = DP_WINDOW_GLOBAL,
                                .knn = 2,
                                .leave_out = DP_NO_PICTURE,
                                .isa = DP_ISA_C,
                                .rows = 1,
                                .cols = 3};
            assert_ok(
                dp_distance_map(&bank->rows, cells, valid, &search, NULL, &(dp_distances){nearest, grid, found}, err));
            size_t top = 0;
            for (size_t i = 1; i < 3; i++)
                top = grid[i] > grid[top] ? i : top;
            double d[5], from_star[5], distances[5];
            uint32_t star = nearest[top * 2].row, order[5] = {0, 1, 2, 3, 4};
            for (size_t r = 0; r < 5; r++) {
                double xy = 0, xx = 0, yy = 0, sy = 0, ss = 0, square = 0, star_square = 0;
                for (size_t k = 0; k < 2; k++) {
                    double x = (double)cells[top * 2 + k], y = (double)rows[r * 2 + k], s = (double)rows[star * 2 + k];
                    xy += x * y, xx += x * x, yy += y * y, sy += s * y, ss += s * s;
                    square += (x - y) * (x - y), star_square += (s - y) * (s - y);
                }
                d[r] = metric == DP_METRIC_L2 ? sqrt(square) : 1 - xy / sqrt(xx * yy);
                from_star[r] = metric == DP_METRIC_L2 ? sqrt(star_square) : 1 - sy / sqrt(ss * yy);
            }
            for (size_t i = 0; i < 5; i++) /* nearest to the star first, of equal ones the first in the bank */
                for (size_t j = i + 1; j < 5; j++)
                    if (from_star[order[j]] < from_star[order[i]] - 1e-9
                        || (fabs(from_star[order[j]] - from_star[order[i]]) <= 1e-9 && order[j] < order[i])) {
                        uint32_t keep = order[i];
                        order[i] = order[j];
                        order[j] = keep;
                    }
            size_t m = 0, seen = 0;
            distances[m++] = d[star];
            for (size_t i = 0; i < n && m < n; i++) {
                if (order[i] == star && !seen++)
                    continue;
                distances[m++] = d[order[i]];
            }
            double sum = 0, factor;
            for (size_t i = 0; i < m; i++)
                sum += exp(distances[i]);
            assert_ok(
                dp_reweight(&bank->rows, &search, &(dp_found){cells, nearest, grid, found, 3}, n, NULL, &factor, err));
            assert_float_equal(factor, 1 - exp(distances[0]) / sum, 1e-5);
            /* All cells at once: each has the weight that it has alone; one that does not count has 1. */
            for (size_t gone = 0; gone <= 3; gone++) {
                uint8_t counts[3] = {gone != 0, gone != 1, gone != 2};
                float *weights = NULL;
                assert_ok(dp_reweight_cells(&bank->rows, &search, &(dp_found){cells, nearest, NULL, counts, 3}, n, NULL,
                                            &weights, err));
                for (size_t i = 0; i < 3; i++) {
                    const uint8_t alone[3] = {i == 0, i == 1, i == 2};
                    assert_ok(dp_reweight(&bank->rows, &search, &(dp_found){cells, nearest, grid, alone, 3}, n, NULL,
                                          &factor, err));
                    assert_true(weights[i] == (i == gone ? 1.0f : (float)factor));
                }
                dp_memory_free(weights);
            }
        }
    dp_bank_close(&bank);
}

/* From the cell to a neighbour of its row it is farther than a float can say. */
static void weight_that_is_not_finite(void **state)
{
    (void)state;
    const float line[2] = {0, 1.8e19f}, cell[1] = {-2e18f};
    dp_bank *bank = flat_of_rows(line, 2, 1);
    dp_neighbour nearest[1] = {{2e18f, 0, 0}};
    const float grid[1] = {2e18f};
    const uint8_t valid[1] = {1};
    const dp_search search = {.metric = DP_METRIC_L2,
                              .window = DP_WINDOW_GLOBAL,
                              .knn = 1,
                              .leave_out = DP_NO_PICTURE,
                              .isa = DP_ISA_C,
                              .rows = 1,
                              .cols = 1};
    double factor;
    assert_fails(DP_E_NUMERIC, "not finite",
                 dp_reweight(&bank->rows, &search, &(dp_found){cell, nearest, grid, valid, 1}, 2, NULL, &factor, err));
    dp_bank_close(&bank);
}

static void weighted_leave_one_out(void **state)
{
    (void)state;
    dp_bank *bank = random_flat_without(5, 4, 1, 8, SIZE_MAX);
    dp_pool *pool = flat_of(2);
    dp_view view;
    dp_view_init(bank, &view);
    view.score = DP_SCORE_MAX;
    double plain[4], weighted[4], other[4];
    assert_ok(dp_leave_one_out(bank, &view, &(dp_workers){DP_ISA_C, pool, NULL}, &(dp_loo){.scores = plain}, err));
    view.reweight = 3;
    assert_ok(dp_leave_one_out(bank, &view, &(dp_workers){DP_ISA_C, pool, NULL}, &(dp_loo){.scores = weighted}, err));
    for (size_t p = 0; p < 4; p++)
        assert_true(weighted[p] < plain[p] && weighted[p] > 0);
    view.score = DP_SCORE_P99; /* the weight belongs to the largest alone */
    assert_ok(dp_leave_one_out(bank, &view, &(dp_workers){DP_ISA_C, pool, NULL}, &(dp_loo){.scores = weighted}, err));
    view.reweight = 0;
    assert_ok(dp_leave_one_out(bank, &view, &(dp_workers){DP_ISA_C, pool, NULL}, &(dp_loo){.scores = other}, err));
    assert_memory_equal(weighted, other, sizeof other);
    dp_pool_close(&pool);
    dp_bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coreset_is_the_naive_one),
        cmocka_unit_test(coreset_does_not_depend_on_threads),
        cmocka_unit_test(projection_keeps_groups_apart),
        cmocka_unit_test(coreset_at_its_limits),
        cmocka_unit_test(a_cut_bank_and_its_scores),
        cmocka_unit_test(mean_by_hand),
        cmocka_unit_test(factor_by_hand),
        cmocka_unit_test(weight_in_a_pool),
        cmocka_unit_test(weight_by_its_definition),
        cmocka_unit_test(weight_that_is_not_finite),
        cmocka_unit_test(weighted_leave_one_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
