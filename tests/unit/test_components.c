/* SPDX-License-Identifier: Apache-2.0 */
/* Compares blended distances and separate layers with the same distances combined by hand. */
#include "test.h"

#include <math.h>

#include "search/searcher.h"
#include "search/distance_scales.h"
#include "bank/assemble.h"
#include "reduce/reduce.h"
#include "bank_fixture.h"
#include "dinopatch/edit.h"

#define ROWS 4
#define COLS 5
#define CELLS (ROWS * COLS)
#define DIM 6
#define BLOCKS 3
#define PICTURES 7
#define KNN 2

/* The features of block b of picture p, and all of them behind one another. */
static void picture(size_t p, uint64_t seed, float *const each[BLOCKS], float *all, uint8_t *valid)
{
    for (size_t b = 0; b < BLOCKS; b++) {
        float *features;
        uint8_t *own;
        random_grid(CELLS, DIM, seed + 10 * p + 1000 * b, &features, &own);
        for (size_t i = 0; i < CELLS * DIM; i++)
            features[i] *= (float)(b * b + 1); /* blocks of different size */
        if (b == 0)
            memcpy(valid, own, CELLS);
        for (size_t cell = 0; cell < CELLS; cell++)
            memcpy(all + (cell * BLOCKS + b) * DIM, features + cell * DIM, DIM * sizeof(float));
        memcpy(each[b], features, CELLS * DIM * sizeof(float));
        dp_memory_free(features);
        dp_memory_free(own);
    }
}

struct banks {
    dp_bank *together, *alone[BLOCKS];
    float *features, *of_block[BLOCKS]; /* of a picture that is in none */
    uint8_t valid[CELLS];
};

static dp_bank_builder *new_bank(dp_layout layout, dp_storage storage, size_t dim, dp_layer_mix mix, size_t layers)
{
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.layout = layout;
    recipe.storage = storage;
    recipe.canvas_height_px = ROWS * 14;
    recipe.canvas_width_px = COLS * 14;
    recipe.layer_mix = mix;
    recipe.n_layers = layers;
    for (size_t i = 0; i < layers; i++)
        recipe.layers[i] = i;
    dp_bank_spec spec = {.recipe = &recipe,
                         .grid_rows = ROWS,
                         .grid_cols = COLS,
                         .dim = dim,
                         .capacity = PICTURES,
                         .rows_per_picture = 1,
                         .model_sha256 = random_hash};
    dp_bank_builder *builder = NULL;
    assert_ok(dp_bank_builder_open(&spec, &builder, err));
    return builder;
}

static void put_in(dp_bank_builder *builder, size_t p, const float *features, const uint8_t *valid, size_t rows,
                   size_t cols)
{
    size_t index;
    char name[32];
    dp_pose pose = {.status = DP_ALIGN_OFF};
    snprintf(name, sizeof name, "good/%03zu.png", p);
    assert_ok(dp_bank_builder_add(builder, name, &pose, &index, err));
    assert_ok(dp_bank_builder_put_grid(builder, index, 0, features, valid, rows, cols, err));
}

static void put(dp_bank_builder *builder, size_t p, const float *features, const uint8_t *valid)
{
    put_in(builder, p, features, valid, ROWS, COLS);
}

static void make_banks(struct banks *banks, dp_layout layout, dp_storage storage)
{
    dp_bank_builder *together = new_bank(layout, storage, BLOCKS * DIM, DP_LAYERS_SEPARATE, BLOCKS), *alone[BLOCKS];
    banks->features = dp_malloc(CELLS * BLOCKS * DIM, sizeof(float));
    for (size_t b = 0; b < BLOCKS; b++) {
        alone[b] = new_bank(layout, storage, DIM, DP_LAYERS_MEAN, 1);
        banks->of_block[b] = dp_malloc(CELLS * DIM, sizeof(float));
    }
    for (size_t p = 0; p <= PICTURES; p++) { /* the last is the one that is searched for */
        picture(p, 5, banks->of_block, banks->features, banks->valid);
        if (p == PICTURES)
            break;
        put(together, p, banks->features, banks->valid);
        for (size_t b = 0; b < BLOCKS; b++)
            put(alone[b], p, banks->of_block[b], banks->valid);
    }
    banks->together = finished(together);
    for (size_t b = 0; b < BLOCKS; b++)
        banks->alone[b] = finished(alone[b]);
}

