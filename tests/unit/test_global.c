/* SPDX-License-Identifier: Apache-2.0 */
/* Tests that the global search gives the same bytes as comparing every pair with the exact kernel. */
#include "bank_fixture.h"

#include "search/distance.h"
#include "search/sweep_kernel.h"
#include "base/isa.h"

#include <float.h>
#include <math.h>

static const dp_isa levels[] = {DP_ISA_C, DP_ISA_NEON, DP_ISA_AVX2, DP_ISA_AVX512};
#define N_LEVELS (sizeof levels / sizeof *levels)

/* ------------------------------------------------------------------------------------------------------------------- searches */

/* Every pair by the exact kernel, the k nearest in the bank's order. */
static void compare_with_pairs(const dp_bank *bank, const float *features, size_t n, const dp_search *search,
                               dp_isa isa, const dp_neighbour *nearest, const char *what)
{
    dp_distance_kernels kernels = dp_distance_kernels_get(isa);
    size_t rows = dp_rows_cells(&bank->rows) * bank->rows.n_rows, knn = search->knn;
    float *stored = dp_malloc(rows * bank->rows.dim, sizeof *stored), *value = dp_malloc(rows, sizeof *value);
    dp_rows_widen(&bank->rows, 0, 0, rows, stored); /* rows of all cells follow one another */
    for (size_t q = 0; q < n; q++) {
        const float *x = features + q * bank->rows.dim;
        float xn = dp_norm_f32(x, bank->rows.dim), ix = xn > 0 ? 1 / xn : 0;
        (search->metric == DP_METRIC_L2 ? kernels.l2 : kernels.dot)(&x, 1, stored, rows, bank->rows.dim, value, rows);
        for (size_t r = 0; r < rows; r++) {
            if (search->metric == DP_METRIC_COSINE) {
                value[r] = 1 - value[r] * ix * (bank->rows.norms[r] > 0 ? 1 / bank->rows.norms[r] : 0);
                value[r] = value[r] < 0 ? 0 : value[r] > 2 ? 2 : value[r];
            }
            if (!bank->rows.valid[r]
                || dp_rows_picture(&bank->rows, r / bank->rows.n_rows, r % bank->rows.n_rows) == search->leave_out)
                value[r] = INFINITY;
        }
        for (size_t k = 0; k < knn; k++) {
            size_t best = 0;
            for (size_t r = 1; r < rows; r++)
                best = value[r] < value[best] ? r : best;
            const dp_neighbour *found = &nearest[q * knn + k];
            if (value[best] == INFINITY) {
                assert_true(found->cell == DP_NO_ROW);
                continue;
            }
            float distance = search->metric == DP_METRIC_L2 ? sqrtf(value[best]) : value[best];
            if (found->cell != best / bank->rows.n_rows || found->row != best % bank->rows.n_rows
                || found->distance != distance)
                fail_msg("%s, %s, metric %d, storage %d, dim %zu, query %zu, neighbour %zu: row %u of cell %u at %.9g, "
                         "not row %zu at %.9g",
                         what, dp_isa_name(isa), search->metric, bank->rows.storage, bank->rows.dim, q, k, found->row,
                         found->cell, found->distance, best, distance);
            value[best] = INFINITY;
        }
    }
    dp_memory_free(stored);
    dp_memory_free(value);
}

enum { PLAIN, CLOSE, TIES, KINDS };
static const char *const kind_names[] = {"plain", "close together, far from 0", "many ties"};

static void bank_of_kind(int kind, dp_storage storage, size_t side, size_t dim, size_t pictures, dp_bank **bank,
                         float **queries)
{
    size_t cells = side * side;
    uint64_t seed = (uint64_t)kind * 77 + dim;
    dp_bank_builder *builder = empty_bank_in(storage, side, side, dim, pictures, 1);
    for (size_t p = 0; p <= pictures; p++) {
        float *features = random_floats(cells * dim, &seed);
        for (size_t i = 0; i < cells * dim; i++)
            features[i] = kind == CLOSE ? 30 + 1e-3f * features[i] : kind == TIES ? rintf(features[i]) : features[i];
        if (p == pictures) {
            *queries = features;
            break;
        }
        size_t index;
        dp_pose pose = {.status = DP_ALIGN_OFF};
        assert_ok(dp_bank_builder_add(builder, "p", &pose, &index, err));
        assert_ok(dp_bank_builder_put(builder, p, 0, features, NULL, err));
        dp_memory_free(features);
    }
    assert_ok(dp_bank_builder_finish(&builder, bank, err));
    for (size_t i = 0; i < cells * (*bank)->rows.n_rows; i += 5)
        (*bank)->memory.valid[i] = 0;
}

