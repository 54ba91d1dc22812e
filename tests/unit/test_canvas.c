/* SPDX-License-Identifier: Apache-2.0 */
/* Tests that the size of the canvas is chosen from the pictures, or refused. */
#include "base/pool.h"
#include "options/check.h"
#include "pipeline/canvas.h"
#include "small_world.h"

#include <math.h>

enum { MANY = 20 };

struct asked {
    size_t calls, stop_at;
};

static int count(void *user, const char *stage, size_t done, size_t total)
{
    struct asked *asked = user;
    assert_string_equal(stage, "survey");
    assert_true(done <= total && total == MANY);
    return ++asked->calls == asked->stop_at;
}

/* A look at the pictures, and the canvas. */
static dp_status settle(dp_recipe *recipe, const dp_pictures *pictures, dp_pool *pool, const dp_run *run, dp_error *e)
{
    const dp_network_facts network = {.patch_px = 14, .max_cells = run->max_tokens};
    dp_survey survey = {0};
    dp_typical typical;
    dp_status status = dp_survey_take(recipe, pictures, pool, run, &survey, e);
    if (!status)
        status = dp_survey_typical(&survey, dp_aligns(recipe), recipe->fill, &typical, e);
    if (!status)
        status = dp_canvas_settle(recipe, &network, &typical, e);
    dp_survey_close(&survey);
    return status;
}

/* Twenty pictures, one of them not there, one no picture; those that can be read are 56 wide and 28, 56 or 84 high. */
static void chosen_from_pictures(void **state)
{
    (void)state;
    char *paths[MANY];
    for (size_t i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "canvas-%zu.png", i);
        paths[i] = world_path(name);
        if (i == 3)
            continue;
        dp_picture *picture = NULL;
        assert_ok(dp_picture_new(56, i < 5 ? 28 : i < 15 ? 84 : 112, &picture, err));
        assert_ok(dp_picture_save_png(picture, paths[i], err));
        dp_picture_free(&picture);
    }
    assert_ok(dp_file_write(paths[7], "none", 4, err));
    const dp_source source = dp_source_files((const char *const *)paths, MANY);
    const size_t third = 3;
    const dp_pictures all = dp_pictures_all(&source), missing = {.source = &source, .order = &third, .n = 1};
    dp_pool *pool = NULL;
    assert_ok(dp_pool_open(3, &pool, err));
    dp_recipe recipe = world_recipe();
    struct asked asked = {0};
    dp_run run;
    dp_run_init(&run);
    run.progress = count;
    run.user = &asked;
    recipe.canvas_height_px = 0;
    recipe.canvas_width_px = 112;
    assert_ok(settle(&recipe, &all, pool, &run, err));
    assert_int_equal(recipe.canvas_width_px, 112);
    assert_int_equal(recipe.canvas_height_px, 168); /* 84 of 56, the middle of eighteen */
    assert_int_equal(asked.calls, 2);
    for (size_t at = 1; at <= 2; at++) {
        asked = (struct asked){.stop_at = at};
        recipe.canvas_height_px = 0;
        assert_fails(DP_E_CANCELLED, "size of the canvas", settle(&recipe, &all, pool, &run, err));
    }
    /* Nothing to be typical in any of them: a square. */
    asked = (struct asked){0};
    recipe.align = DP_ALIGN_PCA;
    recipe.canvas_height_px = 0;
    assert_ok(settle(&recipe, &all, pool, &run, err));
    assert_int_equal(recipe.canvas_height_px, 112);
    /* None can be read: a square as well; the fit that follows says what is wrong. */
    recipe.align = DP_ALIGN_NONE;
    recipe.canvas_height_px = 0;
    run.progress = NULL;
    assert_ok(settle(&recipe, &missing, pool, &run, err));
    assert_int_equal(recipe.canvas_height_px, 112);
    dp_pool_close(&pool);
    for (size_t i = 0; i < MANY; i++)
        free(paths[i]);
}

/* Pictures of 1000 x 800 with a part of 600 x 150 in them, at any angle. */
static dp_survey parts(dp_pose poses[3], size_t width[3], size_t height[3])
{
    for (size_t i = 0; i < 3; i++) {
        poses[i] = (dp_pose){.status = DP_ALIGN_OK,
                             .centre_x_px = 500,
                             .centre_y_px = 400,
                             .angle_rad = (double)i,
                             .sigma_major_px = 600 / sqrt(12.0),
                             .sigma_minor_px = 150 / sqrt(12.0),
                             .extent_minor_px = 75,
                             .picture_width_px = 1000,
                             .picture_height_px = 800};
        width[i] = 1000;
        height[i] = 800;
    }
    return (dp_survey){3, width, height, poses, 3, 3, 3};
}

static dp_typical typical_of(const dp_recipe *recipe, const dp_survey *survey)
{
    dp_typical typical;
    assert_ok(dp_survey_typical(survey, dp_aligns(recipe), recipe->fill, &typical, err));
    return typical;
}