static void free_banks(struct banks *banks)
{
    dp_bank_close(&banks->together);
    dp_memory_free(banks->features);
    for (size_t b = 0; b < BLOCKS; b++) {
        dp_bank_close(&banks->alone[b]);
        dp_memory_free(banks->of_block[b]);
    }
}

static dp_view view_of(const dp_bank *bank, dp_metric metric, size_t window, double blend)
{
    dp_view view;
    dp_view_init(bank, &view);
    view.metric = metric;
    view.window = window;
    view.knn = KNN;
    view.blend = blend;
    return view;
}

struct map {
    float grid[CELLS];
    uint8_t valid[CELLS];
    dp_neighbour nearest[CELLS * KNN];
};

static void plain_map(const dp_bank *bank, const float *features, const uint8_t *valid, dp_metric metric, size_t window,
                      size_t leave_out, struct map *map)
{
    const dp_search search = {
        .metric = metric, .window = window, .knn = KNN, .leave_out = leave_out, .rows = ROWS, .cols = COLS};
    assert_ok(dp_distance_map(&bank->rows, features, valid, &search, NULL,
                              &(dp_distances){map->nearest, map->grid, map->valid}, err));
}

static dp_status open_searcher(const dp_bank *bank, const dp_view *view, dp_pool *pool, dp_searcher *searcher,
                               dp_error *err)
{
    const dp_scoring scoring = dp_scoring_of_view(view);
    return dp_searcher_open(&bank->rows, &scoring, DP_ISA_AUTO, pool, searcher, err);
}

static void component_map(const dp_bank *bank, const float *features, const uint8_t *valid, const dp_view *view,
                          dp_pool *pool, size_t leave_out, struct map *map)
{
    dp_searcher searcher;
    assert_ok(open_searcher(bank, view, pool, &searcher, err));
    assert_ok(dp_searcher_map(&searcher, &(dp_cells){features, valid, ROWS, COLS, 0, 0, leave_out}, pool,
                              &(dp_distances){map->nearest, map->grid, map->valid}, err));
    dp_searcher_close(&searcher);
}

static void same_map(const struct map *a, const struct map *b)
{
    assert_memory_equal(a->grid, b->grid, sizeof a->grid);
    assert_memory_equal(a->valid, b->valid, sizeof a->valid);
    assert_memory_equal(a->nearest, b->nearest, sizeof a->nearest);
}

/* The scale by its definition: all leave-one-out distances of all pictures (fewer than a sample here), the 99th percentile. */
static double scale_by_hand(const dp_bank *bank, dp_metric metric, size_t window)
{
    float all[PICTURES * CELLS];
    size_t n = 0;
    for (size_t p = 0; p < PICTURES; p++) {
        float features[CELLS * DIM];
        uint8_t valid[CELLS];
        struct map map;
        dp_rows_get(&bank->rows, p, 0, features, valid);
        plain_map(bank, features, valid, metric, window, p, &map);
        for (size_t i = 0; i < CELLS; i++)
            if (map.valid[i])
                all[n++] = map.grid[i];
    }
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && all[k] < all[k - 1]; k--) {
            float t = all[k];
            all[k] = all[k - 1];
            all[k - 1] = t;
        }
    return (double)all[(size_t)(0.99 * (double)(n - 1) + 0.5)];
}

static const dp_storage storages[] = {DP_STORAGE_F32, DP_STORAGE_F16, DP_STORAGE_I8};
static const size_t windows[] = {0, 1, 2, DP_WINDOW_GLOBAL};

