/* SPDX-License-Identifier: Apache-2.0 */
/* Tests parts that are not inspected, through fit and inspect: background, crop, regions. */
#include "one_result.h"
#include "geometry/spaces.h"
#include "bank/bank.h"
#include "nail.h"
#include "dinopatch/edit.h"

#define N_GOOD 4

static const double poses[N_GOOD][3] = {{160, 120, 10}, {150, 125, 40}, {170, 118, 95}, {165, 120, 230}};
static char good_paths[N_GOOD][256];
static dp_network *model;
static dp_session *session;

static int set_up(void **state)
{
    (void)state;
    dp_architecture architecture;
    const char *path = temporary_path("demo.safetensors");
    assert_ok(dp_architecture_parse("demo", &architecture, err));
    assert_ok(dp_network_synthesise(&architecture, 1, path, err));
    assert_ok(dp_network_open(path, &model, err));
    dp_run run;
    dp_run_init(&run);
    run.threads = 2;
    assert_ok(dp_session_open(model, DP_FP32, &run, &session, err));
    for (size_t i = 0; i < N_GOOD; i++) {
        char name[32];
        snprintf(name, sizeof name, "good%zu.png", i);
        snprintf(good_paths[i], sizeof good_paths[i], "%s", temporary_path(name));
        dp_picture *picture = draw_nail(poses[i][0], poses[i][1], poses[i][2], 0, (unsigned)i);
        assert_ok(dp_picture_save_png(picture, good_paths[i], err));
        dp_picture_free(&picture);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dp_session_close(&session);
    dp_network_close(&model);
    return 0;
}

/* Of all good pictures but one (N_GOOD: of all). */
static dp_bank *fit_without(const dp_recipe *recipe, size_t left_out)
{
    const char *paths[N_GOOD];
    size_t n = 0;
    dp_fit_counts report = {99, 99};
    for (size_t i = 0; i < N_GOOD; i++)
        if (i != left_out)
            paths[n++] = good_paths[i];
    dp_bank *bank = NULL;
    assert_ok(dp_bank_fit(session, recipe, paths, n, NULL, NULL, &bank, &report, err));
    assert_int_equal(report.n_failed, 0);
    return bank;
}

static dp_result *inspect_file(const dp_bank *bank, const char *path)
{
    dp_picture *picture = NULL;
    dp_result *result = NULL;
    dp_view view;
    dp_view_init(bank, &view);
    assert_ok(dp_picture_load(path, 0, &picture, err));
    assert_ok(inspect_once(session, bank, &view, picture, &result, err));
    dp_picture_free(&picture);
    return result;
}

static void expect_close(double a, double b, const char *what)
{
    if (!(fabs(a - b) <= 2e-6 * (1 + fabs(b))))
        fail_msg("%s: %.9g and %.9g", what, a, b);
}

/* ---------------------------------------------------------------------------------------------------------- background */

/* A good picture's leave-one-out score is that of the picture in a bank of the others, whichever pictures are masked and how, in all
 * layouts that can; and the mask leaves out what it says. */
static void a_masked_good_picture_scores_as_a_new_one(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        dp_background background;
        dp_background_rule rule;
        dp_layout layout;
        dp_align align;
        size_t rotations;
        double coreset;
    } cases[] = {
        {"test, list, flat", DP_BACKGROUND_TEST, DP_BACKGROUND_LIST, DP_LAYOUT_FLAT, DP_ALIGN_NONE, 1, 0},
        {"both, list, flat, rotations", DP_BACKGROUND_BOTH, DP_BACKGROUND_LIST, DP_LAYOUT_FLAT, DP_ALIGN_NONE, 8, 0},
        {"reference, list, flat", DP_BACKGROUND_REFERENCE, DP_BACKGROUND_LIST, DP_LAYOUT_FLAT, DP_ALIGN_NONE, 1, 0},
        {"both, cells, flat", DP_BACKGROUND_BOTH, DP_BACKGROUND_CELLS, DP_LAYOUT_FLAT, DP_ALIGN_NONE, 1, 0},
        {"test, cells, grid", DP_BACKGROUND_TEST, DP_BACKGROUND_CELLS, DP_LAYOUT_GRID, DP_ALIGN_NONE, 1, 0},
        {"both, list, grid", DP_BACKGROUND_BOTH, DP_BACKGROUND_LIST, DP_LAYOUT_GRID, DP_ALIGN_NONE, 1, 0},
        {"test, cells, aligned", DP_BACKGROUND_TEST, DP_BACKGROUND_CELLS, DP_LAYOUT_GRID, DP_ALIGN_PCA, 1, 0},
        {"both, cells, aligned", DP_BACKGROUND_BOTH, DP_BACKGROUND_CELLS, DP_LAYOUT_GRID, DP_ALIGN_PCA, 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dp_recipe recipe;
        dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
        recipe.align = cases[i].align;
        recipe.polarity = DP_POLARITY_NONE;
        recipe.canvas_height_px = 112;
        recipe.canvas_width_px = 168;
        recipe.layout = cases[i].layout;
        recipe.rotations = cases[i].rotations;
        recipe.window = 1;
        recipe.score = DP_SCORE_MEAN;
        recipe.background = cases[i].background;
        recipe.background_rule = cases[i].rule;
        recipe.background_threshold = 1;
        dp_bank *bank = fit_without(&recipe, N_GOOD), *others = fit_without(&recipe, 2), *again = NULL;
        dp_result *result = inspect_file(others, good_paths[2]);
        expect_close(bank->pictures.loo_scores[2], result->score, cases[i].name);
        bool masked = recipe.background != DP_BACKGROUND_REFERENCE;
        size_t n = 0, cells = result->grid_rows * result->grid_cols;
        const uint8_t *mask = dp_bank_inspected_background(bank, 2);
        assert_int_equal(mask != NULL, masked);
        for (size_t c = 0; c < cells && masked; c++) {
            n += mask[c];
            if (mask[c])
                assert_true(result->grid[c] == 0 && result->grid_valid[c] == (cases[i].rule == DP_BACKGROUND_LIST));
        }
        if (masked && cases[i].align == DP_ALIGN_NONE)
            assert_float_equal(result->masked_fraction, (double)n / (double)cells, 1e-12);
        assert_true(masked ? result->masked_fraction > 0.05 && result->masked_fraction < 0.95
                           : result->masked_fraction == 0);
        /* Of the good pictures only objects are in the bank; a bank without their background cannot be scored anew. */
        if (cases[i].layout == DP_LAYOUT_FLAT) {
            size_t all = N_GOOD * cells * recipe.rotations;
            assert_int_equal(bank->rows.n_rows < all, recipe.background != DP_BACKGROUND_TEST);
        }
        assert_int_equal(dp_bank_has_pictures(bank), masked);
        const char *path = temporary_path("masked.bank");
        assert_ok(dp_bank_save(bank, path, err));
        assert_ok(dp_bank_open(path, &again, err));
        assert_int_equal(again->recipe.background, recipe.background);
        free_result(&result);
        dp_bank_close(&again);
        dp_bank_close(&bank);
        dp_bank_close(&others);
    }
}

struct told {
    size_t n;
    char message[512];
};

static void on_picture(void *user, size_t index, const char *path, const dp_pose *pose, const char *message)
{
    (void)index, (void)path, (void)pose;
    struct told *told = user;
    if (message) {
        told->n++;
        snprintf(told->message, sizeof told->message, "%s", message);
    }
}

/* A picture that cannot be judged is no error: its label says so, and its reason. */
static void not_inspected(dp_result **result, const char *why)
{
    assert_int_equal((*result)->label, DP_LABEL_NOT_INSPECTED);
    assert_non_null(strstr((*result)->reason, why));
    assert_true(isnan((*result)->score));
    free_result(result);
}

/* A threshold nothing passes: no picture is fitted, none is scored; each says so. */
static void all_background(void **state)
{
    (void)state;
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.align = DP_ALIGN_NONE;
    recipe.polarity = DP_POLARITY_NONE;
    recipe.canvas_height_px = recipe.canvas_width_px = 112;
    recipe.background = DP_BACKGROUND_TEST;
    recipe.background_threshold = 1;
    dp_bank *bank = fit_without(&recipe, N_GOOD), *none = NULL;
    bank->recipe.background_threshold = 1e6;
    dp_view view;
    dp_result *result = NULL;
    dp_picture *picture = NULL;
    dp_view_init(bank, &view);
    assert_ok(dp_picture_load(good_paths[0], 0, &picture, err));
    assert_ok(inspect_once(session, bank, &view, picture, &result, err));
    not_inspected(&result, "background");
    recipe.background_threshold = 1e6;
    const char *paths[2] = {good_paths[0], good_paths[1]};
    struct told told = {0};
    assert_fails(DP_E_PICTURE, "none of the 2",
                 dp_bank_fit(session, &recipe, paths, 2, on_picture, &told, &none, NULL, err));
    assert_int_equal(told.n, 2);
    assert_non_null(strstr(told.message, "background"));
    told.n = 0;
    assert_int_equal(dp_bank_fit(session, &recipe, paths, 2, on_picture, &told, &none, NULL, NULL), DP_E_PICTURE);
    assert_int_equal(told.n, 2);
    recipe.background =
        DP_BACKGROUND_REFERENCE; /* of a grid: nothing would be left to compare a new picture's background with */
    assert_fails(DP_E_ARGUMENT, "flat", dp_bank_fit(session, &recipe, paths, 2, NULL, NULL, &none, NULL, err));
    dp_picture_free(&picture);
    dp_bank_close(&bank);
}

/* ---------------------------------------------------------------------------------------------------------------- crop */

/* A crop of a picture whose sides are the edge is the picture's own middle: same scores as the middle cut out beforehand, the map in its
 * place and 0 around it. */
static void a_crop_is_the_middle(void **state)
{
    (void)state;
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.align = DP_ALIGN_NONE;
    recipe.polarity = DP_POLARITY_NONE;
    recipe.edge_px = H; /* as the pictures are: 320 x 240 */
    recipe.crop_px = 168;
    dp_recipe plain = recipe;
    plain.edge_px = plain.crop_px = 0;
    plain.canvas_height_px = plain.canvas_width_px = 168;
    const size_t left = (W - 168) / 2, top = (H - 168) / 2;
    const char *cut_paths[2];
    char kept[2][256];
    for (size_t i = 0; i < 2; i++) {
        dp_picture *whole = NULL, *cut = NULL;
        char name[32];
        assert_ok(dp_picture_load(good_paths[i], 0, &whole, err));
        assert_ok(dp_picture_new(168, 168, &cut, err));
        for (size_t y = 0; y < 168; y++)
            memcpy(cut->rgb + y * 168 * 3, whole->rgb + ((top + y) * W + left) * 3, 168 * 3);
        snprintf(name, sizeof name, "cut%zu.png", i);
        snprintf(kept[i], sizeof kept[i], "%s", temporary_path(name));
        assert_ok(dp_picture_save_png(cut, cut_paths[i] = kept[i], err));
        dp_picture_free(&whole);
        dp_picture_free(&cut);
    }
    const char *paths[2] = {good_paths[0], good_paths[1]};
    for (int flat = 0; flat < 2; flat++) {
        recipe.layout = plain.layout = flat ? DP_LAYOUT_FLAT : DP_LAYOUT_GRID;
        dp_bank *bank = NULL, *other = NULL;
        assert_ok(dp_bank_fit(session, &recipe, paths, 2, NULL, NULL, &bank, NULL, err));
        assert_ok(dp_bank_fit(session, &plain, cut_paths, 2, NULL, NULL, &other, NULL, err));
        assert_int_equal(bank->recipe.canvas_height_px, 168);
        for (size_t p = 0; p < 2; p++)
            expect_close(bank->pictures.loo_scores[p], other->pictures.loo_scores[p], "crop");
        dp_result *one = inspect_file(bank, good_paths[2]);
        assert_true(one->crop_x0_px == (double)left && one->crop_y0_px == (double)top
                    && one->crop_x1_px == (double)left + 168 && one->crop_y1_px == (double)top + 168);
        size_t inside = 0;
        for (size_t y = 0; y < H; y++)
            for (size_t x = 0; x < W; x++) {
                bool in = x >= left && x < left + 168 && y >= top && y < top + 168;
                if (!in)
                    assert_true(one->map[y * W + x] == 0);
                inside += in && one->map[y * W + x] > 0;
            }
        assert_int_equal(inside, 168 * 168);
        free_result(&one);
        dp_bank_close(&bank);
        dp_bank_close(&other);
    }
    recipe.crop_px = 170;
    dp_bank *none = NULL;
    assert_fails(DP_E_ARGUMENT, "patch", dp_bank_fit(session, &recipe, paths, 2, NULL, NULL, &none, NULL, err));
    recipe.crop_px = 252;
    assert_fails(DP_E_ARGUMENT, "edge", dp_bank_fit(session, &recipe, paths, 2, NULL, NULL, &none, NULL, err));
}

/* Resized as well: an odd rest is cut with the half rounded to the even one, and the transform says where the crop lies. */
static void where_a_crop_lies(void **state)
{
    (void)state;
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.edge_px = 256;
    recipe.crop_px = 224;
    const size_t first[][2] = {{256, 16}, {341, 58 /* 58.5 */}, {343, 60 /* 59.5 */}, {347, 62 /* 61.5 */}};
    for (size_t i = 0; i < 4; i++) {
        const dp_resized r = dp_picture_to_resized(&recipe, 14, 256, first[i][0]);
        assert_int_equal(r.width_px, first[i][0]);
        assert_int_equal(r.left_px, first[i][1]);
        assert_int_equal(r.top_px, 16);
        assert_int_equal(r.canvas_width_px, 224);
    }
    dp_pose pose = {.status = DP_ALIGN_OFF, .picture_height_px = 512, .picture_width_px = 1024};
    dp_affine map = dp_canvas_to_picture(&recipe, &pose, 0); /* 256 x 512 after the resize */
    double x, y;
    dp_affine_apply(&map, -0.5, -0.5, &x, &y);
    assert_float_equal(x, 144 * 2 - 0.5, 1e-9);
    assert_float_equal(y, 16 * 2 - 0.5, 1e-9);
    dp_affine_apply(&map, 223.5, 223.5, &x, &y);
    assert_float_equal(x, (144 + 224) * 2 - 0.5, 1e-9);
    assert_float_equal(y, (16 + 224) * 2 - 0.5, 1e-9);
}

/* ------------------------------------------------------------------------------------------------------------- regions */

/* White where keep(x, y, context). */
static const char *draw_mask(const char *name, size_t width, size_t height, int (*keep)(double, double, const void *),
                             const void *context)
{
    dp_picture *mask = NULL;
    const char *path = temporary_path(name);
    assert_ok(dp_picture_new(width, height, &mask, err));
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            memset(mask->rgb + 3 * (y * width + x), keep((double)x, (double)y, context) ? 255 : 0, 3);
    assert_ok(dp_picture_save_png(mask, path, err));
    dp_picture_free(&mask);
    return path;
}

static int left_of(double x, double y, const void *context)
{
    (void)y;
    return x < *(const double *)context;
}

/* The half of a nail at a pose that has its head. */
static int head_half(double x, double y, const void *context)
{
    const double *pose = context;
    double a = pose[2] * M_PI / 180;
    return cos(a) * (x - pose[0]) + sin(a) * (y - pose[1]) > 0;
}

static int nowhere(double x, double y, const void *context)
{
    (void)x, (void)y, (void)context;
    return 0;
}

static dp_recipe whole_picture(dp_layout layout)
{
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.align = DP_ALIGN_NONE;
    recipe.polarity = DP_POLARITY_NONE;
    recipe.canvas_height_px = 112;
    recipe.canvas_width_px = 154;
    recipe.layout = layout;
    recipe.window = 1;
    recipe.score = DP_SCORE_MEAN;
    return recipe;
}

static dp_bank *fit_within(const dp_recipe *recipe, const dp_roi *roi, size_t left_out)
{
    const char *paths[N_GOOD];
    size_t n = 0;
    for (size_t i = 0; i < N_GOOD; i++)
        if (i != left_out)
            paths[n++] = good_paths[i];
    dp_bank *bank = NULL;
    assert_ok(dp_bank_fit_within(session, recipe, roi, paths, n, NULL, NULL, &bank, NULL, err));
    return bank;
}

/* Cells, score, map and what is said of the coverage, of a mask that covers the left 160 of 320 pixels: 5.5 of 11 columns, of which the
 * sixth is half white and counts.  A region given to fit and the same given to inspect are one. */
static void a_fixed_region(void **state)
{
    (void)state;
    const double half = 160;
    dp_roi *roi = NULL;
    const char *mask = draw_mask("left.png", W, H, left_of, &half);
    assert_ok(dp_roi_open(mask, DP_ROI_FIXED, NULL, 0, &roi, err));
    for (int flat = 0; flat < 2; flat++) {
        dp_recipe recipe = whole_picture(flat ? DP_LAYOUT_FLAT : DP_LAYOUT_GRID);
        dp_bank *bank = fit_within(&recipe, roi, N_GOOD), *plain = fit_without(&recipe, N_GOOD),
                *others = fit_within(&recipe, roi, 2), *again = NULL;
        assert_int_equal(bank->recipe.roi, DP_ROI_FIXED);
        assert_int_equal(bank->rows.n_rows, plain->rows.n_rows); /* features are those of whole pictures */
        dp_result *result = inspect_file(bank, good_paths[2]), *whole = inspect_file(plain, good_paths[2]);
        double sum = 0;
        size_t n = 0;
        for (size_t i = 0; i < 8 * 11; i++) {
            assert_int_equal(result->grid_valid[i], i % 11 < 6);
            if (i % 11 < 6) {
                assert_true(result->grid[i] == whole->grid[i]);
                sum += (double)whole->grid[i];
                n++;
            }
        }
        expect_close(result->score, sum / (double)n, "mean of the region");
        assert_float_equal(result->roi_fraction, 6.0 / 11, 1e-12);
        assert_float_equal(result->inspected_fraction, 0.5, 1e-12);
        assert_true(whole->inspected == NULL && whole->roi_fraction == 1 && isnan(whole->inspected_fraction));
        for (size_t i = 0; i < W * H; i++) {
            assert_int_equal(result->inspected[i], i % W < 160);
            assert_true(i % W < 160 || result->map[i] == 0);
        }
        free_result(&result);
        /* A good picture's score is that of a new one. */
        result = inspect_file(others, good_paths[2]);
        expect_close(bank->pictures.loo_scores[2], result->score, "leave one out within a region");
        free_result(&result);
        /* On disk, and given to a view instead of to fit. */
        const char *path = temporary_path("region.bank");
        assert_ok(dp_bank_save(bank, path, err));
        assert_ok(dp_bank_open(path, &again, err));
        dp_view view;
        double scores[N_GOOD], peaks[N_GOOD];
        dp_good good = {.scores = scores, .peaks = peaks};
        dp_view_init(plain, &view);
        view.roi = roi;
        assert_ok(dp_bank_calibrate(plain, &view, 0.01, NULL, &good, err));
        for (size_t p = 0; p < N_GOOD; p++) {
            expect_close(scores[p], bank->pictures.loo_scores[p], "a view's region");
            assert_true(again->pictures.loo_scores[p] == bank->pictures.loo_scores[p]);
        }
        result = inspect_file(again, good_paths[1]);
        dp_picture *picture = NULL;
        dp_result *viewed = NULL;
        assert_ok(dp_picture_load(good_paths[1], 0, &picture, err));
        assert_ok(inspect_once(session, plain, &view, picture, &viewed, err));
        expect_close(result->score, viewed->score, "fit's and a view's region");
        assert_memory_equal(result->map, viewed->map, W * H * sizeof(float));
        assert_fails(DP_E_ARGUMENT, "region", dp_bank_save_view(plain, &view, 0.01, path, err));
        dp_picture_free(&picture);
        free_result(&viewed);
        free_result(&result);
        free_result(&whole);
        dp_bank_close(&again);
        dp_bank_close(&others);
        dp_bank_close(&plain);
        dp_bank_close(&bank);
    }
    dp_roi_close(&roi);
}

/* A cell is inspected where half of its points or more are white.  The mask covers six columns of cells and, of the 29.1 pixels of the
 * seventh, the left 12 (three points of eight), 14 (four) or 20. */
static void a_cell_is_inspected_from_its_half_on(void **state)
{
    (void)state;
    static const struct {
        double beyond;
        size_t columns;
    } cases[] = {{12, 6}, {14, 7}, {20, 7}};
    dp_recipe recipe = whole_picture(DP_LAYOUT_GRID);
    dp_bank *bank = fit_without(&recipe, N_GOOD);
    dp_picture *picture = NULL;
    assert_ok(dp_picture_load(good_paths[0], 0, &picture, err));
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const double edge = 6 * (double)W / 11 + cases[k].beyond;
        dp_roi *roi = NULL;
        dp_view view;
        dp_result *result = NULL;
        dp_view_init(bank, &view);
        assert_ok(dp_roi_open(draw_mask("edge.png", W, H, left_of, &edge), DP_ROI_FIXED, NULL, 0, &roi, err));
        view.roi = roi;
        assert_ok(inspect_once(session, bank, &view, picture, &result, err));
        for (size_t i = 0; i < 8 * 11; i++)
            assert_int_equal(result->grid_valid[i], i % 11 < cases[k].columns);
        free_result(&result);
        dp_roi_close(&roi);
    }
    dp_picture_free(&picture);
    dp_bank_close(&bank);
}

