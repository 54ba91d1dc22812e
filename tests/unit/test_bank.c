/* SPDX-License-Identifier: Apache-2.0 */
/* Tests building a bank, leave-one-out, and recipes and names as text. */
#include "bank_fixture.h"
#include "score/leave_one_out.h"

#include "search/distance.h"
#include "bank/name_text.h"
#include "options/recipe_json.h"
#include "score/cell_score.h"
#include "simd/half.h"
#include "extract/orientation.h"

#include <jansson.h>
#include <math.h>

/* ------------------------------------------------------------------------------------------------------------ building */

static void rows_lie_where_they_should(void **state)
{
    (void)state;
    const size_t rows = 3, cols = 4, dim = 5, pictures = 3, per = 2, cells = rows * cols;
    dp_bank *bank = random_bank(rows, cols, dim, pictures, per, 1); /* has spare capacity */
    assert_int_equal(bank->rows.n_rows, pictures * per);
    float back[60];
    uint8_t valid_back[12];
    for (size_t p = 0; p < pictures; p++) {
        for (size_t a = 0; a < per; a++) {
            float *features;
            uint8_t *valid;
            random_grid(cells, dim, 1000 + p * 10 + a, &features, &valid);
            dp_rows_get(&bank->rows, p, a, back, valid_back);
            assert_memory_equal(valid_back, valid, cells);
            for (size_t cell = 0; cell < cells; cell++) {
                const float *row = rows_of_cell(bank, cell) + (p * per + a) * dim;
                assert_memory_equal(row, back + cell * dim, dim * sizeof *row);
                double square = 0;
                for (size_t d = 0; d < dim; d++) {
                    assert_true(row[d] == (valid[cell] ? features[cell * dim + d] : 0));
                    square += (double)row[d] * row[d];
                }
                assert_float_equal(bank->rows.norms[cell * bank->rows.n_rows + p * per + a], sqrt(square), 1e-6);
            }
            dp_memory_free(features);
            dp_memory_free(valid);
        }
    }
    assert_ok(dp_bank_verify(bank, err));
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    assert_int_equal(info.n_rows, 6);
    assert_int_equal(info.file_bytes, 0);
    assert_true(isnan(info.threshold));
    assert_string_equal(dp_bank_picture_name(bank, 2), "good/002.png");
    assert_null(dp_bank_picture_name(bank, 3));
    assert_true(dp_bank_picture_pose(bank, 2)->centre_x_px == 12.5);
    assert_null(dp_bank_picture_pose(bank, 3));
    assert_true(isnan(dp_bank_picture_score(bank, 0)) && isnan(dp_bank_picture_score(bank, 3)));
    dp_bank_close(&bank);
    assert_null(bank);
    dp_bank_close(&bank);
    dp_bank_close(NULL);
}

static void wrong_use(void **state)
{
    (void)state;
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.canvas_height_px = recipe.canvas_width_px = 28;
    dp_bank *bank = NULL;
    dp_bank_builder *builder = NULL;
    dp_bank_spec spec = {.recipe = &recipe,
                         .grid_rows = 2,
                         .grid_cols = 2,
                         .dim = 3,
                         .capacity = 2,
                         .rows_per_picture = 1,
                         .model_sha256 = random_hash};
    dp_bank_spec wrong = spec;
    wrong.dim = 0;
    assert_fails(DP_E_ARGUMENT, "is empty", dp_bank_builder_open(&wrong, &builder, err));
    wrong = spec;
    wrong.model_sha256 = "abc";
    assert_fails(DP_E_ARGUMENT, "hexadecimal", dp_bank_builder_open(&wrong, &builder, err));
    wrong = spec;
    wrong.grid_cols = 3;
    assert_fails(DP_E_ARGUMENT, "square patches", dp_bank_builder_open(&wrong, &builder, err));
    wrong = spec;
    wrong.capacity = SIZE_MAX / 2;
    assert_fails(DP_E_MEMORY, "too large", dp_bank_builder_open(&wrong, &builder, err));
#if !defined(__SANITIZE_ADDRESS__) /* which aborts where malloc would return NULL */
    wrong = spec;
    wrong.capacity = (size_t)1 << 10; /* its small tables are taken first, and filled */
    wrong.dim = (size_t)1 << 44;
    assert_fails(DP_E_MEMORY, "not enough memory", dp_bank_builder_open(&wrong, &builder, err));
#endif
    assert_null(bank);
    size_t bytes;
    assert_true(dp_bank_bytes(&spec, &bytes));
    assert_int_equal(bytes, 4 * 2 * (3 * 4 + 4 + 1));
    wrong = spec;
    wrong.grid_rows = SIZE_MAX;
    assert_false(dp_bank_bytes(&wrong, &bytes));

    assert_ok(dp_bank_builder_open(&spec, &builder, err));
    assert_fails(DP_E_ARGUMENT, "no picture", dp_bank_builder_finish(&builder, &bank, err));
    dp_pose pose = {0};
    size_t index;
    assert_ok(dp_bank_builder_add(builder, "one", &pose, &index, err));
    assert_fails(DP_E_ARGUMENT, "one: has no features", dp_bank_builder_finish(&builder, &bank, err));
    float features[12] = {0, 0, 0, NAN};
    uint8_t valid[4] = {1, 1, 1, 1};
    assert_fails(DP_E_NUMERIC, "one: a feature is not finite",
                 dp_bank_builder_put(builder, 0, 0, features, valid, err));
    features[3] = INFINITY;
    assert_fails(DP_E_NUMERIC, "one: a feature is not finite", dp_bank_builder_put(builder, 0, 0, features, NULL, err));
    valid[1] = 0;
    assert_ok(dp_bank_builder_put(builder, 0, 0, features, valid, err));
    assert_ok(dp_bank_builder_add(builder, "two", &pose, &index, err));
    assert_fails(DP_E_ARGUMENT, "room for 2", dp_bank_builder_add(builder, "three", &pose, &index, err));
    assert_ok(dp_bank_builder_put(builder, 1, 0, features, valid, err));
    assert_ok(dp_bank_builder_finish(&builder, &bank, err));
    assert_ok(dp_bank_verify(bank, err));
    dp_bank_close(&bank);
}

