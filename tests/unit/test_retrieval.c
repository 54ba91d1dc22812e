/* SPDX-License-Identifier: Apache-2.0 */
/* Compares the pictures most alike, and the search of their rows alone, with plain references, for random shapes. */
#include "bank_fixture.h"

#include "search/distance.h"
#include "search/order_statistics.h"
#include "search/searcher.h"

#include <math.h>

/* A number from 0 to below n. */
static size_t below(size_t n, uint64_t *seed)
{
    return (size_t)((uniform(seed) + 1) / 2 * (float)n) % n;
}

/* ------------------------------------------------------------------------------------------------- pictures most alike */

static double product(const float *x, const float *y, size_t n)
{
    double sum = 0;
    for (size_t d = 0; d < n; d++)
        sum += (double)x[d] * (double)y[d];
    return sum;
}

static double similarity(const float *x, const float *y, size_t n)
{
    const double lengths = sqrt(product(x, x, n)) * sqrt(product(y, y, n));
    return lengths > 0 ? product(x, y, n) / lengths : 0;
}

/* Whether picture p is among the k most alike: fewer than k others come before it. */
static bool belongs(const dp_rows *rows, const float *vector, size_t p, size_t leave_out)
{
    const double own = similarity(vector, rows->vectors + p * rows->n_vector, rows->n_vector);
    size_t before = 0;
    for (size_t q = 0; q < rows->n_pictures; q++) {
        const double other = similarity(vector, rows->vectors + q * rows->n_vector, rows->n_vector);
        before += q != leave_out && (other > own || (other == own && q < p));
    }
    return p != leave_out && before < rows->retrieval;
}

static void most_alike(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int trial = 0; trial < 300; trial++) {
        const size_t n = 1 + below(12, &seed), dim = 1 + below(20, &seed);
        float *vectors = random_floats(n * dim, &seed), *vector = random_floats(dim, &seed);
        for (size_t p = 1; p < n; p += 3) /* as similar as the one before, in a length of its own; some are zeros */
            for (size_t d = 0; d < dim; d++)
                vectors[p * dim + d] = (p == 4 ? 0.0f : 2.0f) * vectors[(p - 1) * dim + d];
        const dp_rows rows = {
            .n_pictures = n, .retrieval = 1 + below(n + 2, &seed), .n_vector = dim, .vectors = vectors};
        const size_t leave_out = trial % 2 ? below(n, &seed) : DP_NO_PICTURE;
        double scratch[16], sum = 0, best = -INFINITY;
        uint8_t among[16];
        size_t chosen = 0;
        const dp_likeness found = dp_retrieve(&rows, vector, leave_out, scratch, among);
        for (size_t p = 0; p < n; p++) {
            const bool is = belongs(&rows, vector, p, leave_out);
            double apart = 0;
            for (size_t d = 0; d < dim; d++)
                apart += ((double)vector[d] - vectors[p * dim + d]) * ((double)vector[d] - vectors[p * dim + d]);
            if (among[p] != is)
                fail_msg("trial %d, picture %zu of %zu, %zu retrieved: %d", trial, p, n, rows.retrieval, among[p]);
            sum += is ? sqrt(apart) : 0;
            chosen += is;
            best = is ? fmax(best, similarity(vector, vectors + p * dim, dim)) : best;
        }
        if (chosen) {
            assert_true(found.similarity == best);
            assert_true(fabs(found.distance - sum / (double)chosen) <= 1e-12 * (1 + sum));
        } else {
            assert_true(isnan(found.similarity) && isnan(found.distance));
        }
        dp_memory_free(vectors);
        dp_memory_free(vector);
    }
}

/* ------------------------------------------------------------------------------------------- the search of their rows */

/* The distance of one cell by the definition: every row of the pictures among, within the window, picture by picture in double. NaN:
 * there is none. */
static double plain_distance(const dp_rows *rows, const float *x, size_t cell, const dp_search *search,
                             const uint8_t *among)
{
    const size_t n = rows->n_pictures, at_row = cell / rows->grid_cols, at_col = cell % rows->grid_cols;
    float *row = dp_malloc(rows->dim, sizeof *row), nearest[64], each[16];
    size_t found = 0, pictures = 0;
    double sum = 0;
    for (size_t p = 0; p < n; p++)
        each[p] = INFINITY;
    for (size_t place = 0; place < dp_rows_places(rows); place++) {
        const size_t r = place / rows->n_rows / rows->grid_cols, c = place / rows->n_rows % rows->grid_cols,
                     p = dp_rows_picture(rows, place / rows->n_rows, place % rows->n_rows);
        const bool near = rows->flat || search->window == DP_WINDOW_GLOBAL
                          || ((r > at_row ? r - at_row : at_row - r) <= search->window
                              && (c > at_col ? c - at_col : at_col - c) <= search->window);
        if (!rows->valid[place] || !near || p == search->leave_out || (among && !among[p]))
            continue;
        dp_rows_widen(rows, 0, place, 1, row); /* rows of all cells follow one another */
        double square = 0, cosine = similarity(x, row, rows->dim);
        for (size_t d = 0; d < rows->dim; d++)
            square += ((double)x[d] - row[d]) * ((double)x[d] - row[d]);
        const float distance = (float)(search->metric == DP_METRIC_L2 ? sqrt(square) : 1 - cosine);
        each[p] = fminf(each[p], distance);
        size_t i = found < search->knn ? found++ : found;
        if (i == search->knn && distance >= nearest[--i])
            continue;
        for (; i > 0 && distance < nearest[i - 1]; i--)
            nearest[i] = nearest[i - 1];
        nearest[i] = distance;
    }
    dp_memory_free(row);
    if (!search->order) {
        for (size_t i = 0; i < found; i++)
            sum += nearest[i];
        return found ? sum / (double)found : NAN;
    }
    for (size_t p = 0; p < n; p++) { /* the finite ones in rising order */
        const float distance = each[p];
        size_t i = pictures;
        if (!(distance < INFINITY))
            continue;
        for (; i > 0 && distance < each[i - 1]; i--)
            each[i] = each[i - 1];
        each[i] = distance;
        pictures++;
    }
    return pictures ? dp_mean_smallest(each, pictures, search->order) : NAN;
}

