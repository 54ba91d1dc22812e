/* SPDX-License-Identifier: Apache-2.0 */
/* Tests the grid in the picture, connected components, and defects. */
#include "test.h"

#include "geometry/spaces.h"
#include "base/pool.h"
#include "score/connected.h"
#include "score/defects.h"
#include "geometry/project.h"
#include "score/smooth.h"

#include <math.h>

static uint32_t seed = 1;

static uint32_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

static double uniform(void)
{
    return next() / 4294967296.0;
}

/* ------------------------------------------------------------------------------------------------------- components */

/* The definition itself: flood fill from each element not yet reached, in the order of the scan. */
static size_t flood(const uint8_t *mask, int rows, int cols, int connectivity, uint32_t *labels)
{
    size_t n = 0;
    int *stack = malloc(sizeof *stack * (size_t)(rows * cols + 1));
    memset(labels, 0, sizeof *labels * (size_t)(rows * cols));
    for (int i = 0; i < rows * cols; i++) {
        if (!mask[i] || labels[i])
            continue;
        int depth = 0;
        stack[depth++] = i;
        labels[i] = (uint32_t)++n;
        while (depth) {
            int at = stack[--depth], r = at / cols, c = at % cols;
            for (int dr = -1; dr <= 1; dr++)
                for (int dc = -1; dc <= 1; dc++) {
                    int rr = r + dr, cc = c + dc, k = rr * cols + cc;
                    if ((connectivity == 4 && dr && dc) || rr < 0 || cc < 0 || rr >= rows || cc >= cols || !mask[k]
                        || labels[k])
                        continue;
                    labels[k] = (uint32_t)n;
                    stack[depth++] = k;
                }
        }
    }
    free(stack);
    return n;
}

static void components_equal_flood_fill(void **state)
{
    (void)state;
    const int shapes[][2] = {{1, 1}, {1, 17}, {17, 1}, {2, 2}, {5, 8}, {31, 33}, {56, 56}, {3, 200}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int percent = 0; percent <= 100; percent += 10)
            for (int connectivity = 4; connectivity <= 8; connectivity += 4) {
                int rows = shapes[s][0], cols = shapes[s][1];
                size_t n = (size_t)(rows * cols);
                uint8_t *mask = malloc(n);
                uint32_t *got = malloc(n * 4), *expected = malloc(n * 4);
                uint32_t *scratch = malloc(4 * dp_components_scratch((size_t)rows, (size_t)cols));
                for (size_t i = 0; i < n; i++)
                    mask[i] = next() % 100 < (uint32_t)percent;
                size_t groups =
                    dp_components_label(mask, (size_t)rows, (size_t)cols, (dp_connectivity)connectivity, got, scratch);
                size_t reference = flood(mask, rows, cols, connectivity, expected);
                if (groups != reference || memcmp(got, expected, n * 4) != 0)
                    fail_msg("%dx%d, %d %% set, %d neighbours: %zu groups, expected %zu", rows, cols, percent,
                             connectivity, groups, reference);
                free(mask), free(got), free(expected), free(scratch);
            }
}

/* The most groups there can be: every other element. */
static void components_fill_their_scratch(void **state)
{
    (void)state;
    enum { rows = 9, cols = 11 };
    uint8_t mask[rows * cols];
    uint32_t labels[rows * cols];
    uint32_t *scratch = malloc(4 * dp_components_scratch(rows, cols)); /* its end is watched by the address sanitizer */
    for (size_t i = 0; i < rows * cols; i++)
        mask[i] = (i / cols + i % cols) % 2 == 0;
    assert_int_equal(dp_components_label(mask, rows, cols, DP_CONNECT_4, labels, scratch), 50);
    assert_int_equal(dp_components_label(mask, rows, cols, DP_CONNECT_8, labels, scratch), 1);
    free(scratch);
}

/* ------------------------------------------------------------------------------------------------------- projection */