/* A view of one block is what a bank of that block alone would say, bit by bit where the rows are (int8 rows share a scale). */
static void one_block_alone(void **state)
{
    (void)state;
    for (size_t s = 0; s < 2; s++)
        for (size_t w = 0; w < 4; w++)
            for (int metric = 0; metric < 2; metric++)
                for (int flat = 0; flat < 2; flat++) {
                    struct banks banks;
                    make_banks(&banks, flat ? DP_LAYOUT_FLAT : DP_LAYOUT_GRID, storages[s]);
                    for (size_t b = 0; b < BLOCKS; b++) {
                        struct map one, alone;
                        dp_view view = view_of(banks.together, (dp_metric)metric, windows[w], 0);
                        view.blocks = (uint64_t)1 << b;
                        component_map(banks.together, banks.features, banks.valid, &view, NULL, DP_NO_PICTURE, &one);
                        plain_map(banks.alone[b], banks.of_block[b], banks.valid, (dp_metric)metric, windows[w],
                                  DP_NO_PICTURE, &alone);
                        same_map(&one, &alone);
                        component_map(banks.together, banks.features, banks.valid, &view, NULL, 3, &one);
                        plain_map(banks.alone[b], banks.of_block[b], banks.valid, (dp_metric)metric, windows[w], 3,
                                  &alone);
                        same_map(&one, &alone);
                    }
                    free_banks(&banks);
                }
}

static void the_mean_of_blocks(void **state)
{
    (void)state;
    for (size_t s = 0; s < 3; s++)
        for (size_t w = 0; w < 4; w++)
            for (int metric = 0; metric < 2; metric++)
                for (int flat = 0; flat < 2; flat++) {
                    struct banks banks;
                    struct map mean, alone[BLOCKS];
                    double scale[BLOCKS], unit = 0, tolerance = storages[s] == DP_STORAGE_I8 ? 0.3 : 2e-6;
                    make_banks(&banks, flat ? DP_LAYOUT_FLAT : DP_LAYOUT_GRID, storages[s]);
                    dp_view view = view_of(banks.together, (dp_metric)metric, windows[w], 0);
                    component_map(banks.together, banks.features, banks.valid, &view, NULL, DP_NO_PICTURE, &mean);
                    for (size_t b = 0; b < BLOCKS; b++) {
                        plain_map(banks.alone[b], banks.of_block[b], banks.valid, (dp_metric)metric, windows[w],
                                  DP_NO_PICTURE, &alone[b]);
                        scale[b] = scale_by_hand(banks.alone[b], (dp_metric)metric, windows[w]);
                        unit += scale[b] / BLOCKS;
                    }
                    for (size_t i = 0; i < CELLS; i++) {
                        double expected = 0;
                        for (size_t b = 0; b < BLOCKS; b++)
                            expected += (double)alone[b].grid[i] / scale[b] * unit / BLOCKS;
                        assert_int_equal(mean.valid[i], alone[0].valid[i]);
                        if (fabs((double)mean.grid[i] - expected) > tolerance * unit)
                            fail_msg(
                                "storage %d, window %zu, metric %d, flat %d, cell %zu: %.9g where %.9g was expected",
                                (int)storages[s], windows[w], metric, flat, i, (double)mean.grid[i], expected);
                    }
                    if (storages[s] != DP_STORAGE_I8)
                        assert_memory_equal(mean.nearest, alone[0].nearest,
                                            sizeof mean.nearest); /* those of the first block */
                    free_banks(&banks);
                }
}

/* The bands of a picture, searched one after the other, last one first, are the picture: the same bits. */
static void bands_make_the_picture(void **state)
{
    (void)state;
    for (size_t w = 0; w < 4; w++)
        for (int flat = 0; flat < 2; flat++)
            for (int blended = 0; blended < 2 - (flat || w == 3); blended++)
                for (size_t high = 1; high < ROWS; high++) {
                    struct banks banks;
                    struct map whole, pieces;
                    dp_searcher searcher;
                    make_banks(&banks, flat ? DP_LAYOUT_FLAT : DP_LAYOUT_GRID, storages[w % 3]);
                    const dp_view view = view_of(banks.together, DP_METRIC_L2, windows[w], blended ? 0.3 : 0);
                    component_map(banks.together, banks.features, banks.valid, &view, NULL, DP_NO_PICTURE, &whole);
                    memset(&pieces, 255, sizeof pieces);
                    assert_ok(open_searcher(banks.together, &view, NULL, &searcher, err));
                    for (size_t k = (ROWS + high - 1) / high; k-- > 0;) {
                        size_t top = k * high, band = top + high < ROWS ? high : ROWS - top, from = top * COLS;
                        const dp_cells cells = {.features = banks.features + from * BLOCKS * DIM,
                                                .valid = banks.valid + from,
                                                .rows = ROWS,
                                                .cols = COLS,
                                                .top = top,
                                                .band = band,
                                                .leave_out = DP_NO_PICTURE};
                        const dp_distances out = {pieces.nearest + from * KNN, pieces.grid + from, pieces.valid + from};
                        assert_ok(dp_searcher_map(&searcher, &cells, NULL, &out, err));
                    }
                    same_map(&whole, &pieces);
                    const dp_cells beyond = {banks.features, banks.valid, ROWS, COLS, 1, ROWS, DP_NO_PICTURE};
                    assert_fails(DP_E_ARGUMENT, "rows 1 to",
                                 dp_searcher_map(&searcher, &beyond, NULL,
                                                 &(dp_distances){pieces.nearest, pieces.grid, pieces.valid}, err));
                    dp_searcher_close(&searcher);
                    free_banks(&banks);
                }
}

