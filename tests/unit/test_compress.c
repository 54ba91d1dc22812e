/* SPDX-License-Identifier: Apache-2.0 */
/* Tests smaller banks: principal components, k-means, and the scores after them. */
#include "bank_fixture.h"
#include "score/leave_one_out.h"

#include "reduce/coreset.h"
#include "search/distance.h"
#include "reduce/kmeans.h"
#include "reduce/pca.h"
#include "reduce/reduce.h"
#include "score/cell_score.h"
#include "dinopatch/edit.h"

#include <math.h>

/* Pictures whose features vary along `rank` directions, the first the most, around a mean, with a little noise. */
static dp_bank *flat_bank(size_t rows, size_t cols, size_t dim, size_t rank, size_t pictures, float noise)
{
    uint64_t seed = 5, directions_seed = 77;
    float *directions = random_floats((rank + 1) * dim, &directions_seed);
    dp_bank *bank = NULL;
    dp_bank_builder *builder = empty_bank(rows, cols, dim, pictures, 1);
    float *features = dp_malloc(rows * cols * dim, sizeof *features);
    uint8_t *valid = dp_malloc(rows * cols, 1);
    for (size_t p = 0; p < pictures; p++) {
        size_t index;
        char name[32];
        dp_pose pose = {0};
        snprintf(name, sizeof name, "%zu", p);
        assert_ok(dp_bank_builder_add(builder, name, &pose, &index, err));
        for (size_t cell = 0; cell < rows * cols; cell++) {
            valid[cell] = cell != 1 && uniform(&seed) > -0.8f;
            for (size_t d = 0; d < dim; d++)
                features[cell * dim + d] = 3 * directions[rank * dim + d] + noise * uniform(&seed);
            for (size_t k = 0; k < rank; k++) {
                float along = 4 * uniform(&seed) / (float)(k + 1);
                for (size_t d = 0; d < dim; d++)
                    features[cell * dim + d] += along * directions[k * dim + d];
            }
        }
        assert_ok(dp_bank_builder_put(builder, index, 0, features, valid, err));
    }
    assert_ok(dp_bank_builder_finish(&builder, &bank, err));
    dp_memory_free(directions);
    dp_memory_free(features);
    dp_memory_free(valid);
    return bank;
}

static void components(void **state)
{
    (void)state;
    const size_t dim = 70; /* more than a strip */
    dp_bank *bank = flat_bank(3, 4, dim, 5, 60, 1e-3f);
    dp_pca first = {0};
    for (size_t threads = 1; threads <= 3; threads += 2) {
        dp_pool *pool = NULL;
        dp_pca pca = {0};
        assert_ok(dp_pool_open(threads, &pool, err));
        assert_ok(dp_pca_fit(&bank->rows, 0.9999, true, pool, &pca, err));
        assert_int_equal(pca.dim, 5); /* as many as there are */
        assert_true(pca.kept >= 0.9999 && pca.kept <= 1);
        for (size_t i = 0; i < pca.dim; i++) {
            size_t largest = 0;
            for (size_t d = 0; d < dim; d++)
                if (fabsf(pca.basis[i * dim + d]) > fabsf(pca.basis[i * dim + largest]))
                    largest = d;
            assert_true(pca.basis[i * dim + largest] > 0);
            for (size_t j = 0; j <= i; j++) {
                double dot = 0;
                for (size_t d = 0; d < dim; d++)
                    dot += (double)pca.basis[i * dim + d] * pca.basis[j * dim + d];
                assert_float_equal(dot, i == j, 1e-6);
            }
        }
        if (threads == 1)
            first = pca;
        else {
            assert_memory_equal(pca.mean, first.mean, dim * sizeof(float));
            assert_memory_equal(pca.basis, first.basis, 5 * dim * sizeof(float));
            dp_pca_free(&pca);
        }
        /* A number of them; all of them keep every distance. */
        assert_ok(dp_pca_fit(&bank->rows, 2, true, pool, &pca, err));
        assert_int_equal(pca.dim, 2);
        assert_memory_equal(pca.basis, first.basis, 2 * dim * sizeof(float));
        dp_pca_free(&pca);
        assert_ok(dp_pca_fit(&bank->rows, (double)dim, true, pool, &pca, err));
        assert_float_equal(pca.kept, 1, 1e-9);
        float scratch[140], y[140];
        assert_ok(dp_pca_project(&pca, rows_of_cell(bank, 0), 2, scratch, y, err));
        double before = 0, after = 0;
        for (size_t d = 0; d < dim; d++) {
            before += pow((double)rows_of_cell(bank, 0)[d] - (double)rows_of_cell(bank, 0)[dim + d], 2);
            after += pow((double)y[d] - (double)y[dim + d], 2);
        }
        assert_float_equal(sqrt(before), sqrt(after), 1e-5);
        dp_pca_free(&pca);
        assert_fails(DP_E_ARGUMENT, "71 principal components are impossible for features of 70",
                     dp_pca_fit(&bank->rows, 71, true, pool, &pca, err));
        /* About the origin the mean is the direction of the largest share, and is not taken off. */
        assert_ok(dp_pca_fit(&bank->rows, 1, false, pool, &pca, err));
        for (size_t d = 0; d < dim; d++)
            assert_true(pca.mean[d] == 0);
        dp_pca_free(&pca);
        dp_pool_close(&pool);
    }
    dp_pca_free(&first);
    dp_bank_close(&bank);
}