/* One pixel by the words of project.c, in double and without its tables. */
static double pixel_reference(const dp_affine *to_picture, double canvas_h, double canvas_w, int rows, int cols,
                              int mirror, const float *grid, const uint8_t *valid, double px, double py, int *on_border)
{
    dp_affine inverse = dp_affine_invert(to_picture);
    double x, y;
    dp_affine_apply(&inverse, px, py, &x, &y);
    double u = (x + 0.5) * cols / canvas_w - 0.5, v = (y + 0.5) * rows / canvas_h - 0.5;
    double edge = fmin(fmin(u + 0.5, cols - 0.5 - u), fmin(v + 0.5, rows - 0.5 - v));
    *on_border = fabs(edge) < 1e-4;
    if (edge < 0)
        return 0;
    if (mirror)
        u = cols - 1 - u;
    u = fmin(fmax(u, 0), cols - 1);
    v = fmin(fmax(v, 0), rows - 1);
    double sum = 0, weights = 0;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++) {
            double w = fmax(0, 1 - fabs(u - c)) * fmax(0, 1 - fabs(v - r));
            if (valid && !valid[r * cols + c])
                continue;
            sum += w * (double)grid[r * cols + c];
            weights += w;
        }
    /* Beside a valid cell that only just touches, the value depends on the last bit of the weight. */
    if (weights > 0 && weights < 1e-3)
        *on_border = 1;
    return weights > 0 ? sum / weights : 0;
}

static void projection_equals_its_definition(void **state)
{
    (void)state;
    const int grids[][2] = {{1, 1}, {1, 5}, {4, 1}, {2, 2}, {7, 5}, {16, 48}};
    const int pictures[][2] = {{1, 1}, {40, 57}, {133, 300}};
    size_t compared = 0;
    for (size_t g = 0; g < sizeof grids / sizeof *grids; g++)
        for (size_t p = 0; p < sizeof pictures / sizeof *pictures; p++)
            for (int variant = 0; variant < 12; variant++) {
                int rows = grids[g][0], cols = grids[g][1], height = pictures[p][0], width = pictures[p][1];
                int mirror = variant & 1, turn = variant >> 1 & 1, masked = variant >= 8;
                double canvas_h = rows * 14, canvas_w = cols * 14;
                dp_pose pose = {.status = variant % 3 ? DP_ALIGN_OK : DP_ALIGN_OFF,
                                .centre_x_px = width * uniform(),
                                .centre_y_px = height * uniform(),
                                .angle_rad = variant % 3 == 1 ? 0 : 3.14159 * uniform(),
                                .sigma_major_px = 3 + width * 0.4 * uniform()};
                dp_affine to_picture = dp_canvas_transform(&pose, 0.866, turn, (size_t)canvas_h, (size_t)canvas_w,
                                                           (size_t)height, (size_t)width);
                float *grid = malloc(sizeof *grid * (size_t)(rows * cols));
                uint8_t *valid = malloc((size_t)(rows * cols));
                for (int i = 0; i < rows * cols; i++) {
                    grid[i] = (float)(1 + 9 * uniform());
                    valid[i] = next() % 3 != 0;
                    if (!valid[i])
                        grid[i] = NAN; /* must never be looked at */
                }
                if (!masked)
                    for (int i = 0; i < rows * cols; i++)
                        grid[i] = (float)(1 + 9 * uniform());
                float *map = malloc(sizeof *map * (size_t)(height * width));
                dp_projection projection;
                assert_ok(dp_projection_init(&projection, &to_picture, (size_t)canvas_h, (size_t)canvas_w, (size_t)rows,
                                             (size_t)cols, mirror, err));
                assert_ok(dp_project(&projection, grid, masked ? valid : NULL, (size_t)height, (size_t)width, NULL, map,
                                     err));
                for (int y = 0; y < height; y++)
                    for (int x = 0; x < width; x++) {
                        int skip;
                        double expected = pixel_reference(&to_picture, canvas_h, canvas_w, rows, cols, mirror, grid,
                                                          masked ? valid : NULL, x, y, &skip);
                        double got = (double)map[y * width + x];
                        if (!skip && !(fabs(got - expected) < 2e-3))
                            fail_msg("grid %dx%d, picture %dx%d, variant %d, pixel (%d, %d): %.7g, expected %.7g", rows,
                                     cols, height, width, variant, x, y, got, expected);
                        compared += !skip;
                    }
                free(grid), free(valid), free(map);
            }
    assert_true(compared > 1000000);
}

