/* SPDX-License-Identifier: Apache-2.0 */
/* Tests the map from canvas to picture, poses, masks, and that rotation, shift and scale do not change the canvas. */
#include "test.h"

#include "align/edges.h"
#include "geometry/spaces.h"
#include "geometry/warp.h"

#include <math.h>

static void transform_and_back(void **state)
{
    (void)state;
    dp_pose pose = {
        .status = DP_ALIGN_OK, .centre_x_px = 100, .centre_y_px = 60, .angle_rad = 0.5, .sigma_major_px = 20};
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

/* ------------------------------------------------------------------------------------------- a part, drawn in any pose */

/* Colour of the part at (a, b), in units of its length: a along it in [-0.5, 0.5], b across. */
static double part_colour(double a, double b)
{
    const double ground = 205, head = 70, shaft = 95, mark = 150;
    if (a >= -0.5 && a < -0.36)
        return fabs(b) < 0.15 ? head : ground;
    if (a >= -0.36 && a < 0.38)
        return fabs(b) < 0.065 ? (a > -0.1 && a < 0.05 && b > 0.0 ? mark : shaft) : ground;
    if (a >= 0.38 && a < 0.5)
        return fabs(b) < 0.065 * (0.5 - a) / 0.12 ? shaft : ground;
    return ground;
}

struct scene {
    size_t width, height;
    double x, y, angle, length_px;
    double (*colour)(double a, double b);
};

static dp_picture *render(const struct scene *scene)
{
    enum { N = 6 };
    dp_picture *picture = NULL;
    assert_ok(dp_picture_new(scene->width, scene->height, &picture, err));
    double c = cos(scene->angle) / scene->length_px, s = sin(scene->angle) / scene->length_px;
    for (size_t y = 0; y < scene->height; y++)
        for (size_t x = 0; x < scene->width; x++) {
            double sum = 0;
            for (size_t j = 0; j < N; j++)
                for (size_t i = 0; i < N; i++) {
                    double dx = (double)x + ((double)i + 0.5) / N - 0.5 - scene->x;
                    double dy = (double)y + ((double)j + 0.5) / N - 0.5 - scene->y;
                    sum += scene->colour(dx * c + dy * s, dy * c - dx * s);
                }
            for (size_t k = 0; k < 3; k++)
                picture->rgb[3 * (y * scene->width + x) + k] = (uint8_t)lround(sum / (N * N) * (k == 1 ? 0.9 : 1));
        }
    return picture;
}

static dp_pose find(const dp_picture *picture)
{
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    dp_pose pose;
    assert_ok(dp_pose_find(picture, &recipe, &pose, err));
    return pose;
}

static dp_align_status status_of(const struct scene *scene)
{
    dp_picture *picture = render(scene);
    dp_pose pose = find(picture);
    dp_picture_free(&picture);
    return pose.status;
}

enum { CANVAS_H = 112, CANVAS_W = 224, CANVAS = CANVAS_H * CANVAS_W };

static double difference(const float *a, const uint8_t *valid_a, const float *b, const uint8_t *valid_b)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < CANVAS; i++)
        if (valid_a[i] && valid_b[i]) {
            for (size_t c = 0; c < 3; c++)
                sum += fabs((double)a[3 * i + c] - (double)b[3 * i + c]);
            n += 3;
        }
    assert_true(n > CANVAS);
    return sum / (double)n;
}

/* The canvas of a part does not depend on where it lay, how it was turned, and how large it was: mean absolute difference
 * to the canvas of one reference pose, of 255, up to the turn by 180 degrees that PCA leaves open.
 *
 * Border points are pixels, and a slanting line has fewer pixels to its length than a level one (down to 1 / sqrt 2), so turning a
 * part shifts the weight between its long and its short edges: centre and sigma move by a per cent or two of the length.  That
 * belongs to the method. */
