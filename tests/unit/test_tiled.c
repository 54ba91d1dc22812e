/* SPDX-License-Identifier: Apache-2.0 */
/* Tests that a canvas in tiles gives what its tiles give, whole or band by band, and that inspection agrees with it. */
#include "small_world.h"

#include "options/check.h"
#include "pipeline/canvas.h"
#include "extract/extractor.h"

#include <math.h>

enum { PATCH = 14, ROWS = 13, COLS = 17, TILE = 6 };

static world w;
static dp_session *session;
static dp_picture *picture;

/* A picture of soft shapes, nowhere periodic. */
static dp_picture *drawn(size_t height, size_t width)
{
    dp_picture *made = NULL;
    assert_ok(dp_picture_new(width, height, &made, err));
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            for (size_t c = 0; c < 3; c++) {
                double value = 128 + 50 * sin(0.11 * (double)x + 0.0007 * (double)(y * y)) + 40 * cos(0.2 * (double)y)
                               + 15 * sin((double)(c + 1) * 0.013 * (double)(x + y));
                made->rgb[(y * width + x) * 3 + c] = (uint8_t)value;
            }
    return made;
}

static int set_up(void **state)
{
    (void)state;
    world_open(&w);
    session = world_session(w.model, DP_FP32, 2);
    picture = drawn(ROWS * PATCH + 5, COLS * PATCH - 9);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dp_picture_free(&picture);
    dp_session_close(&session);
    world_close(&w);
    return 0;
}

static dp_recipe tiled_recipe(size_t neighbourhood)
{
    dp_recipe recipe = world_recipe();
    recipe.canvas_height_px = ROWS * PATCH;
    recipe.canvas_width_px = COLS * PATCH;
    recipe.tile_px = TILE * PATCH;
    recipe.neighbourhood = neighbourhood;
    return recipe;
}

static dp_prepared prepared_of(const dp_recipe *recipe, const dp_pose *pose, int turn)
{
    static dp_run run;
    dp_run_init(&run);
    dp_prepared prepared = {.run = &run, .path = "drawn", .picture = picture, .pose = *pose};
    const dp_canvas_shape shape = dp_canvas_shape_of(recipe, PATCH);
    assert_ok(dp_prepared_open(&prepared, recipe, &shape, err));
    assert_ok(dp_prepared_warp(&prepared, turn, err));
    return prepared;
}

static dp_extractor extractor_of(const dp_recipe *recipe, size_t most_bytes)
{
    const dp_network_facts network = dp_session_facts(session);
    dp_extractor extractor;
    assert_ok(dp_extractor_open(recipe, &network, most_bytes, &extractor, err));
    return extractor;
}

static void close_prepared(dp_prepared *prepared)
{
    prepared->picture = NULL;
    dp_prepared_close(prepared);
}

static const dp_pose poses[] = {{.status = DP_ALIGN_OFF},
                                {.status = DP_ALIGN_OK,
                                 .centre_x_px = 110,
                                 .centre_y_px = 95,
                                 .angle_rad = 0.4,
                                 .sigma_major_px = 50,
                                 .sigma_minor_px = 20}};

static dp_pose pose_of(size_t k)
{
    dp_pose pose = poses[k];
    pose.picture_height_px = picture->height_px;
    pose.picture_width_px = picture->width_px;
    return pose;
}

/* Each cell's feature is that of its tile, cut out of the canvas and embedded alone. */
static void cells_come_from_their_tiles(void **state)
{
    (void)state;
    for (size_t k = 0; k < 8; k++) {
        const dp_recipe recipe = tiled_recipe(k % 2 ? 3 : 1);
        const dp_pose pose = pose_of(k / 2 % 2);
        dp_recipe one = recipe;
        one.tile_px = 0;
        one.neighbourhood = 1;
        const size_t width = COLS * PATCH, side = TILE * PATCH;
        const bool flipped = k >= 4;
        dp_extractor extractor, alone;
        dp_prepared prepared = prepared_of(&recipe, &pose, (int)(k % 2)),
                    canvas = prepared_of(&one, &pose, (int)(k % 2));
        assert_null(prepared.rgb); /* no canvas is held */
        assert_memory_equal(prepared.cells, canvas.cells, ROWS * COLS);
        assert_true(prepared.valid_fraction == canvas.valid_fraction);
        if (flipped) {
            dp_prepared_flip(&prepared, k % 2);
            dp_prepared_flip(&canvas, k % 2);
        }
        extractor = extractor_of(&recipe, DP_WHOLE_GRID);
        const size_t dim = extractor.dim;
        assert_ok(dp_extractor_embed(&extractor, session, &prepared, err));
        dp_recipe small = one;
        small.canvas_height_px = small.canvas_width_px = side;
        small.neighbourhood = recipe.neighbourhood;
        alone = extractor_of(&small, DP_WHOLE_GRID);
        float *rgb = malloc(side * side * 3 * sizeof *rgb);
        size_t seen = 0;
        for (size_t i = 0; i < extractor.shape.tiling.down.n; i++)
            for (size_t j = 0; j < extractor.shape.tiling.across.n; j++) {
                const dp_area tile = dp_tile_area(&extractor.shape.tiling, i, j),
                              kept = dp_tile_kept(&extractor.shape.tiling, i, j);
                for (size_t y = 0; y < side; y++)
                    memcpy(rgb + y * side * 3, canvas.rgb + ((tile.top * PATCH + y) * width + tile.left * PATCH) * 3,
                           side * 3 * sizeof *rgb);
                assert_ok(dp_extractor_embed_canvas(&alone, session, rgb, err));
                for (size_t r = kept.top; r < kept.top + kept.height; r++)
                    for (size_t c = kept.left; c < kept.left + kept.width; c++, seen++)
                        assert_memory_equal(extractor.tokens + (r * COLS + c) * dim,
                                            alone.tokens + ((r - tile.top) * TILE + c - tile.left) * dim,
                                            dim * sizeof(float));
            }
        assert_int_equal(seen, ROWS * COLS);
        free(rgb);
        dp_extractor_close(&extractor);
        dp_extractor_close(&alone);
        close_prepared(&prepared);
        close_prepared(&canvas);
    }
}