static void mirrored_picture(void **state)
{
    (void)state;
    for (size_t cols = 3; cols <= 4; cols++) {
        const size_t rows = 2, dim = 3, cells = rows * cols;
        dp_bank *bank = random_bank(rows, cols, dim, 3, 2, 5);
        dp_bank_builder *builder = random_builder(DP_STORAGE_F32, rows, cols, dim, 3, 2, 5, SIZE_MAX);
        float before[3][2][24], after[24], expected[24];
        uint8_t valid_before[3][2][8], valid_after[8], valid_expected[8];
        for (size_t p = 0; p < 3; p++)
            for (size_t a = 0; a < 2; a++)
                dp_rows_get(&bank->rows, p, a, before[p][a], valid_before[p][a]);
        dp_bank_close(&bank);
        dp_bank_builder_mirror(builder, 1);
        bank = finished(builder);
        for (size_t p = 0; p < 3; p++) {
            for (size_t a = 0; a < 2; a++) {
                memcpy(expected, before[p][a], cells * dim * sizeof *expected);
                memcpy(valid_expected, valid_before[p][a], cells);
                if (p == 1)
                    dp_grid_mirror(expected, valid_expected, rows, cols, dim);
                dp_rows_get(&bank->rows, p, a, after, valid_after);
                assert_memory_equal(after, expected, cells * dim * sizeof *expected);
                assert_memory_equal(valid_after, valid_expected, cells);
            }
        }
        assert_ok(dp_bank_verify(bank, err)); /* the norms went along */
        dp_bank_close(&bank);
    }
}

/* ------------------------------------------------------------------------------------------------------------- storage */

static void halves(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        if ((h & 0x7c00) == 0x7c00)
            continue;
        float value = dp_f16_to_f32((uint16_t)h);
        if (dp_f32_to_f16(value) != h)
            fail_msg("%#x comes back as %#x", h, dp_f32_to_f16(value));
        if ((h & 0x7fff) == 0x7bff)
            continue;
        /* Half way to the next: to the even one; a little less and a little more: to the nearer. */
        double next = dp_f16_to_f32((uint16_t)(h + 1)), middle = (value + next) / 2;
        assert_int_equal(dp_f32_to_f16((float)middle), h & 1 ? h + 1 : h);
        assert_int_equal(dp_f32_to_f16((float)(middle + (value - next) / 1024)), h);
        assert_int_equal(dp_f32_to_f16((float)(middle + (next - value) / 1024)), h + 1);
    }
    assert_int_equal(dp_f32_to_f16(1e30f), 0x7bff);
    assert_int_equal(dp_f32_to_f16(-65520), 0xfbff);
    assert_int_equal(dp_f32_to_f16(1e-30f), 0);
}

