/* SPDX-License-Identifier: Apache-2.0 */
/* Tests the stable interface: images, options, fit and inspector. */
#include "counting.h"
#include "nail.h"

#define N_GOOD 6

static const double poses[N_GOOD][3] = {{160, 120, 10}, {150, 125, 12}, {165, 118, 8},
                                        {155, 120, 14}, {162, 124, 9},  {158, 116, 11}};

static dp_image image_of(const dp_picture *picture)
{
    return (dp_image){.size = sizeof(dp_image),
                      .pixels = picture->rgb,
                      .width = picture->width_px,
                      .height = picture->height_px,
                      .format = DP_RGB8};
}

static void add_nails(dp_fit *fit)
{
    for (size_t p = 0; p < N_GOOD; p++) {
        char name[16];
        snprintf(name, sizeof name, "%zu.png", p);
        dp_picture *picture = draw_nail(poses[p][0], poses[p][1], poses[p][2], 0, (unsigned)p + 1);
        dp_image image = image_of(picture);
        assert_ok(dp_fit_add(fit, &image, name, err));
        dp_picture_free(&picture);
    }
}

/* settings: "key=value" texts, NULL-ended. */
static dp_bank *fit_nails(const dp_network *network, const char *const *settings)
{
    dp_options *options = NULL;
    dp_fit *fit = NULL;
    dp_bank *bank = NULL;
    assert_ok(dp_options_new(&options, err));
    for (; *settings; settings++) {
        char key[64];
        size_t length = strcspn(*settings, "=");
        snprintf(key, sizeof key, "%.*s", (int)length, *settings);
        assert_ok(dp_options_set(options, key, *settings + length + 1, err));
    }
    assert_ok(dp_fit_begin(network, options, NULL, &fit, err));
    dp_options_free(&options);
    add_nails(fit);
    assert_ok(dp_fit_end(fit, &bank, err));
    assert_int_equal(dp_fit_get_report(fit)->n_used, N_GOOD);
    dp_fit_close(&fit);
    return bank;
}

/* ------------------------------------------------------------------------------------------------------- allocations */

#if COUNTING
static void run_nails(dp_inspector *inspector, dp_picture *const *pictures, size_t n)
{
    const dp_result *result = NULL;
    for (size_t p = 0; p < n; p++) {
        dp_image image = image_of(pictures[p]);
        if (p % 3 == 2) {
            image.format = DP_BGR8;
            assert_ok(dp_inspector_run(inspector, &image, 0, &result, err));
            assert_null(result->map);
            continue;
        }
        assert_ok(dp_inspector_run(inspector, &image, DP_RESULT_MAP, &result, err));
        assert_non_null(result->map);
    }
}
#endif

static void memory_is_taken_for_the_first_picture_only(void **state)
{
    (void)state;
#if !COUNTING
    print_message("left out: the allocator cannot be replaced here\n");
#else
    static const char *const cases[][5] = {
        {"size=128", NULL},
        {"size=128", "align=pca", NULL},
        {"method=dinopatch", "canvas=auto:112", NULL},
        {"method=patchcore", "canvas=112x112", "bank.coreset=0.5", NULL},
        {"method=anomalydino", "edge=112", NULL},
    };
    dp_network *transformer = NULL;
    dp_architecture demo;
    const char *path = temporary_path("demo.safetensors");
    assert_ok(dp_architecture_parse("demo", &demo, err));
    assert_ok(dp_network_synthesise(&demo, 7, path, err));
    assert_ok(dp_network_open(path, &transformer, err));
    dp_picture *pictures[6];
    for (size_t p = 0; p < 6; p++) /* the first has a defect: where there are more of them, more memory is taken */
        pictures[p] = draw_nail(155 + (double)p, 120, 10 + (double)p, p % 2 == 0, 77 + (unsigned)p);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const dp_network *network = c < 2 ? NULL : transformer;
        dp_bank *bank = fit_nails(network, cases[c]);
        dp_run run;
        dp_inspector *inspector = NULL;
        dp_run_init(&run);
        run.threads = 2;
        assert_ok(dp_inspector_open(network, bank, &run, &inspector, err));
        atomic_store(&ours, 0);
        atomic_store(&counting, true);
        run_nails(inspector, pictures, 3);
        atomic_store(&counting, false);
        assert_true(atomic_load(&ours) > 0); /* the count is not blind */
        atomic_store(&ours, 0);
        atomic_store(&others, 0);
        atomic_store(&counting, true);
        run_nails(inspector, pictures, 6);
        atomic_store(&counting, false);
        print_message("%s: %zu allocations in six pictures, and %zu of oneDNN\n", cases[c][0], atomic_load(&ours),
                      atomic_load(&others));
        assert_int_equal(atomic_load(&ours), 0);
        dp_inspector_close(&inspector);
        dp_bank_close(&bank);
    }
    for (size_t p = 0; p < 6; p++)
        dp_picture_free(&pictures[p]);
    dp_network_close(&transformer);