static void searches(void **state)
{
    (void)state;
    static const struct {
        size_t side, dim, pictures;
    } shapes[] = {{3, 5, 4}, {8, 33, 7}, {13, 70, 101}}; /* the last in several ranges */
    const dp_storage storages[] = {DP_STORAGE_F32, DP_STORAGE_F16, DP_STORAGE_I8};
    for (size_t s = 0; s < 3; s++)
        for (int kind = 0; kind < KINDS; kind++)
            for (size_t t = 0; t < 3; t++) {
                dp_bank *bank = NULL;
                float *queries = NULL;
                bank_of_kind(kind, storages[t], shapes[s].side, shapes[s].dim, shapes[s].pictures, &bank, &queries);
                size_t cells = dp_rows_cells(&bank->rows);
                dp_neighbour *nearest = dp_malloc(cells * 3, sizeof *nearest),
                             *again = dp_malloc(cells * 3, sizeof *again);
                float *grid = dp_malloc(cells, sizeof *grid);
                uint8_t *valid = dp_malloc(cells, 1);
                for (size_t l = s == 2 ? N_LEVELS - 1 : 0; l < N_LEVELS; l++) {
                    dp_isa isa;
                    if (dp_isa_resolve(s == 2 ? DP_ISA_AUTO : levels[l], &isa, NULL) != DP_OK)
                        continue;
                    for (int m = 0; m < 2; m++) {
                        dp_search search = {m ? DP_METRIC_COSINE : DP_METRIC_L2,
                                            DP_WINDOW_GLOBAL,
                                            m ? 1 : 3,
                                            m ? 0 : DP_NO_PICTURE,
                                            isa,
                                            0,
                                            0};
                        dp_pool *pool = NULL;
                        assert_ok(dp_pool_open(3, &pool, err));
                        assert_ok(dp_distance_map(&bank->rows, queries, NULL, &search, NULL,
                                                  &(dp_distances){nearest, grid, valid}, err));
                        compare_with_pairs(bank, queries, cells, &search, isa, nearest, kind_names[kind]);
                        assert_ok(dp_distance_map(&bank->rows, queries, NULL, &search, pool,
                                                  &(dp_distances){again, grid, valid}, err));
                        assert_memory_equal(nearest, again, cells * search.knn * sizeof *nearest);
                        dp_pool_close(&pool);
                    }
                }
                dp_memory_free(queries);
                dp_memory_free(nearest);
                dp_memory_free(again);
                dp_memory_free(grid);
                dp_memory_free(valid);
                dp_bank_close(&bank);
            }
}

