/* SPDX-License-Identifier: Apache-2.0 */
/* Tests changed banks: removed pictures, merged banks, suspects, and a crash in the middle of a change. */
#include "bank_fixture.h"
#include "score/leave_one_out.h"

#include "bank/assemble.h"
#include "extract/orientation.h"
#include "dinopatch/edit.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void calibrate(dp_bank *bank)
{
    assert_ok(dp_bank_leave_one_out(bank, DP_ISA_AUTO, NULL, NULL, NULL, err));
}

static void compare(const dp_bank *a, const dp_bank *b)
{
    size_t places = dp_rows_cells(&a->rows) * a->rows.n_rows;
    assert_true(a->pictures.n == b->pictures.n && a->rows.n_rows == b->rows.n_rows && a->rows.dim == b->rows.dim);
    assert_memory_equal(a->rows.features, b->rows.features, places * a->rows.dim * dp_storage_bytes(a->rows.storage));
    assert_memory_equal(a->rows.norms, b->rows.norms, places * sizeof(float));
    assert_memory_equal(a->rows.valid, b->rows.valid, places);
    if (a->rows.scales)
        assert_memory_equal(a->rows.scales, b->rows.scales, places * sizeof(float));
    if (a->rows.row_picture)
        assert_memory_equal(a->rows.row_picture, b->rows.row_picture, places * sizeof(int32_t));
    if (a->rows.row_cell)
        assert_memory_equal(a->rows.row_cell, b->rows.row_cell, places * sizeof(int32_t));
    if (a->rows.grids)
        assert_memory_equal(a->rows.grids, b->rows.grids, a->pictures.n * 2 * sizeof(int32_t));
    assert_memory_equal(a->pictures.loo_scores, b->pictures.loo_scores, a->pictures.n * sizeof(double));
    assert_memory_equal(&a->levels.threshold, &b->levels.threshold, sizeof(double));
    for (size_t p = 0; p < a->pictures.n; p++) {
        assert_string_equal(a->pictures.names[p], b->pictures.names[p]);
        assert_true(a->pictures.poses[p].centre_x_px == b->pictures.poses[p].centre_x_px);
    }
}

static void removed(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        dp_bank *bank, *expected, *smaller = NULL, *none = NULL;
        if (way == 3) {
            bank = random_flat_without(6, 5, 2, 3, SIZE_MAX);
            expected = random_flat_without(6, 5, 2, 3, 1);
        } else {
            bank = random_bank_in((dp_storage)way, 3, 4, 6, 5, 2, 3, SIZE_MAX);
            expected = random_bank_in((dp_storage)way, 3, 4, 6, 5, 2, 3, 1);
        }
        calibrate(bank);
        calibrate(expected);
        const size_t second[] = {1, 1}, beyond = 5, all[] = {0, 1, 2, 3, 4};
        assert_ok(dp_bank_remove(bank, second, 2, NULL, &smaller, err));
        compare(smaller, expected);
        assert_ok(dp_bank_verify(smaller, err));
        assert_fails(DP_E_ARGUMENT, "no picture 5 in a bank of 5", dp_bank_remove(bank, &beyond, 1, NULL, &none, err));
        assert_fails(DP_E_ARGUMENT, "no picture would be left", dp_bank_remove(bank, all, 5, NULL, &none, err));
        dp_bank_close(&smaller);
        dp_bank_close(&bank);
        dp_bank_close(&expected);
    }
}

/* Gives every picture of a bank a size, so that places in it are known. */
static void give_sizes(dp_bank *bank, size_t cols, size_t rows)
{
    for (size_t p = 0; p < bank->pictures.n; p++) {
        bank->pictures.poses[p].status = DP_ALIGN_OFF;
        bank->pictures.polarities[p] = 0;
        bank->pictures.poses[p].picture_width_px = 10 * cols;
        bank->pictures.poses[p].picture_height_px = 10 * rows;
    }
    bank->recipe.align = DP_ALIGN_NONE;
}