struct map { /* one picture's, or those of all pictures of a bank one behind the other */
    dp_neighbour *nearest;
    float *grid;
    uint8_t *valid;
};

static struct map map_of(size_t cells, size_t knn)
{
    return (struct map){dp_malloc(cells * knn, sizeof(dp_neighbour)), dp_malloc(cells, sizeof(float)),
                        dp_malloc(cells, 1)};
}

static void map_free(struct map *map)
{
    dp_memory_free(map->nearest);
    dp_memory_free(map->grid);
    dp_memory_free(map->valid);
}

/* Compares one distance with the definition. */
static void check_cell(const dp_rows *rows, const float *x, size_t cell, const dp_search *search, const uint8_t *among,
                       float distance, uint8_t valid, const char *what)
{
    const double wanted = plain_distance(rows, x, cell, search, among);
    if (valid != !isnan(wanted) || (valid && !(fabs(distance - wanted) <= 2e-5 * (1 + wanted))))
        fail_msg("%s: %zux%zu cells of %zu, %zu pictures of %zu, storage %d, metric %d, window %zu, knn %zu, order "
                 "%zu, cell "
                 "%zu: %g (valid %d), not %g",
                 what, rows->grid_rows, rows->grid_cols, rows->dim, rows->n_pictures, rows->rows_per_picture,
                 rows->storage, search->metric, search->window, search->knn, search->order, cell, distance, valid,
                 wanted);
}

static const size_t windows[] = {0, 1, 2, DP_WINDOW_GLOBAL};

static void restricted(void **state)
{
    (void)state;
    uint64_t seed = 11;
    dp_pool *pool = NULL;
    assert_ok(dp_pool_open(3, &pool, err));
    for (int trial = 0; trial < 240; trial++) {
        const bool flat = trial % 4 == 3;
        const size_t rows = flat ? 3 : 1 + below(11, &seed), cols = flat ? 4 : 2 + below(9, &seed),
                     dim = 1 + below(40, &seed), pictures = 2 + below(9, &seed), per = 1 + below(3, &seed);
        const dp_storage storage = flat ? DP_STORAGE_F32 : (dp_storage)below(3, &seed);
        dp_bank *bank = flat ? random_flat_without(dim, pictures, per, (uint64_t)trial, SIZE_MAX)
                             : random_bank_in(storage, rows, cols, dim, pictures, per, (uint64_t)trial, SIZE_MAX);
        const size_t cells = rows * cols;
        dp_search search = {.metric = below(2, &seed) ? DP_METRIC_COSINE : DP_METRIC_L2,
                            .window = windows[below(4, &seed)],
                            .knn = 1 + below(3, &seed),
                            .leave_out = below(2, &seed) ? below(pictures, &seed) : DP_NO_PICTURE,
                            .isa = DP_ISA_AUTO};
        if (flat)
            search.rows = rows, search.cols = cols;
        else if (search.window != DP_WINDOW_GLOBAL && below(2, &seed))
            search.order = 1 + below(pictures + 1, &seed), search.knn = 1;
        uint8_t among[16 * 16];
        for (size_t i = 0; i < pictures * pictures; i++)
            among[i] = (uint8_t)below(2, &seed);
        float *features = random_floats(cells * dim, &seed);
        search.among = among;
        struct map one = map_of(cells, search.knn), again = map_of(cells, search.knn);
        assert_ok(dp_distance_map(&bank->rows, features, NULL, &search, pool,
                                  &(dp_distances){one.nearest, one.grid, one.valid}, err));
        assert_ok(dp_distance_map(&bank->rows, features, NULL, &search, NULL,
                                  &(dp_distances){again.nearest, again.grid, again.valid}, err));
        for (size_t cell = 0; cell < cells; cell++)
            check_cell(&bank->rows, features + cell * dim, cell, &search, among, one.grid[cell], one.valid[cell],
                       "map");
        assert_memory_equal(one.grid, again.grid, cells * sizeof *one.grid);
        map_free(&one);
        map_free(&again);
        dp_memory_free(features);
        if (!flat) { /* each picture left out, with a line of its own */
            struct map all = map_of(cells * pictures, search.knn);
            float *own = dp_malloc(cells * dim, sizeof *own);
            uint8_t *valid = dp_malloc(cells, 1);
            assert_ok(dp_distance_leave_one_out(&bank->rows, 0, pictures, &search, pool, NULL,
                                                &(dp_distances){all.nearest, all.grid, all.valid}, err));
            for (size_t p = 0; p < pictures; p++) {
                search.leave_out = p;
                dp_rows_get(&bank->rows, p, 0, own, valid);
                for (size_t cell = 0; cell < cells; cell++)
                    if (valid[cell])
                        check_cell(&bank->rows, own + cell * dim, cell, &search, among + p * pictures,
                                   all.grid[p * cells + cell], all.valid[p * cells + cell], "leave-one-out");
                    else
                        assert_int_equal(all.valid[p * cells + cell], 0);
            }
            map_free(&all);
            dp_memory_free(own);
            dp_memory_free(valid);
        }
        dp_bank_close(&bank);
    }
    dp_pool_close(&pool);
}