/* A hot cell is seen where the canvas pixel of its centre came from, also through mirror and turn. */
static void hot_cell_lands_where_it_came_from(void **state)
{
    (void)state;
    enum { rows = 20, cols = 30, cell = 14, height = 600, width = 900 };
    dp_pose pose = {
        .status = DP_ALIGN_OK, .centre_x_px = 470, .centre_y_px = 260, .angle_rad = 0.7, .sigma_major_px = 120};
    for (int mirror = 0; mirror < 2; mirror++)
        for (int turn = 0; turn < 2; turn++) {
            dp_affine to_picture = dp_canvas_transform(&pose, 0.866, turn, rows * cell, cols * cell, height, width);
            float grid[rows * cols] = {0};
            int row = 5, col = 22, canvas_col = mirror ? cols - 1 - col : col;
            grid[row * cols + col] = 1;
            double x, y;
            dp_affine_apply(&to_picture, (canvas_col + 0.5) * cell - 0.5, (row + 0.5) * cell - 0.5, &x, &y);
            float *map = malloc(sizeof *map * height * width);
            dp_projection projection;
            assert_ok(dp_projection_init(&projection, &to_picture, rows * cell, cols * cell, rows, cols, mirror, err));
            assert_ok(dp_project(&projection, grid, NULL, height, width, NULL, map, err));
            size_t hottest = 0;
            for (size_t i = 0; i < height * width; i++)
                hottest = map[i] > map[hottest] ? i : hottest;
            if (fabs((double)(hottest % width) - x) > 0.75 || fabs((double)(hottest / width) - y) > 0.75)
                fail_msg("mirror %d, turn %d: hottest at (%zu, %zu), expected (%g, %g)", mirror, turn, hottest % width,
                         hottest / width, x, y);
            free(map);
        }
}

static void same_map_for_any_number_of_threads(void **state)
{
    (void)state;
    enum { rows = 13, cols = 29, height = 517, width = 403 };
    dp_pose pose = {
        .status = DP_ALIGN_OK, .centre_x_px = 200, .centre_y_px = 260, .angle_rad = 2.1, .sigma_major_px = 90};
    dp_affine to_picture = dp_canvas_transform(&pose, 0.866, 0, rows * 16, cols * 16, height, width);
    float grid[rows * cols];
    for (size_t i = 0; i < rows * cols; i++)
        grid[i] = (float)uniform();
    dp_projection projection;
    assert_ok(dp_projection_init(&projection, &to_picture, rows * 16, cols * 16, rows, cols, 0, err));
    float *one = malloc(sizeof *one * height * width), *many = malloc(sizeof *one * height * width);
    assert_ok(dp_project(&projection, grid, NULL, height, width, NULL, one, err));
    for (size_t threads = 1; threads <= 5; threads += 2) {
        dp_pool *pool = NULL;
        assert_ok(dp_pool_open(threads, &pool, err));
        memset(many, 255, sizeof *many * height * width);
        assert_ok(dp_project(&projection, grid, NULL, height, width, pool, many, err));
        assert_memory_equal(one, many, sizeof *one * height * width);
        dp_pool_close(&pool);
    }
    free(one), free(many);
}

/* A picture that was not turned is projected a row of squares at a time, unless a cell is invalid. Both ways give the same bits. */
static void straight_rows_are_the_same_bits(void **state)
{
    (void)state;
    enum { rows = 28, cols = 37, height = 448, width = 611 };
    dp_pose pose = {.status = DP_ALIGN_OFF};
    float grid[rows * cols];
    uint8_t valid[rows * cols];
    memset(valid, 1, sizeof valid);
    valid[0] = 0;
    for (size_t i = 0; i < rows * cols; i++)
        grid[i] = (float)uniform();
    float *straight = malloc(sizeof *straight * height * width), *general = malloc(sizeof *general * height * width);
    for (int mirror = 0; mirror < 2; mirror++) {
        dp_affine to_picture = dp_canvas_transform(&pose, 0.95, 0, rows * 8, cols * 8, height, width);
        dp_projection projection;
        assert_ok(dp_projection_init(&projection, &to_picture, rows * 8, cols * 8, rows, cols, mirror, err));
        assert_ok(dp_project(&projection, grid, NULL, height, width, NULL, straight, err));
        assert_ok(dp_project(&projection, grid, valid, height, width, NULL, general, err));
        size_t differ = 0, beside = 0;
        for (size_t i = 0; i < height * width; i++) {
            size_t x = mirror ? width - 1 - i % width : i % width;
            bool near = i / width < 2 * height / rows && x < 2 * width / cols; /* of the invalid cell */
            differ += !near && memcmp(&straight[i], &general[i], sizeof *straight) != 0;
            beside += near && memcmp(&straight[i], &general[i], sizeof *straight) != 0;
        }
        assert_int_equal(differ, 0);
        assert_true(beside > 0);
    }
    free(straight), free(general);
}

