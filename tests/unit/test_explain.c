/* SPDX-License-Identifier: Apache-2.0 */
/* Tests the patch of a defect beside the nearest good patch. Whichever way round the good picture was added to the
 * bank, both sides must show the same part, the same way round. */
#include "one_result.h"
#include "test.h"

#include <math.h>

#include "bank/bank.h"
#include "image/picture.h"

#define W 320
#define H 240
#define PANEL 300 /* of the drawing: two panels and a gap of 10 */

static dp_network *model;
static dp_session *session;

/* A nail with a stripe across its shaft, at any pose; `spot` adds one beside the axis, so that it is no mirror image of itself. */
static dp_picture *draw_nail(double cx, double cy, double angle_deg, int spot)
{
    dp_picture *picture = NULL;
    assert_ok(dp_picture_new(W, H, &picture, err));
    double c = cos(angle_deg * M_PI / 180), s = sin(angle_deg * M_PI / 180);
    unsigned seed = 5;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            double sum = 0;
            for (int k = 0; k < 16; k++) {
                double px = x + (k % 4) / 4.0 - cx, py = y + (k / 4) / 4.0 - cy, u = c * px + s * py,
                       v = -s * px + c * py, value = 225;
                if ((fabs(u) < 80 && fabs(v) < 9) || (u > 66 && u < 82 && fabs(v) < 26))
                    value = fabs(u - 20) < 8 ? 140 : 60;
                if (spot && value < 200 && fabs(u + 40) < 25 && v > 2)
                    value = 170;
                sum += value;
            }
            seed = seed * 1664525u + 1013904223u;
            for (int ch = 0; ch < 3; ch++)
                picture->rgb[(y * W + x) * 3 + ch] = (uint8_t)lrint(sum / 16 + (double)(seed >> 24) / 128 - 1);
        }
    return picture;
}

static const char *saved(const dp_picture *picture)
{
    const char *path = temporary_path("good.png");
    assert_ok(dp_picture_save_png(picture, path, err));
    return path;
}