/* What comes back is as near as the type allows; maps and leave-one-out work on what comes back, to the bit. */
static void stored_types(void **state)
{
    (void)state;
    static const double within[] = {0, 0x1p-11, 0.5 / 127};
    const size_t rows = 3, cols = 4, dim = 21, pictures = 70, cells = 12;
    for (dp_storage storage = DP_STORAGE_F16; storage <= DP_STORAGE_I8; storage++) {
        dp_bank *bank = random_bank_in(storage, rows, cols, dim, pictures, 2, 3, SIZE_MAX), *wide = NULL;
        dp_bank *exact = random_bank(rows, cols, dim, pictures, 2, 3);
        assert_ok(dp_bank_verify(bank, err));
        dp_bank_builder *builder = empty_bank(rows, cols, dim, pictures, 2);
        float features[12 * 21], expected[12 * 21];
        uint8_t valid[12];
        for (size_t p = 0; p < pictures; p++) {
            dp_pose pose = {0};
            size_t index;
            assert_ok(dp_bank_builder_add(builder, "x", &pose, &index, err));
            for (size_t a = 0; a < 2; a++) {
                dp_rows_get(&bank->rows, p, a, features, valid);
                dp_rows_get(&exact->rows, p, a, expected, NULL);
                for (size_t i = 0; i < cells * dim; i++)
                    assert_float_equal(features[i], expected[i], within[storage] * 1.001);
                assert_ok(dp_bank_builder_put(builder, p, a, features, valid, err));
            }
        }
        assert_ok(dp_bank_builder_finish(&builder, &wide, err));
        assert_memory_equal(bank->rows.norms, wide->rows.norms, cells * bank->rows.n_rows * sizeof(float));
        for (size_t threads = 1; threads <= 3; threads += 2) {
            for (size_t window = 0; window < 2; window++) {
                dp_pool *pool = NULL;
                bank->recipe.window = wide->recipe.window = window;
                assert_ok(dp_pool_open(threads, &pool, err));
                assert_ok(dp_bank_leave_one_out(bank, DP_ISA_AUTO, pool, NULL, NULL, err));
                assert_ok(dp_bank_leave_one_out(wide, DP_ISA_AUTO, pool, NULL, NULL, err));
                assert_memory_equal(bank->pictures.loo_scores, wide->pictures.loo_scores, pictures * sizeof(double));
                dp_search search = {.window = window, .knn = 1, .leave_out = 7};
                dp_neighbour nearest[12];
                float map[12], map_wide[12];
                uint8_t map_valid[12];
                assert_ok(dp_distance_map(&bank->rows, features, valid, &search, pool,
                                          &(dp_distances){nearest, map, map_valid}, err));
                assert_ok(dp_distance_map(&wide->rows, features, valid, &search, pool,
                                          &(dp_distances){nearest, map_wide, map_valid}, err));
                assert_memory_equal(map, map_wide, sizeof map);
                dp_pool_close(&pool);
            }
        }
        dp_bank_close(&bank);
        dp_bank_close(&wide);
        dp_bank_close(&exact);
    }
    /* Vectors that an integer type might stumble over. */
    dp_bank *bank = NULL;
    dp_bank_builder *builder = empty_bank_in(DP_STORAGE_I8, 1, 4, 2, 1, 1);
    const float odd[8] = {0, 0, 1e-42f, -1e-42f, 2e38f, -2e38f, 1, -127};
    float back[8];
    dp_pose pose = {0};
    size_t index;
    assert_ok(dp_bank_builder_add(builder, "odd", &pose, &index, err));
    assert_ok(dp_bank_builder_put(builder, 0, 0, odd, NULL, err));
    assert_ok(dp_bank_builder_finish(&builder, &bank, err));
    assert_ok(dp_bank_verify(bank, err));
    dp_rows_get(&bank->rows, 0, 0, back, NULL);
    for (size_t i = 0; i < 8; i++)
        assert_float_equal(back[i], odd[i], fabs((double)odd[i]) * 1e-6 + 1e-37);
    dp_bank_close(&bank);
}

/* ---------------------------------------------------------------------------------------------------------------- flat */

static void rows_of_a_pool(void **state)
{
    (void)state;
    const size_t dim = 7, pictures = 5, per = 2;
    dp_bank *bank = random_flat_without(dim, pictures, per, 1, SIZE_MAX);
    size_t expected = 0, row = 0;
    for (size_t p = 0; p < pictures; p++) {
        size_t rows, cols, found_rows, found_cols;
        flat_grid(p, &rows, &cols);
        dp_rows_picture_grid(&bank->rows, p, &found_rows, &found_cols);
        assert_true(rows == found_rows && cols == found_cols);
        size_t cells = rows * cols;
        for (size_t a = 0; a < per; a++) {
            float *features, back[30 * 7];
            uint8_t *valid, valid_back[30];
            random_grid(cells, dim, 1000 + p * 10 + a, &features, &valid);
            dp_rows_get(&bank->rows, p, a, back, valid_back);
            assert_memory_equal(valid_back, valid, cells);
            for (size_t cell = 0; cell < cells; cell++) {
                for (size_t d = 0; d < dim; d++)
                    assert_true(back[cell * dim + d] == (valid[cell] ? features[cell * dim + d] : 0));
                expected += valid[cell];
                if (!valid[cell])
                    continue;
                assert_int_equal(dp_rows_picture(&bank->rows, 0, row), p);
                assert_int_equal(dp_rows_cell(&bank->rows, 0, row), cell);
                assert_memory_equal(rows_of_cell(bank, 0) + row * dim, features + cell * dim, dim * sizeof *features);
                row++;
            }
            dp_memory_free(features);
            dp_memory_free(valid);
        }
    }
    assert_int_equal(bank->rows.n_rows, expected);
    assert_true(dp_rows_cells(&bank->rows) == 1);
    assert_ok(dp_bank_verify(bank, err));
    dp_bank_close(&bank);
}