/* A whole picture in quarantine scores the others as its removal does; released, nothing is left of it. */
static void quarantined(void **state)
{
    (void)state;
    const dp_box whole = {-INFINITY, -INFINITY, INFINITY, INFINITY};
    for (int way = 0; way < 4; way++) {
        dp_bank *bank = way == 3 ? random_flat_without(6, 5, 2, 3, SIZE_MAX)
                                 : random_bank_in((dp_storage)way, 3, 4, 6, 5, 2, 3, SIZE_MAX),
                *without = NULL, *away = NULL, *back = NULL, *opened = NULL;
        char path[] = "/tmp/dinopatch-quarantine-XXXXXX";
        const size_t one = 1;
        size_t n_rows, n_all;
        dp_box box;
        calibrate(bank);
        assert_ok(dp_bank_remove(bank, &one, 1, NULL, &without, err));
        assert_ok(dp_bank_quarantine(bank, &(dp_bank_place){1, whole, 0, 0}, 1, NULL, &away, err));
        assert_true(isnan(away->pictures.loo_scores[1]) && isnan(away->pictures.loo_peaks[1]));
        for (size_t p = 0, k = 0; p < 5; p++)
            if (p != 1)
                assert_true(away->pictures.loo_scores[p] == without->pictures.loo_scores[k++]);
        assert_true(away->levels.threshold == without->levels.threshold);
        int file = mkstemp(path);
        assert_true(file >= 0 && !close(file));
        assert_ok(dp_bank_save(away, path, err));
        assert_ok(dp_bank_open(path, &opened, err));
        assert_ok(dp_bank_verify(opened, err));
        compare(opened, away);
        dp_bank_quarantined(opened, 1, &n_rows, &n_all, &box);
        assert_true(n_rows == n_all && n_rows > 0);
        dp_bank_quarantined(opened, 2, &n_rows, &n_all, &box);
        assert_true(n_rows == 0 && n_all > 0 && isnan(box.x0_px));
        assert_ok(dp_bank_quarantine(opened, &(dp_bank_place){1, whole, 0, 1}, 1, NULL, &back, err));
        compare(back, bank);
        unlink(path);
        dp_bank_close(&opened);
        dp_bank_close(&back);
        dp_bank_close(&away);
        dp_bank_close(&without);
        dp_bank_close(&bank);
    }
}