/* Bands, in any order, are the rows of the whole, with the polarity settled as for the whole. */
static void bands_are_the_whole(void **state)
{
    (void)state;
    size_t turned = 0;
    for (size_t k = 0; k < 12; k++) {
        dp_recipe recipe = tiled_recipe(1);
        recipe.align = k % 2 ? DP_ALIGN_PCA : DP_ALIGN_NONE;
        recipe.polarity = k / 2 % 3 == 0 ? DP_POLARITY_NONE : k / 2 % 3 == 1 ? DP_POLARITY_ROTATE : DP_POLARITY_MIRROR;
        const dp_pose pose = pose_of(k % 2);
        dp_extractor whole = extractor_of(&recipe, DP_WHOLE_GRID), bands = extractor_of(&recipe, 0);
        const size_t dim = whole.dim;
        float *orientation = calloc(2 * dim, sizeof *orientation);
        for (size_t d = 0; d < dim; d++)
            orientation[d] = d % 3 == k / 6 ? 1 : -0.5f;
        int polarity, same;
        dp_prepared a = prepared_of(&recipe, &pose, 0), b = prepared_of(&recipe, &pose, 0);
        assert_int_equal(dp_extractor_bands(&whole), 1);
        assert_int_equal(dp_extractor_bands(&bands), whole.shape.tiling.down.n);
        assert_ok(dp_extractor_features(&whole, session, &a, orientation, &polarity, err));
        assert_ok(dp_extractor_features(&bands, session, &b, orientation, &same, err));
        assert_int_equal(polarity, same);
        turned += polarity < 0;
        assert_memory_equal(a.cells, b.cells, ROWS * COLS);
        size_t rows = 0;
        for (size_t n = 2 * dp_extractor_bands(&bands); n-- > 0;) { /* twice, the last one first */
            assert_ok(dp_extractor_band(&bands, session, &b, n % dp_extractor_bands(&bands), err));
            assert_memory_equal(bands.tokens, whole.tokens + bands.top * COLS * dim,
                                bands.band * COLS * dim * sizeof(float));
            rows += bands.band;
        }
        assert_int_equal(rows, 2 * ROWS);
        free(orientation);
        dp_extractor_close(&whole);
        dp_extractor_close(&bands);
        close_prepared(&a);
        close_prepared(&b);
    }
    assert_true(turned > 0 && turned < 12);
}

static void the_tile_that_is_settled(void **state)
{
    (void)state;
    dp_network_facts network = dp_session_facts(session);
    dp_recipe recipe = tiled_recipe(1);
    recipe.tile_px = 100; /* 7 patches are nearest */
    dp_tile_settle(&recipe, &network, true);
    assert_int_equal(recipe.tile_px, 98);
    dp_tile_settle(&recipe, &network, true); /* settled is settled */
    assert_int_equal(recipe.tile_px, 98);
    recipe.tile_px = COLS * PATCH; /* one tile holds it: none */
    dp_tile_settle(&recipe, &network, true);
    assert_int_equal(recipe.tile_px, 0);
    assert_ok(dp_check_canvas(&recipe, &network, err));
    network.max_cells = 30;
    dp_tile_settle(&recipe, &network, false);
    assert_fails(DP_E_ARGUMENT, "max_tokens", dp_check_canvas(&recipe, &network, err));
    dp_tile_settle(&recipe, &network, true);
    assert_int_equal(recipe.tile_px, 5 * PATCH);
    assert_ok(dp_check_canvas(&recipe, &network, err));
    recipe.tile_px = 6 * PATCH;
    assert_fails(DP_E_ARGUMENT, "36 cells", dp_check_canvas(&recipe, &network, err));
    recipe.canvas_height_px = recipe.canvas_width_px = 2100 * PATCH;
    recipe.tile_px = PATCH;
    assert_fails(DP_E_ARGUMENT, "all tiles", dp_check_canvas(&recipe, &network, err));
    recipe = tiled_recipe(1);
    recipe.edge_px = 224;
    recipe.layout = DP_LAYOUT_FLAT;
    recipe.align = DP_ALIGN_NONE;
    assert_fails(DP_E_ARGUMENT, "tile excludes edge", dp_recipe_check(&recipe, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_come_from_their_tiles),
        cmocka_unit_test(bands_are_the_whole),
        cmocka_unit_test(the_tile_that_is_settled),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