#endif
}

/* ----------------------------------------------------------------------------------------------------------- formats */

static void expect_same(const dp_result *a, const dp_result *b)
{
    assert_memory_equal(&a->score, &b->score, sizeof a->score);
    assert_int_equal(a->label, b->label);
    assert_int_equal(a->n_defects, b->n_defects);
    assert_int_equal(a->grid_rows * a->grid_cols, b->grid_rows * b->grid_cols);
    assert_memory_equal(a->grid, b->grid, a->grid_rows * a->grid_cols * sizeof *a->grid);
    assert_memory_equal(a->map, b->map, a->height_px * a->width_px * sizeof *a->map);
}

static void every_format_gives_the_same_result(void **state)
{
    (void)state;
    static const char *const settings[] = {"size=128", NULL};
    static uint8_t bgr[H][W * 3 + 20], gray[H][W], copy[H][W + 7];
    static uint16_t deep[H][W + 1][3], gray_deep[H][W];
    dp_bank *bank = fit_nails(NULL, settings);
    dp_inspector *inspector = NULL, *other = NULL;
    const dp_result *expected = NULL, *result = NULL;
    dp_picture *picture = draw_nail(157, 121, 10, 1, 5), *gray_rgb = draw_nail(157, 121, 10, 1, 5);
    for (size_t y = 0; y < H; y++)
        for (size_t x = 0; x < W; x++) {
            uint8_t *rgb = picture->rgb + 3 * (y * W + x);
            rgb[0] = (uint8_t)(rgb[0] / 2); /* so that the channels differ */
            for (size_t c = 0; c < 3; c++) {
                bgr[y][3 * x + c] = rgb[2 - c];
                deep[y][x][c] = (uint16_t)(rgb[c] * 257); /* all 16 bits */
                gray_rgb->rgb[3 * (y * W + x) + c] = rgb[1];
            }
            copy[y][x] = gray[y][x] = rgb[1];
            gray_deep[y][x] = (uint16_t)(rgb[1] * 16); /* 12 bits at the lower end, white 255 * 16 */
        }
    assert_ok(dp_inspector_open(NULL, bank, NULL, &inspector, err));
    assert_ok(dp_inspector_open(NULL, bank, NULL, &other, err));
    dp_image image = image_of(picture);
    assert_ok(dp_inspector_run(other, &image, DP_RESULT_MAP, &expected, err));
    assert_int_equal(expected->label, DP_LABEL_ANOMALOUS);
    dp_image as_bgr = {sizeof as_bgr, bgr, W, H, sizeof bgr[0], DP_BGR8, 0};
    assert_ok(dp_inspector_run(inspector, &as_bgr, DP_RESULT_MAP, &result, err));
    expect_same(expected, result);
    dp_image as_deep = {sizeof as_deep, deep, W, H, sizeof deep[0], DP_RGB16, 65535};
    assert_ok(dp_inspector_run(inspector, &as_deep, DP_RESULT_MAP, &result, err));
    expect_same(expected, result);

    image.pixels = gray_rgb->rgb;
    assert_ok(dp_inspector_run(other, &image, DP_RESULT_MAP, &expected, err));
    dp_image as_gray = {sizeof as_gray, gray, W, H, 0, DP_GRAY8, 0};
    assert_ok(dp_inspector_run(inspector, &as_gray, DP_RESULT_MAP, &result, err));
    expect_same(expected, result);
    dp_image padded = {sizeof padded, copy, W, H, sizeof copy[0], DP_GRAY8, 0};
    assert_ok(dp_inspector_run(inspector, &padded, DP_RESULT_MAP, &result, err));
    expect_same(expected, result);
    dp_image as_gray_deep = {sizeof as_gray_deep, gray_deep, W, H, 0, DP_GRAY16, 255 * 16};
    assert_ok(dp_inspector_run(inspector, &as_gray_deep, DP_RESULT_MAP, &result, err));
    expect_same(expected, result);

    /* Without the map it is the same judgement. */
    assert_ok(dp_inspector_run(inspector, &image, 0, &result, err));
    assert_true(result->score == expected->score && result->label == expected->label);
    assert_true(!result->map && !result->n_defects);
    dp_picture_free(&picture);
    dp_picture_free(&gray_rgb);
    dp_inspector_close(&inspector);
    dp_inspector_close(&other);
    dp_bank_close(&bank);
}

