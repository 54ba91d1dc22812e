/* SPDX-License-Identifier: Apache-2.0 */
/* Tests post-processing: the three readings, objects, holes, filters. */
#include "test.h"

#include "base/statistics.h"

#include <math.h>

/* Reads a map written as text: '.' is 0, a digit is its own value, 'x' is not valid. */
struct drawn {
    float map[256];
    uint8_t valid[256];
    size_t rows, cols;
};

static struct drawn read_map(const char *const *lines)
{
    struct drawn d = {.cols = strlen(lines[0])};
    for (; lines[d.rows]; d.rows++)
        for (size_t c = 0; c < d.cols; c++) {
            char at = lines[d.rows][c];
            d.valid[d.rows * d.cols + c] = at != 'x';
            d.map[d.rows * d.cols + c] = at == 'x' ? NAN : at == '.' ? 0 : (float)(at - '0');
        }
    return d;
}

static void check(const char *const *lines, dp_post post, double element_px, const char *const *expected)
{
    struct drawn in = read_map(lines), want = read_map(expected);
    float out[256];
    assert_ok(dp_post_apply(&post, in.map, in.valid, in.rows, in.cols, element_px, out, err));
    for (size_t i = 0; i < in.rows * in.cols; i++)
        if (out[i] != (want.valid[i] ? want.map[i] : 0))
            fail_msg("row %zu, column %zu: %g, expected %g", i / in.cols, i % in.cols, (double)out[i],
                     (double)want.map[i]);
}

#define MAP(...) ((const char *const[]){__VA_ARGS__, NULL})

static void off_changes_nothing(void **state)
{
    (void)state;
    dp_post post;
    dp_post_init(&post);
    check(MAP("1234", "5x78"), post, 1, MAP("1234", "5x78"));
    post.min_object = 9; /* nothing to remove without thresholds */
    post.max_hole = 9;
    check(MAP("1234", "5x78"), post, 1, MAP("1234", "5x78"));
}

static void two_thresholds(void **state)
{
    (void)state;
    dp_post post = {.low = 3, .high = 6};
    check(MAP("1234567..345", "........3..."), post, 1, MAP("..34567.....", "............"));
    /* One threshold alone. */
    post = (dp_post){.low = 3};
    check(MAP("1234567..345"), post, 1, MAP("..34567..345"));
    post = (dp_post){.high = 7};
    check(MAP("1234567..345"), post, 1, MAP("1234567..345")); /* without low everything hangs together */
    /* Nothing reaches low: all zeros. */
    post = (dp_post){.low = 8};
    check(MAP("1234567..345"), post, 1, MAP("............"));
}

/* Groups hang together over corners, but not over elements that are not valid. */
static void groups(void **state)
{
    (void)state;
    dp_post post = {.low = 3, .high = 6};
    check(MAP("3...4", ".3.x.", "..6.4"), post, 1, MAP("3....", ".3...", "..6.."));
    check(MAP("3x6", "3x3"), post, 1, MAP("..6", "..3"));
}

/* Thresholds below 1, each alone: distances are of any scale. */
static void small_thresholds(void **state)
{
    (void)state;
    const float map[3] = {0.2f, 0.5f, 0.7f};
    float out[3];
    dp_post post = {.high = 0.75};
    assert_ok(dp_post_apply(&post, map, NULL, 1, 3, 1, out, err));
    assert_true(out[0] == 0 && out[1] == 0 && out[2] == 0);
    post = (dp_post){.high = 0.6};
    assert_ok(dp_post_apply(&post, map, NULL, 1, 3, 1, out, err));
    assert_true(out[0] == 0.2f && out[1] == 0.5f && out[2] == 0.7f);
    post = (dp_post){.low = 0.5};
    assert_ok(dp_post_apply(&post, map, NULL, 1, 3, 1, out, err));
    assert_true(out[0] == 0 && out[1] == 0.5f && out[2] == 0.7f);
}

static void small_objects(void **state)
{
    (void)state;
    dp_post post = {.low = 3, .min_object = 3};
    check(MAP("33..3...", "3....3..", "......33", "5......."), post, 1,
          MAP("33..3...", "3....3..", "......33", "........"));
    post.min_object = 4;
    check(MAP("33..3...", "3....3..", "......33", "5......."), post, 1,
          MAP("....3...", ".....3..", "......33", "........"));
    /* In cells it does not matter how many pixels a cell has. */
    post.min_object = 3;
    check(MAP("33..3", "3...."), post, 4, MAP("33...", "3...."));
    /* 4 pixels to an element: 12 pixels are three elements. */
    post.unit = DP_UNIT_PIXELS;
    post.min_object = 12;
    check(MAP("33..3", "3...."), post, 4, MAP("33...", "3...."));
    post.min_object = 13;
    check(MAP("33..3", "3...."), post, 4, MAP(".....", "....."));
}