/* A mask of one half of a nail, drawn on one good picture, finds that half in pictures where it lies elsewhere and otherwise: most of
 * what is inspected is that half, and nearly nothing of the other. */
static void a_region_that_follows_the_object(void **state)
{
    (void)state;
    static const dp_polarity polarities[] = {DP_POLARITY_ROTATE, DP_POLARITY_MIRROR};
    dp_roi *roi = NULL;
    const char *mask = draw_mask("head.png", W, H, head_half, poses[1]);
    assert_ok(dp_roi_open(mask, DP_ROI_OBJECT, "good1.png", 0, &roi, err));
    for (size_t k = 0; k < 2; k++) {
        dp_recipe recipe;
        dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
        recipe.canvas_height_px = 112;
        recipe.canvas_width_px = 224;
        recipe.polarity = polarities[k];
        dp_bank *bank = fit_within(&recipe, roi, N_GOOD);
        assert_int_equal(bank->recipe.roi, DP_ROI_OBJECT);
        for (size_t p = 0; p < N_GOOD; p++) {
            dp_result *result = inspect_file(bank, good_paths[p]);
            size_t wrong = 0, right = 0;
            for (size_t y = 0; y < H; y++)
                for (size_t x = 0; x < W; x++) {
                    bool wanted = head_half((double)x, (double)y, poses[p]), is = result->inspected[y * W + x] == 1;
                    right += is && wanted;
                    wrong += is && !wanted;
                    assert_true(is || result->map[y * W + x] == 0);
                }
            /* poses are found to about a degree and a pixel or two */
            if (!(wrong * 20 < right && right > 1000))
                fail_msg("polarity %d, picture %zu: %zu pixels of the half that is wanted, %zu of the other",
                         (int)polarities[k], p, right, wrong);
            assert_true(result->roi_fraction > 0.3 && result->roi_fraction < 0.7);
            free_result(&result);
        }
        dp_bank_close(&bank);
    }
    dp_roi_close(&roi);
}

