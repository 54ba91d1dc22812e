/* SPDX-License-Identifier: Apache-2.0 */
/* Compares distance kernels with their reference, distance maps with the definition, and scores with numpy. */
#include "bank_fixture.h"

#include "base/statistics.h"
#include "search/distance.h"
#include "score/cell_score.h"
#include "base/isa.h"
#include "simd/half.h"

#include <float.h>
#include <math.h>

static const dp_isa levels[] = {DP_ISA_C, DP_ISA_NEON, DP_ISA_AVX2, DP_ISA_AVX512, DP_ISA_AVX512_VNNI};
#define N_LEVELS (sizeof levels / sizeof *levels)

/* ------------------------------------------------------------------------------------------------------------- kernels */

/* Each pair by double, within the bound of a float sum; and the same bytes whichever tile the pair falls into. */
static void check_kernel(dp_isa isa, size_t n_queries, size_t n_rows, size_t dim)
{
    uint64_t seed = n_queries * 1000003 + n_rows * 1009 + dim;
    dp_distance_kernels kernels = dp_distance_kernels_get(isa);
    /* Exact sizes, so that a sanitizer sees what is read behind the end. */
    float *queries = random_floats(n_queries * dim, &seed), *rows = random_floats(n_rows * dim, &seed);
    size_t stride = n_rows + 3;
    float *out = dp_calloc(n_queries * stride, sizeof *out);
    const float *x[16];
    for (size_t q = 0; q < n_queries; q++)
        x[q] = queries + q * dim;
    for (int l2 = 0; l2 <= 1; l2++) {
        dp_tile_f32_fn kernel = l2 ? kernels.l2 : kernels.dot;
        for (size_t i = 0; i < n_queries * stride; i++)
            out[i] = -7;
        kernel(x, n_queries, rows, n_rows, dim, out, stride);
        for (size_t q = 0; q < n_queries; q++) {
            for (size_t r = 0; r < n_rows; r++) {
                double exact = 0, size = 0;
                for (size_t d = 0; d < dim; d++) {
                    double a = x[q][d], b = rows[r * dim + d], term = l2 ? (a - b) * (a - b) : a * b;
                    exact += term;
                    size += fabs(term);
                }
                float alone;
                kernel(x + q, 1, rows + r * dim, 1, dim, &alone, 1);
                double bound = FLT_EPSILON * size * (2 + (double)dim / 4);
                if (fabs(out[q * stride + r] - exact) > bound
                    || memcmp(&alone, &out[q * stride + r], sizeof alone) != 0)
                    fail_msg("%s %s, %zu queries, %zu rows, dim %zu, pair (%zu, %zu): %.9g in a tile, %.9g alone, "
                             "exact %.9g",
                             l2 ? "l2" : "dot", dp_isa_name(isa), n_queries, n_rows, dim, q, r, out[q * stride + r],
                             alone, exact);
            }
            for (size_t r = n_rows; r < stride; r++)
                if (out[q * stride + r] != -7)
                    fail_msg("%s: %zu queries, %zu rows, dim %zu: wrote behind a row", dp_isa_name(isa), n_queries,
                             n_rows, dim);
        }
    }
    dp_memory_free(queries);
    dp_memory_free(rows);
    dp_memory_free(out);
}

/* Calls the check for each instruction set of this machine and for sizes around those of the kernels' blocks. */
static void for_all_sizes(void (*check)(dp_isa isa, size_t n_queries, size_t n_rows, size_t dim))
{
    const size_t dims[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 191, 192, 384, 1023};
    const size_t counts[] = {1, 2, 3, 4, 5, 7, 8, 9, 13};
    for (size_t l = 0; l < N_LEVELS; l++) {
        dp_isa isa;
        if (dp_isa_resolve(levels[l], &isa, NULL) != DP_OK)
            continue;
        for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
            for (size_t q = 0; q < sizeof counts / sizeof *counts; q++)
                for (size_t r = 0; r < sizeof counts / sizeof *counts; r++)
                    check(isa, counts[q], counts[r], dims[d]);
        check(isa, 16, 70, 768);
    }
}

static void kernels(void **state)
{
    (void)state;
    for_all_sizes(check_kernel);
}

