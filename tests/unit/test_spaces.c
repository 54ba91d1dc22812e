/* SPDX-License-Identifier: Apache-2.0 */
/* Tests that the maps between picture, canvas and grid lead back to where they began. */
#include "test.h"

#include "geometry/project.h"

static uint32_t seed = 7;

static double uniform(double low, double high)
{
    seed = seed * 1664525u + 1013904223u;
    return low + (high - low) * (double)(seed >> 8) / 16777216.0;
}

static size_t whole(size_t low, size_t high)
{
    return (size_t)uniform((double)low, (double)high + 0.999);
}

/* A picture, and how it lies in a grid: aligned, resized as a whole, resized by its edge, or cropped. */
struct scene {
    dp_recipe recipe;
    dp_pose pose;
    dp_frame frame;
    size_t patch_px;
};

static void draw_scene(struct scene *s, int kind, int polarity, int mirrored)
{
    dp_recipe_init(&s->recipe);
    s->patch_px = whole(1, 3) * 7;
    s->frame = (dp_frame){.recipe = &s->recipe, .pose = &s->pose, .polarity = polarity, .mirrored = mirrored};
    s->pose = (dp_pose){.status = DP_ALIGN_OFF,
                        .picture_height_px = whole(120, 900),
                        .picture_width_px = whole(120, 900),
                        .centre_x_px = uniform(20, 100),
                        .centre_y_px = uniform(20, 100),
                        .angle_rad = uniform(0, 3.14159),
                        .sigma_major_px = uniform(5, 60)};
    s->recipe.fill = uniform(0.2, 2);
    s->recipe.polarity = polarity && whole(0, 1) ? DP_POLARITY_MIRROR : DP_POLARITY_ROTATE;
    s->recipe.align = kind == 0 ? DP_ALIGN_PCA : DP_ALIGN_NONE;
    if (kind == 0)
        s->pose.status = DP_ALIGN_OK;
    size_t height = whole(1, 12) * s->patch_px, width = whole(1, 12) * s->patch_px;
    if (kind >= 2) {
        s->recipe.edge_px = whole(90, 400);
        s->recipe.crop_px = kind == 3 ? s->patch_px * whole(1, 4) : 0;
        const dp_resized r =
            dp_picture_to_resized(&s->recipe, s->patch_px, s->pose.picture_height_px, s->pose.picture_width_px);
        height = r.canvas_height_px;
        width = r.canvas_width_px;
    }
    s->recipe.canvas_height_px = height;
    s->recipe.canvas_width_px = width;
    s->frame.rows = dp_canvas_to_cells(height, s->patch_px);
    s->frame.cols = dp_canvas_to_cells(width, s->patch_px);
    assert_int_equal(dp_cells_to_canvas(s->frame.rows, s->patch_px), height);
    assert_int_equal(dp_cells_to_canvas(s->frame.cols, s->patch_px), width);
}

/* P -> G as inspection makes it: the grid of a picture that was not mirrored. */
static dp_projection picture_to_grid(const struct scene *s)
{
    const dp_recipe *r = &s->recipe;
    bool turned = s->frame.polarity < 0 && r->polarity == DP_POLARITY_ROTATE,
         mirrored = s->frame.polarity < 0 && r->polarity == DP_POLARITY_MIRROR;
    const dp_affine to_picture = dp_canvas_to_picture(r, &s->pose, turned);
    dp_projection projection;
    assert_ok(dp_projection_init(&projection, &to_picture, r->canvas_height_px, r->canvas_width_px, s->frame.rows,
                                 s->frame.cols, mirrored, err));
    return projection;
}

/* P -> C -> P, and P -> G -> P by way of two maps that are computed apart; cells and areas agree with them. */
static void the_roads_lead_back(void **state)
{
    (void)state;
    struct scene s;
    for (int trial = 0; trial < 4000; trial++) {
        int kind = trial % 4, polarity = trial / 4 % 2 ? -1 : 1, mirrored = trial / 8 % 2;
        draw_scene(&s, kind, polarity, mirrored);
        double x = uniform(-50, 900), y = uniform(-50, 900), u, v, back_x, back_y;
        for (int turn = 0; turn < 2; turn++) {
            const dp_affine to_picture = dp_canvas_to_picture(&s.recipe, &s.pose, turn);
            const dp_affine to_canvas = dp_affine_invert(&to_picture);
            dp_affine_apply(&to_canvas, x, y, &u, &v);
            dp_affine_apply(&to_picture, u, v, &back_x, &back_y);
            assert_float_equal(back_x, x, 1e-8);
            assert_float_equal(back_y, y, 1e-8);
        }
        const dp_projection projection = picture_to_grid(&s);
        const dp_affine to_picture = dp_grid_to_picture(&s.frame);
        double c = projection.u[0] * x + projection.u[1] * y + projection.u[2],
               r = projection.v[0] * x + projection.v[1] * y + projection.v[2];
        if (mirrored && s.recipe.align == DP_ALIGN_PCA) /* the picture's mirror has the canvas flipped */
            r = (double)s.frame.rows - 1 - r;
        else if (mirrored)
            c = (double)s.frame.cols - 1 - c;
        dp_affine_apply(&to_picture, c, r, &back_x, &back_y);
        assert_float_equal(back_x, x, 1e-7);
        assert_float_equal(back_y, y, 1e-7);
        double determinant = fabs(to_picture.xu * to_picture.yv - to_picture.xv * to_picture.yu);
        assert_float_equal(dp_cell_area_px(&s.frame) / determinant, 1, 1e-9);
    }
}