static void regions_that_do_not_fit(void **state)
{
    (void)state;
    const double half = 160, sliver = 3;
    const char *left = draw_mask("left2.png", W, H, left_of, &half),
               *small = draw_mask("small.png", W - 1, H, left_of, &half);
    const char *black = draw_mask("black.png", W, H, nowhere, NULL),
               *thin = draw_mask("thin.png", W, H, left_of, &sliver);
    dp_roi *roi = NULL;
    dp_recipe recipe = whole_picture(DP_LAYOUT_GRID);
    dp_bank *bank = NULL, *none = NULL;
    const char *paths[2] = {good_paths[0], good_paths[1]};
    struct told told = {0};
    assert_fails(DP_E_ARGUMENT, "black", dp_roi_open(black, DP_ROI_FIXED, NULL, 0, &roi, err));
    assert_fails(DP_E_ARGUMENT, "name the good picture", dp_roi_open(left, DP_ROI_OBJECT, NULL, 0, &roi, err));
    assert_fails(DP_E_IO, "missing", dp_roi_open("missing.png", DP_ROI_FIXED, NULL, 0, &roi, err));
    /* another size: no good picture fits it */
    assert_ok(dp_roi_open(small, DP_ROI_FIXED, NULL, 0, &roi, err));
    assert_fails(DP_E_PICTURE, "none of the 2",
                 dp_bank_fit_within(session, &recipe, roi, paths, 2, on_picture, &told, &none, NULL, err));
    assert_int_equal(told.n, 2);
    assert_non_null(strstr(told.message, "319x240"));
    dp_roi_close(&roi);
    /* without alignment nothing can be followed */
    assert_ok(dp_roi_open(left, DP_ROI_OBJECT, "good0.png", 0, &roi, err));
    assert_fails(DP_E_ARGUMENT, "align",
                 dp_bank_fit_within(session, &recipe, roi, paths, 2, NULL, NULL, &none, NULL, err));
    dp_roi_close(&roi);
    /* a picture that is not there */
    assert_ok(dp_roi_open(left, DP_ROI_OBJECT, "good3.png", 0, &roi, err));
    assert_fails(DP_E_ARGUMENT, "not one of",
                 dp_bank_fit_within(session, &recipe, roi, paths, 2, NULL, NULL, &none, NULL, err));
    dp_roi_close(&roi);
    /* a region without a whole half of any cell leaves nothing to inspect */
    bank = fit_without(&recipe, N_GOOD);
    dp_view view;
    dp_result *result = NULL;
    dp_picture *picture = NULL;
    dp_view_init(bank, &view);
    assert_ok(dp_roi_open(thin, DP_ROI_FIXED, NULL, 0, &roi, err));
    view.roi = roi;
    assert_ok(dp_picture_load(good_paths[0], 0, &picture, err));
    assert_ok(inspect_once(session, bank, &view, picture, &result, err));
    not_inspected(&result, "region");
    dp_picture_free(&picture);
    /* a picture of another size than the mask */
    assert_ok(dp_picture_new(W, H + 1, &picture, err));
    assert_ok(inspect_once(session, bank, &view, picture, &result, err));
    not_inspected(&result, "320x241");
    dp_picture_free(&picture);
    dp_roi_close(&roi);
    dp_bank_close(&bank);
}

