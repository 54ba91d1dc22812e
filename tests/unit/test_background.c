/* SPDX-License-Identifier: Apache-2.0 */
/* Tests the background mask: first principal component, rules of the mask, and the scores with masked cells. */
#include "bank/assemble.h"
#include "bank_fixture.h"
#include "extract/background.h"
#include "score/map_scorer.h"
#include "score/leave_one_out.h"
#include "dinopatch/edit.h"

#include <lapacke.h>
#include <math.h>
#include <string.h>

/* ----------------------------------------------------------------------------------------------------------- component */

/* From the covariance in double and LAPACK's full decomposition, signed so that the largest is positive. */
static void component_by_hand(const float *x, const uint8_t *inside, size_t cells, size_t dim, double *component)
{
    double *mean = calloc(dim, sizeof *mean), *c = calloc(dim * dim, sizeof *c), *values = calloc(dim, sizeof *values);
    size_t n = 0;
    for (size_t i = 0; i < cells; i++) {
        n += inside[i];
        for (size_t d = 0; d < dim && inside[i]; d++)
            mean[d] += x[i * dim + d];
    }
    for (size_t d = 0; d < dim; d++)
        mean[d] /= (double)n;
    for (size_t i = 0; i < cells; i++)
        for (size_t a = 0; a < dim && inside[i]; a++)
            for (size_t b = 0; b < dim; b++)
                c[a * dim + b] += (x[i * dim + a] - mean[a]) * (x[i * dim + b] - mean[b]);
    assert_int_equal(LAPACKE_dsyev(LAPACK_ROW_MAJOR, 'V', 'U', (int)dim, c, (int)dim, values), 0);
    double largest = 0;
    for (size_t i = 0; i < cells; i++) {
        component[i] = 0;
        for (size_t d = 0; d < dim && inside[i]; d++)
            component[i] += (x[i * dim + d] - mean[d]) * c[d * dim + dim - 1];
        largest = fabs(component[i]) > fabs(largest) ? component[i] : largest;
    }
    for (size_t i = 0; i < cells && largest < 0; i++)
        component[i] = -component[i];
    free(mean);
    free(c);
    free(values);
}

static void component_is_the_exact_one(void **state)
{
    (void)state;
    static const struct {
        size_t rows, cols, dim;
    } shapes[] = {{3, 4, 1}, {5, 7, 3}, {9, 11, 40}, {2, 3, 50}, {20, 30, 130}, {1, 2, 5}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int whole = 0; whole < 2; whole++) {
            size_t rows = shapes[s].rows, cols = shapes[s].cols, cells = rows * cols, dim = shapes[s].dim;
            uint64_t seed = 31 * s + (uint64_t)whole;
            float *x = random_floats(cells * dim, &seed), *direction = random_floats(dim, &seed);
            float *found[2] = {malloc(cells * sizeof(float)), malloc(cells * sizeof(float))};
            uint8_t *inside = malloc(cells);
            double *expected = malloc(cells * sizeof *expected), largest = 0;
            for (size_t i = 0; i < cells; i++) {
                float along = 3 * uniform(&seed);
                inside[i] = whole || i % 5 != 2;
                for (size_t d = 0; d < dim; d++)
                    x[i * dim + d] += 7 + along * direction[d];
            }
            component_by_hand(x, inside, cells, dim, expected);
            for (size_t i = 0; i < cells; i++)
                largest = fmax(largest, fabs(expected[i]));
            for (size_t t = 0; t < 2; t++) {
                dp_pool *pool = NULL;
                assert_ok(dp_pool_open(t ? 3 : 1, &pool, err));
                assert_ok(dp_first_component(x, whole ? NULL : inside, rows, cols, dim, pool, found[t], err));
                dp_pool_close(&pool);
            }
            assert_memory_equal(found[0], found[1], cells * sizeof(float));
            for (size_t i = 0; i < cells; i++)
                if (!(fabs((double)found[0][i] - expected[i]) <= 2e-5 * largest))
                    fail_msg("%zux%zu cells of %zu, %s: cell %zu is %g, not %g", rows, cols, dim,
                             whole ? "all" : "some", i, (double)found[0][i], expected[i]);
            dp_memory_free(x);
            dp_memory_free(direction);
            free(found[0]);
            free(found[1]);
            free(inside);
            free(expected);
        }
}