static void wrong_use_of_a_pool(void **state)
{
    (void)state;
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.layout = DP_LAYOUT_FLAT;
    dp_bank_spec spec = {
        .recipe = &recipe, .dim = 2, .capacity = 2, .rows_per_picture = 1, .model_sha256 = random_hash};
    dp_bank *bank = NULL;
    dp_bank_builder *builder = NULL;
    dp_pose pose = {0};
    size_t index;
    assert_ok(dp_bank_builder_open(&spec, &builder, err));
    assert_ok(dp_bank_builder_add(builder, "one", &pose, &index, err));
    float features[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, back[12];
    const uint8_t none[6] = {0}, some[6] = {1, 0, 1, 1, 1, 1};
    uint8_t valid[6];
    assert_fails(DP_E_ARGUMENT, "one: a grid of 0x3",
                 dp_bank_builder_put_grid(builder, 0, 0, features, NULL, 0, 3, err));
    assert_ok(dp_bank_builder_put_grid(builder, 0, 0, features, none, 2, 3, err));
    assert_fails(DP_E_ARGUMENT, "2x3 before", dp_bank_builder_put_grid(builder, 0, 0, features, none, 3, 2, err));
    assert_fails(DP_E_PICTURE, "valid cell", dp_bank_builder_finish(&builder, &bank, err));
    assert_ok(dp_bank_builder_put_grid(builder, 0, 0, features, some, 2, 3,
                                       err)); /* once more, as a picture that was turned */
    dp_bank_builder_mirror(builder, 0);
    assert_ok(dp_bank_builder_finish(&builder, &bank, err));
    dp_rows_get(&bank->rows, 0, 0, back, valid);
    const float mirrored[12] = {5, 6, 0, 0, 1, 2, 11, 12, 9, 10, 7, 8};
    const uint8_t mirrored_valid[6] = {1, 0, 1, 1, 1, 1};
    assert_memory_equal(back, mirrored, sizeof mirrored);
    assert_memory_equal(valid, mirrored_valid, 6);
    dp_bank_close(&bank);

    /* A grid bank takes its own grid and no other, also in a search. */
    bank = random_bank(2, 3, 4, 2, 1, 1);
    float x[64] = {0}, map[16];
    uint8_t map_valid[16];
    dp_neighbour nearest[16];
    dp_search search = {.knn = 1, .leave_out = DP_NO_PICTURE, .rows = 3, .cols = 2};
    assert_fails(DP_E_ARGUMENT, "3x2 cells does not fit a bank of 2x3",
                 dp_distance_map(&bank->rows, x, NULL, &search, NULL, &(dp_distances){nearest, map, map_valid}, err));
    dp_bank_close(&bank);
}

/* Maps of pictures of any size, and the scores of leave-one-out, against plain loops. */
static void search_of_a_pool(void **state)
{
    (void)state;
    const size_t dim = 9, pictures = 5, per = 2;
    dp_bank *bank = random_flat_without(dim, pictures, per, 4, SIZE_MAX);
    double first[5] = {0};
    for (size_t threads = 1; threads <= 3; threads += 2) {
        dp_pool *pool = NULL;
        assert_ok(dp_pool_open(threads, &pool, err));
        assert_ok(dp_bank_leave_one_out(bank, DP_ISA_AUTO, pool, NULL, NULL, err));
        dp_pool_close(&pool);
        if (threads == 1)
            memcpy(first, bank->pictures.loo_scores, sizeof first);
        assert_memory_equal(bank->pictures.loo_scores, first, sizeof first);
    }
    for (size_t p = 0; p < pictures; p++) {
        size_t rows, cols;
        float features[30 * 9], map[30], scratch[30];
        uint8_t valid[30], map_valid[30];
        dp_neighbour nearest[30];
        flat_grid(p, &rows, &cols);
        dp_rows_get(&bank->rows, p, 0, features, valid);
        dp_search search = {.metric = bank->recipe.metric, .knn = 1, .leave_out = p, .rows = rows, .cols = cols};
        assert_ok(dp_distance_map(&bank->rows, features, valid, &search, NULL, &(dp_distances){nearest, map, map_valid},
                                  err));
        assert_true(dp_score_cells(bank->recipe.score, map, map_valid, rows * cols, scratch)
                    == bank->pictures.loo_scores[p]);
        dp_bank *without = random_flat_without(dim, pictures, per, 4, p);
        float map_without[30];
        search.leave_out = DP_NO_PICTURE;
        assert_ok(dp_distance_map(&without->rows, features, valid, &search, NULL,
                                  &(dp_distances){nearest, map_without, map_valid}, err));
        assert_memory_equal(map, map_without, rows * cols * sizeof *map);
        for (size_t cell = 0; cell < rows * cols; cell++) {
            double least = INFINITY;
            for (size_t row = 0; row < bank->rows.n_rows; row++) {
                double square = 0;
                for (size_t d = 0; d < dim; d++)
                    square += pow((double)features[cell * dim + d] - (double)rows_of_cell(bank, 0)[row * dim + d], 2);
                if (dp_rows_picture(&bank->rows, 0, row) != p)
                    least = fmin(least, sqrt(square));
            }
            assert_int_equal(map_valid[cell], valid[cell]);
            if (valid[cell])
                assert_float_equal(map[cell], least, 1e-5);
        }
        dp_bank_close(&without);
    }
    dp_bank_close(&bank);
}

/* ------------------------------------------------------------------------------------------------------- leave-one-out */

/* Against banks that were built without the picture. */
static void leave_one_out(void **state)
{
    (void)state;
    static const struct {
        size_t rows, cols, pictures, per, window, knn;
        dp_metric metric;
        dp_score score;
    } cases[] = {
        {5, 4, 3, 1, 0, 1, DP_METRIC_L2, DP_SCORE_P99},
        {5, 4, 4, 2, 0, 1, DP_METRIC_COSINE, DP_SCORE_MAX},
        {6, 7, 5, 2, 1, 3, DP_METRIC_L2, DP_SCORE_MEAN},
        {4, 3, 6, 1, DP_WINDOW_GLOBAL, 2, DP_METRIC_COSINE, DP_SCORE_TOP1P},
        {2, 3, 130, 1, 0, 1, DP_METRIC_L2, DP_SCORE_P99},
        {11, 10, 3, 2, 2, 1, DP_METRIC_L2, DP_SCORE_MAX},
        {1, 3, 2, 1, 0, 1, DP_METRIC_L2, DP_SCORE_TOP1P},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        size_t rows = cases[c].rows, cols = cases[c].cols, n = cases[c].pictures, per = cases[c].per, dim = 19,
               cells = rows * cols;
        double first[130];
        for (size_t threads = 1; threads <= 7; threads += 3) {
            dp_bank *bank = random_bank(rows, cols, dim, n, per, c);
            bank->recipe.window = cases[c].window;
            bank->recipe.knn = cases[c].knn;
            bank->recipe.metric = cases[c].metric;
            bank->recipe.score = cases[c].score;
            dp_pool *pool = NULL;
            double false_alarms;
            assert_ok(dp_pool_open(threads, &pool, err));
            assert_ok(dp_bank_leave_one_out(bank, DP_ISA_AUTO, pool, NULL, &false_alarms, err));
            dp_pool_close(&pool);
            double largest = 0;
            for (size_t p = 0; p < n; p++)
                largest = fmax(largest, bank->pictures.loo_scores[p]);
            if (n <= 99) {
                assert_true(bank->levels.threshold == largest);
                assert_float_equal(false_alarms, 1 / (double)(n + 1), 1e-12);
            }
            if (threads > 1) {
                assert_memory_equal(bank->pictures.loo_scores, first, n * sizeof *first);
                dp_bank_close(&bank);
                continue;
            }
            memcpy(first, bank->pictures.loo_scores, n * sizeof *first);
            float *features = malloc(cells * dim * sizeof *features), *grid = malloc(cells * sizeof *grid),
                  *scratch = malloc(cells * sizeof *scratch);
            uint8_t *valid = malloc(cells), *grid_valid = malloc(cells);
            dp_neighbour *nearest = malloc(cells * cases[c].knn * sizeof *nearest);
            for (size_t p = 0; p < n; p++) {
                dp_bank *without = random_bank_without(rows, cols, dim, n, per, c, p);
                dp_search search = {cases[c].metric, cases[c].window, cases[c].knn, DP_NO_PICTURE, DP_ISA_AUTO, 0, 0};
                dp_rows_get(&bank->rows, p, 0, features, valid);
                assert_ok(dp_distance_map(&without->rows, features, valid, &search, NULL,
                                          &(dp_distances){nearest, grid, grid_valid}, err));
                double score = dp_score_cells(cases[c].score, grid, grid_valid, cells, scratch);
                if (score != bank->pictures.loo_scores[p])
                    fail_msg("case %zu, picture %zu: %.9g in the whole bank, %.9g in one without it", c, p,
                             bank->pictures.loo_scores[p], score);
                dp_bank_close(&without);
            }
            free(features), free(grid), free(scratch), free(valid), free(grid_valid), free(nearest);
            dp_bank_close(&bank);
        }
    }
}

/* Scores by another view leave the bank as it is. */
static void scores_by_another_view(void **state)
{
    (void)state;
    dp_bank *bank = random_bank(5, 6, 7, 6, 2, 3);
    dp_view view;
    dp_view_init(bank, &view);
    view.window = 1;
    view.knn = 2;
    view.metric = DP_METRIC_COSINE;
    view.score = DP_SCORE_MAX;
    double scores[6];
    const dp_workers with = {DP_ISA_AUTO, NULL, NULL};
    dp_loo found = {.scores = scores};
    assert_ok(dp_leave_one_out(bank, &view, &with, &found, err));
    assert_true(isnan(bank->levels.threshold) && isnan(bank->pictures.loo_scores[0]));
    bank->recipe.window = 1;
    bank->recipe.knn = 2;
    bank->recipe.metric = DP_METRIC_COSINE;
    bank->recipe.score = DP_SCORE_MAX;
    assert_ok(dp_bank_leave_one_out(bank, DP_ISA_AUTO, NULL, NULL, NULL, err));
    assert_memory_equal(scores, bank->pictures.loo_scores, sizeof scores);
    dp_bank_close(&bank);
}

static void one_picture_alone(void **state)
{
    (void)state;
    dp_bank *bank = random_bank(3, 3, 4, 1, 2, 1);
    double false_alarms;
    bank->levels.threshold = 5;
    assert_ok(dp_bank_leave_one_out(bank, DP_ISA_AUTO, NULL, NULL, &false_alarms, err));
    assert_true(isnan(bank->levels.threshold) && isnan(dp_bank_picture_score(bank, 0)) && false_alarms == 1);
    dp_bank_close(&bank);
}

struct calls {
    size_t n, last, stop_at;
};

static int count_calls(void *user, const char *stage, size_t done, size_t total)
{
    struct calls *calls = user;
    if (!strcmp(stage, "learning curve"))
        return 0;
    assert_string_equal(stage, "leave one out");
    assert_true(done > calls->last && done <= total);
    calls->last = done;
    if (done == total)
        calls->stop_at += !calls->stop_at; /* all was done */
    return ++calls->n == calls->stop_at && done < total;
}

static void leave_one_out_can_be_stopped(void **state)
{
    (void)state;
    dp_bank *bank = random_bank(3, 3, 4, 70, 1, 1);
    struct calls calls = {0};
    dp_run run;
    dp_run_init(&run);
    run.progress = count_calls;
    run.user = &calls;
    assert_ok(dp_bank_leave_one_out(bank, DP_ISA_AUTO, NULL, &run, NULL, err));
    assert_int_equal(calls.last, 70 * 9);
    assert_true(calls.n >= 2);
    double kept = bank->levels.threshold;
    bank->levels.threshold = 77;
    calls = (struct calls){.stop_at = 1};
    assert_fails(DP_E_CANCELLED, "stopped", dp_bank_leave_one_out(bank, DP_ISA_AUTO, NULL, &run, NULL, err));
    assert_int_equal(calls.n, 1);
    assert_true(bank->levels.threshold == 77 && kept != 77);
    dp_bank_close(&bank);
}

/* ------------------------------------------------------------------------------------------------------------- recipes */

static void recipe_round_trip(void **state)
{
    (void)state;
    uint64_t seed = 77;
    for (int i = 0; i < 300; i++) {
        dp_recipe recipe = {0}, back;
        memset(&back, 0, sizeof back);
        recipe.align = (dp_align)(i % 2);
        recipe.blur_px = (size_t)(i % 7) + 1;
        recipe.canny_low = 100 + 100 * (double)uniform(&seed) / 3;
        recipe.canny_high = 300 + (double)uniform(&seed) / 7;
        recipe.fill = 1.0 / 3 + i / 100.0;
        recipe.canvas_height_px = 14 * (size_t)(i + 1);
        recipe.canvas_width_px = 28;
        recipe.polarity = (dp_polarity)(i % 3);
        recipe.n_layers = (size_t)i % (DP_MAX_LAYERS + 1);
        for (size_t l = 0; l < recipe.n_layers; l++)
            recipe.layers[l] = l * 3;
        recipe.layer_mix = (dp_layer_mix)(i % 3);
        recipe.precision = (dp_precision)(i / 2 % 2);
        recipe.mirror = i % 5 == 0;
        recipe.edge_px = (size_t)i * 7;
        recipe.crop_px = (size_t)i * 5;
        recipe.roi = (dp_roi_frame)(i % 3);
        recipe.background = (dp_background)(i % 4);
        recipe.background_rule = i % 2 ? DP_BACKGROUND_LIST : DP_BACKGROUND_CELLS;
        recipe.background_threshold = i / 3.0;
        recipe.rotations = i % 2 ? 1 : 8;
        recipe.neighbourhood = i % 2 ? 1 : 3;
        recipe.coreset = i < 11 ? i / 11.0 : i;
        recipe.reweight = (size_t)i % 10;
        recipe.map_sigma_px = i / 7.0;
        recipe.metric = (dp_metric)(i / 3 % 2);
        recipe.window = i % 4 ? (size_t)i : DP_WINDOW_GLOBAL;
        recipe.knn = (size_t)i + 1;
        recipe.blend = i % 50 / 64.0;
        recipe.post.low = 1.0 / (i + 3);
        recipe.post.high = 2.0 / (i + 3);
        recipe.post.min_object = (size_t)i;
        recipe.post.max_hole = 2 * (size_t)i;
        recipe.post.unit = (dp_unit)(i / 2 % 2);
        recipe.post.gaussian = i / 9.0;
        recipe.post.median = (size_t)(i % 16) * 2 + 1;
        recipe.score = (dp_score)(i % 4);
        recipe.brightness = 0.7 / (i + 1);
        recipe.fpr = 0.1 / (i + 1);
        char *text = NULL;
        assert_ok(dp_recipe_to_json(&recipe, &text, err));
        assert_ok(dp_recipe_from_json(text, "f", &back, err));
        assert_true(back.canny_low == recipe.canny_low && back.canny_high == recipe.canny_high
                    && back.fill == recipe.fill && back.fpr == recipe.fpr);
        assert_memory_equal(back.layers, recipe.layers, sizeof recipe.layers);
        assert_true(
            back.align == recipe.align && back.blur_px == recipe.blur_px
            && back.canvas_height_px == recipe.canvas_height_px && back.canvas_width_px == recipe.canvas_width_px
            && back.polarity == recipe.polarity && back.n_layers == recipe.n_layers
            && back.layer_mix == recipe.layer_mix && back.precision == recipe.precision && back.mirror == recipe.mirror
            && back.brightness == recipe.brightness && back.metric == recipe.metric && back.window == recipe.window
            && back.knn == recipe.knn && back.blend == recipe.blend && back.score == recipe.score
            && back.edge_px == recipe.edge_px && back.crop_px == recipe.crop_px && back.roi == recipe.roi
            && back.background == recipe.background && back.background_rule == recipe.background_rule
            && back.background_threshold == recipe.background_threshold && back.rotations == recipe.rotations
            && back.neighbourhood == recipe.neighbourhood && back.coreset == recipe.coreset
            && back.reweight == recipe.reweight && back.map_sigma_px == recipe.map_sigma_px);
        assert_true(back.post.low == recipe.post.low && back.post.high == recipe.post.high
                    && back.post.min_object == recipe.post.min_object && back.post.max_hole == recipe.post.max_hole
                    && back.post.unit == recipe.post.unit && back.post.gaussian == recipe.post.gaussian
                    && back.post.median == recipe.post.median);
        dp_memory_free(text);
    }
}

static void recipe_names(void **state)
{
    (void)state;
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.fill = 0.5;
    recipe.polarity = DP_POLARITY_MIRROR;
    recipe.layers[0] = 3, recipe.layers[1] = 11, recipe.n_layers = 2;
    recipe.fpr = 0.25;
    char *text = NULL;
    assert_ok(dp_recipe_to_json(&recipe, &text, err));
    assert_string_equal(
        text, "{\"align\":\"pca\",\"blur_px\":5,\"canny_low\":50.0,\"canny_high\":150.0,"
              "\"fill\":0.5,\"canvas_height_px\":784,\"canvas_width_px\":784,\"edge_px\":0,\"crop_px\":0,\"short_px\":"
              "0,\"tile_px\":0,\"sample_white\":0,\"polarity\":\"mirror\","
              "\"layers\":[3,11],\"layer_mix\":\"mean\",\"layer_weights\":\"typical\",\"layer_norm\":\"none\","
              "\"precision\":\"fp32\","
              "\"neighbourhood\":1,\"channels\":0,\"layout\":\"grid\",\"moments\":\"gaussian\",\"moments_ridge\":0.01,"
              "\"moments_variance\":0.98999999999999999,\"keep_features\":false,\"storage\":\"f32\",\"pca\":0.0,"
              "\"kmeans\":0,\"coreset\":0.0,\"thin\":0.0,"
              "\"shots\":0,\"seed\":0,\"rotations\":1,\"mirror\":false,\"brightness\":0.0,\"background\":\"none\","
              "\"background_rule\":"
              "\"cells\",\"background_threshold\":10.0,\"roi\":\"none\",\"metric\":\"l2\","
              "\"window\":0,\"knn\":1,\"blend\":0.0,\"order\":0.0,\"retrieval\":0,\"post.low\":0.0,\"post.high\":0.0,"
              "\"post.min_object\":0,\"post.max_hole\":0,\"post.unit\":\"cells\",\"post.gaussian\":0.0,"
              "\"post.median\":0,\"score\":\"top1p\",\"reweight\":0,\"map_sigma_px\":0.0,\"fpr\":0.25}");
    dp_memory_free(text);
}

/* The default recipe with one field replaced (value NULL: removed) must fail with that text. */
static void reject(const char *field, const char *value, const char *text)
{
    dp_recipe recipe, untouched;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    memset(&untouched, 0x5a, sizeof untouched);
    dp_recipe before = untouched;
    char *good = NULL;
    assert_ok(dp_recipe_to_json(&recipe, &good, err));
    json_t *object = json_loads(good, 0, NULL);
    if (value)
        json_object_set_new(object, field, json_loads(value, JSON_DECODE_ANY, NULL));
    else
        json_object_del(object, field);
    char *bad = json_dumps(object, 0);
    assert_fails(DP_E_FORMAT, "file.bank: ", dp_recipe_from_json(bad, "file.bank", &untouched, err));
    assert_fails(DP_E_FORMAT, text, dp_recipe_from_json(bad, "file.bank", &untouched, err));
    assert_memory_equal(&untouched, &before, sizeof before);
    free(bad);
    json_decref(object);
    dp_memory_free(good);
}

/* What banks of earlier versions say, and all banks now mean. */
static void retired_fields(void **state)
{
    (void)state;
    dp_recipe recipe, back;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    char *text = NULL, *again = NULL;
    assert_ok(dp_recipe_to_json(&recipe, &text, err));
    json_t *object = json_loads(text, 0, NULL);
    json_object_set_new(object, "canny_auto", json_false());
    json_object_set_new(object, "post.reading", json_string("hysteresis"));
    char *earlier = json_dumps(object, 0);
    assert_ok(dp_recipe_from_json(earlier, "file.bank", &back, err));
    assert_ok(dp_recipe_to_json(&back, &again, err));
    assert_string_equal(again, text);
    free(earlier);
    json_decref(object);
    dp_memory_free(text);
    dp_memory_free(again);
}

static void recipes_that_are_none(void **state)
{
    (void)state;
    static const char *const fields[] = {
        "align",           "blur_px",   "canny_low",     "canny_high",  "fill",      "canvas_height_px",
        "canvas_width_px", "polarity",  "layers",        "layer_mix",   "precision", "mirror",
        "metric",          "window",    "knn",           "post.low",    "post.high", "post.min_object",
        "post.max_hole",   "post.unit", "post.gaussian", "post.median", "score",     "fpr",
        "neighbourhood",   "coreset",   "reweight",      "blend"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char missing[64];
        snprintf(missing, sizeof missing, "'%s' is missing", fields[i]);
        reject(fields[i], NULL, missing);
        reject(fields[i], "null", fields[i]);
        reject(fields[i], "{}", fields[i]);
    }
    reject("colour", "1", "'colour' is unknown");
    reject("align", "\"PCA\"", "not one of its choices");
    reject("align", "0", "not a string");
    reject("blur_px", "1.5", "whole number");
    reject("blur_px", "-1", "between 1");
    reject("blur_px", "0", "between 1");
    reject("blend", "1.5", "between 0");
    reject("canny_low", "\"5\"", "not a number");
    reject("canny_auto", "true",
           "thresholds from each picture's median, which this version cannot do; fit the bank again");
    reject("canny_auto", "1", "'canny_auto' is unknown");
    reject("post.reading", "\"band\"", "its maps are read as 'band'");
    reject("post.reading", "\"clip\"", "its maps are read as 'clip'");
    reject("post.reading", "\"low\"", "'post.reading' is unknown");
    reject("post.reading", "0", "'post.reading' is unknown");
    reject("layers", "3", "list of numbers");
    reject("layers", "[1,\"2\"]", "whole number");
    reject("layers", "[1,-2]", "between 0");
    reject("layers",
           "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]",
           "49 layers");
    reject("window", "\"local\"", "global");
    reject("window", "-1", "between 0");
    reject("knn", "0", "between 1");
    reject("knn", "9223372036854775807", "between 1");
    reject("fpr", "1.5", "between 0 and 1");
    dp_recipe recipe;
    assert_fails(DP_E_FORMAT, "not JSON", dp_recipe_from_json("{", "f", &recipe, err));
    assert_fails(DP_E_FORMAT, "not a JSON object", dp_recipe_from_json("[]", "f", &recipe, err));
    assert_fails(DP_E_FORMAT, "not JSON", dp_recipe_from_json("{\"knn\":1,\"knn\":2}", "f", &recipe, err));
    char *text = NULL;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.fpr = NAN;
    assert_fails(DP_E_ARGUMENT, "'fpr'", dp_recipe_to_json(&recipe, &text, err));
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.metric = (dp_metric)7;
    assert_fails(DP_E_ARGUMENT, "'metric'", dp_recipe_to_json(&recipe, &text, err));
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.n_layers = DP_MAX_LAYERS + 1;
    assert_fails(DP_E_ARGUMENT, "layers", dp_recipe_to_json(&recipe, &text, err));
    assert_null(text);
}

/* --------------------------------------------------------------------------------------------------------------- names */

static void check_name(const char *name)
{
    char *text = dp_name_to_text(name);
    json_t *json = json_string(text); /* NULL where the text is not UTF-8 */
    if (!json)
        fail_msg("the text of a name is not UTF-8: %s", text);
    json_decref(json);
    int broken = 1;
    char *back = dp_name_from_text(text, &broken);
    assert_int_equal(broken, 0);
    assert_string_equal(back, name);
    dp_memory_free(back);
    dp_memory_free(text);
}

static void names_of_any_bytes(void **state)
{
    (void)state;
    char name[5] = {0};
    for (int a = 1; a < 256; a++) {
        for (int b = 0; b < 256; b++) { /* also the start of longer sequences, whole and broken */
            name[0] = (char)a, name[1] = (char)b, name[2] = 0;
            check_name(name);
            name[2] = (char)0x80, name[3] = 0;
            check_name(name);
            name[3] = (char)0xbf;
            check_name(name);
        }
    }
    check_name("");
    check_name("a\\x41\\\\ \"quoted\"\n\t\x7f");
    char *text = dp_name_to_text("gr\xc3\xbc\xc3\x9f"
                                 "e \xe2\x82\xac \xf0\x9f\x94\xa9 \xff \\");
    assert_string_equal(text, "gr\xc3\xbc\xc3\x9f"
                              "e \xe2\x82\xac \xf0\x9f\x94\xa9 \\xff \\\\");
    dp_memory_free(text);
    static const char *const wrong[] = {"\\", "a\\y", "\\x", "\\x4", "\\x4g", "\\xAB", "\\x00", "\\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int broken = 0;
        assert_null(dp_name_from_text(wrong[i], &broken));
        assert_int_equal(broken, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_lie_where_they_should),
        cmocka_unit_test(wrong_use),
        cmocka_unit_test(mirrored_picture),
        cmocka_unit_test(halves),
        cmocka_unit_test(stored_types),
        cmocka_unit_test(rows_of_a_pool),
        cmocka_unit_test(wrong_use_of_a_pool),
        cmocka_unit_test(search_of_a_pool),
        cmocka_unit_test(leave_one_out),
        cmocka_unit_test(scores_by_another_view),
        cmocka_unit_test(one_picture_alone),
        cmocka_unit_test(leave_one_out_can_be_stopped),
        cmocka_unit_test(recipe_round_trip),
        cmocka_unit_test(recipe_names),
        cmocka_unit_test(retired_fields),
        cmocka_unit_test(recipes_that_are_none),
        cmocka_unit_test(names_of_any_bytes),
    };
    return cmocka_run_group_tests_name("bank", tests, NULL, NULL);
}
