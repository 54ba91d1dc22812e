/* The way from the canvas to the picture; poses, masks and what rotation, shift and scale leave alone. */
#include "test.h"

#include "align/warp.h"

#include <math.h>

static void transform_and_back(void **state)
{
    (void)state;
    dp_pose pose = {.status = DP_ALIGN_OK, .centre_x_px = 100, .centre_y_px = 60, .angle_rad = 0.5, .sigma_major_px = 20};
    double x, y, u, v;
    for (int turn = 0; turn < 2; turn++) {
        dp_affine map = dp_canvas_transform(&pose, sqrt(3.0) / 2, turn, 56, 112, 300, 400);
        dp_affine_apply(&map, 55.5, 27.5, &x, &y);
        assert_float_equal(x, 100, 1e-9);
        assert_float_equal(y, 60, 1e-9);
        /* The right edge of the canvas is 2 sigma from the centre along the axis. */
        dp_affine_apply(&map, 111.5, 27.5, &x, &y);
        double sign = turn ? -1 : 1;
        assert_float_equal(x, 100 + sign * 40 * cos(0.5), 1e-9);
        assert_float_equal(y, 60 + sign * 40 * sin(0.5), 1e-9);
        dp_affine back = dp_affine_invert(&map);
        dp_affine_apply(&map, 3, 50, &x, &y);
        dp_affine_apply(&back, x, y, &u, &v);
        assert_float_equal(u, 3, 1e-9);
        assert_float_equal(v, 50, 1e-9);
    }
    pose.status = DP_ALIGN_OFF;
    dp_affine map = dp_canvas_transform(&pose, 1, 0, 50, 100, 300, 400);
    dp_affine_apply(&map, 0, 0, &x, &y);
    assert_float_equal(x, 1.5, 1e-12);
    assert_float_equal(y, 2.5, 1e-12);
    map = dp_canvas_transform(&pose, 1, 1, 50, 100, 300, 400);
    dp_affine_apply(&map, 0, 0, &x, &y);
    assert_float_equal(x, 397.5, 1e-12);
    assert_float_equal(y, 296.5, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transform_and_back),
    };
    return cmocka_run_group_tests_name("align", tests, NULL, NULL);
}