static void centres(void **state)
{
    (void)state;
    enum { N = 90, DIM = 6, K = 3 };
    uint64_t seed = 9;
    float x[N * DIM], found[N * DIM], again[N * DIM];
    uint32_t members[N], members_again[N];
    dp_tile_f32_fn l2 = dp_distance_kernels_get(DP_ISA_C).l2;
    float *scratch = dp_malloc(dp_kmeans_scratch(N, N, DIM), sizeof *scratch);
    for (size_t i = 0; i < N; i++) /* three heaps */
        for (size_t d = 0; d < DIM; d++)
            x[i * DIM + d] = 10 * (float)(i % K == d) + uniform(&seed);
    for (uint64_t s = 0; s < 10; s++) {
        assert_int_equal(dp_kmeans(&(dp_vectors){x, N, DIM}, K, s, l2, scratch, found, members), K);
        for (size_t i = K; i < N; i++)
            assert_int_equal(members[i], members[i % K]);
        assert_true(members[0] != members[1] && members[1] != members[2] && members[0] != members[2]);
        for (size_t d = 0; d < DIM; d++) {
            double sum = 0;
            for (size_t i = 0; i < N; i += K)
                sum += x[i * DIM + d];
            assert_float_equal(found[members[0] * DIM + d], sum / (N / K), 1e-5);
        }
        assert_int_equal(dp_kmeans(&(dp_vectors){x, N, DIM}, K, s, l2, scratch, again, members_again), K);
        assert_memory_equal(found, again, K * DIM * sizeof *found);
        assert_memory_equal(members, members_again, sizeof members);
    }
    /* As many centres as vectors, and more. */
    assert_int_equal(dp_kmeans(&(dp_vectors){x, N, DIM}, N, 1, l2, scratch, found, members), N);
    assert_memory_equal(found, x, sizeof x);
    assert_int_equal(dp_kmeans(&(dp_vectors){x, 4, DIM}, N, 1, l2, scratch, found, members), 4);
    /* Fewer different vectors than centres: none is lost, none is made up. */
    for (size_t i = 0; i < N; i++)
        memcpy(x + i * DIM, x + i % 2 * DIM, DIM * sizeof *x);
    assert_int_equal(dp_kmeans(&(dp_vectors){x, N, DIM}, 5, 1, l2, scratch, found, members), 5);
    for (size_t i = 0; i < N; i++)
        assert_memory_equal(found + members[i] * DIM, x + i * DIM, DIM * sizeof *x);
    dp_memory_free(scratch);
}

static dp_bank *compress(const dp_bank *bank, const dp_compression *how, size_t threads, dp_compression_report *report)
{
    dp_run run;
    dp_bank *smaller = NULL;
    dp_run_init(&run);
    run.threads = threads;
    assert_ok(dp_bank_compress(bank, how, &run, &smaller, report, err));
    return smaller;
}