static void a_map_that_was_taken_stays(void **state)
{
    (void)state;
    static const char *const settings[] = {"size=128", NULL};
    dp_bank *bank = fit_nails(NULL, settings);
    dp_picture *first = draw_nail(157, 121, 11, 1, 5), *second = draw_nail(160, 119, 9, 0, 6);
    dp_image images[] = {image_of(first), image_of(second)};
    dp_inspector *inspector = NULL;
    const dp_result *result = NULL;
    assert_ok(dp_inspector_open(NULL, bank, NULL, &inspector, err));
    assert_null(dp_inspector_take_map(inspector)); /* nothing was inspected */
    assert_ok(dp_inspector_run(inspector, &images[0], DP_RESULT_MAP, &result, err));
    size_t bytes = result->height_px * result->width_px * sizeof(float);
    float *map = dp_inspector_take_map(inspector), *copy = malloc(bytes);
    assert_non_null(map);
    assert_non_null(copy);
    assert_null(result->map);
    assert_null(dp_inspector_take_map(inspector)); /* once */
    memcpy(copy, map, bytes);
    assert_ok(dp_inspector_run(inspector, &images[1], DP_RESULT_MAP, &result, err));
    assert_memory_equal(map, copy, bytes);
    assert_ok(dp_inspector_run(inspector, &images[0], DP_RESULT_MAP, &result, err));
    assert_memory_equal(result->map, copy, bytes);
    assert_ok(dp_inspector_run(inspector, &images[0], 0, &result, err));
    assert_null(dp_inspector_take_map(inspector)); /* it was not asked for */
    dp_inspector_close(&inspector);
    dp_bank_close(&bank);
    dp_memory_free(map);
    free(copy);
    dp_picture_free(&first);
    dp_picture_free(&second);
}