/* Each picture as the map of its own rows with itself left out. */
static void leave_one_out(void **state)
{
    (void)state;
    for (int i8 = 0; i8 <= 1; i8++) {
        dp_bank *bank = NULL;
        float *queries = NULL;
        bank_of_kind(PLAIN, i8 ? DP_STORAGE_I8 : DP_STORAGE_F32, 9, 21, 23, &bank,
                     &queries); /* 1863 queries: two slices */
        size_t cells = dp_rows_cells(&bank->rows), n = cells * 23;
        dp_neighbour *nearest = dp_malloc(n * 2, sizeof *nearest), *one = dp_malloc(cells * 2, sizeof *one);
        float *grid = dp_malloc(n, sizeof *grid), *features = dp_malloc(cells * bank->rows.dim, sizeof *features);
        uint8_t *valid = dp_malloc(n, 1), *own = dp_malloc(cells, 1);
        dp_search search = {DP_METRIC_L2, DP_WINDOW_GLOBAL, 2, DP_NO_PICTURE, DP_ISA_AUTO, 0, 0};
        assert_ok(dp_distance_leave_one_out(&bank->rows, 0, 23, &search, NULL, NULL,
                                            &(dp_distances){nearest, grid, valid}, err));
        for (size_t p = 0; p < 23; p++) {
            float map[81];
            uint8_t map_valid[81];
            dp_rows_get(&bank->rows, p, 0, features, own);
            search.leave_out = p;
            assert_ok(
                dp_distance_map(&bank->rows, features, own, &search, NULL, &(dp_distances){one, map, map_valid}, err));
            assert_memory_equal(one, nearest + p * cells * 2, cells * 2 * sizeof *one);
            assert_memory_equal(map, grid + p * cells, sizeof map);
            assert_memory_equal(map_valid, valid + p * cells, sizeof map_valid);
        }
        dp_memory_free(queries);
        dp_memory_free(nearest);
        dp_memory_free(one);
        dp_memory_free(grid);
        dp_memory_free(features);
        dp_memory_free(valid);
        dp_memory_free(own);
        dp_bank_close(&bank);
    }
}

/* Sizes at which a norm's square or its inverse leaves the range of floats. */
static void extreme_sizes(void **state)
{
    (void)state;
    const float sizes[] = {1e-25f, 1e-18f, 1e17f, 1e18f};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        dp_bank *bank = NULL;
        float *queries = NULL;
        bank_of_kind(PLAIN, DP_STORAGE_F32, 5, 20, 6, &bank, &queries);
        size_t cells = dp_rows_cells(&bank->rows);
        for (size_t k = 0; k < cells * bank->rows.n_rows * bank->rows.dim; k++)
            ((float *)bank->memory.features)[k] *= sizes[i];
        for (size_t k = 0; k < cells * bank->rows.n_rows; k++)
            bank->memory.norms[k] = dp_norm_f32((float *)bank->memory.features + k * bank->rows.dim, bank->rows.dim);
        for (size_t k = 0; k < cells * bank->rows.dim; k++)
            queries[k] *= sizes[i];
        dp_neighbour nearest[25];
        float grid[25];
        uint8_t valid[25];
        for (int m = 0; m < 2; m++) {
            dp_isa isa;
            assert_ok(dp_isa_resolve(DP_ISA_AUTO, &isa, err));
            dp_search search = {m ? DP_METRIC_COSINE : DP_METRIC_L2, DP_WINDOW_GLOBAL, 1, DP_NO_PICTURE, isa, 0, 0};
            assert_ok(
                dp_distance_map(&bank->rows, queries, NULL, &search, NULL, &(dp_distances){nearest, grid, valid}, err));
            compare_with_pairs(bank, queries, cells, &search, isa, nearest, "extreme");
        }
        dp_memory_free(queries);
        dp_bank_close(&bank);
    }
}

static void broken_features(void **state)
{
    (void)state;
    dp_bank *bank = NULL;
    float *queries = NULL;
    bank_of_kind(PLAIN, DP_STORAGE_F32, 5, 20, 6, &bank, &queries);
    dp_neighbour nearest[25];
    float grid[25];
    uint8_t valid[25];
    for (int m = 0; m < 2; m++) {
        dp_search search = {m ? DP_METRIC_COSINE : DP_METRIC_L2, DP_WINDOW_GLOBAL, 1, DP_NO_PICTURE, DP_ISA_AUTO, 0, 0};
        for (int place = 0; place < 2; place++) {
            float *at = place ? queries + 24 * 20 + 3 : (float *)bank->memory.features + 149 * 20 + 19, kept = *at;
            *at = NAN;
            bank->memory.valid[149] = 1;
            assert_fails(
                DP_E_NUMERIC, "not finite",
                dp_distance_map(&bank->rows, queries, NULL, &search, NULL, &(dp_distances){nearest, grid, valid}, err));
            *at = kept;
        }
    }
    dp_memory_free(queries);
    dp_bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches),
        cmocka_unit_test(leave_one_out),
        cmocka_unit_test(extreme_sizes),
        cmocka_unit_test(broken_features),
    };
    return cmocka_run_group_tests_name("global", tests, NULL, NULL);
}