static void smaller_banks(void **state)
{
    (void)state;
    static const dp_compression ways[] = {
        {0, 0, 0, 0, DP_STORAGE_F16}, {0, 0, 0, 0, DP_STORAGE_I8},   {0.999, 0, 0, 0, DP_STORAGE_F32},
        {5, 7, 0, 3, DP_STORAGE_I8},  {0, 30, 0, 1, DP_STORAGE_F32}, {6, 0, 0, 0, DP_STORAGE_F16},
    };
    const char *path = temporary_path("smaller.safetensors");
    dp_bank *bank = flat_bank(3, 5, 24, 5, 30, 0.01f);
    assert_ok(dp_bank_leave_one_out(bank, DP_ISA_AUTO, NULL, NULL, NULL, err));
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        dp_compression_report report;
        dp_bank *one = compress(bank, &ways[w], 1, &report), *three = compress(bank, &ways[w], 3, NULL), *back = NULL;
        size_t places = dp_rows_cells(&one->rows) * one->rows.n_rows;
        assert_int_equal(one->rows.n_rows, ways[w].kmeans && ways[w].kmeans < 30 ? ways[w].kmeans : 30);
        assert_true(ways[w].pca > 0 ? one->rows.dim <= 6 : one->rows.dim == 24);
        assert_true(report.bytes_after < report.bytes_before
                    || (ways[w].kmeans == 30 && ways[w].storage == DP_STORAGE_F32));
        assert_true(report.calibrated && report.rank_correlation > 0.5 && fabs(report.mean_change) < 0.5);
        assert_true(report.threshold_after == one->levels.threshold && report.search_after_s > 0);
        assert_memory_equal(one->rows.features, three->rows.features,
                            places * one->rows.dim * dp_storage_bytes(one->rows.storage));
        assert_memory_equal(one->pictures.loo_scores, three->pictures.loo_scores, 30 * sizeof(double));
        assert_ok(dp_bank_save(one, path, err));
        assert_ok(dp_bank_open(path, &back, err));
        assert_ok(dp_bank_verify(back, err));
        assert_memory_equal(one->rows.features, back->rows.features,
                            places * one->rows.dim * dp_storage_bytes(one->rows.storage));
        assert_memory_equal(one->rows.valid, back->rows.valid, places);
        assert_int_equal(one->projection.basis != NULL, ways[w].pca > 0);
        if (one->projection.basis)
            assert_memory_equal(one->projection.basis, back->projection.basis, one->rows.dim * 24 * sizeof(float));
        if (one->rows.row_picture)
            assert_memory_equal(one->rows.row_picture, back->rows.row_picture, places * sizeof(int32_t));
        assert_true(back->recipe.pca == ways[w].pca && back->recipe.kmeans == ways[w].kmeans
                    && back->recipe.storage == ways[w].storage);
        /* From the mapped bank the same again, where that changes nothing. */
        dp_compression same;
        dp_compression_init(back, &same);
        dp_bank *twice = compress(back, &same, 2, &report);
        assert_memory_equal(twice->pictures.loo_scores, one->pictures.loo_scores, 30 * sizeof(double));
        assert_int_equal(report.calibrated, ways[w].kmeans == 0);
        dp_bank_close(&twice);
        dp_bank_close(&back);
        dp_bank_close(&one);
        dp_bank_close(&three);
    }
    dp_bank_close(&bank);
}