static void canvas_ignores_pose(void **state)
{
    (void)state;
    static float reference[3 * CANVAS], canvas[3 * CANVAS];
    static uint8_t valid_reference[CANVAS], valid[CANVAS];
    const struct scene first = {640, 480, 320, 240, 0, 300, part_colour};
    dp_picture *picture = render(&first);
    dp_pose pose = find(picture);
    assert_int_equal(pose.status, DP_ALIGN_OK);
    double fill = sqrt(3.0) / 2, sigma_share = pose.sigma_major_px / first.length_px, worst[3] = {0}, worst_angle = 0;
    double offset = (pose.centre_x_px - first.x) / first.length_px;
    assert_ok(dp_canvas_warp(picture, &pose, fill, 0, CANVAS_H, CANVAS_W, reference, valid_reference, err));
    dp_picture_free(&picture);
    static const double lengths[3] = {300, 150, 900};
    for (size_t size = 0; size < 3; size++)
        for (size_t i = 0; i < (size ? 4 : 12); i++) {
            double length = lengths[size], angle = 0.1 + (double)i * (size ? 1.57 : 0.523);
            struct scene scene = {(size_t)(length * 2),
                                  (size_t)(length * 1.7),
                                  length + 0.3 * (double)i,
                                  length * 0.85 - 0.7 * (double)i,
                                  angle,
                                  length,
                                  part_colour};
            picture = render(&scene);
            pose = find(picture);
            assert_int_equal(pose.status, DP_ALIGN_OK);
            double off = remainder(pose.angle_rad - angle, M_PI) * 180 / M_PI;
            worst_angle = fmax(worst_angle, fabs(off));
            assert_true(fabs(off) < 0.5);
            assert_true(fabs(pose.sigma_major_px / length / sigma_share - 1) < 0.03);
            assert_true(fabs(pose.centre_x_px - scene.x - offset * length * cos(angle)) < 0.012 * length);
            assert_true(fabs(pose.centre_y_px - scene.y - offset * length * sin(angle)) < 0.012 * length);
            double best = INFINITY;
            for (int turn = 0; turn < 2; turn++) {
                assert_ok(dp_canvas_warp(picture, &pose, fill, turn, CANVAS_H, CANVAS_W, canvas, valid, err));
                best = fmin(best, difference(reference, valid_reference, canvas, valid));
            }
            worst[size] = fmax(worst[size], best);
            dp_picture_free(&picture);
        }
    print_message(
        "mean difference of aligned canvases, worst pose: turned and shifted %.2f, half size %.2f, three times %.2f; "
        "angle off by at most %.3f degrees\n",
        worst[0], worst[1], worst[2], worst_angle);
    assert_true(worst[0] < 2 && worst[1] < 2 && worst[2] < 2);
}

/* The two turns are the same canvas, read from the other end. */
static void turn_reverses(void **state)
{
    (void)state;
    static float canvas[2][3 * CANVAS];
    static uint8_t valid[2][CANVAS];
    const struct scene scene = {320, 240, 150, 110, 0.7, 200, part_colour};
    dp_picture *picture = render(&scene);
    dp_pose poses[2] = {find(picture), {.status = DP_ALIGN_OFF}};
    for (int p = 0; p < 2; p++) {
        for (int turn = 0; turn < 2; turn++)
            assert_ok(
                dp_canvas_warp(picture, &poses[p], 0.8, turn, CANVAS_H, CANVAS_W, canvas[turn], valid[turn], err));
        for (size_t i = 0; i < CANVAS; i++) {
            for (size_t c = 0; c < 3; c++)
                assert_float_equal(canvas[0][3 * i + c], canvas[1][3 * (CANVAS - 1 - i) + c], 0.05);
            assert_int_equal(valid[0][i], valid[1][CANVAS - 1 - i]);
        }
    }
    dp_picture_free(&picture);
}