static void component_at_its_limits(void **state)
{
    (void)state;
    float same[6] = {1, 2, 1, 2, 1, 2}, found[3] = {9, 9, 9};
    const uint8_t none[3] = {0};
    assert_ok(dp_first_component(same, NULL, 1, 3, 2, NULL, found, err));
    assert_true(found[0] == 0 && found[1] == 0 && found[2] == 0);
    found[1] = 9;
    assert_ok(dp_first_component(same, none, 1, 3, 2, NULL, found, err));
    assert_true(found[1] == 0);
    same[3] = NAN;
    assert_fails(DP_E_NUMERIC, "finite", dp_first_component(same, NULL, 1, 3, 2, NULL, found, err));
}

/* --------------------------------------------------------------------------------------------------------------- rules */

/* '#' is object (component +20), 'o' its reverse (-20), '.' neither. */
static void draw_component(const char *text, float *component)
{
    for (size_t i = 0; text[i]; i++)
        component[i] = text[i] == '#' ? 20 : text[i] == 'o' ? -20 : 0;
}

static void expect_mask(const char *text, const uint8_t *inside, size_t rows, size_t cols, dp_background_rule rule,
                        const char *expected)
{
    float component[128];
    uint8_t mask[128];
    draw_component(text, component);
    assert_ok(dp_background_cells(component, inside, rows, cols, 10, rule, mask, err));
    for (size_t i = 0; i < rows * cols; i++)
        if (mask[i] != (expected[i] == '.'))
            fail_msg("%s as %s, %zux%zu: cell %zu is %s", text, rule == DP_BACKGROUND_LIST ? "list" : "cells", rows,
                     cols, i, mask[i] ? "background" : "object");
}

/* What OpenCV's dilate and morphologyEx give, in the list for an n x 1 array. */
static void masks_by_hand(void **state)
{
    (void)state;
    /* The middle of 5x5 is rows and columns 1 to 3 (int(5 * 0.2), int(5 * 0.8)); 4 of its 9 are object: the sign stays. */
    const char cross[] = "....."
                         "..#.."
                         ".#.#."
                         "..#.."
                         ".....";
    expect_mask(cross, NULL, 5, 5, DP_BACKGROUND_CELLS,
                "#####"
                "#####"
                "#####"
                "#####"
                "#####");
    expect_mask(cross, NULL, 5, 5, DP_BACKGROUND_LIST,
                "....."
                ".####"
                "#####"
                "####."
                ".....");
    /* 3 of 9 are less than 35 %: the other sign, of which nothing passes. */
    const char few[] = "....."
                       "..#.."
                       ".##.."
                       "....."
                       ".....";
    expect_mask(few, NULL, 5, 5, DP_BACKGROUND_CELLS,
                "....."
                "....."
                "....."
                "....."
                ".....");
    /* The other sign: objects are 'o', dilated over the end of a row in the list and not in the cells. */
    const char other[] = "#####"
                         "#...#"
                         "#...#"
                         "....."
                         "....o";
    expect_mask(other, NULL, 5, 5, DP_BACKGROUND_LIST,
                "....."
                "....."
                "....."
                "....."
                "...##");
    expect_mask(other, NULL, 5, 5, DP_BACKGROUND_CELLS,
                "....."
                "....."
                "....."
                "...##"
                "...##");
    const char ends[] = "#####"
                        "#...#"
                        "o...#"
                        "....."
                        ".....";
    expect_mask(ends, NULL, 5, 5, DP_BACKGROUND_LIST,
                "....."
                "....#"
                "##..."
                "....."
                ".....");
    expect_mask(ends, NULL, 5, 5, DP_BACKGROUND_CELLS,
                "##..."
                "##..."
                "##..."
                "##..."
                "##...");
    /* A gap of two between dilated groups is closed, one of three is not. */
    const char row[] = "o.....o....o....";
    expect_mask(row, NULL, 1, 16, DP_BACKGROUND_LIST, "##...########...");
    expect_mask(row, NULL, 1, 16, DP_BACKGROUND_CELLS, "##...########...");
}

/* Cells outside the picture are no background, take no part in the morphology and none in the rule of the middle. */
static void masks_inside(void **state)
{
    (void)state;
    const uint8_t inside[25] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1};
    /* Inside, the middle has six cells, of which two or three are object. */
    const char two[] = "....."
                       ".##.."
                       "....."
                       "....."
                       ".....",
               three[] = "....."
                         ".###."
                         "....."
                         "....."
                         ".....";
    float component[25];
    uint8_t mask[25];
    draw_component(two, component);
    assert_ok(dp_background_cells(component, inside, 5, 5, 10, DP_BACKGROUND_CELLS, mask, err));
    for (size_t i = 0; i < 25; i++)
        assert_int_equal(mask[i], inside[i]); /* 2 of 6 are less than 35 % */
    draw_component(three, component);
    assert_ok(dp_background_cells(component, inside, 5, 5, 10, DP_BACKGROUND_CELLS, mask, err));
    const char expected[] = "#####"
                            "#####"
                            "##..."
                            "....."
                            "....."; /* of row 2 the last three are outside */
    for (size_t i = 0; i < 25; i++)
        assert_int_equal(mask[i], inside[i] && expected[i] == '.');
}