/* A flat bank cut down later is the bank that fit cuts down: its rows chosen among all, its pictures scored with what they were. */
static void coreset_of_a_pool(void **state)
{
    (void)state;
    const char *path = temporary_path("coreset.safetensors");
    dp_bank *bank = random_flat_without(20, 7, 1, 3, SIZE_MAX), *cut = NULL, *back = NULL, *none = NULL;
    dp_pool *pool = NULL;
    uint32_t *rows;
    size_t n;
    assert_ok(dp_pool_open(2, &pool, err));
    assert_ok(dp_bank_leave_one_out(bank, DP_ISA_AUTO, pool, NULL, NULL, err));
    assert_ok(dp_coreset_choose(&bank->rows, &(dp_coreset){0.25, 5, DP_ISA_AUTO}, pool, NULL, &rows, &n, err));
    dp_recipe recipe = bank->recipe;
    recipe.coreset = 0.25;
    recipe.storage = DP_STORAGE_F16;
    assert_ok(dp_bank_keep_rows(bank, rows, n, &recipe, &cut, err));
    assert_ok(dp_bank_leave_one_out_of(bank, cut, DP_ISA_AUTO, pool, NULL, NULL, err));
    dp_compression how = {.coreset = 0.25, .seed = 5, .storage = DP_STORAGE_F16};
    dp_compression_report report;
    dp_bank *smaller = compress(bank, &how, 3, &report);
    assert_true(n == smaller->rows.n_rows && n == bank->rows.n_rows / 4 && smaller->recipe.coreset == 0.25
                && smaller->recipe.seed == 5);
    assert_memory_equal(smaller->rows.features, cut->rows.features, n * 20 * sizeof(uint16_t));
    assert_memory_equal(smaller->rows.row_picture, cut->rows.row_picture, n * sizeof(int32_t));
    assert_memory_equal(smaller->rows.row_cell, cut->rows.row_cell, n * sizeof(int32_t));
    assert_memory_equal(smaller->pictures.loo_scores, cut->pictures.loo_scores, 7 * sizeof(double));
    assert_true(report.calibrated && report.mean_change >= 0 && report.bytes_after < report.bytes_before / 6);
    for (size_t p = 0; p < 7; p++) /* fewer rows are never nearer, but for what a half rounds */
        assert_true(smaller->pictures.loo_scores[p] >= bank->pictures.loo_scores[p] * 0.999);
    assert_ok(dp_bank_save(smaller, path, err));
    assert_ok(dp_bank_open(path, &back, err));
    assert_ok(dp_bank_verify(back, err));
    assert_true(back->recipe.coreset == 0.25 && back->rows.n_rows == n);
    /* Another type later, with the scores as they were; no second coreset. */
    how = (dp_compression){.storage = DP_STORAGE_I8};
    dp_bank *bytes = compress(back, &how, 1, &report);
    assert_true(!report.calibrated && bytes->rows.n_rows == n && bytes->recipe.coreset == 0.25);
    assert_memory_equal(bytes->pictures.loo_scores, back->pictures.loo_scores, 7 * sizeof(double));
    how.coreset = 10;
    assert_fails(DP_E_ARGUMENT, "a coreset already", dp_bank_compress(back, &how, NULL, &none, NULL, err));
    how.coreset = 1.5;
    assert_fails(DP_E_ARGUMENT, "bank.coreset is 1.5", dp_bank_compress(bank, &how, NULL, &none, NULL, err));
    how = (dp_compression){.kmeans = 3};
    assert_fails(DP_E_ARGUMENT, "bank.kmeans needs bank.layout=grid",
                 dp_bank_compress(bank, &how, NULL, &none, NULL, err));
    how.coreset = 10;
    assert_fails(DP_E_ARGUMENT, "excludes", dp_bank_compress(bank, &how, NULL, &none, NULL, err));
    /* In fewer dimensions, by number. */
    how = (dp_compression){.coreset = 10, .pca = 6, .storage = DP_STORAGE_I8};
    dp_bank *both = compress(bank, &how, 2, &report);
    assert_true(both->rows.n_rows == 10 && both->rows.dim == 6 && both->projection.dim_in == 20
                && both->projection.basis && both->rows.storage == DP_STORAGE_I8);
    assert_true(both->recipe.pca == 6 && both->recipe.coreset == 10 && both->recipe.storage == DP_STORAGE_I8
                && report.kept_variance < 1);
    dp_bank *grid = flat_bank(2, 3, 12, 6, 20, 0.05f);
    assert_fails(DP_E_ARGUMENT, "bank.coreset needs bank.layout=flat",
                 dp_bank_compress(grid, &how, NULL, &none, NULL, err));
    assert_null(none);
    dp_bank_close(&grid);
    dp_bank_close(&both);
    dp_bank_close(&bytes);
    dp_bank_close(&back);
    dp_bank_close(&smaller);
    dp_bank_close(&cut);
    dp_bank_close(&bank);
    dp_memory_free(rows);
    dp_pool_close(&pool);
}