/* Kernels that read halves and bytes: the same bytes as the float kernel of the level on rows that were read back one number at a time,
 * and nothing behind the end. */
static void check_stored_kernel(dp_isa isa, size_t n_queries, size_t n_rows, size_t dim)
{
    uint64_t seed = n_queries * 1000003 + n_rows * 1009 + dim;
    dp_distance_kernels k = dp_distance_kernels_get(isa);
    float *queries = random_floats(n_queries * dim, &seed), *rows = random_floats(n_rows * dim, &seed);
    float *wide = dp_malloc(n_rows * dim, sizeof *wide), *widened = dp_malloc(n_rows * dim, sizeof *widened);
    uint16_t *halves = dp_malloc(n_rows * dim, sizeof *halves);
    int8_t *bytes = dp_malloc(n_rows * dim, 1);
    float *scales = random_floats(n_rows, &seed);
    size_t stride = n_rows + 3, results = n_queries * stride;
    float *out = dp_malloc(results, sizeof *out), *expected = dp_malloc(results, sizeof *expected);
    const float *x[16];
    for (size_t q = 0; q < n_queries; q++)
        x[q] = queries + q * dim;
    for (size_t i = 0; i < n_rows * dim; i++) {
        const uint16_t odd_halves[] = {0,      0x8000, 1,
                                       0x83ff, 0x0400, 0x7bff}; /* zeros, subnormals, least normal, largest */
        const int8_t odd_bytes[] = {127, -127, 0, 1, -1};
        halves[i] = i % 7 == 3 ? odd_halves[i / 7 % 6] : dp_f32_to_f16(rows[i]);
        bytes[i] = i % 5 == 2 ? odd_bytes[i / 5 % 5] : (int8_t)(127 * rows[i]);
    }
    scales[n_rows / 2] = 0;
    for (int storage = DP_STORAGE_F16; storage <= DP_STORAGE_I8; storage++) {
        bool f16 = storage == DP_STORAGE_F16;
        for (size_t i = 0; i < n_rows * dim; i++)
            wide[i] = f16 ? dp_f16_to_f32(halves[i]) : scales[i / dim] * (float)bytes[i];
        if (f16)
            k.widen_f16(halves, n_rows, dim, widened);
        else
            k.widen_i8(bytes, scales, n_rows, dim, widened);
        if (memcmp(wide, widened, n_rows * dim * sizeof *wide) != 0)
            fail_msg("%s, storage %d, %zu rows, dim %zu: rows are not read back as they are stored", dp_isa_name(isa),
                     storage, n_rows, dim);
        for (int l2 = 0; l2 <= 1; l2++) {
            for (size_t i = 0; i < results; i++)
                out[i] = expected[i] = -7;
            (l2 ? k.l2 : k.dot)(x, n_queries, wide, n_rows, dim, expected, stride);
            if (f16)
                (l2 ? k.l2_f16 : k.dot_f16)(x, n_queries, halves, n_rows, dim, out, stride);
            else
                (l2 ? k.l2_i8 : k.dot_i8)(x, n_queries, bytes, scales, n_rows, dim, out, stride);
            for (size_t i = 0; i < results; i++)
                if (memcmp(out + i, expected + i, sizeof *out) != 0)
                    fail_msg("%s %s, storage %d, %zu queries, %zu rows, dim %zu, pair (%zu, %zu): %.9g, widened %.9g",
                             l2 ? "l2" : "dot", dp_isa_name(isa), storage, n_queries, n_rows, dim, i / stride,
                             i % stride, out[i], expected[i]);
        }
    }
    dp_memory_free(queries);
    dp_memory_free(rows);
    dp_memory_free(wide);
    dp_memory_free(widened);
    dp_memory_free(halves);
    dp_memory_free(bytes);
    dp_memory_free(scales);
    dp_memory_free(out);
    dp_memory_free(expected);
}

static void stored_kernels(void **state)
{
    (void)state;
    for_all_sizes(check_stored_kernel);
}