static void blends(void **state)
{
    (void)state;
    for (int metric = 0; metric < 2; metric++)
        for (size_t w = 0; w < 3; w++) {
            struct banks banks;
            struct map local, global, map;
            make_banks(&banks, DP_LAYOUT_GRID, DP_STORAGE_F32);
            const dp_bank *bank = banks.alone[1];
            const float *x = banks.of_block[1];
            double l = scale_by_hand(bank, (dp_metric)metric, windows[w]),
                   g = scale_by_hand(bank, (dp_metric)metric, DP_WINDOW_GLOBAL);
            plain_map(bank, x, banks.valid, (dp_metric)metric, windows[w], DP_NO_PICTURE, &local);
            plain_map(bank, x, banks.valid, (dp_metric)metric, DP_WINDOW_GLOBAL, DP_NO_PICTURE, &global);
            for (int step = 0; step <= 4; step++) {
                double a = step / 4.0;
                dp_view view = view_of(bank, (dp_metric)metric, windows[w], a);
                component_map(bank, x, banks.valid, &view, NULL, DP_NO_PICTURE, &map);
                if (step == 0)
                    same_map(&map, &local); /* bit by bit */
                for (size_t i = 0; i < CELLS; i++) {
                    double expected = (1 - a) * (double)local.grid[i] + a * l / g * (double)global.grid[i];
                    assert_int_equal(map.valid[i], a < 1 ? local.valid[i] : global.valid[i]);
                    if (map.valid[i] && fabs((double)map.grid[i] - expected) > 1e-6 * l)
                        fail_msg("metric %d, window %zu, blend %g, cell %zu: %.9g where %.9g was expected", metric,
                                 windows[w], a, i, (double)map.grid[i], expected);
                }
                /* The neighbours are those of the larger share. */
                assert_memory_equal(map.nearest, a <= 0.5 ? local.nearest : global.nearest, sizeof map.nearest);
            }
            free_banks(&banks);
        }
}