/* A place is a box in the picture: in a grid of 3 x 4 cells of 10 pixels, the cell at row 1, column 2. */
static void quarantined_place(void **state)
{
    (void)state;
    const dp_box cell = {21, 11, 28, 18}, nowhere = {500, 500, 600, 600};
    dp_bank *bank = random_bank_without(3, 4, 6, 5, 1, 3, SIZE_MAX), *away = NULL, *none = NULL, *part = NULL;
    size_t n_rows, n_all;
    dp_box box;
    calibrate(bank);
    give_sizes(bank, 4, 3);
    dp_bank_place everywhere[5];
    size_t n = 0, p = 5;
    for (size_t i = 0; i < 5; i++)
        if (bank->rows.valid[6 * 5 + i])
            everywhere[n++] = (dp_bank_place){p = i, cell, 0, 0};
    assert_true(n > 1);
    bank->levels.threshold = 7; /* given by hand: it stays */
    bank->levels.origin = (dp_threshold_origin){.by = DP_ORIGIN_VALUE};
    assert_ok(dp_bank_quarantine(bank, &(dp_bank_place){p, cell, 0, 0}, 1, NULL, &away, err));
    for (size_t c = 0; c < 12; c++)
        for (size_t i = 0; i < 5; i++)
            assert_int_equal(away->rows.valid[c * 5 + i], c == 6 && i == p ? 0 : bank->rows.valid[c * 5 + i]);
    assert_true(away->levels.threshold == 7 && away->levels.origin.by == DP_ORIGIN_VALUE);
    dp_bank_quarantined(away, p, &n_rows, &n_all, &box);
    assert_true(n_rows == 1 && fabs(box.x0_px - 19.5) < 1e-9 && fabs(box.y1_px - 19.5) < 1e-9);
    assert_fails(DP_E_ARGUMENT, "no cell of it has its centre in",
                 dp_bank_quarantine(bank, &(dp_bank_place){p, nowhere, 0, 0}, 1, NULL, &none, err));
    assert_fails(DP_E_ARGUMENT, "no picture 5",
                 dp_bank_quarantine(bank, &(dp_bank_place){5, cell, 0, 0}, 1, NULL, &none, err));
    assert_fails(DP_E_ARGUMENT, "no row would be left for row 2, column 3",
                 dp_bank_quarantine(bank, everywhere, n, NULL, &none, err));
    assert_ok(dp_bank_quarantine(bank, &(dp_bank_place){p, cell, 1, 0}, 1, NULL, &part, err));
    assert_true(isnan(part->pictures.loo_scores[p])); /* of all but one cell: a part is no picture */
    /* What was not added is no quarantine: nothing releases it, also after a file and a copy. */
    const dp_box whole = {-INFINITY, -INFINITY, INFINITY, INFINITY};
    dp_bank *opened = NULL, *freed = NULL, *smaller = NULL;
    char path[] = "/tmp/dinopatch-region-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0 && !close(file));
    assert_ok(dp_bank_save(part, path, err));
    assert_ok(dp_bank_open(path, &opened, err));
    unlink(path);
    compare(opened, part);
    assert_true(dp_bank_region(opened, p, &box) && box.x0_px == 21 && box.y1_px == 18);
    assert_true(!dp_bank_region(opened, p ? 0 : 1, &box) && !dp_bank_region(opened, 5, &box));
    dp_bank_quarantined(opened, p, &n_rows, &n_all, &box);
    assert_true(n_rows == 0 && n_all == 1);
    assert_ok(dp_bank_quarantine(opened, &(dp_bank_place){p, whole, 0, 1}, 1, NULL, &freed, err));
    compare(freed, part);
    const size_t other = p ? 0 : 1, at = p ? p - 1 : 0;
    assert_ok(dp_bank_remove(freed, &other, 1, NULL, &smaller, err));
    assert_true(dp_bank_region(smaller, at, &box) && box.x0_px == 21);
    dp_bank_close(&smaller);
    dp_bank_close(&freed);
    dp_bank_close(&opened);
    bank->recipe.rotations = 8;
    assert_fails(DP_E_UNSUPPORTED, "also entered turned",
                 dp_bank_quarantine(bank, &(dp_bank_place){p, cell, 0, 0}, 1, NULL, &none, err));
    dp_bank_close(&part);
    dp_bank_close(&away);
    dp_bank_close(&bank);
}

/* A bank taken apart and put together again. */
static void merged(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        dp_bank *bank = way ? random_flat_without(6, 5, 2, 3, SIZE_MAX) : random_bank(3, 4, 6, 5, 2, 3), *a = NULL,
                *b = NULL, *c = NULL;
        const size_t first[] = {0, 1}, rest[] = {2, 3, 4};
        float reference[12] = {0.6f, 0.8f, 0, 0, 0, 0, 0.1f, 0.2f};
        set_orientation(bank, reference, reference + 6);
        calibrate(bank);
        assert_ok(dp_bank_remove(bank, rest, 3, NULL, &a, err));
        assert_ok(dp_bank_remove(bank, first, 2, NULL, &b, err));
        assert_ok(dp_bank_merge(a, b, NULL, &c, err));
        compare(c, bank);
        for (size_t d = 0; d < 12; d++)
            assert_float_equal(c->orientation[d], bank->orientation[d], 1e-6);
        dp_bank_close(&c);
        dp_bank_close(&a);
        dp_bank_close(&b);
        dp_bank_close(&bank);
    }
}