static void small_holes(void **state)
{
    (void)state;
    dp_post post = {.low = 3, .max_hole = 1};
    /* A hole of one is filled with its own distance; of two it stays; at the border or beside the unknown it stays. */
    check(MAP("333.333333", "313.311333", "333.333x13", "......3333"), post, 1,
          MAP("333.333333", "313.3..333", "333.333x.3", "......3333"));
    post.max_hole = 2;
    check(MAP("333.3333", "313.3113", "333.3333"), post, 1, MAP("333.3333", "313.3113", "333.3333"));
    check(MAP("3133", "3333", "3333"), post, 1, MAP("3.33", "3333", "3333"));
    check(MAP("3333", "3333", "3313"), post, 1, MAP("3333", "3333", "33.3"));
    check(MAP("3333", "1333", "3333"), post, 1, MAP("3333", ".333", "3333"));
    check(MAP("3333", "3331", "3333"), post, 1, MAP("3333", "333.", "3333"));
    check(MAP("33333", "31x33", "33333"), post, 1, MAP("33333", "3.x33", "33333"));
    /* A hole is closed by corners: the object hangs together over them. */
    check(MAP(".3.", "323", ".3."), post, 1, MAP(".3.", "323", ".3."));
    post = (dp_post){.low = 3, .max_hole = 8, .unit = DP_UNIT_PIXELS};
    check(MAP("33333", "31113", "33333"), post, 4, MAP("33333", "3...3", "33333"));
    check(MAP("3333", "3113", "3333"), post, 4, MAP("3333", "3113", "3333"));
}

static void filters(void **state)
{
    (void)state;
    dp_post post = {.median = 3};
    check(MAP("11111", "11911", "1111x"), post, 1, MAP("11111", "11111", "1111x"));
    /* A constant map stays constant up to borders and holes; the peak of a point is the kernel's. */
    float map[21 * 21], out[21 * 21];
    uint8_t valid[21 * 21];
    for (size_t i = 0; i < 441; i++) {
        valid[i] = i % 5 != 0;
        map[i] = valid[i] ? 4 : NAN;
    }
    post = (dp_post){.gaussian = 1.5};
    assert_ok(dp_post_apply(&post, map, valid, 21, 21, 1, out, err));
    for (size_t i = 0; i < 441; i++)
        assert_float_equal(out[i], valid[i] ? 4 : 0, 1e-5);
    memset(map, 0, sizeof map);
    map[10 * 21 + 10] = 1;
    assert_ok(dp_post_apply(&post, map, NULL, 21, 21, 1, out, err));
    double sum = 0;
    for (int k = -6; k <= 6; k++)
        sum += exp(-0.5 * k * k / 2.25);
    for (int y = 0; y < 21; y++)
        for (int x = 7; x <= 13; x++) /* away from the border, where the weights are cut */
            if (y >= 7 && y <= 13)
                assert_float_equal(out[y * 21 + x],
                                   exp(-0.5 * ((y - 10) * (y - 10) + (x - 10) * (x - 10)) / 2.25) / (sum * sum), 1e-6);
    /* In place. */
    assert_ok(dp_post_apply(&post, map, NULL, 21, 21, 1, map, err));
    assert_memory_equal(map, out, sizeof map);
}

/* What the filters are by definition, in double, at one element. */
static double naive_median(const float *map, const uint8_t *valid, int rows, int cols, int r, int c, int side)
{
    float window[31 * 31] = {0};
    int n = 0;
    for (int y = r - side / 2; y <= r + side / 2; y++)
        for (int x = c - side / 2; x <= c + side / 2; x++)
            if (y >= 0 && y < rows && x >= 0 && x < cols && valid[y * cols + x])
                window[n++] = map[y * cols + x];
    dp_sort_f32(window, (size_t)n);
    return n % 2 ? (double)window[n / 2] : 0.5 * ((double)window[n / 2 - 1] + (double)window[n / 2]);
}

static double naive_gaussian(const float *map, const uint8_t *valid, int rows, int cols, int r, int c, double sigma)
{
    double sum = 0, weights = 0;
    int radius = (int)(4 * sigma + 0.5);
    for (int y = r - radius; y <= r + radius; y++)
        for (int x = c - radius; x <= c + radius; x++)
            if (y >= 0 && y < rows && x >= 0 && x < cols && valid[y * cols + x]) {
                double weight = exp(-0.5 * ((y - r) * (y - r) + (x - c) * (x - c)) / (sigma * sigma));
                sum += weight * (double)map[y * cols + x];
                weights += weight;
            }
    return sum / weights;
}