static void images_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static uint8_t pixels[8 * 8 * 6 + 1];
    dp_fit *fit = NULL;
    dp_run run;
    dp_run_init(&run);
    run.max_picture_pixels = 64;
    assert_ok(dp_fit_begin(NULL, NULL, &run, &fit, err));
    const dp_image good = {sizeof good, pixels, 8, 8, 0, DP_RGB8, 0};
    dp_image bad = good;
    bad.size = 0;
    assert_fails(DP_E_ARGUMENT, "size", dp_fit_add(fit, &bad, "a", err));
    bad = good, bad.pixels = NULL;
    assert_fails(DP_E_ARGUMENT, "without pixels", dp_fit_add(fit, &bad, "a", err));
    bad = good, bad.stride_bytes = 23;
    assert_fails(DP_E_ARGUMENT, "stride is 23", dp_fit_add(fit, &bad, "a", err));
    bad = good, bad.format = (dp_format)5;
    assert_fails(DP_E_ARGUMENT, "format", dp_fit_add(fit, &bad, "a", err));
    bad = good, bad.height = 9;
    assert_fails(DP_E_PICTURE, "max_picture_pixels", dp_fit_add(fit, &bad, "a", err));
    bad = good, bad.width = SIZE_MAX / 2;
    assert_fails(DP_E_PICTURE, "limit", dp_fit_add(fit, &bad, "a", err));
    bad = good, bad.format = DP_GRAY16, bad.pixels = pixels + 1;
    assert_fails(DP_E_ARGUMENT, "even addresses", dp_fit_add(fit, &bad, "a", err));
    assert_fails(DP_E_ARGUMENT, "name", dp_fit_add(fit, &good, NULL, err));
    dp_bank *bank = NULL;
    assert_fails(DP_E_ARGUMENT, "no pictures", dp_fit_end(fit, &bank, err));
    dp_fit_close(&fit);
    run.size = 0;
    assert_fails(DP_E_ARGUMENT, "dp_run_init", dp_fit_begin(NULL, NULL, &run, &fit, err));
}

/* --------------------------------------------------------------------------------------------------------------- fit */

static void the_report_says_what_became_of_each_picture(void **state)
{
    (void)state;
    dp_options *options = NULL;
    dp_fit *fit = NULL;
    dp_bank *bank = NULL;
    dp_picture *twin = draw_nail(poses[1][0], poses[1][1], poses[1][2], 0, 2), *empty = NULL;
    assert_ok(dp_picture_new(W, H, &empty, err));
    assert_ok(dp_options_new(&options, err));
    assert_fails(DP_E_ARGUMENT, "align", dp_options_set(options, "align", "sideways", err));
    assert_ok(dp_options_set(options, "align", "pca", err));
    assert_ok(dp_options_set(options, "size", "128", err));
    assert_ok(dp_fit_begin(NULL, options, NULL, &fit, err));
    add_nails(fit);
    dp_image image = image_of(twin);
    assert_ok(dp_fit_add(fit, &image, "twin.png", err));
    image = image_of(empty);
    assert_ok(dp_fit_add(fit, &image, "empty.png", err));
    assert_ok(dp_fit_end(fit, &bank, err));
    const dp_fit_report *report = dp_fit_get_report(fit);
    assert_int_equal(report->n_given, N_GOOD + 2);
    assert_int_equal(report->n_used, N_GOOD);
    assert_int_equal(report->n_twins, 1);
    assert_int_equal(report->n_failed, 1);
    assert_null(report->pictures[0].reason);
    assert_string_equal(report->pictures[N_GOOD].name, "twin.png");
    assert_non_null(strstr(report->pictures[N_GOOD].reason, "1.png"));
    assert_non_null(strstr(report->pictures[N_GOOD + 1].reason, "cannot be aligned"));
    dp_fit_close(&fit);

    dp_bank_info info = {.size = sizeof info};
    double score = 0;
    dp_bank_get_info(bank, &info);
    assert_int_equal(info.n_pictures, N_GOOD);
    assert_true(info.threshold > 0 && info.fpr_promised > 0 && info.fpr_promised <= 1.0 / N_GOOD);
    assert_string_equal(info.network_path, DP_NETWORK_NANO);
    assert_string_equal(dp_bank_picture(bank, 1, &score), "1.png");
    assert_true(score > 0 && score <= info.threshold);
    assert_null(dp_bank_picture(bank, N_GOOD, NULL));
    /* A program of an earlier version knows fewer fields; what follows is its own. */
    dp_bank_info earlier = {.size = offsetof(dp_bank_info, threshold), .threshold = 99};
    dp_bank_get_info(bank, &earlier);
    assert_true(earlier.n_pictures == N_GOOD && earlier.threshold == 99);
    dp_bank_close(&bank);
    dp_options_free(&options);
    dp_picture_free(&twin);
    dp_picture_free(&empty);
}