/* Levels whose kernels do differ: a table that handed out the reference everywhere would pass all else. */
static void levels_are_distinct(void **state)
{
    (void)state;
    for (size_t l = 1; l < N_LEVELS; l++) {
        dp_isa isa;
        if (dp_isa_resolve(levels[l], &isa, NULL) != DP_OK)
            continue;
        dp_distance_kernels k = dp_distance_kernels_get(isa), c = dp_distance_kernels_get(DP_ISA_C);
        assert_true(k.l2 != c.l2 && k.dot != c.dot && k.l2_f16 != c.l2_f16 && k.dot_f16 != c.dot_f16);
        assert_true(k.l2_i8 != c.l2_i8 && k.dot_i8 != c.dot_i8 && k.widen_f16 != c.widen_f16
                    && k.widen_i8 != c.widen_i8);
    }
}

/* ---------------------------------------------------------------------------------------------------------------- maps */

struct query_picture {
    float *features;
    uint8_t *valid;
};

static struct query_picture random_picture(const dp_bank *bank, uint64_t seed)
{
    size_t cells = dp_rows_cells(&bank->rows);
    struct query_picture picture = {random_floats(cells * bank->rows.dim, &seed), dp_malloc(cells, 1)};
    for (size_t i = 0; i < cells; i++) {
        picture.valid[i] = uniform(&seed) > -0.8f;
        for (size_t d = 0; d < bank->rows.dim && !picture.valid[i]; d++)
            picture.features[i * bank->rows.dim + d] = NAN; /* must not be looked at */
    }
    return picture;
}

struct found {
    double distance;
    size_t cell, row;
};

static int nearer(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->cell != y->cell ? (x->cell < y->cell ? -1 : 1) : (x->row > y->row) - (x->row < y->row);
}

static double exact_distance(const float *x, const float *y, size_t dim, dp_metric metric)
{
    double squares = 0, dot = 0, xx = 0, yy = 0;
    for (size_t d = 0; d < dim; d++) {
        squares += ((double)x[d] - y[d]) * ((double)x[d] - y[d]);
        dot += (double)x[d] * y[d];
        xx += (double)x[d] * x[d];
        yy += (double)y[d] * y[d];
    }
    return metric == DP_METRIC_L2 ? sqrt(squares) : xx > 0 && yy > 0 ? 1 - dot / sqrt(xx * yy) : 1;
}

/* The map by its definition: every row of every location in the window, sorted. */
static void check_map(const dp_bank *bank, const struct query_picture *picture, const dp_search *search,
                      const dp_neighbour *nearest, const float *grid, const uint8_t *grid_valid)
{
    size_t rows = bank->rows.grid_rows, cols = bank->rows.grid_cols, cells = rows * cols, knn = search->knn;
    struct found *all = calloc(cells * bank->rows.n_rows, sizeof *all);
    for (size_t cell = 0; cell < cells; cell++) {
        size_t n = 0;
        for (size_t other = 0; other < cells && picture->valid[cell]; other++) {
            size_t down = (size_t)labs((long)(cell / cols) - (long)(other / cols));
            size_t across = (size_t)labs((long)(cell % cols) - (long)(other % cols));
            if (down > search->window || across > search->window)
                continue;
            for (size_t row = 0; row < bank->rows.n_rows; row++)
                if (bank->rows.valid[other * bank->rows.n_rows + row]
                    && (search->leave_out == DP_NO_PICTURE || row / bank->rows.rows_per_picture != search->leave_out))
                    all[n++] = (struct found){exact_distance(picture->features + cell * bank->rows.dim,
                                                             rows_of_cell(bank, other) + row * bank->rows.dim,
                                                             bank->rows.dim, search->metric),
                                              other, row};
        }
        if (n)
            qsort(all, n, sizeof *all, nearer);
        size_t k = n < knn ? n : knn;
        double mean = 0;
        for (size_t i = 0; i < k; i++) {
            mean += all[i].distance / (double)k;
            const dp_neighbour *found = &nearest[cell * knn + i];
            /* Random features: neighbours differ by more than float's rounding, so the order is the same. */
            if (found->cell != all[i].cell || found->row != all[i].row
                || fabs(found->distance - all[i].distance) > 2e-6)
                fail_msg("%zux%zu cells, %zu rows, dim %zu, metric %d, window %zu, knn %zu: neighbour %zu of cell %zu "
                         "is row %u of cell %u "
                         "at %.7f, not row %zu of cell %zu at %.7f",
                         rows, cols, bank->rows.n_rows, bank->rows.dim, search->metric, search->window, knn, i, cell,
                         found->row, found->cell, found->distance, all[i].row, all[i].cell, all[i].distance);
        }
        for (size_t i = k; i < knn; i++)
            assert_true(nearest[cell * knn + i].cell == DP_NO_ROW && isinf(nearest[cell * knn + i].distance));
        assert_int_equal(grid_valid[cell], n > 0);
        assert_float_equal(grid[cell], n ? mean : 0, 2e-6);
    }
    free(all);
}