/* What does not fit is refused before the work. */
static void compression_is_planned(void **state)
{
    (void)state;
    dp_bank *bank = flat_bank(4, 5, 64, 6, 30, 0.05f), *smaller = NULL;
    dp_run run;
    dp_run_init(&run);
    dp_compression how;
    dp_compression_init(bank, &how);
    size_t places = 4 * 5 * 30;
    run.max_memory_bytes = places * (64 * 4 + 5) - 1;
    assert_fails(DP_E_MEMORY, "bank.storage=int8", dp_bank_compress(bank, &how, &run, &smaller, NULL, err));
    how.storage = DP_STORAGE_I8;
    assert_ok(dp_bank_compress(bank, &how, &run, &smaller, NULL, err));
    dp_bank_close(&smaller);
    how.kmeans = 10; /* that of a fold beside the final one; each with a table of pictures */
    run.max_memory_bytes = 2 * (places / 3) * (64 + 13) - 1;
    assert_fails(DP_E_MEMORY, "a smaller bank.kmeans", dp_bank_compress(bank, &how, &run, &smaller, NULL, err));
    run.max_memory_bytes++;
    assert_ok(dp_bank_compress(bank, &how, &run, &smaller, NULL, err));
    dp_bank_close(&smaller);
    dp_bank_close(&bank);
}

/* Distances in the projected bank are those of the projected vectors; two projections are one. */
static void projected_twice(void **state)
{
    (void)state;
    dp_bank *bank = flat_bank(2, 3, 12, 6, 20, 0.05f);
    assert_ok(dp_bank_leave_one_out(bank, DP_ISA_AUTO, NULL, NULL, NULL, err));
    const dp_compression to_eight = {.pca = 8}, to_four = {.pca = 4};
    dp_bank *eight = compress(bank, &to_eight, 1, NULL), *four = compress(eight, &to_four, 1, NULL);
    assert_true(four->rows.dim == 4 && four->projection.dim_in == 12 && four->rows.centred);
    float projected[6 * 4], row[4];
    const float *features = NULL;
    float tokens[6 * 12];
    uint8_t valid[6];
    dp_rows_get(&bank->rows, 3, 0, tokens, valid);
    assert_ok(dp_pca_project_cells(&four->projection, tokens, 6, NULL, projected, &features, err));
    assert_ptr_equal(features, projected);
    for (size_t cell = 0; cell < 6; cell++) {
        dp_rows_widen(&four->rows, cell, 3, 1, row);
        for (size_t d = 0; d < 4 && valid[cell]; d++)
            assert_float_equal(projected[cell * 4 + d], row[d], 1e-4);
    }
    assert_ok(dp_pca_project_cells(&bank->projection, tokens, 6, NULL, projected, &features, err));
    assert_ptr_equal(features, tokens);
    /* No angles about a mean; about the origin there are. */
    dp_search search = {.metric = DP_METRIC_COSINE, .knn = 1, .leave_out = DP_NO_PICTURE};
    dp_neighbour nearest[6];
    float map[6];
    assert_fails(
        DP_E_MISMATCH, "mean nothing",
        dp_distance_map(&four->rows, projected, valid, &search, NULL, &(dp_distances){nearest, map, valid}, err));
    bank->recipe.metric = DP_METRIC_COSINE;
    dp_bank *angles = compress(bank, &to_four, 1, NULL);
    assert_false(angles->rows.centred);
    dp_bank_close(&angles);
    dp_bank_close(&four);
    dp_bank_close(&eight);
    dp_bank_close(&bank);
}