/* Both at once: two components for each block; a scale that the view brings is taken as it is. */
static void blended_blocks_and_given_scales(void **state)
{
    (void)state;
    struct banks banks;
    struct map map;
    make_banks(&banks, DP_LAYOUT_GRID, DP_STORAGE_F32);
    dp_view view = view_of(banks.together, DP_METRIC_L2, 1, 0.25);
    view.blocks = 5; /* the first and the third */
    view.scales.metric = DP_METRIC_L2;
    view.scales.window = 1;
    view.scales.knn = KNN;
    const double local[BLOCKS] = {2, NAN, 8}, global[BLOCKS] = {1, NAN, 16};
    memcpy(view.scales.local, local, sizeof local);
    memcpy(view.scales.global, global, sizeof global);
    component_map(banks.together, banks.features, banks.valid, &view, NULL, DP_NO_PICTURE, &map);
    double expected[CELLS] = {0};
    for (size_t b = 0; b < BLOCKS; b += 2)
        for (int everywhere = 0; everywhere < 2; everywhere++) {
            struct map one;
            plain_map(banks.alone[b], banks.of_block[b], banks.valid, DP_METRIC_L2, everywhere ? DP_WINDOW_GLOBAL : 1,
                      DP_NO_PICTURE, &one);
            for (size_t i = 0; i < CELLS; i++)
                expected[i] +=
                    0.5 * (everywhere ? 0.25 : 0.75) * 5 / (everywhere ? global[b] : local[b]) * (double)one.grid[i];
        }
    for (size_t i = 0; i < CELLS; i++)
        assert_true(!map.valid[i] || fabs((double)map.grid[i] - expected[i]) < 1e-5);
    /* Of another search they do not hold, and are found anew. */
    view.scales.window = 2;
    struct map other, fresh;
    component_map(banks.together, banks.features, banks.valid, &view, NULL, DP_NO_PICTURE, &other);
    dp_view unknown = view_of(banks.together, DP_METRIC_L2, 1, 0.25);
    unknown.blocks = 5;
    component_map(banks.together, banks.features, banks.valid, &unknown, NULL, DP_NO_PICTURE, &fresh);
    same_map(&other, &fresh);
    assert_true(memcmp(map.grid, fresh.grid, sizeof map.grid) != 0);
    /* Settled once, they are kept, and change nothing. */
    assert_ok(dp_view_settle(banks.together, &unknown, NULL, err));
    assert_true(unknown.scales.local[0] > 0 && unknown.scales.global[2] > 0 && isnan(unknown.scales.local[1]));
    component_map(banks.together, banks.features, banks.valid, &unknown, NULL, DP_NO_PICTURE, &other);
    same_map(&other, &fresh);
    free_banks(&banks);
}

/* Leave-one-out of all pictures is the map of each one without it, and threads change nothing. */
static void leave_one_out(void **state)
{
    (void)state;
    for (size_t s = 0; s < 3; s++)
        for (size_t w = 0; w < 3; w++) {
            struct banks banks;
            make_banks(&banks, DP_LAYOUT_GRID, storages[s]);
            dp_view view = view_of(banks.together, DP_METRIC_L2, windows[w], 0.5);
            dp_searcher searcher;
            static float grid[PICTURES][CELLS];
            static uint8_t valid[PICTURES][CELLS];
            static dp_neighbour nearest[PICTURES][CELLS * KNN];
            assert_ok(open_searcher(banks.together, &view, NULL, &searcher, err));
            assert_ok(dp_searcher_leave_one_out(&searcher, 0, PICTURES, NULL, NULL,
                                                &(dp_distances){nearest[0], grid[0], valid[0]}, err));
            dp_searcher_close(&searcher);
            dp_pool *pool = NULL;
            assert_ok(dp_pool_open(3, &pool, err));
            for (size_t p = 0; p < PICTURES; p++) {
                float features[CELLS * BLOCKS * DIM];
                uint8_t own[CELLS];
                struct map map;
                dp_rows_get(&banks.together->rows, p, 0, features, own);
                component_map(banks.together, features, own, &view, pool, p, &map);
                assert_memory_equal(map.grid, grid[p], sizeof map.grid);
                assert_memory_equal(map.valid, valid[p], sizeof map.valid);
                assert_memory_equal(map.nearest, nearest[p], sizeof map.nearest);
            }
            dp_pool_close(&pool);
            free_banks(&banks);
        }
}

static int count_up(void *user, size_t done, size_t total)
{
    size_t *last = user;
    assert_true(done >= *last && done <= total);
    *last = done;
    return 0;
}

static void progress_goes_up_once(void **state)
{
    (void)state;
    struct banks banks;
    size_t last = 0;
    static float grid[PICTURES * CELLS];
    static uint8_t valid[PICTURES * CELLS];
    static dp_neighbour nearest[PICTURES * CELLS * KNN];
    make_banks(&banks, DP_LAYOUT_GRID, DP_STORAGE_F32);
    dp_view view = view_of(banks.together, DP_METRIC_L2, 1, 0.5);
    dp_searcher searcher;
    assert_ok(open_searcher(banks.together, &view, NULL, &searcher, err));
    assert_ok(dp_searcher_leave_one_out(&searcher, 0, PICTURES, NULL, &(dp_progress){count_up, &last},
                                        &(dp_distances){nearest, grid, valid}, err));
    assert_int_equal(last, PICTURES * CELLS);
    dp_searcher_close(&searcher);
    free_banks(&banks);
}