static void projection_refuses_nonsense(void **state)
{
    (void)state;
    dp_projection projection;
    dp_affine flat = {.xu = 1, .xv = 2, .yu = 2, .yv = 4}, plain = {.xu = 1, .yv = 1};
    assert_fails(DP_E_ARGUMENT, "no inverse", dp_projection_init(&projection, &flat, 14, 14, 1, 1, 0, err));
    assert_fails(DP_E_ARGUMENT, "0x1 cells", dp_projection_init(&projection, &plain, 14, 14, 0, 1, 0, err));
    plain.xu = (double)NAN;
    assert_fails(DP_E_ARGUMENT, "no inverse", dp_projection_init(&projection, &plain, 14, 14, 1, 1, 0, err));
}

/* ---------------------------------------------------------------------------------------------------------- defects */

enum { GRID = 10, SIDE = 110 };

static void find(const float *grid, const uint8_t *valid, const uint32_t *nearest, double threshold, float *map,
                 dp_defect **defects, size_t *n)
{
    dp_affine to_picture = {.xu = (double)SIDE / (GRID * 14.0), .yv = (double)SIDE / (GRID * 14.0)};
    to_picture.x0 = to_picture.y0 = 0.5 * to_picture.xu - 0.5;
    dp_projection projection;
    assert_ok(dp_projection_init(&projection, &to_picture, GRID * 14, GRID * 14, GRID, GRID, 0, err));
    assert_ok(dp_project(&projection, grid, valid, SIDE, SIDE, NULL, map, err));
    const dp_delivered delivered = {&projection, grid, valid, nearest, map, SIDE, SIDE};
    assert_ok(dp_defects_find(&delivered, threshold, defects, n, err));
}

/* Two groups; one of them two cells that touch at a corner.  11 pixels to a cell, centres at 11 c + 5. */
static void defects_have_box_area_and_peak(void **state)
{
    (void)state;
    float grid[GRID * GRID] = {0}, map[SIDE * SIDE];
    uint32_t nearest[GRID * GRID];
    for (uint32_t i = 0; i < GRID * GRID; i++)
        nearest[i] = i;
    grid[22] = 2;
    grid[33] = 3;
    grid[77] = 8;
    dp_defect *defects = NULL;
    size_t n = 0;
    find(grid, NULL, nearest, 1, map, &defects, &n);
    assert_int_equal(n, 2);
    assert_float_equal(defects[0].peak, 8, 0);
    assert_int_equal(defects[0].nearest_picture, 77);
    assert_float_equal(defects[1].peak, 3, 0);
    assert_int_equal(defects[1].nearest_picture, 33);
    /* The bilinear hill over cell (7,7) is above 1 where (1 - |du|)(1 - |dv|) > 1/8: half an axis is 9.625 pixels. */
    assert_float_equal(defects[0].x0_px, 73, 0);
    assert_float_equal(defects[0].x1_px, 92, 0);
    assert_float_equal(defects[0].y0_px, 73, 0);
    assert_float_equal(defects[0].y1_px, 92, 0);
    assert_float_equal(defects[0].centre_x_px, 82, 1e-9);
    assert_float_equal(defects[0].centre_y_px, 82, 1e-9);
    double area = 0;
    for (size_t i = 0; i < SIDE * SIDE; i++)
        area += map[i] > 1;
    assert_float_equal(defects[0].area_px + defects[1].area_px, area, 0);
    dp_memory_free(defects);

    /* The threshold itself is still good; a NaN threshold decides nothing. */
    find(grid, NULL, NULL, 8, map, &defects, &n);
    assert_int_equal(n, 0);
    assert_null(defects);
    find(grid, NULL, NULL, (double)NAN, map, &defects, &n);
    assert_int_equal(n, 0);
}

/* Of equal peaks the larger area comes first, then the upper, then the left one. */
static void defects_of_equal_peaks(void **state)
{
    (void)state;
    float grid[GRID * GRID] = {0}, map[SIDE * SIDE];
    grid[11] = grid[17] = grid[71] = 5; /* single cells: upper left, upper right, lower left */
    grid[77] = grid[78] = 5;
    dp_defect *defects = NULL;
    size_t n = 0;
    find(grid, NULL, NULL, 1, map, &defects, &n);
    assert_int_equal(n, 4);
    assert_true(defects[0].area_px > defects[1].area_px && defects[0].x0_px > 50 && defects[0].y0_px > 50);
    assert_true(defects[1].y0_px < 50 && defects[1].x0_px < 50);
    assert_true(defects[2].y0_px < 50 && defects[2].x0_px > 50);
    assert_true(defects[3].y0_px > 50 && defects[3].x0_px < 50);
    dp_memory_free(defects);
}