static void maps(void **state)
{
    (void)state;
    static const struct {
        size_t rows, cols, dim, pictures, per;
    } shapes[] = {{1, 1, 1, 1, 1},  {1, 5, 3, 2, 1},    {4, 3, 17, 3, 2},
                  {9, 11, 8, 5, 1}, {17, 10, 5, 70, 1}, {3, 20, 40, 4, 2}};
    const size_t windows[] = {0, 1, 2, 9, DP_WINDOW_GLOBAL}, knns[] = {1, 3};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        dp_bank *bank =
            random_bank(shapes[s].rows, shapes[s].cols, shapes[s].dim, shapes[s].pictures, shapes[s].per, s + 1);
        struct query_picture picture = random_picture(bank, s + 50);
        size_t cells = dp_rows_cells(&bank->rows);
        dp_neighbour *nearest = dp_malloc(cells * 3, sizeof *nearest);
        float *grid = dp_malloc(cells, sizeof *grid);
        uint8_t *valid = dp_malloc(cells, 1);
        for (size_t l = 0; l < N_LEVELS; l++) {
            dp_isa isa;
            if (dp_isa_resolve(levels[l], &isa, NULL) != DP_OK)
                continue;
            for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
                for (size_t k = 0; k < 2; k++) {
                    for (int m = 0; m < 2; m++) {
                        dp_search search = {
                            m ? DP_METRIC_COSINE : DP_METRIC_L2, windows[w], knns[k], k ? DP_NO_PICTURE : 0, isa, 0, 0};
                        if (m && bank->rows.dim == 1)
                            continue; /* all cosines are 1 or -1: nothing but ties, told apart by rounding */
                        assert_ok(dp_distance_map(&bank->rows, picture.features, picture.valid, &search, NULL,
                                                  &(dp_distances){nearest, grid, valid}, err));
                        check_map(bank, &picture, &search, nearest, grid, valid);
                    }
                }
            }
        }
        dp_memory_free(picture.features);
        dp_memory_free(picture.valid);
        dp_memory_free(nearest);
        dp_memory_free(grid);
        dp_memory_free(valid);
        dp_bank_close(&bank);
    }
}

