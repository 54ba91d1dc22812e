/* SPDX-License-Identifier: Apache-2.0 */
/* Tests the drawing of a result: sizes, untouched parts, red parts, and the contour. */
#include "test.h"

#include <math.h>

enum { CYAN_R = 26, CYAN_G = 212, CYAN_B = 255 };

static dp_picture *grey(size_t width, size_t height)
{
    dp_picture *picture = NULL;
    assert_ok(dp_picture_new(width, height, &picture, err));
    memset(picture->rgb, 128, width * height * 3);
    return picture;
}

/* A map with the value 10 everywhere and a cone that reaches 30 at (cx, cy), radius r. */
static dp_result *cone(size_t width, size_t height, double cx, double cy, double r)
{
    dp_result *result = calloc(1, sizeof *result);
    result->width_px = width;
    result->height_px = height;
    result->map = malloc(width * height * sizeof *result->map);
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            result->map[y * width + x] = (float)(10 + 20 * fmax(0, 1 - hypot((double)x - cx, (double)y - cy) / r));
    result->score = 30;
    result->threshold = 40; /* of the score, which no contour has to do with */
    result->cell_threshold = 20;
    result->label = DP_LABEL_ANOMALOUS;
    result->pose.status = DP_ALIGN_OFF;
    return result;
}

static void forget(dp_picture *picture, dp_result *result, dp_picture *drawn)
{
    dp_picture_free(&picture);
    dp_picture_free(&drawn);
    free(result->map);
    free(result);
}

static const uint8_t *pixel(const dp_picture *drawn, size_t x, size_t y)
{
    return drawn->rgb + (y * drawn->width_px + x) * 3;
}

static void sizes(void **state)
{
    (void)state;
    /* picture, then the drawn picture's width and height without the caption, and the least width of the whole */
    const size_t cases[][5] = {{200, 138, 600, 414, 600},      {1, 1, 480, 480, 480},     {600, 400, 600, 400, 600},
                               {5472, 3648, 1600, 1067, 1600}, {40, 1000, 40, 1000, 480}, {3000, 2, 1600, 1, 1600}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dp_picture *picture = grey(cases[i][0], cases[i][1]), *drawn = NULL;
        dp_result *result = cone(cases[i][0], cases[i][1], 0, 0, 10);
        assert_ok(dp_result_draw(picture, result, 10, 30, &drawn, err));
        assert_int_equal(drawn->width_px, cases[i][4]);
        if (drawn->height_px < cases[i][3] + 60 || drawn->height_px > cases[i][3] + 160)
            fail_msg("%zux%zu drawn %zu high", cases[i][0], cases[i][1], drawn->height_px);
        forget(picture, result, drawn);
    }
}

static void cold_stays_hot_turns_red(void **state)
{
    (void)state;
    dp_picture *picture = grey(600, 400), *drawn = NULL;
    dp_result *result = cone(600, 400, 300, 200, 100);
    assert_ok(dp_result_draw(picture, result, 10, 30, &drawn, err));
    for (size_t y = 0; y < 400; y++)
        for (size_t x = 0; x < 600; x++) {
            double r = hypot((double)x - 300, (double)y - 200);
            const uint8_t *p = pixel(drawn, x, y);
            if (r > 101 && (p[0] != 128 || p[1] != 128 || p[2] != 128))
                fail_msg("pixel (%zu, %zu) is (%d, %d, %d) where nothing is to be seen", x, y, p[0], p[1], p[2]);
        }
    const uint8_t *hot = pixel(drawn, 300, 200), *warm = pixel(drawn, 375, 200);
    assert_true(hot[0] > 150 && hot[1] < 50 && hot[2] < 80);
    assert_true(warm[0] > warm[2] + 20 && warm[1] > hot[1]);
    /* The threshold 20 is crossed at half the radius: a white line there, within a pixel, and nowhere else. */
    for (int degrees = 0; degrees < 360; degrees += 15) {
        double a = degrees * 3.14159265 / 180;
        int crossed = 0;
        for (double r = 20; r < 95; r += 0.5) {
            const uint8_t *p = pixel(drawn, (size_t)(300.5 + r * cos(a)), (size_t)(200.5 + r * sin(a)));
            int white = p[2] > 160; /* grey has 128, the heat less */
            crossed |= white && fabs(r - 50) <= 1;
            if (white && fabs(r - 50) > 2)
                fail_msg("at %d degrees, radius %g: (%d, %d, %d)", degrees, r, p[0], p[1], p[2]);
        }
        if (!crossed)
            fail_msg("no contour at %d degrees", degrees);
    }
    /* No threshold, no line. */
    dp_picture_free(&drawn);
    result->threshold = result->cell_threshold = (double)NAN;
    result->label = DP_LABEL_NONE;
    assert_ok(dp_result_draw(picture, result, 10, 30, &drawn, err));
    for (size_t x = 310; x < 400; x++)
        assert_true(pixel(drawn, x, 200)[2] < 200);
    forget(picture, result, drawn);
}