/* Random maps of odd shapes with holes, against the definitions. */
static void filters_equal_their_definitions(void **state)
{
    (void)state;
    static const int shapes[][2] = {{1, 1}, {1, 9}, {9, 1}, {5, 7}, {12, 17}};
    static const size_t sides[] = {3, 5, 31};
    static const double sigmas[] = {0.3, 1, 2.5};
    unsigned seed = 5;
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        int rows = shapes[k][0], cols = shapes[k][1], n = rows * cols;
        float map[12 * 17], out[12 * 17];
        uint8_t valid[12 * 17];
        for (int i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            map[i] = (float)(seed >> 20);
            valid[i] = n == 1 || seed % 7 != 0;
        }
        for (size_t f = 0; f < 6; f++) {
            dp_post post = {0};
            if (f < 3)
                post.median = sides[f];
            else
                post.gaussian = sigmas[f - 3];
            assert_ok(dp_post_apply(&post, map, valid, (size_t)rows, (size_t)cols, 1, out, err));
            for (int i = 0; i < n; i++) {
                int r = i / cols, c = i % cols;
                double expected = !valid[i] ? 0
                                  : f < 3   ? naive_median(map, valid, rows, cols, r, c, (int)sides[f])
                                            : naive_gaussian(map, valid, rows, cols, r, c, sigmas[f - 3]);
                if (fabs((double)out[i] - expected) > (f < 3 ? 0 : 0.005))
                    fail_msg("%d x %d, filter %zu, element %d: %g, expected %g", rows, cols, f, i, (double)out[i],
                             expected);
            }
        }
    }
}

/* The largest and smallest settings that are taken, and the first that are not. */
static void limits_of_the_settings(void **state)
{
    (void)state;
    float map[1] = {2};
    const dp_post taken[] = {{.median = 31},        {.median = 1}, {.gaussian = 64},
                             {.low = 1, .high = 1}, {.low = 1},    {.high = 1}};
    const dp_post refused[] = {{.median = 33},
                               {.median = 2},
                               {.gaussian = 64.5},
                               {.gaussian = -1},
                               {.gaussian = (double)NAN},
                               {.low = (double)INFINITY},
                               {.high = (double)INFINITY},
                               {.low = (double)NAN},
                               {.high = -1},
                               {.unit = (dp_unit)2},
                               {.unit = (dp_unit)-1},
                               {.low = 2, .high = 1}};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        float out[1] = {0};
        assert_ok(dp_post_apply(&taken[i], map, NULL, 1, 1, 1, out, err));
        assert_float_equal(out[0], 2, 0);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_fails(DP_E_ARGUMENT, "map.", dp_post_apply(&refused[i], map, NULL, 1, 1, 1, map, err));
}

static void nonsense(void **state)
{
    (void)state;
    float map[1] = {1};
    dp_post post = {.low = 5, .high = 4};
    assert_fails(DP_E_ARGUMENT, "map.high 4 lies below map.low 5", dp_post_apply(&post, map, NULL, 1, 1, 1, map, err));
    post = (dp_post){.low = -1};
    assert_fails(DP_E_ARGUMENT, "map.low is -1; give a number of 0 or more",
                 dp_post_apply(&post, map, NULL, 1, 1, 1, map, err));
    post = (dp_post){.high = (double)NAN};
    assert_fails(DP_E_ARGUMENT, "map.high is nan", dp_post_apply(&post, map, NULL, 1, 1, 1, map, err));
    post = (dp_post){.median = 4};
    assert_fails(DP_E_ARGUMENT, "map.median is 4", dp_post_apply(&post, map, NULL, 1, 1, 1, map, err));
    post = (dp_post){.gaussian = 1000};
    assert_fails(DP_E_ARGUMENT, "map.gaussian is 1000", dp_post_apply(&post, map, NULL, 1, 1, 1, map, err));
    post = (dp_post){.unit = (dp_unit)7};
    assert_fails(DP_E_ARGUMENT, "map.unit: there is no choice number 7",
                 dp_post_apply(&post, map, NULL, 1, 1, 1, map, err));
    post = (dp_post){.low = 1, .min_object = 3, .unit = DP_UNIT_PIXELS};
    assert_fails(DP_E_ARGUMENT, "element cannot cover 0 pixels", dp_post_apply(&post, map, NULL, 1, 1, 0, map, err));
    assert_float_equal(map[0], 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(off_changes_nothing),
        cmocka_unit_test(two_thresholds),
        cmocka_unit_test(groups),
        cmocka_unit_test(small_thresholds),
        cmocka_unit_test(small_objects),
        cmocka_unit_test(small_holes),
        cmocka_unit_test(filters),
        cmocka_unit_test(nonsense),
        cmocka_unit_test(filters_equal_their_definitions),
        cmocka_unit_test(limits_of_the_settings),
    };
    return cmocka_run_group_tests_name("post", tests, NULL, NULL);
}