/* -------------------------------------------------------------------------------------------------------------- scores */

static void masked_cells_in_a_map(void **state)
{
    (void)state;
    const uint8_t background[4] = {1, 0, 1, 0};
    for (int list = 0; list < 2; list++) {
        dp_recipe recipe;
        dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
        recipe.background_rule = list ? DP_BACKGROUND_LIST : DP_BACKGROUND_CELLS;
        float grid[4] = {5, 6, 7, 8};
        uint8_t valid[4] = {1, 1, 0, 1};
        dp_grid_mask(&recipe, background, 4, grid, valid);
        assert_true(grid[0] == 0 && grid[1] == 6 && grid[2] == 0 && grid[3] == 8);
        assert_int_equal(valid[0], list);
        assert_int_equal(valid[2], list);
        assert_true(valid[1] && valid[3]);
    }
}

/* The mask of random_grid's picture p: every third cell, shifted. */
static void mask_of(size_t p, size_t cells, uint8_t *mask)
{
    for (size_t i = 0; i < cells; i++)
        mask[i] = (i + p) % 3 == 0;
}

static dp_bank *masked_bank(bool flat, dp_background background, dp_background_rule rule)
{
    enum { PICTURES = 5, DIM = 6 };
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.layout = flat ? DP_LAYOUT_FLAT : DP_LAYOUT_GRID;
    recipe.background = background;
    recipe.background_rule = rule;
    recipe.score = DP_SCORE_MEAN;
    recipe.canvas_height_px = 4 * 14;
    recipe.canvas_width_px = 6 * 14;
    dp_bank_spec spec = {.recipe = &recipe,
                         .grid_rows = 4,
                         .grid_cols = 6,
                         .dim = DIM,
                         .capacity = PICTURES + 2,
                         .rows_per_picture = 2,
                         .model_sha256 = random_hash};
    dp_bank_builder *builder = NULL;
    assert_ok(dp_bank_builder_open(&spec, &builder, err));
    for (size_t p = 0; p < PICTURES; p++) {
        size_t index, rows = 4, cols = 6;
        char name[32];
        snprintf(name, sizeof name, "good/%zu.png", p);
        dp_pose pose = {.status = DP_ALIGN_OFF, .picture_width_px = 64, .picture_height_px = 48};
        assert_ok(dp_bank_builder_add(builder, name, &pose, &index, err));
        if (flat)
            flat_grid(p, &rows, &cols);
        for (size_t a = 0; a < 2; a++) {
            float *features;
            uint8_t *valid, mask[30];
            random_grid(rows * cols, DIM, 100 + p * 10 + a, &features, &valid);
            mask_of(p + a, rows * cols, mask);
            for (size_t i = 0; i < rows * cols; i++) {
                mask[i] = mask[i] && valid[i];
                if (background == DP_BACKGROUND_BOTH && mask[i])
                    valid[i] = 0;
            }
            assert_ok(dp_bank_builder_put_grid(builder, index, a, features, valid, rows, cols, err));
            assert_ok(dp_bank_builder_set_background(builder, index, a, mask, err));
            dp_memory_free(features);
            dp_memory_free(valid);
        }
    }
    const uint8_t third[30] = {0};
    assert_fails(DP_E_ARGUMENT, "grid", dp_bank_builder_set_background(builder, 0, 2, third, err));
    return finished(builder);
}

/* Leave-one-out score of picture p, every distance by hand. */
static double score_by_hand(const dp_bank *bank, size_t p)
{
    size_t rows, cols, dim = bank->rows.dim, n = 0;
    double sum = 0;
    dp_rows_picture_grid(&bank->rows, p, &rows, &cols);
    float *x = malloc(rows * cols * dim * sizeof *x), *y = malloc(30 * dim * sizeof *y);
    uint8_t *valid = malloc(rows * cols), other[30];
    dp_rows_get(&bank->rows, p, 0, x, valid);
    const uint8_t *mask = bank->pictures.background[p];
    bool list = bank->recipe.background_rule == DP_BACKGROUND_LIST;
    for (size_t i = 0; i < rows * cols; i++) {
        if (mask[i]) {
            n += list;
            continue;
        }
        double least = INFINITY;
        for (size_t q = 0; q < bank->pictures.n && valid[i]; q++)
            for (size_t a = 0; a < 2 && q != p; a++) {
                size_t r, c;
                dp_rows_picture_grid(&bank->rows, q, &r, &c);
                dp_rows_get(&bank->rows, q, a, y, other);
                for (size_t j = 0; j < r * c; j++) {
                    double square = 0;
                    for (size_t d = 0; d < dim; d++)
                        square += pow((double)x[i * dim + d] - (double)y[j * dim + d], 2);
                    if (other[j] && (bank->recipe.layout == DP_LAYOUT_FLAT || j == i))
                        least = fmin(least, sqrt(square));
                }
            }
        if (isfinite(least)) {
            sum += least;
            n++;
        }
    }
    free(x);
    free(y);
    free(valid);
    return sum / (double)n;
}