static void kept_in_the_file(void **state)
{
    (void)state;
    struct banks banks;
    make_banks(&banks, DP_LAYOUT_GRID, DP_STORAGE_F32);
    dp_view view = view_of(banks.together, DP_METRIC_L2, 1, 0.25), read;
    double scores[PICTURES];
    const char *path = temporary_path("blended.bank");
    for (size_t p = 0; p < PICTURES; p++)
        scores[p] = (double)p;
    view.good_scores = scores;
    assert_ok(dp_view_settle(banks.together, &view, NULL, err));
    assert_ok(dp_bank_save_view(banks.together, &view, 0.01, path, err));
    dp_bank *opened = NULL;
    assert_ok(dp_bank_open(path, &opened, err));
    dp_view_init(opened, &read);
    assert_true(read.blend == 0.25 && read.window == 1 && read.knn == KNN);
    assert_memory_equal(&read.scales, &view.scales, sizeof read.scales);
    struct map a, b;
    component_map(banks.together, banks.features, banks.valid, &view, NULL, DP_NO_PICTURE, &a);
    component_map(opened, banks.features, banks.valid, &read, NULL, DP_NO_PICTURE, &b);
    same_map(&a, &b);
    dp_bank_close(&opened);
    /* Scales of another search are not written as if they were of this one. */
    view.window = 2;
    assert_ok(dp_bank_save_view(banks.together, &view, 0.01, path, err));
    assert_ok(dp_bank_open(path, &opened, err));
    dp_view_init(opened, &read);
    assert_true(isnan(read.scales.local[0]) && isnan(read.scales.global[0]));
    dp_bank_close(&opened);
    view.blocks = 1;
    assert_fails(DP_E_ARGUMENT, "all of its blocks", dp_bank_save_view(banks.together, &view, 0.01, path, err));
    free_banks(&banks);
}

static void what_does_not_go_together(void **state)
{
    (void)state;
    struct banks grid, flat;
    dp_searcher searcher;
    make_banks(&grid, DP_LAYOUT_GRID, DP_STORAGE_F32);
    make_banks(&flat, DP_LAYOUT_FLAT, DP_STORAGE_F32);
    dp_view view = view_of(grid.together, DP_METRIC_L2, 0, -0.5);
    assert_fails(DP_E_ARGUMENT, "search.blend is", open_searcher(grid.together, &view, NULL, &searcher, err));
    view.blend = NAN;
    assert_fails(DP_E_ARGUMENT, "search.blend is", open_searcher(grid.together, &view, NULL, &searcher, err));
    view.blend = 0.5;
    view.window = DP_WINDOW_GLOBAL;
    assert_fails(DP_E_ARGUMENT, "a window of cells", open_searcher(grid.together, &view, NULL, &searcher, err));
    view.window = 0;
    view.blocks = 8;
    assert_fails(DP_E_ARGUMENT, "has 3 separate blocks", open_searcher(grid.together, &view, NULL, &searcher, err));
    view = view_of(flat.together, DP_METRIC_L2, 0, 0.5);
    assert_fails(DP_E_ARGUMENT, "needs bank.layout=grid", open_searcher(flat.together, &view, NULL, &searcher, err));
    view.blend = 0;
    view.score = DP_SCORE_MAX;
    view.reweight = 9;
    assert_fails(DP_E_ARGUMENT, "score.reweight excludes", open_searcher(flat.together, &view, NULL, &searcher, err));
    free_banks(&grid);
    free_banks(&flat);
}