/* A step of the map that jumps over no threshold gets no line: the border of the canvas. */
static void steps_are_no_contours(void **state)
{
    (void)state;
    dp_picture *picture = grey(600, 400), *drawn = NULL;
    dp_result *result = cone(600, 400, 300, 200, 100);
    for (size_t i = 0; i < 600 * 400; i++)
        result->map[i] = i % 600 < 250 ? 0 : 18;
    assert_ok(dp_result_draw(picture, result, 10, 30, &drawn, err));
    for (size_t x = 200; x < 300; x++) {
        const uint8_t *p = pixel(drawn, x, 200);
        if (p[0] > 235 && p[2] > 235)
            fail_msg("a line at column %zu", x);
    }
    forget(picture, result, drawn);
}

/* One hot pixel of twenty million is still seen. */
static void small_spot_in_a_large_picture(void **state)
{
    (void)state;
    dp_picture *picture = grey(5472, 3648), *drawn = NULL;
    dp_result *result = cone(5472, 3648, 4000, 1500, 1);
    assert_ok(dp_result_draw(picture, result, 10, 30, &drawn, err));
    size_t x = (size_t)(4000 * 1600.0 / 5472), y = (size_t)(1500 * 1600.0 / 5472), changed = 0;
    for (size_t dy = 0; dy < 3; dy++)
        for (size_t dx = 0; dx < 3; dx++)
            changed += abs(pixel(drawn, x + dx - 1, y + dy - 1)[1] - 128) > 40;
    assert_true(changed > 0);
    forget(picture, result, drawn);
}

static void boxes_surround_their_defects(void **state)
{
    (void)state;
    dp_picture *picture = grey(600, 400), *drawn = NULL;
    dp_result *result = cone(600, 400, 300, 200, 100);
    dp_defect defects[2] = {{.x0_px = 250, .y0_px = 150, .x1_px = 351, .y1_px = 251, .peak = 30},
                            {.x0_px = 0, .y0_px = 0, .x1_px = 4, .y1_px = 4, .peak = 21}}; /* in the corner */
    result->defects = defects;
    result->n_defects = 2;
    assert_ok(dp_result_draw(picture, result, 10, 30, &drawn, err));
    const double middles[4][2] = {{245, 230}, {355, 230}, {320, 145}, {320, 255}};
    for (int i = 0; i < 4; i++) {
        int found = 0;
        for (int d = -4; d <= 4; d++) {
            const uint8_t *p =
                pixel(drawn, (size_t)(middles[i][0] + (i < 2 ? d : 0)), (size_t)(middles[i][1] + (i < 2 ? 0 : d)));
            found |= abs(p[0] - CYAN_R) < 40 && abs(p[1] - CYAN_G) < 40 && p[2] > 200;
        }
        if (!found)
            fail_msg("no side of the box near (%g, %g)", middles[i][0], middles[i][1]);
    }
    forget(picture, result, drawn);
}

static void nonsense(void **state)
{
    (void)state;
    dp_picture *picture = grey(60, 40), *drawn = NULL;
    dp_result *result = cone(60, 40, 30, 20, 10);
    assert_fails(DP_E_ARGUMENT, "from 3 to 3", dp_result_draw(picture, result, 3, 3, &drawn, err));
    assert_fails(DP_E_ARGUMENT, "from nan", dp_result_draw(picture, result, (double)NAN, 3, &drawn, err));
    result->width_px = 59;
    assert_fails(DP_E_ARGUMENT, "a map of 59x40 does not fit", dp_result_draw(picture, result, 0, 3, &drawn, err));
    assert_null(drawn);
    forget(picture, result, drawn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(cold_stays_hot_turns_red),
        cmocka_unit_test(steps_are_no_contours),
        cmocka_unit_test(small_spot_in_a_large_picture),
        cmocka_unit_test(boxes_surround_their_defects),
        cmocka_unit_test(nonsense),
    };
    return cmocka_run_group_tests_name("draw", tests, NULL, NULL);
}