static void ends_the_other_way_round(void **state)
{
    (void)state;
    dp_bank *a = random_bank(3, 4, 6, 3, 2, 3), *b = random_bank(3, 4, 6, 4, 2, 8), *c = NULL;
    float reference[12] = {0.6f, 0.8f}, opposite[12] = {-0.8f, -0.6f};
    set_orientation(a, reference, reference + 6);
    set_orientation(b, opposite, opposite + 6);
    calibrate(a);
    calibrate(b);
    assert_fails(DP_E_MISMATCH, "which end", dp_bank_merge(a, b, NULL, &c, err));
    a->recipe.polarity = b->recipe.polarity = DP_POLARITY_MIRROR;
    assert_ok(dp_bank_merge(a, b, NULL, &c, err));
    float found[12 * 6], expected[12 * 6];
    uint8_t valid[12], expected_valid[12];
    for (size_t p = 0; p < 4; p++) {
        dp_rows_get(&c->rows, 3 + p, 1, found, valid);
        dp_rows_get(&b->rows, p, 1, expected, expected_valid);
        dp_grid_mirror(expected, expected_valid, 3, 4, 6);
        assert_memory_equal(found, expected, sizeof found);
        assert_memory_equal(valid, expected_valid, 12);
        assert_int_equal(c->pictures.polarities[3 + p], -b->pictures.polarities[p]);
    }
    assert_true(c->orientation[0] > 0 && c->orientation[1] > 0);
    assert_float_equal(dp_norm_f32(c->orientation, 6), 1, 1e-6);
    dp_bank_close(&c);
    dp_bank_close(&a);
    dp_bank_close(&b);
}

static void banks_that_do_not_go_together(void **state)
{
    (void)state;
    dp_bank *a = random_bank(3, 4, 6, 3, 1, 3), *b = random_bank(3, 4, 6, 3, 1, 4), *c = NULL,
            *wide = random_bank(3, 4, 7, 3, 1, 4);
    calibrate(a);
    calibrate(b);
    calibrate(wide);
    b->recipe.neighbourhood = 3;
    assert_fails(DP_E_MISMATCH, "different recipes: \"neighbourhood\":1 and \"neighbourhood\":3",
                 dp_bank_merge(a, b, NULL, &c, err));
    b->recipe.neighbourhood = 1;
    b->recipe.shots = 3; /* none of these is a difference in the features: the first bank's hold */
    b->recipe.knn = 2;
    b->recipe.fpr = 0.2;
    b->recipe.post.low = 1;
    b->levels.threshold = 7;
    assert_ok(dp_bank_merge(a, b, NULL, &c, err));
    assert_true(c->recipe.knn == 1 && c->recipe.fpr == a->recipe.fpr && c->recipe.post.low == 0
                && c->levels.threshold != 7);
    assert_int_equal(c->pictures.n, 6);
    dp_bank_close(&c);
    b->model.sha256[0] = 'f';
    assert_fails(DP_E_MISMATCH, "different checkpoints: /models/d", dp_bank_merge(a, b, NULL, &c, err));
    assert_fails(DP_E_MISMATCH, "SHA-256 0123", dp_bank_merge(a, b, NULL, &c, err));
    assert_fails(DP_E_MISMATCH, "3x4 cells of 6 features, and 3x4 cells of 7", dp_bank_merge(a, wide, NULL, &c, err));
    b->model.sha256[0] = '0';
    const dp_compression pca = {.pca = 2}, kmeans = {.kmeans = 2};
    dp_bank *x = NULL, *y = NULL;
    assert_ok(dp_bank_compress(a, &pca, NULL, &x, NULL, err));
    assert_ok(dp_bank_compress(b, &pca, NULL, &y, NULL, err));
    assert_fails(DP_E_MISMATCH, "their own principal components", dp_bank_merge(x, y, NULL, &c, err));
    assert_ok(dp_bank_merge(x, x, NULL, &c, err));
    dp_bank_close(&c);
    dp_bank_close(&x);
    dp_bank_close(&y);
    assert_ok(dp_bank_compress(a, &kmeans, NULL, &x, NULL, err));
    const size_t first = 0;
    assert_fails(DP_E_MISMATCH, "centres of k-means", dp_bank_merge(x, x, NULL, &c, err));
    assert_fails(DP_E_MISMATCH, "centres of k-means", dp_bank_remove(x, &first, 1, NULL, &c, err));
    assert_null(c);
    dp_bank_close(&x);
    dp_bank_close(&a);
    dp_bank_close(&b);
    dp_bank_close(&wide);
}