/* What a drawing leaves dark. */
static void a_drawing_shows_the_region(void **state)
{
    (void)state;
    const double half = 160;
    dp_roi *roi = NULL;
    const char *mask = draw_mask("left3.png", W, H, left_of, &half);
    assert_ok(dp_roi_open(mask, DP_ROI_FIXED, NULL, 0, &roi, err));
    dp_recipe recipe = whole_picture(DP_LAYOUT_GRID);
    dp_bank *bank = fit_within(&recipe, roi, N_GOOD);
    dp_result *result = inspect_file(bank, good_paths[0]);
    dp_picture *picture = NULL, *drawn = NULL;
    assert_ok(dp_picture_load(good_paths[0], 0, &picture, err));
    assert_ok(dp_result_draw(picture, result, 1e6, 2e6, &drawn,
                             err)); /* no colours: the photograph and its darkening alone */
    double scale = (double)drawn->width_px / W;
    size_t y = (size_t)(20 * scale);
    int bright = drawn->rgb[3 * (y * drawn->width_px + (size_t)(40 * scale))];
    int dark = drawn->rgb[3 * (y * drawn->width_px + (size_t)(280 * scale))];
    assert_true(bright > 200 && dark > 100 && dark < 150); /* the background is 225 */
    dp_picture_free(&drawn);
    dp_picture_free(&picture);
    free_result(&result);
    dp_bank_close(&bank);
    dp_roi_close(&roi);
}