/* A map and a leave-one-out on rows of halves or bytes: the same bytes as on a bank of the floats they are read back as. */
static void stored_maps(void **state)
{
    (void)state;
    const size_t windows[] = {0, 1, 2, 3, DP_WINDOW_GLOBAL};
    for (int storage = DP_STORAGE_F16; storage <= DP_STORAGE_I8; storage++) {
        dp_bank *bank = random_bank_in((dp_storage)storage, 9, 11, 37, 5, 1, 6, SIZE_MAX);
        dp_rows wide = bank->rows;
        size_t cells = dp_rows_cells(&bank->rows), places = cells * bank->rows.n_rows, n = bank->pictures.n;
        float *rows = dp_malloc(places * bank->rows.dim, sizeof *rows);
        dp_rows_widen(&bank->rows, 0, 0, places, rows);
        wide.storage = DP_STORAGE_F32;
        wide.features = rows;
        wide.scales = NULL;
        struct query_picture picture = random_picture(bank, 77);
        dp_neighbour *a = dp_calloc(cells * 2 * n, sizeof *a), *b = dp_calloc(cells * 2 * n, sizeof *b);
        float *grid_a = dp_malloc(cells * n, sizeof *grid_a), *grid_b = dp_malloc(cells * n, sizeof *grid_b);
        uint8_t *valid = dp_malloc(cells * n, 1);
        for (size_t l = 0; l < N_LEVELS; l++) {
            dp_isa isa;
            if (dp_isa_resolve(levels[l], &isa, NULL) != DP_OK)
                continue;
            for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
                for (int m = 0; m < 2; m++) {
                    dp_search search = {m ? DP_METRIC_COSINE : DP_METRIC_L2, windows[w], 2, DP_NO_PICTURE, isa, 0, 0};
                    for (int loo = 0; loo < 2; loo++) {
                        if (loo) {
                            assert_ok(dp_distance_leave_one_out(&bank->rows, 0, n, &search, NULL, NULL,
                                                                &(dp_distances){a, grid_a, valid}, err));
                            assert_ok(dp_distance_leave_one_out(&wide, 0, n, &search, NULL, NULL,
                                                                &(dp_distances){b, grid_b, valid}, err));
                        } else {
                            assert_ok(dp_distance_map(&bank->rows, picture.features, picture.valid, &search, NULL,
                                                      &(dp_distances){a, grid_a, valid}, err));
                            assert_ok(dp_distance_map(&wide, picture.features, picture.valid, &search, NULL,
                                                      &(dp_distances){b, grid_b, valid}, err));
                        }
                        size_t results = loo ? cells * n : cells;
                        if (memcmp(a, b, results * 2 * sizeof *a) || memcmp(grid_a, grid_b, results * sizeof *grid_a))
                            fail_msg("%s, storage %d, window %zu, metric %d, leave one out %d: not the result of the "
                                     "widened rows",
                                     dp_isa_name(isa), storage, windows[w], m, loo);
                    }
                }
            }
        }
        dp_memory_free(rows);
        dp_memory_free(picture.features);
        dp_memory_free(picture.valid);
        dp_memory_free(a);
        dp_memory_free(b);
        dp_memory_free(grid_a);
        dp_memory_free(grid_b);
        dp_memory_free(valid);
        dp_bank_close(&bank);
    }
}

static void same_for_any_threads(void **state)
{
    (void)state;
    dp_bank *bank = random_bank(19, 23, 33, 9, 2, 4);
    struct query_picture picture = random_picture(bank, 5);
    size_t cells = dp_rows_cells(&bank->rows);
    const size_t windows[] = {0, 1, DP_WINDOW_GLOBAL}, threads[] = {1, 2, 7};
    for (size_t w = 0; w < 3; w++) {
        dp_neighbour *first_nearest = NULL;
        float *first_grid = NULL;
        for (size_t t = 0; t < 3; t++) {
            dp_pool *pool = NULL;
            assert_ok(dp_pool_open(threads[t], &pool, err));
            dp_neighbour *nearest = dp_malloc(cells * 2, sizeof *nearest);
            float *grid = dp_malloc(cells, sizeof *grid);
            uint8_t *valid = dp_malloc(cells, 1);
            dp_search search = {DP_METRIC_L2, windows[w], 2, DP_NO_PICTURE, DP_ISA_AUTO, 0, 0};
            assert_ok(dp_distance_map(&bank->rows, picture.features, picture.valid, &search, pool,
                                      &(dp_distances){nearest, grid, valid}, err));
            if (t) {
                assert_memory_equal(nearest, first_nearest, cells * 2 * sizeof *nearest);
                assert_memory_equal(grid, first_grid, cells * sizeof *grid);
                dp_memory_free(nearest);
                dp_memory_free(grid);
            } else {
                first_nearest = nearest;
                first_grid = grid;
            }
            dp_memory_free(valid);
            dp_pool_close(&pool);
        }
        dp_memory_free(first_nearest);
        dp_memory_free(first_grid);
    }
    dp_memory_free(picture.features);
    dp_memory_free(picture.valid);
    dp_bank_close(&bank);
}

