/* SPDX-License-Identifier: Apache-2.0 */
/* Compares edges and poses with OpenCV 4.6: for the ten pictures of golden/align, and for more kernels and
 * thresholds. */
#include "test.h"

#include "align/edges.h"

#include <jansson.h>
#include <math.h>

static const char *golden_path(const char *name, const char *suffix)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/align/%s%s", GOLDEN_FOLDER, name, suffix);
    return path;
}

static dp_picture *load(const char *name, const char *suffix)
{
    dp_picture *picture = NULL;
    assert_ok(dp_picture_load(golden_path(name, suffix), 0, &picture, err));
    return picture;
}

/* Share of the edge pixels of a that have an edge pixel of b within one pixel. */
static double covered(const uint8_t *a, size_t step_a, const uint8_t *b, size_t step_b, size_t height, size_t width)
{
    size_t edges = 0, near = 0;
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            if (!a[step_a * (y * width + x)])
                continue;
            edges++;
            int found = 0;
            for (size_t ny = y - (y > 0); ny <= y + (y + 1 < height); ny++)
                for (size_t nx = x - (x > 0); nx <= x + (x + 1 < width); nx++)
                    found |= b[step_b * (ny * width + nx)] != 0;
            near += (size_t)found;
        }
    return edges ? (double)near / (double)edges : 1;
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static dp_align_status expected_status(const char *name)
{
    if (!strcmp(name, "flat") || !strcmp(name, "texture"))
        return DP_ALIGN_FEW_EDGES;
    return strcmp(name, "near_edge") ? DP_ALIGN_OK : DP_ALIGN_CUT; /* the head of that screw is not in the picture */
}

static void check_picture(const char *name, const json_t *expected)
{
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    dp_picture *picture = load(name, ".png"), *reference = load(name, ".edges.png");
    size_t width = picture->width_px, height = picture->height_px, different = 0;
    uint8_t *edges = NULL;
    assert_ok(dp_edges_find(picture, &recipe, &edges, err));
    for (size_t i = 0; i < width * height; i++)
        different += edges[i] != reference->rgb[3 * i];
    double ours = covered(edges, 1, reference->rgb, 3, height, width);
    double theirs = covered(reference->rgb, 3, edges, 1, height, width);
    print_message("%-12s %zu of %zu pixels differ; within one pixel: %.4f and %.4f\n", name, different, width * height,
                  ours, theirs);
    /* 0.99 is what was asked for; the arithmetic is in integers, so there is no reason for less than equality. */
    assert_true(ours >= 0.99 && theirs >= 0.99);
    assert_int_equal(different, 0);

    dp_pose pose;
    assert_ok(dp_pose_find(picture, &recipe, &pose, err));
    assert_int_equal(pose.status, expected_status(name));
    assert_int_equal(pose.n_edge_pixels, (size_t)number(expected, "edge_pixels"));
    assert_int_equal(pose.n_points, (size_t)number(expected, "points"));
    const json_t *centre = json_object_get(expected, "centre_px");
    if (centre) {
        double dx = pose.centre_x_px - json_number_value(json_array_get(centre, 0));
        double dy = pose.centre_y_px - json_number_value(json_array_get(centre, 1));
        double turn = remainder(pose.angle_rad * 180 / M_PI - number(expected, "angle_deg"), 180);
        double major = pose.sigma_major_px / number(expected, "sigma_major_px") - 1;
        double minor = pose.sigma_minor_px / number(expected, "sigma_minor_px") - 1;
        print_message("%-12s off by (%.1e, %.1e) px, %.1e degrees, sigmas %.1e and %.1e\n", "", dx, dy, turn, major,
                      minor);
        assert_true(fabs(dx) < 1e-9 && fabs(dy) < 1e-9);
        assert_true(fabs(turn) < 1e-9);
        assert_true(fabs(major) < 1e-9 && fabs(minor) < 1e-9);
        assert_true(pose.angle_rad >= 0 && pose.angle_rad < M_PI);
        assert_true(pose.extent_minor_px > pose.sigma_minor_px && pose.extent_minor_px < 4 * pose.sigma_minor_px);
    }
    dp_memory_free(edges);
    dp_picture_free(&picture);
    dp_picture_free(&reference);
}