/* With as many centres as pictures the folds are leave-one-out, to the bit: 20 pictures, a fold for each. */
static void folds_leave_one_out(void **state)
{
    (void)state;
    dp_bank *bank = flat_bank(3, 4, 10, 4, 20, 0.1f);
    bank->recipe.window = 1;
    assert_ok(dp_bank_leave_one_out(bank, DP_ISA_AUTO, NULL, NULL, NULL, err));
    const dp_compression all = {.kmeans = 20}, few = {.kmeans = 4};
    dp_bank *same = compress(bank, &all, 2, NULL);
    assert_memory_equal(same->pictures.loo_scores, bank->pictures.loo_scores, 20 * sizeof(double));
    assert_true(same->levels.threshold == bank->levels.threshold);
    for (size_t cell = 0; cell < dp_rows_cells(&same->rows); cell++)
        for (size_t row = 0; row < same->rows.n_rows; row++)
            if (same->rows.valid[cell * same->rows.n_rows + row])
                assert_true(dp_rows_picture(&same->rows, cell, row) < 20);
    dp_bank_close(&same);
    /* And where they are fewer, each picture meets a bank that was made without it. */
    dp_bank *centres_of_all = compress(bank, &few, 2, NULL);
    const dp_reduction without_7 = {.kmeans = 4, .fold = 7, .n_folds = 20};
    dp_bank *others = NULL;
    dp_pool *pool = NULL;
    assert_ok(dp_pool_open(1, &pool, err));
    assert_ok(dp_bank_reduce(bank, &without_7, pool, NULL, &others, err));
    dp_pool_close(&pool);
    float features[12 * 10], map[12], spare[12];
    uint8_t valid[12], map_valid[12];
    dp_neighbour nearest[12];
    dp_rows_get(&bank->rows, 7, 0, features, valid);
    dp_search search = {.window = 1, .knn = 1, .leave_out = DP_NO_PICTURE};
    assert_ok(
        dp_distance_map(&others->rows, features, valid, &search, NULL, &(dp_distances){nearest, map, map_valid}, err));
    assert_true(dp_score_cells(bank->recipe.score, map, map_valid, 12, spare)
                == centres_of_all->pictures.loo_scores[7]);
    /* It cannot be scored anew, nor reduced to centres again. */
    dp_view view;
    double scores[20];
    dp_view_init(centres_of_all, &view);
    assert_fails(DP_E_MISMATCH, "not the features of its pictures",
                 dp_leave_one_out(centres_of_all, &view, &(dp_workers){DP_ISA_AUTO, NULL, NULL},
                                  &(dp_loo){.scores = scores}, err));
    dp_bank *none = NULL;
    assert_fails(DP_E_ARGUMENT, "already", dp_bank_compress(centres_of_all, &few, NULL, &none, NULL, err));
    dp_bank_close(&others);
    dp_bank_close(&centres_of_all);
    dp_bank_close(&bank);
}

static int stop(void *user, const char *stage, size_t done, size_t total)
{
    (void)user, (void)done, (void)total;
    return !strcmp(stage, "reduce");
}

static void wrong_use(void **state)
{
    (void)state;
    dp_bank *bank = random_bank(2, 3, 5, 3, 1, 1), *flat = random_flat_without(4, 3, 1, 1, SIZE_MAX), *none = NULL;
    const dp_compression half = {.pca = 2.5}, negative = {.pca = -1}, many = {.pca = 6}, kmeans = {.kmeans = 2},
                         flat_pca = {.pca = 2, .storage = DP_STORAGE_I8};
    assert_fails(DP_E_ARGUMENT, "whole number", dp_bank_compress(bank, &half, NULL, &none, NULL, err));
    assert_fails(DP_E_ARGUMENT, "bank.pca is -1", dp_bank_compress(bank, &negative, NULL, &none, NULL, err));
    assert_fails(DP_E_ARGUMENT, "features of 5 numbers", dp_bank_compress(bank, &many, NULL, &none, NULL, err));
    assert_fails(DP_E_ARGUMENT, "bank.kmeans needs bank.layout=grid",
                 dp_bank_compress(flat, &kmeans, NULL, &none, NULL, err));
    dp_run run;
    dp_run_init(&run);
    run.progress = stop;
    assert_fails(DP_E_CANCELLED, "making the bank smaller", dp_bank_compress(bank, &kmeans, &run, &none, NULL, err));
    assert_null(none);
    dp_bank *smaller = compress(flat, &flat_pca, 2, NULL);
    assert_int_equal(smaller->rows.n_rows, flat->rows.n_rows);
    assert_memory_equal(smaller->rows.row_cell, flat->rows.row_cell, flat->rows.n_rows * sizeof(int32_t));
    dp_bank_close(&smaller);
    dp_bank_close(&bank);
    dp_bank_close(&flat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(components),
        cmocka_unit_test(centres),
        cmocka_unit_test(smaller_banks),
        cmocka_unit_test(coreset_of_a_pool),
        cmocka_unit_test(compression_is_planned),
        cmocka_unit_test(projected_twice),
        cmocka_unit_test(folds_leave_one_out),
        cmocka_unit_test(wrong_use),
    };
    return cmocka_run_group_tests_name("compress", tests, NULL, NULL);
}