/* Of equal rows the first is named; a picture that is in the bank is at distance 0 from itself. */
static void ties_and_itself(void **state)
{
    (void)state;
    dp_bank *bank = random_bank(4, 4, 20, 3, 1, 8);
    size_t cells = dp_rows_cells(&bank->rows);
    float *features = dp_malloc(cells * bank->rows.dim, sizeof *features), grid[16];
    uint8_t valid[16], grid_valid[16];
    dp_neighbour nearest[16];
    dp_rows_get(&bank->rows, 2, 0, features, valid);
    for (int m = 0; m < 2; m++) {
        dp_search search = {m ? DP_METRIC_COSINE : DP_METRIC_L2, 0, 1, DP_NO_PICTURE, DP_ISA_AUTO, 0, 0};
        assert_ok(dp_distance_map(&bank->rows, features, valid, &search, NULL,
                                  &(dp_distances){nearest, grid, grid_valid}, err));
        for (size_t i = 0; i < cells; i++) {
            assert_int_equal(grid_valid[i], valid[i]);
            assert_true(grid[i] <= 2e-7f && (m || grid[i] == 0));
            if (valid[i])
                assert_int_equal(nearest[i].row, 2);
        }
    }
    /* All rows of all cells the same. */
    for (size_t i = 0; i < cells * bank->rows.n_rows * bank->rows.dim; i++)
        ((float *)bank->memory.features)[i] = 0.5f;
    memset(bank->memory.valid, 1, cells * bank->rows.n_rows);
    bank->memory.valid[0] = 0;
    dp_search search = {DP_METRIC_L2, DP_WINDOW_GLOBAL, 1, DP_NO_PICTURE, DP_ISA_AUTO, 0, 0};
    assert_ok(
        dp_distance_map(&bank->rows, features, valid, &search, NULL, &(dp_distances){nearest, grid, grid_valid}, err));
    for (size_t i = 0; i < cells; i++)
        if (valid[i])
            assert_true(nearest[i].cell == 0 && nearest[i].row == 1);
    dp_memory_free(features);
    dp_bank_close(&bank);
}

static void zero_vectors(void **state)
{
    (void)state;
    dp_bank *bank = random_bank(1, 2, 3, 1, 1, 8);
    bank->memory.valid[0] = bank->memory.valid[1] = 1;
    memset(bank->memory.features, 0,
           3 * sizeof(float)); /* a zero row at cell 0, against a zero query and against another */
    bank->memory.norms[0] = 0;
    const float features[6] = {0, 0, 0, 0, 0, 0};
    float grid[2];
    uint8_t valid[2];
    dp_neighbour nearest[2];
    dp_search search = {DP_METRIC_COSINE, 0, 1, DP_NO_PICTURE, DP_ISA_AUTO, 0, 0};
    assert_ok(dp_distance_map(&bank->rows, features, NULL, &search, NULL, &(dp_distances){nearest, grid, valid}, err));
    assert_true(grid[0] == 1 && grid[1] == 1 && valid[0] && valid[1]);
    dp_bank_close(&bank);
}

static void broken_input(void **state)
{
    (void)state;
    dp_bank *bank = random_bank(2, 3, 4, 2, 1, 8);
    float features[24] = {0}, grid[6];
    uint8_t valid[6];
    dp_neighbour nearest[6];
    for (int m = 0; m < 2; m++) {
        dp_search search = {m ? DP_METRIC_COSINE : DP_METRIC_L2, 0, 1, DP_NO_PICTURE, DP_ISA_AUTO, 0, 0};
        for (size_t b = 0; b < 2; b++) {
            features[0] = b ? INFINITY : NAN;
            bank->memory.valid[0] = 1;
            assert_fails(DP_E_NUMERIC, "not finite",
                         dp_distance_map(&bank->rows, features, NULL, &search, NULL,
                                         &(dp_distances){nearest, grid, valid}, err));
        }
        features[0] = 0;
        float kept = ((float *)bank->memory.features)[0];
        ((float *)bank->memory.features)[0] = NAN;
        assert_fails(
            DP_E_NUMERIC, "not finite",
            dp_distance_map(&bank->rows, features, NULL, &search, NULL, &(dp_distances){nearest, grid, valid}, err));
        ((float *)bank->memory.features)[0] = kept;
        search.knn = 0;
        assert_fails(
            DP_E_ARGUMENT, "at least 1",
            dp_distance_map(&bank->rows, features, NULL, &search, NULL, &(dp_distances){nearest, grid, valid}, err));
        search.knn = 1;
        search.leave_out = 2;
        assert_fails(
            DP_E_ARGUMENT, "leave picture",
            dp_distance_map(&bank->rows, features, NULL, &search, NULL, &(dp_distances){nearest, grid, valid}, err));
        search.leave_out = DP_NO_PICTURE;
        for (int other = 0; other < 2; other++) { /* another grid than the bank's, in one of its sides */
            search.rows = other ? 2 : 1;
            search.cols = other ? 2 : 3;
            assert_fails(DP_E_ARGUMENT, "cells",
                         dp_distance_map(&bank->rows, features, NULL, &search, NULL,
                                         &(dp_distances){nearest, grid, valid}, err));
        }
    }
#if defined(__x86_64__)
    dp_search search = {DP_METRIC_L2, 0, 1, DP_NO_PICTURE, DP_ISA_NEON, 0, 0};
    assert_fails(
        DP_E_UNSUPPORTED, "neon",
        dp_distance_map(&bank->rows, features, NULL, &search, NULL, &(dp_distances){nearest, grid, valid}, err));
#endif
    dp_bank_close(&bank);
}