static void pictures(void **state)
{
    (void)state;
    json_t *root = json_load_file(golden_path("expected", ".json"), 0, NULL);
    assert_non_null(root);
    json_t *images = json_object_get(root, "images");
    assert_int_equal(json_object_size(images), 10);
    const char *name;
    json_t *expected;
    json_object_foreach(images, name, expected) check_picture(name, expected);
    json_decref(root);
}

static uint64_t fnv(const uint8_t *bytes, size_t n)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

/* Noise of 97x61 pixels; hashes of GaussianBlur(k, 0) and Canny(low, high), and what findContours counts there.
 * The long kernels reach over the picture more than once. */
static void kernels(void **state)
{
    (void)state;
    static const struct {
        size_t side;
        int low, high;
        uint64_t blurred, edges;
        size_t contours, points;
    } opencv[] = {
        {1, 200, 500, 0xa4afdfe8cdebb560u, 0xde5200f3dec8557du, 212, 3625},
        {3, 20, 60, 0xd226a17a8646206au, 0x519b6b6fc84a1a1fu, 140, 3864},
        {5, 20, 60, 0x2f4333722e49e528u, 0x7acd04e22eed68f3u, 121, 3593},
        {7, 20, 60, 0x7caa5c0ad121145bu, 0x3e18ee02e3171e2au, 85, 2985},
        {9, 4, 10, 0x2d60546be63edc66u, 0x66f5e46db8660352u, 121, 2770},
        {11, 4, 10, 0x20f88335ebe94868u, 0x3fdc83b1ff9e0bb2u, 139, 2398},
        {15, 4, 10, 0x2d9a9f00d452f3c3u, 0xf14fdd2ba2e062edu, 115, 1951},
        {21, 4, 10, 0xe39be2a49336d347u, 0xd3dca55c1788a335u, 171, 1661},
        {31, 4, 10, 0x6dc5f2a0892f3e8bu, 0xe5ad15f2005b66e3u, 85, 1027},
        {63, 4, 10, 0xe8a844134f6bc41bu, 0x3590f24f8e5380efu, 0, 0},
        {127, 4, 10, 0x89055e42a989caf0u, 0x3590f24f8e5380efu, 0, 0},
    };
    enum { W = 97, H = 61 };
    static uint8_t noise[W * H], blurred[W * H], edges[W * H], visits[(W + 2) * (H + 2)];
    uint32_t seed = 12345;
    for (size_t i = 0; i < W * H; i++) {
        seed = seed * 1664525u + 1013904223u;
        noise[i] = (uint8_t)(seed >> 24);
    }
    for (size_t i = 0; i < sizeof opencv / sizeof *opencv; i++) {
        assert_ok(dp_blur_u8(noise, H, W, opencv[i].side, blurred, err));
        if (fnv(blurred, W * H) != opencv[i].blurred)
            fail_msg("a blur of %zu pixels differs", opencv[i].side);
        assert_ok(dp_canny_u8(blurred, H, W, opencv[i].low, opencv[i].high, edges, err));
        if (fnv(edges, W * H) != opencv[i].edges)
            fail_msg("edges after a blur of %zu pixels differ", opencv[i].side);
        dp_borders borders;
        dp_borders_follow(edges, H, W, 3, visits, &borders);
        if (borders.n_contours != opencv[i].contours || borders.n_points != opencv[i].points)
            fail_msg("blur %zu: %zu points on %zu contours, not %zu on %zu", opencv[i].side, borders.n_points,
                     borders.n_contours, opencv[i].points, opencv[i].contours);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures),
        cmocka_unit_test(kernels),
    };
    return cmocka_run_group_tests_name("golden align", tests, NULL, NULL);
}