/* The process dies in the middle of writing: the old bank is there, whole. */
static void a_crash_leaves_the_old_bank(void **state)
{
    (void)state;
    const char *path = temporary_path("changed.bank");
    dp_bank *bank = random_bank(8, 8, 48, 40, 1, 3), *back = NULL; /* half a megabyte */
    calibrate(bank);
    assert_ok(dp_bank_save(bank, path, err));
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        const size_t first = 0;
        dp_bank *smaller = NULL, *old = NULL;
        struct rlimit limit = {200000, 200000}, no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        setrlimit(RLIMIT_FSIZE, &limit); /* the write that passes it kills the process */
        signal(SIGXFSZ, SIG_DFL);
        if (dp_bank_open(path, &old, NULL) || dp_bank_remove(old, &first, 1, NULL, &smaller, NULL))
            _exit(1);
        dp_bank_save(smaller, path, NULL);
        _exit(2);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
    assert_ok(dp_bank_open(path, &back, err));
    assert_ok(dp_bank_verify(back, err));
    compare(back, bank);
    dp_bank_close(&back);
    dp_bank_close(&bank);
}

/* One picture unlike the others among them. */
static void a_bad_one_among_the_good(void **state)
{
    (void)state;
    const size_t cells = 12, dim = 8, n = 15, bad = 6;
    uint64_t seed = 4;
    dp_bank *bank = NULL;
    dp_bank_builder *builder = empty_bank(3, 4, dim, n, 1);
    float *common = random_floats(cells * dim, &seed), features[12 * 8];
    for (size_t p = 0; p < n; p++) {
        dp_pose pose = {0};
        size_t index;
        char name[16];
        snprintf(name, sizeof name, "%zu", p);
        assert_ok(dp_bank_builder_add(builder, name, &pose, &index, err));
        for (size_t i = 0; i < cells * dim; i++)
            features[i] = common[i] + 0.05f * uniform(&seed) + (p == bad && i / dim == 5 ? 0.5f : 0);
        assert_ok(dp_bank_builder_put(builder, p, 0, features, NULL, err));
    }
    assert_ok(dp_bank_builder_finish(&builder, &bank, err));
    calibrate(bank);
    size_t order[15];
    double z[15];
    assert_ok(dp_bank_suspects(bank, order, z, err));
    assert_int_equal(order[0], bad);
    assert_true(z[0] > 10 && z[1] < 3.5);
    for (size_t i = 1; i < n; i++)
        assert_true(bank->pictures.loo_scores[order[i - 1]] >= bank->pictures.loo_scores[order[i]] && z[i - 1] >= z[i]);
    /* By the definition, for a few scores. */
    const double scores[15] = {1, 2, 3, 4, 10, 3, 3, 3, 3, 3, 3, 3, 3, 3, NAN}; /* median 3, MAD 0 */
    memcpy(bank->pictures.loo_scores, scores, sizeof scores);
    assert_ok(dp_bank_suspects(bank, order, z, err));
    assert_true(order[0] == 4 && isinf(z[0]) && order[1] == 3 && z[2] == 0 && order[14] == 14 && isnan(z[14]));
    const double spread[15] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 25}; /* median 8, MAD 4 */
    memcpy(bank->pictures.loo_scores, spread, sizeof spread);
    assert_ok(dp_bank_suspects(bank, order, z, err));
    assert_float_equal(z[0], 17 / (1.4826 * 4), 1e-12);
    assert_float_equal(z[14], -7 / (1.4826 * 4), 1e-12);
    dp_memory_free(common);
    dp_bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(removed),
        cmocka_unit_test(quarantined),
        cmocka_unit_test(quarantined_place),
        cmocka_unit_test(merged),
        cmocka_unit_test(ends_the_other_way_round),
        cmocka_unit_test(banks_that_do_not_go_together),
        cmocka_unit_test(a_crash_leaves_the_old_bank),
        cmocka_unit_test(a_bad_one_among_the_good),
    };
    return cmocka_run_group_tests_name("edit", tests, NULL, NULL);
}