/* The pixel of a cell lies in it where the cell is no smaller than a pixel; every pixel of a cell lies in its box. */
static void cells_and_pixels_find_one_another(void **state)
{
    (void)state;
    struct scene s;
    size_t found = 0;
    for (int trial = 0; trial < 400; trial++) {
        draw_scene(&s, trial % 4, trial / 4 % 2 ? -1 : 1, 0);
        const dp_projection p = picture_to_grid(&s);
        size_t height = s.pose.picture_height_px, width = s.pose.picture_width_px;
        for (int look = 0; look < 50; look++) {
            size_t x = whole(0, width - 1), y = whole(0, height - 1), cell, back_x, back_y, again, box[4];
            if (!dp_projection_cell(&p, x, y, &cell))
                continue;
            assert_true(cell < s.frame.rows * s.frame.cols);
            dp_projection_box(&p, cell, height, width, box);
            assert_true(box[0] <= x && x <= box[2] && box[1] <= y && y <= box[3]);
            dp_projection_pixel(&p, cell, height, width, &back_x, &back_y);
            if (back_x == 0 || back_y == 0 || back_x == width - 1 || back_y == height - 1
                || dp_cell_area_px(&s.frame) < 4)
                continue; /* the centre may lie outside the picture */
            assert_true(dp_projection_cell(&p, back_x, back_y, &again));
            assert_int_equal(again, cell);
            found++;
        }
    }
    assert_true(found > 1000);
}

/* A cell with a pixel that is not valid is not valid, and no other. */
static void cells_are_valid_with_all_their_pixels(void **state)
{
    (void)state;
    enum { rows = 3, cols = 5, patch = 4 };
    uint8_t valid[rows * patch * cols * patch], cells[rows * cols];
    for (size_t bad = 0; bad < sizeof valid; bad += 7) {
        memset(valid, 1, sizeof valid);
        valid[bad] = 0;
        dp_canvas_to_valid_cells(valid, rows * patch, cols * patch, patch, cells);
        size_t its = bad / (cols * patch) / patch * cols + bad % (cols * patch) / patch;
        for (size_t i = 0; i < rows * cols; i++)
            assert_int_equal(cells[i], i != its);
    }
}

static double area(const dp_recipe *recipe, const dp_pose *pose, size_t rows, size_t cols)
{
    return dp_cell_area_px(&(dp_frame){.recipe = recipe, .pose = pose, .rows = rows, .cols = cols});
}

/* A rod of length L = 2 sqrt(3) sigma fills the share `fill` of the canvas's width. */
static void the_area_of_a_cell(void **state)
{
    (void)state;
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.canvas_height_px = 112;
    recipe.canvas_width_px = 224;
    recipe.fill = 0.8;
    dp_pose pose = {.status = DP_ALIGN_OK,
                    .angle_rad = 0.7,
                    .sigma_major_px = 60,
                    .picture_width_px = 640,
                    .picture_height_px = 480};
    double pixel = 2 * sqrt(3.0) * 60 / 0.8 / 224;
    assert_float_equal(area(&recipe, &pose, 8, 16), pixel * pixel * 14 * 14, 1e-9);
    assert_float_equal(area(&recipe, &pose, 4, 8), pixel * pixel * 28 * 28, 1e-9);
    pose.status = DP_ALIGN_OFF; /* the canvas is the whole picture */
    assert_float_equal(area(&recipe, &pose, 8, 16), 640.0 * 480 / (8 * 16), 1e-9);
    recipe.edge_px =
        120; /* the smaller side becomes 120 pixels, of which the middle 112 are looked at: 8 cells of 14 */
    recipe.crop_px = recipe.canvas_height_px = recipe.canvas_width_px = 112;
    assert_float_equal(area(&recipe, &pose, 8, 8), 14.0 * 14 * 4 * 4, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_roads_lead_back),
        cmocka_unit_test(cells_and_pixels_find_one_another),
        cmocka_unit_test(the_area_of_a_cell),
        cmocka_unit_test(cells_are_valid_with_all_their_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
