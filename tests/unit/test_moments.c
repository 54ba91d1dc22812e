/* SPDX-License-Identifier: Apache-2.0 */
/* Moments of features against sums written out, their merge, and each picture left out against a bank without it. */
#include "bank_fixture.h"

#include "bank/moments.h"
#include "search/searcher.h"

#include <math.h>
#include <stdio.h>

#define ROWS 3
#define COLS 4
#define DIM 7

static dp_bank *bank_of(dp_moments_of of, size_t pictures, size_t per, size_t left_out)
{
    dp_bank *bank = random_bank_without(ROWS, COLS, DIM, pictures, per, 5, left_out);
    bank->recipe.layout = DP_LAYOUT_MOMENTS;
    bank->recipe.keep_features = 1;
    bank->recipe.moments = of;
    bank->recipe.moments_ridge = 0.01;
    bank->recipe.moments_variance = 0.9;
    bank->recipe.metric = DP_METRIC_L2;
    assert_ok(dp_bank_measure(bank, NULL, err));
    return bank;
}

static void assert_near(double a, double b, double share)
{
    if (!(fabs(a - b) <= share * fmax(fabs(a), fabs(b)) + 1e-12))
        fail_msg("%.17g and %.17g differ by more than %g", a, b, share);
}

/* Mean and scatter of all rows of a place, or of all places. */
static void written_out(void **state)
{
    (void)state;
    for (int of = 0; of < 2; of++) {
        dp_bank *bank = bank_of((dp_moments_of)of, 6, 2, SIZE_MAX);
        const dp_moments *m = &bank->moments;
        for (size_t set = 0; set < m->cells; set++) {
            double n = 0, mean[DIM] = {0}, scatter[DIM][DIM] = {{0}};
            for (int pass = 0; pass < 2; pass++)
                for (size_t cell = 0; cell < ROWS * COLS; cell++)
                    for (size_t row = 0; row < bank->rows.n_rows; row++) {
                        if ((m->cells > 1 && cell != set) || !bank->rows.valid[cell * bank->rows.n_rows + row])
                            continue;
                        const float *x = rows_of_cell(bank, cell) + row * DIM;
                        n += !pass;
                        for (size_t i = 0; i < DIM; i++) {
                            mean[i] += pass ? 0 : (double)x[i];
                            for (size_t j = 0; pass && j < DIM; j++)
                                scatter[i][j] += ((double)x[i] - mean[i] / n) * ((double)x[j] - mean[j] / n);
                        }
                    }
            assert_true(m->n[set] == n);
            const double *s = m->scatter + set * dp_moments_size(DIM);
            for (size_t j = 0; j < DIM; j++) {
                assert_near(m->mean[set * DIM + j], n > 0 ? mean[j] / n : 0, 1e-12);
                for (size_t i = j; i < DIM; i++)
                    assert_near(*s++, scatter[i][j], 1e-11);
            }
        }
        dp_bank_close(&bank);
    }
}

static void same_moments(const dp_moments *a, const dp_moments *b)
{
    for (size_t i = 0; i < a->cells; i++)
        assert_true(a->n[i] == b->n[i]);
    for (size_t i = 0; i < a->cells * DIM; i++)
        assert_near(a->mean[i], b->mean[i], 1e-9);
    for (size_t i = 0; i < a->cells * dp_moments_size(DIM); i++)
        assert_near(a->scatter[i], b->scatter[i], 1e-9);
}

/* Two parts added are the whole, and the whole less a part is the other one; the thread count changes no bit. */
static void parts(void **state)
{
    (void)state;
    dp_pool *pool = NULL;
    assert_ok(dp_pool_open(3, &pool, err));
    for (int of = 0; of < 2; of++) {
        dp_bank *bank = bank_of((dp_moments_of)of, 9, 1, SIZE_MAX);
        dp_moments a, b, all, again;
        const size_t sets = bank->moments.cells;
        assert_ok(dp_moments_open(sets, DIM, &a, err));
        assert_ok(dp_moments_open(sets, DIM, &b, err));
        assert_ok(dp_moments_of_rows(&bank->rows, 0, 4, NULL, &a, err));
        assert_ok(dp_moments_of_rows(&bank->rows, 4, 5, pool, &b, err));
        assert_ok(dp_moments_copy(&a, &all, err));
        dp_moments_add(&all, &b, pool);
        same_moments(&all, &bank->moments);
        dp_moments_subtract(&all, &b, NULL);
        same_moments(&all, &a);
        assert_ok(dp_moments_open(sets, DIM, &again, err));
        assert_ok(dp_moments_of_rows(&bank->rows, 0, 9, pool, &again, err));
        assert_memory_equal(again.scatter, bank->moments.scatter, sets * dp_moments_size(DIM) * sizeof(double));
        dp_moments_close(&a);
        dp_moments_close(&b);
        dp_moments_close(&all);
        dp_moments_close(&again);
        dp_bank_close(&bank);
    }
    dp_pool_close(&pool);
}