/* White is found in the good pictures, and kept. */
static void twelve_bits_are_recognised(void **state)
{
    (void)state;
    static uint16_t deep[N_GOOD][H * W];
    dp_options *options = NULL;
    dp_fit *fit = NULL;
    dp_bank *bank = NULL;
    assert_ok(dp_options_new(&options, err));
    assert_ok(dp_options_set(options, "size", "128", err));
    assert_ok(dp_fit_begin(NULL, options, NULL, &fit, err));
    for (size_t p = 0; p < N_GOOD; p++) {
        dp_picture *picture = draw_nail(poses[p][0], poses[p][1], poses[p][2], 0, (unsigned)p + 1);
        for (size_t i = 0; i < W * H; i++)
            deep[p][i] = (uint16_t)(picture->rgb[3 * i] * 16 + 3);
        dp_image image = {sizeof image, deep[p], W, H, 0, DP_GRAY16, 0};
        assert_ok(dp_fit_add(fit, &image, "deep", err));
        dp_picture_free(&picture);
    }
    assert_ok(dp_fit_end(fit, &bank, err));
    dp_bank_details details;
    dp_bank_get_details(bank, &details);
    assert_int_equal(details.recipe.sample_white, 4095);
    dp_fit_close(&fit);
    dp_bank_close(&bank);
    dp_options_free(&options);
}

/* -------------------------------------------------------------------------------------------- the same as the program */

static const char *name_of(void *user, size_t index)
{
    (void)user, (void)index;
    return "nail";
}

static dp_status load(void *user, size_t index, const dp_picture_options *options, dp_picture **picture,
                      dp_picture_notes *notes, dp_error *err)
{
    (void)user, (void)options, (void)err, (void)notes;
    *picture = draw_nail(150 + 3 * (double)index, 120, 10, index == 1, 40 + (unsigned)index);
    return DP_OK;
}

static int on_result(void *user, size_t index, size_t view, const char *name, const dp_picture *picture,
                     const dp_result *result, double milliseconds, const char *message)
{
    (void)index, (void)view, (void)name, (void)milliseconds, (void)message;
    const dp_result *own = NULL;
    dp_image image = image_of(picture);
    assert_non_null(result);
    assert_ok(dp_inspector_run(user, &image, DP_RESULT_MAP, &own, err));
    expect_same(result, own);
    return 0;
}

static void results_are_those_of_the_program(void **state)
{
    (void)state;
    static const char *const settings[] = {"size=128", "align=pca", NULL};
    dp_bank *bank = fit_nails(NULL, settings);
    dp_network *network = NULL;
    dp_session *session = NULL;
    dp_inspector *inspector = NULL;
    dp_view view;
    const dp_source source = {.n = 3, .name = name_of, .load = load};
    assert_ok(dp_network_open(DP_NETWORK_NANO, &network, err));
    assert_ok(dp_session_open(network, DP_FP32, NULL, &session, err));
    assert_ok(dp_inspector_open(network, bank, NULL, &inspector, err));
    dp_view_init(bank, &view);
    assert_ok(dp_session_inspect_from(session, bank, &view, 1, &source, on_result, inspector, err));
    dp_inspector_close(&inspector);
    dp_session_close(&session);
    dp_network_close(&network);
    dp_bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_taken_for_the_first_picture_only),
        cmocka_unit_test(every_format_gives_the_same_result),
        cmocka_unit_test(a_map_that_was_taken_stays),
        cmocka_unit_test(images_that_cannot_be_are_refused),
        cmocka_unit_test(the_report_says_what_became_of_each_picture),
        cmocka_unit_test(twelve_bits_are_recognised),
        cmocka_unit_test(results_are_those_of_the_program),
    };
    return cmocka_run_group_tests_name("inspector", tests, NULL, NULL);
}