/* A part of a canvas is cut from the whole: aligned, turned, and the whole picture resized. */
static void a_part_is_cut_from_the_whole(void **state)
{
    (void)state;
    static float whole[3 * CANVAS], part[3 * CANVAS];
    static uint8_t valid_whole[CANVAS], valid[CANVAS];
    const struct scene scene = {320, 240, 150, 110, 0.7, 200, part_colour};
    dp_picture *picture = render(&scene);
    dp_pose poses[2] = {find(picture), {.status = DP_ALIGN_OFF}};
    for (int k = 0; k < 4; k++) {
        const dp_canvas canvas = {&poses[k / 2], 0.8, k % 2, CANVAS_H, CANVAS_W};
        assert_ok(dp_canvas_warp(picture, &poses[k / 2], 0.8, k % 2, CANVAS_H, CANVAS_W, whole, valid_whole, err));
        for (size_t top = 0; top < CANVAS_H; top += 37)
            for (size_t left = 0; left < CANVAS_W; left += 41) {
                const dp_area area = {top, left, (CANVAS_H - top + 1) / 2, CANVAS_W - left < 70 ? CANVAS_W - left : 70};
                assert_ok(dp_canvas_warp_part(picture, &canvas, &area, part, valid, err));
                for (size_t v = 0; v < area.height; v++) {
                    size_t from = (top + v) * CANVAS_W + left;
                    assert_memory_equal(part + 3 * v * area.width, whole + 3 * from, 3 * area.width * sizeof(float));
                    assert_memory_equal(valid + v * area.width, valid_whole + from, area.width);
                }
            }
    }
    dp_picture_free(&picture);
}

/* ------------------------------------------------------------------------------------------------ what cannot be aligned */

static double disc(double a, double b)
{
    return a * a + b * b < 0.25 ? 60 : 200;
}

static double square(double a, double b)
{
    return fabs(a) < 0.5 && fabs(b) < 0.5 ? 60 : 200;
}

static double slab(double a, double b) /* sides 1 to 0.75 */
{
    return fabs(a) < 0.5 && fabs(b) < 0.375 ? 60 : 200;
}

static double nothing(double a, double b)
{
    return 100 + 10 * a + 5 * b;
}

static void what_cannot_be_aligned(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        double angle = 0.15 + 0.6 * i;
        assert_int_equal(status_of(&(struct scene){300, 300, 150.3, 149.2, angle, 180, disc}), DP_ALIGN_ROUND);
        assert_int_equal(status_of(&(struct scene){300, 300, 150.3, 149.2, angle, 150, square}), DP_ALIGN_ROUND);
        assert_int_equal(status_of(&(struct scene){300, 300, 150.3, 149.2, angle, 180, slab}), DP_ALIGN_OK);
    }
    assert_int_equal(status_of(&(struct scene){300, 300, 150, 150, 0, 200, nothing}), DP_ALIGN_FEW_EDGES);
    assert_int_equal(status_of(&(struct scene){300, 300, 150, 150, 0, 8, part_colour}), DP_ALIGN_FEW_EDGES);
    /* From well inside to more and more outside, over each border. */
    const double length = 200;
    for (int side = 0; side < 4; side++)
        for (int i = 0; i <= 8; i++) {
            double angle = side * M_PI / 2 + 0.2, inside = length * (0.55 - 0.1 * i);
            struct scene scene = {400, 400, 200, 200, angle, length, part_colour};
            if (side % 2 == 0)
                scene.x = side ? 399 - inside : inside;
            else
                scene.y = side == 3 ? 399 - inside : inside;
            dp_align_status expected = i == 0 ? DP_ALIGN_OK : DP_ALIGN_CUT;
            if (status_of(&scene) != expected)
                fail_msg("side %d, centre %g inside: status %d", side, inside, (int)status_of(&scene));
        }
    /* Dirt at the border of the picture is no reason to refuse a part that is whole. */
    struct scene scene = {400, 300, 200, 150, 0.4, 220, part_colour};
    dp_picture *picture = render(&scene);
    for (size_t i = 0; i < 6; i++)
        for (size_t y = 0; y < 7; y++)
            memset(picture->rgb + 3 * (y * 400 + 30 + 60 * i), 20, 3 * 7);
    assert_int_equal(find(picture).status, DP_ALIGN_OK);

    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.align = DP_ALIGN_NONE;
    dp_pose pose;
    assert_ok(dp_pose_find(picture, &recipe, &pose, err));
    assert_int_equal(pose.status, DP_ALIGN_OFF);
    dp_picture_free(&picture);
}