/* One picture, copies of one, or pictures without a cell in common give no scale; a single block needs none. */
static void no_scale_to_be_had(void **state)
{
    (void)state;
    for (size_t copies = 1; copies < 5;
         copies++) { /* of which the third and fourth time no cell is valid in both, or in any */
        dp_bank_builder *builder = new_bank(DP_LAYOUT_GRID, DP_STORAGE_F32, BLOCKS * DIM, DP_LAYERS_SEPARATE, BLOCKS);
        uint64_t seed = 3;
        float *features = random_floats(CELLS * BLOCKS * DIM, &seed);
        dp_searcher searcher;
        struct map map;
        for (size_t p = 0; p < (copies < 2 ? 1 : 2); p++) {
            uint8_t valid[CELLS];
            for (size_t i = 0; i < CELLS; i++)
                valid[i] = copies < 3 || (copies == 3 && i % 2 == p);
            put(builder, p, features, valid);
        }
        dp_bank *bank = finished(builder);
        dp_view view = view_of(bank, DP_METRIC_L2, 0, 0);
        if (copies < 2)
            view.knn = 1;
        static const char *const reasons[] = {"one picture", "do not differ", "no cell in common",
                                              "no cell of the good pictures is valid"};
        assert_fails(DP_E_MISMATCH, reasons[copies - 1], open_searcher(bank, &view, NULL, &searcher, err));
        view.blocks = 2;
        component_map(bank, features, NULL, &view, NULL, DP_NO_PICTURE, &map);
        assert_true(copies > 3 ? !map.valid[0] : map.valid[0] && map.grid[0] == 0);
        dp_memory_free(features);
        dp_bank_close(&bank);
    }
}

/* Of more cells than a sample takes: near the quantile of all of them, though the largest distances are all of the last pictures, and
 * the same for any number of threads. */
static void a_sample_is_enough(void **state)
{
    (void)state;
    dp_bank *bank = NULL;
    dp_bank_builder *builder = empty_bank(18, 20, 4, 24, 1); /* about 7300 valid rows */
    for (size_t p = 0; p < 24; p++) {
        float *own;
        uint8_t *own_valid;
        random_grid(360, 4, 9000 + p * 10, &own, &own_valid);
        for (size_t i = 0; i < 360 * 4; i++)
            own[i] *= p < 22 ? 1.0f : 10.0f + (float)p;
        put_in(builder, p, own, own_valid, 18, 20);
        dp_memory_free(own);
        dp_memory_free(own_valid);
    }
    assert_ok(dp_bank_builder_finish(&builder, &bank, err));
    dp_distance_scales one, many;
    dp_pool *pool = NULL;
    assert_ok(dp_pool_open(3, &pool, err));
    dp_distance_scales_none(bank->recipe.metric, bank->recipe.window, bank->recipe.knn, &one);
    dp_distance_scales_none(bank->recipe.metric, bank->recipe.window, bank->recipe.knn, &many);
    assert_ok(dp_distance_scales_find(&bank->rows, 0, true, DP_ISA_AUTO, NULL, &one, err));
    assert_ok(dp_distance_scales_find(&bank->rows, 0, true, DP_ISA_AUTO, pool, &many, err));
    dp_pool_close(&pool);
    assert_memory_equal(&one, &many, sizeof one);
    size_t above = 0, all = 0;
    for (size_t p = 0; p < 24; p++) {
        static float features[360 * 4], grid[360];
        static uint8_t valid[360], found[360];
        static dp_neighbour nearest[360];
        const dp_search search = {.metric = DP_METRIC_L2, .window = 0, .knn = 1, .leave_out = p};
        dp_rows_get(&bank->rows, p, 0, features, valid);
        assert_ok(
            dp_distance_map(&bank->rows, features, valid, &search, NULL, &(dp_distances){nearest, grid, found}, err));
        for (size_t i = 0; i < 360; i++) {
            all += found[i];
            above += found[i] && (double)grid[i] > one.local[0];
        }
    }
    assert_true(all > 4096);
    double share = (double)above / (double)all;
    if (!(share > 0.005 && share < 0.017))
        fail_msg("%zu of %zu distances lie above the scale, where one in a hundred should", above, all);
    assert_true(one.global[0] > 0 && one.global[0] < one.local[0]);
    dp_bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_block_alone),
        cmocka_unit_test(the_mean_of_blocks),
        cmocka_unit_test(bands_make_the_picture),
        cmocka_unit_test(blends),
        cmocka_unit_test(blended_blocks_and_given_scales),
        cmocka_unit_test(leave_one_out),
        cmocka_unit_test(progress_goes_up_once),
        cmocka_unit_test(kept_in_the_file),
        cmocka_unit_test(what_does_not_go_together),
        cmocka_unit_test(no_scale_to_be_had),
        cmocka_unit_test(a_sample_is_enough),
    };
    return cmocka_run_group_tests_name("components", tests, NULL, NULL);
}