/* size: the whole picture keeps its proportion; a part takes its own, at as many pixels, and is not blown up beyond the picture's. */
static void of_a_size(void **state)
{
    (void)state;
    dp_pose poses[3];
    size_t width[3], height[3];
    dp_survey survey = parts(poses, width, height);
    dp_typical typical;
    const dp_network_facts network = {.patch_px = 8};
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_AUTO);
    recipe.align = DP_ALIGN_NONE;
    typical = typical_of(&recipe, &survey);
    assert_ok(dp_canvas_settle(&recipe, &network, &typical, err));
    assert_true(recipe.canvas_height_px == 256 && recipe.canvas_width_px == 320);
    double cell_height, cell_width;
    const dp_canvas_shape canvas = dp_canvas_shape_of(&recipe, 8);
    assert_true(dp_canvas_cell(&canvas, &typical, &cell_height, &cell_width));
    assert_float_equal(cell_height, 25, 1e-9);
    assert_float_equal(cell_width, 25, 1e-9);

    dp_recipe_preset(&recipe, DP_METHOD_AUTO);
    recipe.align = DP_ALIGN_PCA;
    typical = typical_of(&recipe, &survey);
    assert_ok(dp_canvas_settle(&recipe, &network, &typical, err));
    double pixels = (double)(recipe.canvas_height_px * recipe.canvas_width_px);
    assert_true(recipe.canvas_height_px % 16 == 0 && recipe.canvas_width_px % 16 == 0);
    assert_in_range(recipe.canvas_width_px, 528, 560); /* sqrt(256 x 320 / (1.1 x 150 x 0.95 / 600)) = 560 */
    assert_true(pixels > 0.8 * 256 * 320 && pixels < 1.2 * 256 * 320);

    dp_recipe_preset(&recipe, DP_METHOD_AUTO);
    recipe.align = DP_ALIGN_PCA;
    recipe.short_px = 2048; /* larger than the picture: no larger than it makes the picture */
    typical = typical_of(&recipe, &survey);
    assert_ok(dp_canvas_settle(&recipe, &network, &typical, err));
    assert_in_range(recipe.canvas_width_px, 1600, 1632); /* 600 / 0.95 x 2048 / 800 */

    for (size_t i = 0; i < 3; i++)
        poses[i].extent_minor_px = 3; /* a needle: no canvas of two cells across */
    dp_recipe_preset(&recipe, DP_METHOD_AUTO);
    recipe.align = DP_ALIGN_PCA;
    typical = typical_of(&recipe, &survey);
    assert_ok(dp_canvas_settle(&recipe, &network, &typical, err));
    assert_true(8 * recipe.canvas_height_px >= recipe.canvas_width_px);
}

static void refused(void **state)
{
    (void)state;
    const char *none = "none.png";
    const dp_source source = dp_source_files(&none, 1);
    const dp_pictures pictures = dp_pictures_all(&source);
    dp_run run;
    dp_run_init(&run);
    const struct {
        size_t height, width, edge;
        dp_align align;
        dp_layout layout;
        const char *text;
    } wrong[] = {
        {56, 0, 0, DP_ALIGN_NONE, DP_LAYOUT_GRID, "not a multiple"},
        {56, 57, 0, DP_ALIGN_NONE, DP_LAYOUT_GRID,
         "56x57 is not a multiple of the network's patch (14); the nearest is 56x56"},
        {60, 56, 0, DP_ALIGN_NONE, DP_LAYOUT_GRID, "the nearest is 56x56"},
        {56, 3, 0, DP_ALIGN_NONE, DP_LAYOUT_GRID, "the nearest is 56x14"},
        {0, 0, 56, DP_ALIGN_PCA, DP_LAYOUT_FLAT, "keeps the aspect ratio"},
        {0, 0, 56, DP_ALIGN_NONE, DP_LAYOUT_GRID, "keeps the aspect ratio"},
        {0, 0, 13, DP_ALIGN_NONE, DP_LAYOUT_FLAT, "less than the network's patch"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        dp_recipe recipe = world_recipe();
        recipe.canvas_height_px = wrong[i].height;
        recipe.canvas_width_px = wrong[i].width;
        recipe.edge_px = wrong[i].edge;
        recipe.align = wrong[i].align;
        recipe.layout = wrong[i].layout;
        if (recipe.edge_px > 14) /* options by themselves, whatever the network */
            assert_fails(DP_E_ARGUMENT, wrong[i].text, dp_recipe_check(&recipe, err));
        else
            assert_fails(DP_E_ARGUMENT, wrong[i].text, settle(&recipe, &pictures, NULL, &run, err));
    }
    dp_recipe recipe = world_recipe();
    recipe.edge_px = 14;
    recipe.layout = DP_LAYOUT_FLAT;
    assert_ok(settle(&recipe, &pictures, NULL, &run, err));
    assert_true(recipe.canvas_height_px == 0 && recipe.canvas_width_px == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(chosen_from_pictures), cmocka_unit_test(of_a_size),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