static int set_up(void **state)
{
    (void)state;
    dp_architecture architecture;
    const char *path = temporary_path("demo.safetensors");
    dp_run run;
    dp_run_init(&run);
    run.threads = 2;
    assert_ok(dp_architecture_parse("demo", &architecture, err));
    assert_ok(dp_network_synthesise(&architecture, 1, path, err));
    assert_ok(dp_network_open(path, &model, err));
    assert_ok(dp_session_open(model, DP_FP32, &run, &session, err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dp_session_close(&session);
    dp_network_close(&model);
    return 0;
}

static dp_recipe small_recipe(void)
{
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.canvas_height_px = 112;
    recipe.canvas_width_px = 224;
    recipe.score = DP_SCORE_MAX;
    recipe.window = 0;
    return recipe;
}

static dp_result *inspect(const dp_bank *bank, const dp_picture *picture)
{
    dp_view view;
    dp_result *result = NULL;
    dp_view_init(bank, &view);
    view.threshold = -1;
    view.cell_threshold = -1; /* everything is a defect */
    assert_ok(inspect_once(session, bank, &view, picture, &result, err));
    assert_true(result->n_defects >= 1);
    return result;
}

static dp_bank *fit(const dp_recipe *recipe, const dp_picture *good)
{
    dp_bank *bank = NULL;
    const char *path = saved(good);
    assert_ok(dp_bank_fit(session, recipe, &path, 1, NULL, NULL, &bank, NULL, err));
    return bank;
}

/* Mean difference between the two panels; *spread: how much there is to be seen in the left one. */
static double difference(const dp_picture *drawn, double *spread)
{
    double sum = 0, mean = 0, squares = 0;
    assert_int_equal(drawn->width_px, 2 * PANEL + 10);
    for (size_t y = 0; y < PANEL; y++)
        for (size_t x = 0; x < PANEL; x++) {
            double a = drawn->rgb[(y * drawn->width_px + x) * 3],
                   b = drawn->rgb[(y * drawn->width_px + x + PANEL + 10) * 3];
            sum += fabs(a - b);
            mean += a;
            squares += a * a;
        }
    mean /= PANEL * PANEL;
    *spread = sqrt(squares / (PANEL * PANEL) - mean * mean);
    return sum / (PANEL * PANEL);
}

/* Inspects a picture against a bank of one other, in which the patch of every cell has its counterpart. */
static void assert_alike(const char *name, const dp_recipe *recipe, const dp_picture *good, const dp_picture *picture,
                         size_t version, double most)
{
    dp_bank *bank = fit(recipe, good);
    dp_result *result = inspect(bank, picture);
    dp_defect *d = &result->defects[0];
    assert_int_equal(d->nearest_picture, 0);
    if (d->nearest_version != version)
        fail_msg("%s: version %zu", name, d->nearest_version);
    /* Where there is something to see, all defects being one: the cell nearest to the middle of the grid, a little off. */
    if (bank->recipe.layout == DP_LAYOUT_GRID)
        d->peak_cell = d->nearest_cell = (result->grid_rows / 2) * result->grid_cols + result->grid_cols * 2 / 3;
    dp_picture *drawn = NULL;
    double spread, apart;
    assert_ok(dp_defect_draw(bank, picture, result, 0, good, NULL, 1, &drawn, err));
    apart = difference(drawn, &spread);
    if (!(spread > 10) || !(apart <= most))
        fail_msg("%s: the panels are %g levels apart, their spread is %g", name, apart, spread);
    dp_picture_free(&drawn);
    free_result(&result);
    dp_bank_close(&bank);
}

static void aligned_pictures(void **state)
{
    (void)state;
    for (int p = 0; p < 2; p++) {
        dp_recipe recipe = small_recipe();
        recipe.polarity = p ? DP_POLARITY_ROTATE : DP_POLARITY_MIRROR;
        for (int turn = 0; turn < 4; turn++) {
            char name[64];
            snprintf(name, sizeof name, "%s, turn %d", p ? "rotate" : "mirror", turn);
            dp_picture *good = draw_nail(160, 120, turn & 1 ? 195 : 15, p),
                       *bad = draw_nail(152, 126, turn & 2 ? 240 : 60, p);
            assert_alike(name, &recipe, good, bad, 0, 4);
            dp_picture_free(&good);
            dp_picture_free(&bad);
        }
    }
}

/* Left to right. */
static void flip(dp_picture *picture)
{
    size_t w = picture->width_px;
    for (size_t y = 0; y < picture->height_px; y++)
        for (size_t x = 0; x < w / 2; x++)
            for (size_t k = 0; k < 3; k++) {
                uint8_t *a = &picture->rgb[(y * w + x) * 3 + k], *b = &picture->rgb[(y * w + w - 1 - x) * 3 + k],
                        keep = *a;
                *a = *b;
                *b = keep;
            }
}

static void mirrored_pictures(void **state)
{
    (void)state;
    for (int aligned = 0; aligned < 2; aligned++) {
        dp_recipe recipe = small_recipe();
        recipe.align = aligned ? DP_ALIGN_PCA : DP_ALIGN_NONE;
        recipe.polarity = DP_POLARITY_NONE;
        recipe.mirror = 1;
        /* Upright: mirrored left to right it is still aligned the same way round. */
        dp_picture *good = draw_nail(160, 120, 91, 1), *flipped = draw_nail(160, 120, 91, 1);
        flip(flipped);
        assert_alike(aligned ? "mirrored, aligned" : "mirrored", &recipe, good, flipped, 1, aligned ? 4 : 0.1);
        assert_alike("itself", &recipe, good, good, 0, 0.1);
        dp_picture_free(&good);
        dp_picture_free(&flipped);
    }
}

static void turned_pictures_of_their_own_size(void **state)
{
    (void)state;
    dp_recipe recipe = small_recipe();
    recipe.align = DP_ALIGN_NONE;
    recipe.polarity = DP_POLARITY_NONE;
    recipe.layout = DP_LAYOUT_FLAT;
    recipe.edge_px = 112;
    recipe.rotations = 8;
    dp_picture *good = draw_nail(160, 120, 15, 1);
    for (size_t k = 0; k < 8; k += 3) {
        dp_picture *turned = NULL;
        assert_ok(dp_picture_rotate(good, 45.0 * (double)k, &turned, err));
        assert_alike("turned", &recipe, good, turned, k, 0.1);
        dp_picture_free(&turned);
    }
    dp_picture_free(&good);
}

/* A panel of the drawing that shows no picture is of one colour, but for its words. */
static double share_of_nothing(const dp_picture *drawn)
{
    size_t n = 0;
    for (size_t y = 0; y < PANEL; y++)
        for (size_t x = PANEL + 10; x < 2 * PANEL + 10; x++) {
            const uint8_t *p = &drawn->rgb[(y * drawn->width_px + x) * 3];
            n += p[0] == 51 && p[1] == 56 && p[2] == 64;
        }
    return (double)n / (PANEL * PANEL);
}

static void what_cannot_be_shown(void **state)
{
    (void)state;
    dp_recipe recipe = small_recipe();
    dp_picture *good = draw_nail(160, 120, 15, 0), *elsewhere = draw_nail(163, 121, 15, 0), *other = NULL,
               *drawn = NULL;
    assert_ok(dp_picture_new(W, H + 1, &other, err));
    dp_bank *bank = fit(&recipe, good);
    dp_result *result = inspect(bank, good);
    /* there, gone, of another size, moved */
    const dp_picture *now[] = {good, NULL, other, elsewhere};
    for (size_t i = 0; i < 4; i++) {
        assert_ok(dp_defect_draw(bank, good, result, 0, now[i],
                                 i == 1 ? "it is \xC3\xA4"
                                          "anywhere"
                                        : NULL,
                                 1, &drawn, err));
        double nothing = share_of_nothing(drawn);
        if (i ? !(nothing > 0.8 && nothing < 0.999) : nothing > 0.5)
            fail_msg("%zu: %g of the panel is empty", i, nothing);
        dp_picture_free(&drawn);
    }
    dp_defect *d = &result->defects[0];
    d->nearest_cell = SIZE_MAX;
    assert_ok(dp_defect_draw(bank, good, result, 0, good, NULL, 1, &drawn, err));
    assert_true(share_of_nothing(drawn) > 0.8);
    dp_picture_free(&drawn);
    d->nearest_picture = SIZE_MAX;
    assert_ok(dp_defect_draw(bank, good, result, 0, good, NULL, 1, &drawn, err));
    assert_true(share_of_nothing(drawn) > 0.8);
    dp_picture_free(&drawn);
    assert_ok(dp_defect_draw(bank, good, result, 0, good, NULL, 0, &drawn, err));
    assert_int_equal(drawn->height_px, PANEL);
    dp_picture_free(&drawn);
    assert_fails(DP_E_ARGUMENT, "defect 1000 of", dp_defect_draw(bank, good, result, 999, good, NULL, 1, &drawn, err));
    assert_fails(DP_E_ARGUMENT, "cannot belong", dp_defect_draw(bank, other, result, 0, good, NULL, 1, &drawn, err));
    assert_null(drawn);
    free_result(&result);
    dp_bank_close(&bank);
    dp_picture_free(&good);
    dp_picture_free(&elsewhere);
    dp_picture_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligned_pictures),
        cmocka_unit_test(mirrored_pictures),
        cmocka_unit_test(turned_pictures_of_their_own_size),
        cmocka_unit_test(what_cannot_be_shown),
    };
    return cmocka_run_group_tests_name("explain", tests, set_up, tear_down);
}