/* A cell that is not valid is no defect.  The map goes on from its neighbours to its centre; two of them part what lies on either side. */
static void invalid_cells_are_no_defects(void **state)
{
    (void)state;
    float grid[GRID * GRID] = {0}, map[SIDE * SIDE];
    uint8_t valid[GRID * GRID];
    memset(valid, 1, sizeof valid);
    grid[42] = 5;
    grid[43] = grid[44] = 9;
    grid[45] = 6;
    dp_defect *defects = NULL;
    size_t n = 0;
    find(grid, NULL, NULL, 1, map, &defects, &n);
    assert_int_equal(n, 1);
    assert_int_equal(defects[0].nearest_picture, SIZE_MAX);
    dp_memory_free(defects);
    valid[43] = valid[44] = 0;
    find(grid, valid, NULL, 1, map, &defects, &n);
    assert_int_equal(n, 2);
    assert_float_equal(defects[0].peak, 6, 0);
    assert_float_equal(defects[1].peak, 5, 0);
    dp_memory_free(defects);
    memset(valid, 0, sizeof valid);
    find(grid, valid, NULL, -1, map, &defects, &n);
    assert_int_equal(n, 0);
}

/* A picture coarser than the grid: its map passes between the cells' centres, and the largest cell stays, one pixel large, where it is. */
static void coarse_picture_keeps_its_defect(void **state)
{
    (void)state;
    enum { rows = 40, cols = 40, side = 10 };
    dp_affine to_picture = {.xu = (double)side / (cols * 14.0), .yv = (double)side / (rows * 14.0)};
    to_picture.x0 = to_picture.y0 = 0.5 * to_picture.xu - 0.5;
    dp_projection projection;
    assert_ok(dp_projection_init(&projection, &to_picture, rows * 14, cols * 14, rows, cols, 0, err));
    float grid[rows * cols] = {0}, map[side * side];
    grid[20 * cols + 31] = 4;
    assert_ok(dp_project(&projection, grid, NULL, side, side, NULL, map, err));
    dp_defect *defects = NULL;
    size_t n = 0;
    const dp_delivered delivered = {&projection, grid, NULL, NULL, map, side, side};
    assert_ok(dp_defects_find(&delivered, 3, &defects, &n, err)); /* no pixel is so large */
    assert_int_equal(n, 0);
    assert_ok(dp_defects_largest(&delivered, &defects, &n, err));
    assert_int_equal(n, 1);
    assert_int_equal(defects[0].peak_cell, 20 * cols + 31);
    assert_float_equal(defects[0].peak, map[5 * side + 7], 0);
    assert_float_equal(defects[0].area_px, 1, 0);
    assert_float_equal(defects[0].x0_px, 7, 0);
    assert_float_equal(defects[0].y0_px, 5, 0);
    dp_memory_free(defects);
}

/* Numbers of scipy.ndimage.gaussian_filter(map, 1.5). */
static void smoothed_as_scipy(void **state)
{
    (void)state;
    static const float row_2[7] = {7.110175133f, 7.314098835f, 7.528237820f, 7.797400951f,
                                   8.269269943f, 8.897702217f, 9.382320404f};
    float map[5][7];
    for (size_t i = 0; i < 35; i++)
        map[i / 7][i % 7] = (float)(i * i % 23);
    dp_pool *pool = NULL;
    assert_ok(dp_pool_open(2, &pool, err));
    assert_ok(dp_map_smooth(&map[0][0], 5, 7, 1.5, pool, err));
    for (size_t x = 0; x < 7; x++)
        assert_float_equal(map[2][x], row_2[x], 1e-5);
    assert_float_equal(map[0][0], 5.709192f, 1e-5);
    dp_pool_close(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smoothed_as_scipy),
        cmocka_unit_test(components_equal_flood_fill),
        cmocka_unit_test(components_fill_their_scratch),
        cmocka_unit_test(projection_equals_its_definition),
        cmocka_unit_test(hot_cell_lands_where_it_came_from),
        cmocka_unit_test(same_map_for_any_number_of_threads),
        cmocka_unit_test(straight_rows_are_the_same_bits),
        cmocka_unit_test(projection_refuses_nonsense),
        cmocka_unit_test(defects_have_box_area_and_peak),
        cmocka_unit_test(defects_of_equal_peaks),
        cmocka_unit_test(invalid_cells_are_no_defects),
        cmocka_unit_test(coarse_picture_keeps_its_defect),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