static void wrong_settings(void **state)
{
    (void)state;
    dp_picture *picture = NULL;
    assert_ok(dp_picture_new(20, 20, &picture, err));
    dp_pose pose = {.status = DP_ALIGN_OK};
    uint8_t *edges = NULL;
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.blur_px = 4;
    assert_fails(DP_E_ARGUMENT, "align.blur is 4; give an odd number", dp_pose_find(picture, &recipe, &pose, err));
    recipe.blur_px = 129;
    assert_fails(DP_E_ARGUMENT, "align.blur is 129", dp_edges_find(picture, &recipe, &edges, err));
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.canny_low = 160;
    assert_fails(DP_E_ARGUMENT, "align.canny 160,150", dp_pose_find(picture, &recipe, &pose, err));
    recipe.canny_low = NAN;
    assert_fails(DP_E_ARGUMENT, "canny_low is nan", dp_pose_find(picture, &recipe, &pose, err));
    float rgb[3];
    pose.sigma_major_px = 5;
    assert_fails(DP_E_ARGUMENT, "align.fill is 0", dp_canvas_warp(picture, &pose, 0, 0, 1, 1, rgb, NULL, err));
    assert_fails(DP_E_ARGUMENT, "canvas of 0x1", dp_canvas_warp(picture, &pose, 1, 0, 0, 1, rgb, NULL, err));
    pose.sigma_major_px = NAN;
    assert_fails(DP_E_ARGUMENT, "pose", dp_canvas_warp(picture, &pose, 1, 0, 1, 1, rgb, NULL, err));
    pose.sigma_major_px = 1e9;
    assert_fails(DP_E_ARGUMENT, "pose", dp_canvas_warp(picture, &pose, 1, 0, 1, 1, rgb, NULL, err));
    dp_picture_free(&picture);
}

/* No size is too small, and nothing is read outside (the sanitizer looks). */
static void tiny_pictures(void **state)
{
    (void)state;
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    uint32_t seed = 1;
    static float canvas[3 * 9 * 30];
    static uint8_t valid[9 * 30];
    for (size_t height = 1; height <= 9; height++)
        for (size_t width = 1; width <= 30; width++) {
            dp_picture *picture = NULL;
            assert_ok(dp_picture_new(width, height, &picture, err));
            for (size_t i = 0; i < 3 * width * height; i++)
                picture->rgb[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24 & 0x80);
            dp_pose pose;
            assert_ok(dp_pose_find(picture, &recipe, &pose, err));
            assert_true(isfinite(pose.angle_rad) && isfinite(pose.sigma_minor_px) && pose.sigma_minor_px >= 0);
            pose = (dp_pose){.status = DP_ALIGN_OK,
                             .centre_x_px = 0.3 * (double)width,
                             .centre_y_px = 0.6 * (double)height,
                             .angle_rad = 0.1 * (double)(width + height),
                             .sigma_major_px = 0.3 * (double)width};
            assert_ok(dp_canvas_warp(picture, &pose, 0.1, 0, 9, 30, canvas, valid, err));
            assert_ok(dp_canvas_warp(picture, &pose, 10, 1, 9, 30, canvas, valid, err));
            pose.status = DP_ALIGN_CUT;
            assert_ok(dp_canvas_warp(picture, &pose, 1, 0, 9, 30, canvas, valid, err));
            dp_picture_free(&picture);
        }
}

/* --------------------------------------------------------------------------------------------------- padding and the mask */

/* One canvas pixel to one picture pixel, shifted by whole pixels: beyond the border the picture begins anew. */
static void wraps_around(void **state)
{
    (void)state;
    enum { W = 40, H = 30, SIDE = 100 };
    dp_picture *picture = NULL;
    assert_ok(dp_picture_new(W, H, &picture, err));
    for (size_t i = 0; i < 3 * W * H; i++)
        picture->rgb[i] = (uint8_t)(i * 7919 % 251);
    /* 2 sqrt(3) sigma / fill = SIDE */
    dp_pose pose = {
        .status = DP_ALIGN_OK, .centre_x_px = 19.5, .centre_y_px = 14.5, .sigma_major_px = SIDE / (2 * sqrt(3.0))};
    static float canvas[SIDE][SIDE][3];
    static uint8_t valid[SIDE][SIDE];
    assert_ok(dp_canvas_warp(picture, &pose, 1, 0, SIDE, SIDE, &canvas[0][0][0], &valid[0][0], err));
    for (int v = 0; v < SIDE; v++)
        for (int u = 0; u < SIDE; u++) {
            int x = u - 30, y = v - 35;
            assert_int_equal(valid[v][u], x >= 0 && x < W && y >= 0 && y < H);
            size_t from = (size_t)((y + 3 * H) % H * W + (x + 3 * W) % W);
            for (size_t c = 0; c < 3; c++)
                assert_float_equal(canvas[v][u][c], picture->rgb[3 * from + c], 0.02);
        }
    dp_picture_free(&picture);
}