static void good_pictures_are_scored_as_new_ones(void **state)
{
    (void)state;
    dp_pool *pool = NULL;
    assert_ok(dp_pool_open(2, &pool, err));
    for (int i = 0; i < 8; i++) {
        dp_background background = i & 1 ? DP_BACKGROUND_BOTH : DP_BACKGROUND_TEST;
        dp_bank *bank = masked_bank(i & 2, background, i & 4 ? DP_BACKGROUND_LIST : DP_BACKGROUND_CELLS), *again = NULL,
                *less = NULL;
        assert_ok(dp_bank_leave_one_out(bank, DP_ISA_C, pool, NULL, NULL, err));
        for (size_t p = 0; p < bank->pictures.n; p++)
            assert_float_equal(bank->pictures.loo_scores[p], score_by_hand(bank, p), 1e-5);
        /* On disk and back, and with a picture taken out. */
        const char *path = temporary_path("masked.bank");
        assert_ok(dp_bank_save(bank, path, err));
        assert_ok(dp_bank_open(path, &again, err));
        for (size_t p = 0; p < bank->pictures.n; p++)
            assert_memory_equal(again->pictures.background[p], bank->pictures.background[p],
                                dp_bank_background_bytes(bank, p));
        const size_t gone = 1;
        assert_ok(dp_bank_remove(again, &gone, 1, NULL, &less, err));
        assert_memory_equal(less->pictures.background[1], bank->pictures.background[2],
                            dp_bank_background_bytes(bank, 2));
        for (size_t p = 0; p < less->pictures.n; p++)
            assert_float_equal(less->pictures.loo_scores[p], score_by_hand(less, p), 1e-5);
        dp_bank_close(&less);
        dp_bank_close(&again);
        dp_bank_close(&bank);
    }
    dp_pool_close(&pool);
}

static void masks_are_mirrored_with_their_rows(void **state)
{
    (void)state;
    dp_bank *bank = masked_bank(false, DP_BACKGROUND_TEST, DP_BACKGROUND_CELLS), *turned = NULL;
    dp_bank_pick pick = {bank, 3, true};
    assert_ok(dp_bank_assemble(bank, &pick, 1, NULL, &turned, err));
    for (size_t i = 0; i < 2 * 24; i++)
        assert_int_equal(turned->pictures.background[0][i], bank->pictures.background[3][i / 6 * 6 + 5 - i % 6]);
    dp_bank_close(&turned);
    dp_bank_close(&bank);
}

/* A file whose table of masks does not fit its pictures, or holds something else than 0 and 1. */
static void unsound_masks_are_refused(void **state)
{
    (void)state;
    dp_bank *bank = masked_bank(true, DP_BACKGROUND_TEST, DP_BACKGROUND_CELLS), *again = NULL;
    const char *path = temporary_path("unsound.bank");
    bank->pictures.background[4][3] = 2;
    assert_ok(dp_bank_save(bank, path, err));
    assert_fails(DP_E_FORMAT, "range", dp_bank_open(path, &again, err));
    bank->pictures.background[4][3] = 1;
    bank->recipe.background = DP_BACKGROUND_NONE;
    assert_ok(dp_bank_save(bank, path, err)); /* without a table: the recipe has no use for it */
    assert_ok(dp_bank_open(path, &again, err));
    assert_null(again->pictures.background);
    assert_null(dp_bank_inspected_background(again, 0));
    dp_bank_close(&again);
    dp_bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(component_is_the_exact_one),
        cmocka_unit_test(component_at_its_limits),
        cmocka_unit_test(masks_by_hand),
        cmocka_unit_test(masks_inside),
        cmocka_unit_test(masked_cells_in_a_map),
        cmocka_unit_test(good_pictures_are_scored_as_new_ones),
        cmocka_unit_test(masks_are_mirrored_with_their_rows),
        cmocka_unit_test(unsound_masks_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