/* Carried along by what is done to a bank; two banks with different regions stay two. */
static void a_region_stays_with_its_bank(void **state)
{
    (void)state;
    const double half = 160, more = 200;
    dp_roi *one = NULL, *other = NULL;
    const char *left = draw_mask("left4.png", W, H, left_of, &half),
               *wider = draw_mask("wider.png", W, H, left_of, &more);
    assert_ok(dp_roi_open(left, DP_ROI_FIXED, NULL, 0, &one, err));
    assert_ok(dp_roi_open(wider, DP_ROI_FIXED, NULL, 0, &other, err));
    dp_recipe recipe = whole_picture(DP_LAYOUT_GRID);
    dp_bank *whole = fit_within(&recipe, one, N_GOOD), *less = NULL, *a = fit_within(&recipe, one, 0), *joined = NULL;
    const size_t gone = 0;
    assert_ok(dp_bank_remove(whole, &gone, 1, NULL, &less, err));
    for (size_t p = 0; p < N_GOOD - 1; p++)
        expect_close(less->pictures.loo_scores[p], a->pictures.loo_scores[p], "a picture removed");
    const char *path[1] = {good_paths[0]};
    assert_ok(dp_bank_add(session, less, path, 1, NULL, NULL, &joined, NULL, err));
    expect_close(joined->pictures.loo_scores[N_GOOD - 1], whole->pictures.loo_scores[0], "a picture added");
    dp_bank_close(&joined);
    dp_bank *strange = fit_within(&recipe, other, N_GOOD);
    assert_fails(DP_E_MISMATCH, "region", dp_bank_merge(whole, strange, NULL, &joined, err));
    dp_bank_close(&strange);
    dp_bank_close(&less);
    dp_bank_close(&a);
    dp_bank_close(&whole);
    dp_roi_close(&one);
    dp_roi_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_masked_good_picture_scores_as_a_new_one),
        cmocka_unit_test(all_background),
        cmocka_unit_test(a_crop_is_the_middle),
        cmocka_unit_test(where_a_crop_lies),
        cmocka_unit_test(a_fixed_region),
        cmocka_unit_test(a_cell_is_inspected_from_its_half_on),
        cmocka_unit_test(a_region_that_follows_the_object),
        cmocka_unit_test(regions_that_do_not_fit),
        cmocka_unit_test(a_drawing_shows_the_region),
        cmocka_unit_test(a_region_stays_with_its_bank),
    };
    return cmocka_run_group_tests_name("masks", tests, set_up, tear_down);
}