/* A picture alone, and the same one framed by something else: where the mask says "inside", the canvases agree, so nothing from
 * outside gets in; and what lies a little further inside than it must is never masked. */
static void mask_keeps_the_outside_out(void **state)
{
    (void)state;
    enum {
        W = 240,
        H = 180,
        FRAME = 120
    }; /* multiples of every mean's side below, so that the means stay where they were */
    dp_picture *alone = NULL, *framed = NULL;
    assert_ok(dp_picture_new(W, H, &alone, err));
    assert_ok(dp_picture_new(W + 2 * FRAME, H + 2 * FRAME, &framed, err));
    uint32_t seed = 7;
    for (size_t i = 0; i < 3 * framed->width_px * framed->height_px; i++)
        framed->rgb[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
    for (size_t i = 0; i < 3 * W * H; i++)
        alone->rgb[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
    for (size_t y = 0; y < H; y++)
        memcpy(framed->rgb + 3 * ((y + FRAME) * framed->width_px + FRAME), alone->rgb + 3 * y * W, 3 * W);
    static float a[3 * CANVAS], b[3 * CANVAS];
    static uint8_t valid[CANVAS];
    static const double scales[] = {0.4, 1, 1.7, 2.6, 3.9, 4.5, 6.2, 8.4, 12.3};
    for (size_t s = 0; s < sizeof scales / sizeof *scales; s++)
        for (int turn = 0; turn < 6; turn++) {
            dp_pose pose = {.status = DP_ALIGN_OK,
                            .centre_x_px = 20.0 + 37 * turn,
                            .centre_y_px = 15.0 + 29 * turn,
                            .angle_rad = 0.55 * turn,
                            .sigma_major_px = scales[s] * CANVAS_W / (2 * sqrt(3.0))};
            dp_affine map = dp_canvas_transform(&pose, 1, turn & 1, CANVAS_H, CANVAS_W, H, W);
            if (pose.sigma_major_px
                > 300) { /* more than the picture's diagonal is refused: take a smaller fill instead */
                pose.sigma_major_px /= 5;
            }
            double fill = pose.sigma_major_px / (scales[s] * CANVAS_W / (2 * sqrt(3.0)));
            assert_ok(dp_canvas_warp(alone, &pose, fill, turn & 1, CANVAS_H, CANVAS_W, a, valid, err));
            pose.centre_x_px += FRAME;
            pose.centre_y_px += FRAME;
            assert_ok(dp_canvas_warp(framed, &pose, fill, turn & 1, CANVAS_H, CANVAS_W, b, NULL, err));
            size_t n_valid = 0;
            double spare = 0.5 + scales[s] * 1.3;
            for (size_t i = 0; i < CANVAS; i++) {
                double x, y;
                dp_affine_apply(&map, (double)(i % CANVAS_W), (double)(i / CANVAS_W), &x, &y);
                int inside = x > spare && y > spare && x < W - 1 - spare && y < H - 1 - spare;
                int outside = x < -1e-5 || y < -1e-5 || x > W - 1 + 1e-5 || y > H - 1 + 1e-5;
                if ((inside && !valid[i]) || (outside && valid[i]))
                    fail_msg("scale %g, turn %d: (%g, %g) has mask %d", scales[s], turn, x, y, valid[i]);
                if (!valid[i])
                    continue;
                n_valid++;
                for (size_t c = 0; c < 3; c++)
                    if (fabsf(a[3 * i + c] - b[3 * i + c]) > 0.1f)
                        fail_msg("scale %g, turn %d: (%g, %g) is valid, but takes from outside: %g and %g", scales[s],
                                 turn, x, y, (double)a[3 * i + c], (double)b[3 * i + c]);
            }
            assert_true(n_valid > 50);
        }
    dp_picture_free(&alone);
    dp_picture_free(&framed);
}

/* A chessboard of single pixels, shrunk at any angle, is grey; so are stripes of three.  What is left of the pattern: */
static void shrinking_does_not_alias(void **state)
{
    (void)state;
    enum { W = 900, H = 700 };
    static float canvas[3 * CANVAS];
    dp_picture *picture = NULL;
    assert_ok(dp_picture_new(W, H, &picture, err));
    double worst[2][2] = {{0}};
    for (int pattern = 0; pattern < 2; pattern++) {
        for (size_t y = 0; y < H; y++)
            for (size_t x = 0; x < W; x++)
                memset(picture->rgb + 3 * (y * W + x), pattern ? (x % 6 < 3 ? 255 : 0) : ((x + y) % 2 ? 255 : 0), 3);
        static const double scales[] = {2, 2.3, 2.9, 3.4, 3.97, 4.1, 5.4, 7.7, 12.1};
        for (size_t s = 0; s < sizeof scales / sizeof *scales; s++)
            for (int i = 0; i < 5; i++) {
                dp_pose pose = {.status = DP_ALIGN_OK,
                                .centre_x_px = 450.3,
                                .centre_y_px = 350.6,
                                .angle_rad = 0.4 * i,
                                .sigma_major_px = 200};
                double fill = 2 * sqrt(3.0) * 200 / (scales[s] * CANVAS_W);
                assert_ok(dp_canvas_warp(picture, &pose, fill, 0, CANVAS_H, CANVAS_W, canvas, NULL, err));
                double squares = 0;
                for (size_t j = 0; j < CANVAS; j++)
                    squares += ((double)canvas[3 * j] - 127.5) * ((double)canvas[3 * j] - 127.5);
                double *at = &worst[pattern][scales[s] > 4];
                *at = fmax(*at, sqrt(squares / CANVAS));
            }
    }
    print_message("left of a chessboard (contrast 127.5): %.2f below scale 4, %.2f above; of stripes 6 pixels apart: "
                  "%.2f, %.2f\n",
                  worst[0][0], worst[0][1], worst[1][0], worst[1][1]);
    assert_true(worst[0][0] < 15 && worst[0][1] < 2);
    dp_picture_free(&picture);
}

static void drawing(void **state)
{
    (void)state;
    const struct scene scene = {320, 240, 150, 110, 0.7, 200, part_colour};
    dp_picture *picture = render(&scene), *drawn = NULL;
    dp_pose pose = find(picture);
    assert_ok(dp_pose_draw(picture, &pose, 0.8, 56, 112, &drawn, err));
    assert_int_equal(drawn->width_px, 320);
    assert_int_equal(drawn->height_px, 240);
    /* White in the centre, red along the principal axis on both sides of it. */
    const uint8_t *centre =
        drawn->rgb + 3 * ((size_t)lround(pose.centre_y_px) * 320 + (size_t)lround(pose.centre_x_px));
    assert_true(centre[0] > 200 && centre[1] > 200 && centre[2] > 200);
    for (int side = -1; side <= 1; side += 2) {
        size_t x = (size_t)lround(pose.centre_x_px + side * pose.sigma_major_px * cos(pose.angle_rad));
        size_t y = (size_t)lround(pose.centre_y_px + side * pose.sigma_major_px * sin(pose.angle_rad));
        const uint8_t *pixel = drawn->rgb + 3 * (y * 320 + x);
        assert_true(pixel[0] > 180 && pixel[1] < 100 && pixel[2] < 100);
    }
    dp_picture_free(&drawn);
    pose.status = DP_ALIGN_CUT;
    assert_ok(dp_pose_draw(picture, &pose, 0, 0, 0, &drawn, err));
    dp_picture_free(&drawn);
    dp_picture_free(&picture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transform_and_back),
        cmocka_unit_test(canvas_ignores_pose),
        cmocka_unit_test(turn_reverses),
        cmocka_unit_test(a_part_is_cut_from_the_whole),
        cmocka_unit_test(what_cannot_be_aligned),
        cmocka_unit_test(wrong_settings),
        cmocka_unit_test(tiny_pictures),
        cmocka_unit_test(wraps_around),
        cmocka_unit_test(mask_keeps_the_outside_out),
        cmocka_unit_test(shrinking_does_not_alias),
        cmocka_unit_test(drawing),
    };
    return cmocka_run_group_tests_name("align", tests, NULL, NULL);
}