/* A searcher chooses the pictures by their vectors; order statistics count the chosen ones alone, and all versions of a picture follow it. */
static void searcher_chooses(void **state)
{
    (void)state;
    uint64_t seed = 23;
    for (int trial = 0; trial < 60; trial++) {
        const size_t rows = 1 + below(6, &seed), cols = 2 + below(6, &seed), dim = 2 + below(20, &seed),
                     pictures = 3 + below(8, &seed), per = 1 + below(2, &seed), n_vector = 1 + below(9, &seed),
                     cells = rows * cols;
        dp_bank *bank = random_bank(rows, cols, dim, pictures, per, (uint64_t)trial);
        float *vectors = random_floats(pictures * n_vector, &seed), *vector = random_floats(n_vector, &seed),
              *features = random_floats(cells * dim, &seed), *own = dp_malloc(cells * dim, sizeof *own);
        uint8_t *valid = dp_malloc(cells, 1), among[16];
        dp_rows view = bank->rows;
        view.vectors = vectors;
        view.n_vector = n_vector;
        view.retrieval = 1 + below(pictures + 1, &seed);
        dp_scoring scoring = {.metric = DP_METRIC_L2,
                              .window = 1,
                              .knn = 1,
                              .order = trial % 3 == 0   ? 0
                                       : trial % 3 == 1 ? 0.5
                                                        : 2};
        const size_t n = view.retrieval < pictures ? view.retrieval : pictures;
        const dp_search search = {.metric = DP_METRIC_L2,
                                  .window = 1,
                                  .knn = 1,
                                  .leave_out = DP_NO_PICTURE,
                                  .order = dp_order_pictures(scoring.order, n)};
        assert_int_equal(search.order, trial % 3 == 0   ? 0
                                       : trial % 3 == 1 ? fmax(1, rint(0.5 * (double)n))
                                       : n < 2          ? n
                                                        : 2);
        dp_searcher searcher;
        assert_ok(dp_searcher_open(&view, &scoring, DP_ISA_AUTO, NULL, &searcher, err));
        struct map map = map_of(cells * pictures, 1);
        const dp_distances out = {map.nearest, map.grid, map.valid};
        const dp_cells asked = {.features = features, .leave_out = DP_NO_PICTURE, .vector = vector};
        assert_ok(dp_searcher_map(&searcher, &asked, NULL, &out, err));
        for (size_t p = 0; p < pictures; p++)
            among[p] = belongs(&view, vector, p, DP_NO_PICTURE);
        for (size_t cell = 0; cell < cells; cell++)
            check_cell(&view, features + cell * dim, cell, &search, among, map.grid[cell], map.valid[cell], "searcher");
        assert_ok(dp_searcher_leave_one_out(&searcher, 0, pictures, NULL, NULL, &out, err));
        for (size_t p = 0; p < pictures; p++) {
            dp_search without = search;
            without.leave_out = p;
            dp_rows_get(&view, p, 0, own, valid);
            for (size_t q = 0; q < pictures; q++)
                among[q] = belongs(&view, vectors + p * n_vector, q, p);
            for (size_t cell = 0; cell < cells; cell++)
                if (valid[cell])
                    check_cell(&view, own + cell * dim, cell, &without, among, map.grid[p * cells + cell],
                               map.valid[p * cells + cell], "searcher, left out");
        }
        dp_searcher_close(&searcher);
        map_free(&map);
        dp_memory_free(vectors);
        dp_memory_free(vector);
        dp_memory_free(features);
        dp_memory_free(own);
        dp_memory_free(valid);
        dp_bank_close(&bank);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(most_alike), cmocka_unit_test(restricted),
                                       cmocka_unit_test(searcher_chooses)};
    return cmocka_run_group_tests_name("retrieval", tests, NULL, NULL);
}