/* The map of picture p in the bank that never had it. */
static void map_without(const dp_bank *bank, size_t p, dp_moments_of of, size_t pictures, size_t per, float *grid,
                        uint8_t *valid)
{
    dp_bank *others = bank_of(of, pictures, per, p);
    float features[ROWS * COLS * DIM];
    uint8_t cells[ROWS * COLS];
    dp_neighbour nearest[ROWS * COLS];
    dp_searcher searcher;
    const dp_scoring scoring = dp_bank_scoring(others);
    dp_rows_get(&bank->rows, p, 0, features, cells);
    assert_ok(dp_searcher_open(&others->rows, &scoring, DP_ISA_C, NULL, &searcher, err));
    assert_ok(dp_searcher_map(&searcher, &(dp_cells){features, cells, ROWS, COLS, 0, 0, DP_NO_PICTURE}, NULL,
                              &(dp_distances){nearest, grid, valid}, err));
    dp_searcher_close(&searcher);
    dp_bank_close(&others);
}

static void left_out(void **state)
{
    (void)state;
    static const size_t counts[] = {2, 3, 8};
    dp_pool *pool = NULL;
    assert_ok(dp_pool_open(2, &pool, err));
    for (int of = 0; of < 2; of++)
        for (size_t per = 1; per <= 2; per++)
            for (size_t k = 0; k < 3; k++) {
                const size_t n = counts[k];
                dp_bank *bank = bank_of((dp_moments_of)of, n, per, SIZE_MAX);
                float grid[8 * ROWS * COLS], alone[ROWS * COLS];
                uint8_t valid[8 * ROWS * COLS], alone_valid[ROWS * COLS];
                dp_neighbour nearest[8 * ROWS * COLS];
                dp_searcher searcher;
                const dp_scoring scoring = dp_bank_scoring(bank);
                assert_ok(dp_searcher_open(&bank->rows, &scoring, DP_ISA_C, pool, &searcher, err));
                assert_ok(
                    dp_searcher_leave_one_out(&searcher, 0, n, pool, NULL, &(dp_distances){nearest, grid, valid}, err));
                size_t seen = 0;
                for (size_t p = 0; p < n; p++) {
                    map_without(bank, p, (dp_moments_of)of, n, per, alone, alone_valid);
                    for (size_t c = 0; c < ROWS * COLS; c++) {
                        assert_int_equal(valid[p * ROWS * COLS + c], alone_valid[c]);
                        assert_near((double)grid[p * ROWS * COLS + c], (double)alone[c], 1e-6);
                        assert_true(nearest[p * ROWS * COLS + c].row == DP_NO_ROW);
                        seen += alone_valid[c] && alone[c] > 0;
                    }
                }
                assert_true(seen > n);
                dp_searcher_close(&searcher);
                dp_bank_close(&bank);
            }
    dp_pool_close(&pool);
}

/* A saved bank of moments without features opens as it was. */
static void saved(void **state)
{
    (void)state;
    char path[] = "/tmp/dinopatch-moments-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    for (int of = 0; of < 2; of++) {
        dp_bank *bank = bank_of((dp_moments_of)of, 5, 1, SIZE_MAX), *opened = NULL;
        bank->recipe.keep_features = 0;
        dp_bank_drop_rows(bank);
        assert_false(dp_bank_has_pictures(bank));
        assert_ok(dp_bank_save(bank, path, err));
        assert_ok(dp_bank_open(path, &opened, err));
        assert_ok(dp_bank_verify(opened, err));
        same_moments(&opened->moments, &bank->moments);
        assert_false(dp_bank_has_pictures(opened));
        assert_true(opened->rows.moments == &opened->moments && opened->rows.n_rows == 0);
        dp_bank_close(&opened);
        dp_bank_close(&bank);
    }
    remove(path);
}

/* Options that need rows are refused, by their names. */
static void refused(void **state)
{
    (void)state;
    dp_recipe recipe;
    static const struct {
        const char *key, *text, *says;
    } cases[] = {{"search.knn", "2", "search.knn"},       {"search.metric", "cosine", "search.metric"},
                 {"search.order", "0.5", "search.order"}, {"bank.pca", "0.9", "bank.pca"},
                 {"bank.storage", "f16", "bank.storage"}, {"layers.mix", "separate", "layers.mix"},
                 {"bank.kmeans", "2", "bank.kmeans"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dp_recipe_preset(&recipe, DP_METHOD_SUBSPACE);
        assert_ok(dp_recipe_check(&recipe, err));
        assert_ok(dp_recipe_set(&recipe, cases[i].key, cases[i].text, err));
        assert_fails(DP_E_ARGUMENT, cases[i].says, dp_recipe_check(&recipe, err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(written_out), cmocka_unit_test(parts),
                                       cmocka_unit_test(left_out), cmocka_unit_test(saved), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