/* -------------------------------------------------------------------------------------------------------------- scores */

static void score_by_sorting(void **state)
{
    (void)state;
    uint64_t seed = 9;
    for (size_t n = 1; n <= 1200; n += n < 320 ? 1 : 97) {
        float *values = random_floats(n, &seed), *sorted = malloc(n * sizeof *sorted),
              *scratch = malloc(n * sizeof *scratch);
        uint8_t *valid = malloc(n);
        size_t m = 0;
        for (size_t i = 0; i < n; i++) {
            if (n % 3 == 0) /* many ties */
                values[i] = floorf(values[i] * 4);
            valid[i] = i == 0 || uniform(&seed) > -0.5f;
            if (valid[i])
                sorted[m++] = values[i];
            else
                values[i] = 1e9f;
        }
        dp_sort_f32(sorted, m);
        double sum = 0, top = 0, place = 0.99 * (double)(m - 1);
        for (size_t i = 0; i < m; i++)
            sum += sorted[i];
        size_t k = m / 100 ? m / 100 : 1, low = (size_t)place, high = low + 1 < m ? low + 1 : low;
        for (size_t i = m - k; i < m; i++)
            top += sorted[i];
        double ten = 0;
        for (size_t i = m < 10 ? 0 : m - 10; i < m; i++)
            ten += sorted[i];
        double p99 = sorted[low] + (place - (double)low) * ((double)sorted[high] - sorted[low]);
        const double expected[] = {sorted[m - 1], sum / (double)m, p99, top / (double)k,
                                   ten / (double)(m < 10 ? m : 10)};
        for (int s = DP_SCORE_MAX; s <= DP_SCORE_TOP10; s++) {
            double score = dp_score_cells((dp_score)s, values, valid, n, scratch);
            if (!(fabs(score - expected[s]) <= 1e-9))
                fail_msg("score %d of %zu values: %.12g, by sorting %.12g", s, m, score, expected[s]);
        }
        free(sorted), free(scratch), free(valid);
        dp_memory_free(values);
    }
    /* numpy.percentile([1, 2, ..., 10], 99) */
    float values[10], scratch[10];
    for (size_t i = 0; i < 10; i++)
        values[i] = (float)(10 - i);
    assert_true(fabs(dp_score_cells(DP_SCORE_P99, values, NULL, 10, scratch) - 9.91) < 1e-12);
    assert_true(isnan(dp_score_cells(DP_SCORE_P99, values, (const uint8_t[10]){0}, 10, scratch)));
    assert_true(isnan(dp_score_cells(DP_SCORE_MAX, values, NULL, 0, scratch)));
    values[3] = NAN;
    assert_true(isnan(dp_score_cells(DP_SCORE_MAX, values, NULL, 10, scratch)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels),
        cmocka_unit_test(stored_kernels),
        cmocka_unit_test(levels_are_distinct),
        cmocka_unit_test(maps),
        cmocka_unit_test(stored_maps),
        cmocka_unit_test(same_for_any_threads),
        cmocka_unit_test(ties_and_itself),
        cmocka_unit_test(zero_vectors),
        cmocka_unit_test(broken_input),
        cmocka_unit_test(score_by_sorting),
    };
    return cmocka_run_group_tests_name("distance", tests, NULL, NULL);
}
