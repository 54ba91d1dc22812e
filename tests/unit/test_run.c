/* SPDX-License-Identifier: Apache-2.0 */
/* Tests the whole path: fit on drawn good pictures and inspect new ones, with a small seeded transformer. */
#include "options/network_fit.h"
#include "one_result.h"
#include "test.h"

#include <math.h>

#include "nail.h"

#include "bank/bank.h"
#include "geometry/spaces.h"
#include "pipeline/canvas.h"
#include "score/map_scorer.h"
#include "pipeline/memory_plan.h"
#include "dinopatch/edit.h"

static const double poses[][3] = {{160, 120, 10}, {150, 125, 40},  {170, 118, 95},  {160, 122, 200},
                                  {155, 115, 15}, {165, 120, 230}, {158, 124, 300}, {162, 119, 150}};
#define N_GOOD (sizeof poses / sizeof *poses)

static const char *good_paths[N_GOOD], *model_path;
static dp_network *model;

static char *keep(const char *text)
{
    char *copy = strdup(text);
    return copy;
}

static int set_up(void **state)
{
    (void)state;
    dp_architecture architecture;
    model_path = keep(temporary_path("demo.safetensors"));
    assert_ok(dp_architecture_parse("demo", &architecture, err));
    assert_ok(dp_network_synthesise(&architecture, 1, model_path, err));
    assert_ok(dp_network_open(model_path, &model, err));
    for (size_t i = 0; i < N_GOOD; i++) {
        char name[32];
        snprintf(name, sizeof name, "good%zu.png", i);
        good_paths[i] = keep(temporary_path(name));
        dp_picture *picture = draw_nail(poses[i][0], poses[i][1], poses[i][2], 0, (unsigned)i);
        assert_ok(dp_picture_save_png(picture, good_paths[i], err));
        dp_picture_free(&picture);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dp_network_close(&model);
    for (size_t i = 0; i < N_GOOD; i++)
        free((void *)(uintptr_t)good_paths[i]);
    free((void *)(uintptr_t)model_path);
    return 0;
}

static dp_recipe small_recipe(void)
{
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.canvas_height_px = 112;
    recipe.canvas_width_px = 224;
    recipe.score = DP_SCORE_MAX;
    recipe.window = 1;
    return recipe;
}

static dp_session *open_session(size_t threads)
{
    dp_run run;
    dp_run_init(&run);
    run.threads = threads;
    dp_session *session = NULL;
    assert_ok(dp_session_open(model, DP_FP32, &run, &session, err));
    return session;
}

static dp_bank *fit(dp_session *session, const dp_recipe *recipe)
{
    dp_bank *bank = NULL;
    dp_fit_counts report = {99, 99};
    assert_ok(dp_bank_fit(session, recipe, good_paths, N_GOOD, NULL, NULL, &bank, &report, err));
    assert_int_equal(report.n_failed + report.n_twins, 0);
    return bank;
}

static dp_result *inspect(dp_session *session, const dp_bank *bank, const dp_picture *picture)
{
    dp_view view;
    dp_view_init(bank, &view);
    dp_result *result = NULL;
    assert_ok(inspect_once(session, bank, &view, picture, &result, err));
    return result;
}

static void defects_are_found_where_they_are(void **state)
{
    (void)state;
    static const dp_polarity polarities[] = {DP_POLARITY_MIRROR, DP_POLARITY_ROTATE};
    static const double angles[] = {25, 205, 120};
    dp_session *session = open_session(2);
    for (size_t p = 0; p < 2; p++) {
        dp_recipe recipe = small_recipe();
        recipe.polarity = polarities[p];
        dp_bank *bank = fit(session, &recipe);
        for (size_t a = 0; a < 3; a++) {
            dp_picture *good = draw_nail(152, 121, angles[a], 0, 77), *bad = draw_nail(152, 121, angles[a], 1, 78);
            dp_result *g = inspect(session, bank, good), *b = inspect(session, bank, bad);
            assert_int_equal(g->pose.status, DP_ALIGN_OK);
            assert_int_equal(b->label, DP_LABEL_ANOMALOUS);
            assert_true(b->score > 1.15 * g->score);
            assert_true(b->n_defects >= 1);
            double x = 152 - 30 * cos(angles[a] * M_PI / 180), y = 121 - 30 * sin(angles[a] * M_PI / 180);
            /* and not at the place opposite, where a map that was mirrored or turned would show it */
            size_t here = (size_t)lrint(y) * W + (size_t)lrint(x);
            size_t opposite = (size_t)lrint(2 * 121 - y) * W + (size_t)lrint(2 * 152 - x);
            if (!(b->map[here] > 2 * b->map[opposite]))
                fail_msg("polarity %d, angle %g: distance %g at the defect, %g opposite", (int)polarities[p], angles[a],
                         (double)b->map[here], (double)b->map[opposite]);
            const dp_defect *d = &b->defects[0];
            if (!(d->x0_px <= x && x <= d->x1_px && d->y0_px <= y && y <= d->y1_px))
                fail_msg("polarity %d, angle %g: box (%g,%g)-(%g,%g) misses the defect at (%g,%g)", (int)polarities[p],
                         angles[a], d->x0_px, d->y0_px, d->x1_px, d->y1_px, x, y);
            free_result(&g);
            free_result(&b);
            dp_picture_free(&good);
            dp_picture_free(&bad);
        }
        dp_bank_close(&bank);
    }
    dp_session_close(&session);
}

/* The same nail turned by 180 degrees is scored alike once its polarity is settled. */
static void a_half_turn_changes_little(void **state)
{
    (void)state;
    dp_session *session = open_session(2);
    dp_recipe recipe = small_recipe();
    recipe.polarity = DP_POLARITY_ROTATE;
    dp_bank *bank = fit(session, &recipe);
    dp_picture *one = draw_nail(160, 120, 30, 0, 5), *other = draw_nail(160, 120, 210, 0, 5);
    dp_result *a = inspect(session, bank, one), *b = inspect(session, bank, other);
    assert_int_equal(a->polarity * b->polarity, -1);
    assert_true(fabs(a->score - b->score) < 0.25 * a->threshold);
    free_result(&a);
    free_result(&b);
    dp_picture_free(&one);
    dp_picture_free(&other);
    dp_bank_close(&bank);
    dp_session_close(&session);
}

static unsigned char *file_bytes(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *bytes = (size_t)ftell(file);
    rewind(file);
    unsigned char *data = malloc(*bytes);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    fclose(file);
    return data;
}

/* Bank, score and map are the same bytes for 1, 2 and 7 threads. */
static void threads_change_nothing(void **state)
{
    (void)state;
    static const size_t threads[] = {1, 2, 7};
    unsigned char *bank_bytes[3] = {0};
    size_t sizes[3] = {0};
    dp_result *results[3] = {0};
    dp_picture *bad = draw_nail(152, 121, 70, 1, 78);
    dp_recipe recipe = small_recipe();
    recipe.mirror = 1;
    recipe.knn = 2;
    for (size_t i = 0; i < 3; i++) {
        dp_session *session = open_session(threads[i]);
        dp_bank *bank = fit(session, &recipe);
        const char *path = temporary_path("threads.bank");
        assert_ok(dp_bank_save(bank, path, err));
        bank_bytes[i] = file_bytes(path, &sizes[i]);
        results[i] = inspect(session, bank, bad);
        dp_bank_close(&bank);
        dp_session_close(&session);
    }
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(sizes[i], sizes[0]);
        assert_memory_equal(bank_bytes[i], bank_bytes[0], sizes[0]);
        assert_memory_equal(&results[i]->score, &results[0]->score, sizeof(double));
        assert_memory_equal(results[i]->map, results[0]->map, (size_t)W * H * sizeof(float));
    }
    for (size_t i = 0; i < 3; i++) {
        free(bank_bytes[i]);
        free_result(&results[i]);
    }
    dp_picture_free(&bad);
}

struct seen {
    size_t n, n_failed;
    double scores[16];
    int stop_after;
};

static int note_result(void *user, size_t index, const char *path, const dp_picture *picture, const dp_result *result,
                       double ms, const char *message)
{
    struct seen *seen = user;
    (void)path;
    assert_int_equal(index, seen->n);
    assert_true(ms >= 0);
    seen->n++;
    if (result) {
        assert_non_null(picture);
        seen->scores[index] = result->score;
    } else {
        assert_non_null(strstr(message, path));
        seen->n_failed++;
    }
    return seen->stop_after && (int)seen->n >= seen->stop_after;
}

/* A bank from disk gives what the one in memory gave; files that fail are reported in their place and the run goes on. */
static void many_files_through_a_saved_bank(void **state)
{
    (void)state;
    dp_session *session = open_session(2);
    dp_recipe recipe = small_recipe();
    dp_bank *fresh = fit(session, &recipe), *bank = NULL;
    const char *bank_path = keep(temporary_path("many.bank"));
    assert_ok(dp_bank_save(fresh, bank_path, err));
    assert_ok(dp_bank_open(bank_path, &bank, err));
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    assert_int_equal(info.n_pictures, N_GOOD);
    assert_non_null(strstr(info.model_path, "demo.safetensors"));
    assert_true(info.threshold > 0);

    const char *text = keep(temporary_path("text.png"));
    FILE *file = fopen(text, "w");
    fputs("no picture", file);
    fclose(file);
    const char *files[] = {good_paths[0], text, good_paths[1], "/no/such/picture.png", good_paths[2]};
    dp_view view;
    dp_view_init(bank, &view);
    struct seen seen = {0};
    assert_ok(dp_session_inspect_files(session, bank, &view, files, 5, note_result, &seen, err));
    assert_int_equal(seen.n, 5);
    assert_int_equal(seen.n_failed, 2);
    for (size_t i = 0; i < 3; i++) {
        dp_picture *picture = NULL;
        assert_ok(dp_picture_load(good_paths[i], 0, &picture, err));
        dp_result *result = inspect(session, fresh, picture);
        assert_true(result->score == seen.scores[2 * i]);
        free_result(&result);
        dp_picture_free(&picture);
    }
    struct seen stopped = {.stop_after = 2};
    assert_fails(DP_E_CANCELLED, "after 2",
                 dp_session_inspect_files(session, bank, &view, files, 5, note_result, &stopped, err));
    assert_int_equal(stopped.n, 2);
    free((void *)(uintptr_t)text);
    free((void *)(uintptr_t)bank_path);
    dp_bank_close(&fresh);
    dp_bank_close(&bank);
    dp_session_close(&session);
}

struct viewed {
    dp_result *results[16]; /* copies of the numbers: grid, map and score */
    size_t n, n_messages, last_index;
};

static int keep_view(void *user, size_t index, size_t view, const char *path, const dp_picture *picture,
                     const dp_result *result, double milliseconds, const char *message)
{
    struct viewed *seen = user;
    (void)path, (void)picture;
    assert_true(milliseconds >= 0 && index >= seen->last_index);
    seen->last_index = index;
    if (message) {
        assert_int_equal(view, 0);
        seen->n_messages++;
        return 0;
    }
    assert_int_equal(view, seen->n % 5);
    dp_result *copy = calloc(1, sizeof *copy);
    *copy = *result;
    copy->grid = malloc(result->grid_rows * result->grid_cols * sizeof(float));
    copy->map = malloc(W * H * sizeof(float));
    memcpy(copy->grid, result->grid, result->grid_rows * result->grid_cols * sizeof(float));
    memcpy(copy->map, result->map, W * H * sizeof(float));
    seen->results[seen->n++] = copy;
    return 0;
}

static void same_picture(const dp_result *a, const dp_result *b)
{
    assert_memory_equal(a->grid, b->grid, a->grid_rows * a->grid_cols * sizeof(float));
    assert_memory_equal(a->map, b->map, W * H * sizeof(float));
    assert_true(a->score == b->score && a->label == b->label && a->polarity == b->polarity
                && a->n_defects == b->n_defects);
}

/* Several views of one bank are what each says by itself, the network run once; a view of one block is a bank of that block. */
static void several_views_at_once(void **state)
{
    (void)state;
    dp_session *session = open_session(2);
    dp_recipe recipe = small_recipe();
    recipe.polarity = DP_POLARITY_NONE; /* which blocks settle together */
    recipe.n_layers = 3;
    recipe.layers[0] = 0, recipe.layers[1] = 1, recipe.layers[2] = 3;
    recipe.layer_mix = DP_LAYERS_SEPARATE;
    dp_bank *bank = fit(session, &recipe);
    dp_view views[5];
    for (size_t v = 0; v < 5; v++)
        dp_view_init(bank, &views[v]);
    assert_true(views[0].scales.local[0] > 0 && views[0].scales.local[2] > 0 && isnan(views[0].scales.global[0]));
    views[1].blocks = 1;
    views[2].blocks = 4;
    views[2].knn = 2;
    views[3].blend = 0.5;
    views[4].blocks = 6;
    views[4].score = DP_SCORE_MEAN;
    dp_picture *picture = draw_nail(157, 121, 70, 1, 77);
    const char *path = keep(temporary_path("viewed.png")), *missing = keep(temporary_path("not there.png"));
    assert_ok(dp_picture_save_png(picture, path, err));
    struct viewed seen = {0};
    const char *files[] = {path, missing, path};
    assert_ok(dp_session_inspect_views(session, bank, views, 5, files, 3, keep_view, &seen, err));
    assert_int_equal(seen.n, 10);
    assert_int_equal(seen.n_messages, 1);
    for (size_t v = 0; v < 5; v++) {
        dp_result *alone = NULL;
        assert_ok(inspect_once(session, bank, &views[v], picture, &alone, err));
        same_picture(alone, seen.results[v]);
        same_picture(alone, seen.results[5 + v]);
        free_result(&alone);
    }
    recipe.n_layers = 1;
    recipe.layers[0] = 3;
    recipe.layer_mix = DP_LAYERS_MEAN;
    recipe.knn = 2;
    dp_bank *of_one = fit(session, &recipe);
    dp_result *one = inspect(session, of_one, picture);
    assert_memory_equal(one->grid, seen.results[2]->grid, one->grid_rows * one->grid_cols * sizeof(float));
    free_result(&one);
    for (size_t i = 0; i < seen.n; i++) {
        free(seen.results[i]->grid);
        free(seen.results[i]->map);
        free(seen.results[i]);
    }
    assert_fails(DP_E_ARGUMENT, "no view",
                 dp_session_inspect_views(session, bank, views, 0, files, 3, keep_view, &seen, err));
    free((void *)(uintptr_t)path);
    free((void *)(uintptr_t)missing);
    dp_picture_free(&picture);
    dp_bank_close(&of_one);
    dp_bank_close(&bank);
    dp_session_close(&session);
}

/* The weight of each cell is that of the score, were it the largest. */
static void weights_of_cells(void **state)
{
    (void)state;
    dp_session *session = open_session(2);
    dp_recipe recipe = small_recipe();
    recipe.layout = DP_LAYOUT_FLAT;
    recipe.reweight = 5;
    dp_bank *bank = fit(session, &recipe);
    dp_picture *picture = draw_nail(157, 121, 70, 1, 77);
    dp_view view;
    dp_view_init(bank, &view);
    dp_result *plain = inspect(session, bank, picture), *result = NULL;
    assert_null(plain->weights);
    view.cell_weights = 1;
    assert_ok(inspect_once(session, bank, &view, picture, &result, err));
    assert_true(result->score == plain->score);
    size_t top = 0, cells = result->grid_rows * result->grid_cols, differ = 0;
    for (size_t i = 0; i < cells; i++) {
        top = result->grid_valid[i] && result->grid[i] > result->grid[top] ? i : top;
        assert_true(result->weights[i] >= 0 && result->weights[i] <= 1);
        differ += result->weights[i] != result->weights[0];
    }
    assert_true(differ > cells / 4);
    assert_float_equal((double)result->grid[top] * (double)result->weights[top], result->score, 1e-6 * result->score);
    free_result(&plain);
    free_result(&result);
    view.reweight = 0;
    assert_ok(inspect_once(session, bank, &view, picture, &result, err));
    assert_null(result->weights);
    free_result(&result);
    dp_picture_free(&picture);
    dp_bank_close(&bank);
    dp_session_close(&session);
}

/* A bank scored in another way is the bank that was fitted so: threshold, scores and heat scale, also once it is written. */
static void rescored_is_as_fitted(void **state)
{
    (void)state;
    dp_session *session = open_session(2);
    dp_recipe recipe = small_recipe(), other = small_recipe();
    dp_bank *bank = fit(session, &recipe);
    dp_view view;
    dp_view_init(bank, &view);
    other.score = view.score = DP_SCORE_TOP1P;
    other.window = view.window = 0;
    other.blend = view.blend = 0.375;
    other.post.gaussian = view.post.gaussian = 0.7;
    other.post.low = view.post.low = 0.5 * view.heat.low;
    other.post.min_object = view.post.min_object = 300; /* in pixels, so that the pictures' poses count */
    other.post.unit = view.post.unit = DP_UNIT_PIXELS;
    other.fpr = 0.2;
    dp_bank *expected = fit(session, &other), *written = NULL;
    double scores[N_GOOD], peaks[N_GOOD];
    dp_good good = {.scores = scores, .peaks = peaks};
    assert_ok(dp_bank_calibrate(bank, &view, other.fpr, NULL, &good, err));
    const dp_calibration calibration = good.of_scores;
    view.heat = good.heat;
    view.threshold = calibration.threshold;
    view.cell_threshold = good.of_peaks.threshold;
    view.good_scores = scores;
    view.good_peaks = peaks;
    view.n_good_scores = N_GOOD;
    const char *path = keep(temporary_path("other.bank"));
    assert_ok(dp_bank_save_view(bank, &view, other.fpr, path, err));
    assert_ok(dp_bank_open(path, &written, err));
    dp_view from_fit, from_file;
    dp_view_init(expected, &from_fit);
    dp_view_init(written, &from_file);
    assert_true(from_fit.threshold == calibration.threshold && from_file.threshold == calibration.threshold);
    assert_true(from_fit.cell_threshold == view.cell_threshold && from_file.cell_threshold == view.cell_threshold
                && view.cell_threshold > 0);
    assert_true(from_fit.heat.low == view.heat.low && from_file.heat.high == from_fit.heat.high);
    assert_memory_equal(&from_file.post, &other.post, sizeof other.post);
    size_t differ = 0;
    for (size_t p = 0; p < N_GOOD; p++) {
        assert_true(dp_bank_picture_score(expected, p) == scores[p] && dp_bank_picture_score(written, p) == scores[p]);
        differ += scores[p] != dp_bank_picture_score(bank, p);
    }
    assert_true(differ > 0);
    view.n_good_scores--;
    assert_fails(DP_E_ARGUMENT, "needs a score", dp_bank_save_view(bank, &view, other.fpr, path, err));
    free((void *)(uintptr_t)path);
    dp_bank_close(&written);
    dp_bank_close(&bank);
    dp_bank_close(&expected);
    dp_session_close(&session);
}

/* What inspect says is dp_post_apply and the score of what it leaves; the p-value counts the good scores. */
static void post_processing_by_hand(void **state)
{
    (void)state;
    dp_session *session = open_session(2);
    dp_recipe recipe = small_recipe();
    recipe.score = DP_SCORE_MAX;
    dp_bank *bank = fit(session, &recipe);
    dp_picture *picture = NULL;
    dp_result *plain = NULL, *processed = NULL;
    picture = draw_nail(160, 120, 0, 0, 1);
    dp_view view;
    dp_view_init(bank, &view);
    assert_ok(inspect_once(session, bank, &view, picture, &plain, err));
    size_t cells = plain->grid_rows * plain->grid_cols;
    size_t above = 0;
    for (size_t p = 0; p < N_GOOD; p++)
        above += dp_bank_picture_score(bank, p) >= plain->score;
    assert_true(plain->p_value == (1 + (double)above) / (N_GOOD + 1.0));
    view.post = (dp_post){.low = 0.3 * plain->score, .high = 0.8 * plain->score, .min_object = 2, .median = 3};
    assert_ok(inspect_once(session, bank, &view, picture, &processed, err));
    float *by_hand = malloc(cells * sizeof *by_hand), largest = 0;
    assert_ok(
        dp_post_apply(&view.post, plain->grid, plain->grid_valid, plain->grid_rows, plain->grid_cols, 1, by_hand, err));
    for (size_t i = 0; i < cells; i++)
        largest = by_hand[i] > largest ? by_hand[i] : largest;
    assert_memory_equal(by_hand, processed->grid, cells * sizeof *by_hand);
    assert_true(processed->score == (double)largest && processed->score != plain->score);
    /* Sizes in pixels of the picture: the canvas is 2 sqrt(3) sigma / fill wide, each cell its share of that, squared. */
    double side = 2 * sqrt(3) * plain->pose.sigma_major_px / recipe.fill / (double)plain->grid_cols;
    free_result(&processed);
    view.post = (dp_post){.low = 0.3 * plain->score, .min_object = (size_t)(4.5 * side * side), .unit = DP_UNIT_PIXELS};
    assert_ok(inspect_once(session, bank, &view, picture, &processed, err));
    assert_ok(dp_post_apply(&view.post, plain->grid, plain->grid_valid, plain->grid_rows, plain->grid_cols, side * side,
                            by_hand, err));
    assert_memory_equal(by_hand, processed->grid, cells * sizeof *by_hand);
    assert_ok(
        dp_post_apply(&view.post, plain->grid, plain->grid_valid, plain->grid_rows, plain->grid_cols, 1, by_hand, err));
    assert_memory_not_equal(by_hand, processed->grid, cells * sizeof *by_hand);
    dp_pose whole = {.status = DP_ALIGN_OFF, .picture_width_px = 320, .picture_height_px = 200};
    assert_true(dp_cell_area_px(&(dp_frame){&recipe, &whole, 0, false, 10, 8}) == 20 * 40);
    free(by_hand);
    free_result(&plain);
    free_result(&processed);
    dp_picture_free(&picture);
    dp_bank_close(&bank);
    dp_session_close(&session);
}

/* A bank made small at fit is the bank of that type made small afterwards; a new picture is scored as one of the bank's own is. */
static void small_banks_inspect_too(void **state)
{
    (void)state;
    dp_session *session = open_session(2);
    dp_recipe recipe = small_recipe();
    recipe.storage = DP_STORAGE_F16;
    dp_bank *whole = fit(session, &recipe), *later = NULL;
    recipe.pca = 0.99;
    dp_bank *small = fit(session, &recipe);
    dp_compression how = {.pca = 0.99, .storage = DP_STORAGE_F16};
    assert_ok(dp_bank_compress(whole, &how, NULL, &later, NULL, err));
    const char *a = keep(temporary_path("a.bank")), *b = keep(temporary_path("b.bank"));
    assert_ok(dp_bank_save(small, a, err));
    assert_ok(dp_bank_save(later, b, err));
    for (size_t p = 0; p < N_GOOD; p++)
        assert_true(dp_bank_picture_score(small, p) == dp_bank_picture_score(later, p));
    dp_picture *good = NULL, *bad = draw_nail(152, 121, 25, 1, 78);
    assert_ok(dp_picture_load(good_paths[2], 0, &good, err));
    dp_result *known = inspect(session, small, good), *found = inspect(session, small, bad),
              *full = inspect(session, whole, bad);
    assert_true(known->score < 0.05 * full->score); /* it is in the bank, but for the rounding to halves */
    assert_int_equal(found->label, DP_LABEL_ANOMALOUS);
    assert_float_equal(found->score / full->score, 1, 0.15); /* less what lies outside the subspace of eight pictures */
    free_result(&known);
    free_result(&found);
    free_result(&full);
    dp_picture_free(&good);
    dp_picture_free(&bad);
    free((void *)(uintptr_t)a);
    free((void *)(uintptr_t)b);
    dp_bank_close(&later);
    dp_bank_close(&small);
    dp_bank_close(&whole);
    dp_session_close(&session);
}

/* Pictures added later lie in the bank as if they had been there from the start. */
static void pictures_are_added(void **state)
{
    (void)state;
    dp_session *session = open_session(2);
    for (int way = 0; way < 4; way++) {
        dp_recipe recipe = small_recipe();
        recipe.polarity = way % 2 ? DP_POLARITY_MIRROR : DP_POLARITY_ROTATE;
        recipe.mirror = way == 1 || way == 2;
        recipe.layout = way == 2 ? DP_LAYOUT_FLAT : DP_LAYOUT_GRID;
        recipe.storage = way == 3 ? DP_STORAGE_I8 : DP_STORAGE_F32;
        dp_bank *all = fit(session, &recipe), *some = NULL, *larger = NULL;
        dp_fit_counts report = {0};
        assert_ok(dp_bank_fit(session, &recipe, good_paths, 5, NULL, NULL, &some, NULL, err));
        /* One is there already, one does not exist. */
        const char *more[] = {good_paths[5], good_paths[2], good_paths[6], "/no/such/picture.png", good_paths[7]};
        assert_ok(dp_bank_add(session, some, more, 5, NULL, NULL, &larger, &report, err));
        assert_int_equal(report.n_failed, 1);
        assert_int_equal(report.n_twins, 1);
        const char *a = keep(temporary_path("all.bank")), *b = keep(temporary_path("larger.bank"));
        dp_bank *back = NULL;
        assert_ok(dp_bank_save(all, a, err));
        assert_ok(dp_bank_save(larger, b, err));
        assert_ok(dp_bank_open(b, &back, err));
        assert_ok(dp_bank_verify(back, err));
        dp_bank_details info;
        dp_bank_get_details(larger, &info);
        assert_int_equal(info.n_pictures, N_GOOD);
        for (size_t p = 0; p < N_GOOD; p++) {
            assert_string_equal(dp_bank_picture_name(larger, p), good_paths[p]);
            assert_true(dp_bank_picture_score(larger, p) == dp_bank_picture_score(all, p));
        }
        dp_bank *none = NULL;
        assert_ok(dp_bank_add(session, all, more, 1, NULL, NULL, &none, &report, err));
        assert_true(!none && report.n_twins == 1 && report.n_failed == 0);
        assert_fails(DP_E_PICTURE, "the picture cannot be added",
                     dp_bank_add(session, all, more + 3, 1, NULL, NULL, &none, NULL, err));
        free((void *)(uintptr_t)a);
        free((void *)(uintptr_t)b);
        dp_bank_close(&back);
        dp_bank_close(&all);
        dp_bank_close(&some);
        dp_bank_close(&larger);
    }
    /* To a projected bank: along its own directions. */
    dp_recipe recipe = small_recipe();
    recipe.pca = 20;
    dp_bank *some = NULL, *larger = NULL;
    assert_ok(dp_bank_fit(session, &recipe, good_paths, 5, NULL, NULL, &some, NULL, err));
    assert_ok(dp_bank_add(session, some, good_paths + 5, 3, NULL, NULL, &larger, NULL, err));
    dp_picture *picture = NULL;
    assert_ok(dp_picture_load(good_paths[6], 0, &picture, err));
    dp_result *result = inspect(session, larger, picture);
    assert_true(result->score < 1e-3);
    free_result(&result);
    dp_picture_free(&picture);
    dp_bank_close(&some);
    dp_bank_close(&larger);
    dp_session_close(&session);
}

static char logged[300];

static void keep_line(void *user, dp_log_level level, const char *line)
{
    (void)user, (void)level;
    snprintf(logged, sizeof logged, "%s", line);
}

static int no_work(void *user, const char *stage, size_t done, size_t total)
{
    (void)user, (void)stage, (void)done, (void)total;
    fail_msg("work was begun");
    return 1;
}

/* 1000 pictures on 56x56 cells of 768 features: 9.6 GB of floats, which is said before a picture is looked at. */
static void memory_is_planned(void **state)
{
    (void)state;
    dp_run run;
    dp_run_init(&run);
    assert_true(dp_memory_free_bytes(&run) > 1000000); /* of this machine */
    run.max_memory_bytes = 12345;
    assert_int_equal(dp_memory_free_bytes(&run), 12345);
    run.log = keep_line;
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    dp_bank_spec spec = {
        .recipe = &recipe, .grid_rows = 56, .grid_cols = 56, .dim = 768, .capacity = 1000, .rows_per_picture = 1};
    static const struct {
        size_t limit, pca;
        dp_storage storage;
        const char *text; /* of the refusal; NULL: it fits */
    } cases[] = {
        {(size_t)7e9, 0, DP_STORAGE_F32,
         "need 9.6 GB, but 7.0 GB are free; bank.storage=f16 (4.8 GB) or bank.storage=int8 (2.4 GB) would fit; "
         "compressing that bank with bank.storage=int8 and bank.kmeans=400 then makes it ten times smaller"},
        {(size_t)3e9, 0, DP_STORAGE_F32, "3.0 GB are free; bank.storage=int8 (2.4 GB) would fit"},
        {(size_t)3e9, 0, DP_STORAGE_F16, "need 4.8 GB, but 3.0 GB are free; bank.storage=int8 (2.4 GB) would fit"},
        {(size_t)1e9, 0, DP_STORAGE_I8,
         "need 2.4 GB, but 1.0 GB are free; bank.storage=int8 with pictures.shots=410 would fit"},
        {(size_t)1e6, 0, DP_STORAGE_F32, "a smaller canvas"},
        {(size_t)3e9, 0, DP_STORAGE_I8, NULL},
        {(size_t)5e9, 256, DP_STORAGE_F32, "need 12.9 GB, but 5.0 GB are free; bank.storage=int8 (3.3 GB) would fit"},
        {(size_t)3e9, 256, DP_STORAGE_I8,
         "need 3.3 GB, but 3.0 GB are free; bank.storage=int8 (2.4 GB) would fit without bank.pca, "
         "bank.kmeans and bank.coreset; compress"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        recipe.storage = cases[i].storage;
        recipe.pca = (double)cases[i].pca;
        run.max_memory_bytes = cases[i].limit;
        dp_recipe plain = recipe;
        dp_bank_spec collected = spec;
        if (cases[i].pca) {
            plain.pca = 0;
        }
        collected.recipe = &plain;
        if (cases[i].text)
            assert_fails(DP_E_MEMORY, cases[i].text, dp_memory_plan(&spec, &collected, false, &run, err));
        else if (dp_memory_free_bytes(&run) == cases[i].limit) { /* a small machine has less */
            assert_ok(dp_memory_plan(&spec, &collected, false, &run, err));
            assert_non_null(strstr(logged, "1000 pictures, 56x56 cells of 768 features: the bank takes 2.4 GB"));
        }
    }
    /* fit and add ask before they work. */
    run.max_memory_bytes = 100000;
    run.progress = no_work;
    dp_session *session = NULL, *free_session = open_session(1);
    assert_ok(dp_session_open(model, DP_FP32, &run, &session, err));
    recipe = small_recipe();
    dp_bank *none = NULL, *bank = fit(free_session, &recipe);
    assert_fails(DP_E_MEMORY, "8 pictures on 8x16 cells of 192 features need 0.8 MB",
                 dp_bank_fit(session, &recipe, good_paths, N_GOOD, NULL, NULL, &none, NULL, err));
    assert_fails(DP_E_MEMORY, "compress the bank first",
                 dp_bank_add(session, bank, good_paths, 1, NULL, NULL, &none, NULL, err));
    assert_null(none);
    dp_bank_close(&bank);
    dp_session_close(&session);
    dp_session_close(&free_session);
}

static void few_shots(void **state)
{
    (void)state;
    dp_session *session = open_session(2);
    dp_recipe recipe = small_recipe();
    const char *backwards[N_GOOD];
    for (size_t i = 0; i < N_GOOD; i++)
        backwards[i] = good_paths[N_GOOD - 1 - i];
    size_t n_different = 0;
    for (size_t seed = 0; seed < 4; seed++) {
        recipe.shots = 3;
        recipe.seed = seed;
        dp_bank *bank = NULL, *again = NULL;
        dp_bank_details info;
        assert_ok(dp_bank_fit(session, &recipe, good_paths, N_GOOD, NULL, NULL, &bank, NULL, err));
        assert_ok(dp_bank_fit(session, &recipe, backwards, N_GOOD, NULL, NULL, &again, NULL, err));
        dp_bank_get_details(bank, &info);
        assert_int_equal(info.n_pictures, 3);
        for (size_t p = 0; p < 3; p++) {
            assert_string_equal(dp_bank_picture_name(bank, p),
                                dp_bank_picture_name(again, p)); /* the order given does not matter */
            if (!seed)
                assert_string_equal(dp_bank_picture_name(bank, p), good_paths[p]);
            n_different += strcmp(dp_bank_picture_name(bank, p), good_paths[p]) != 0;
        }
        dp_bank_close(&bank);
        dp_bank_close(&again);
    }
    assert_true(n_different > 0);
    dp_session_close(&session);
}

/* A flat bank holds the same rows as a grid that is searched everywhere: the same scores, the same nearest pictures. */
static void a_flat_bank_is_a_grid_searched_everywhere(void **state)
{
    (void)state;
    dp_session *session = open_session(2);
    for (int mirror = 0; mirror < 2; mirror++) {
        dp_recipe recipe = small_recipe();
        recipe.polarity = mirror ? DP_POLARITY_MIRROR : DP_POLARITY_ROTATE;
        recipe.mirror = mirror;
        recipe.window = DP_WINDOW_GLOBAL;
        dp_bank *grid = fit(session, &recipe), *flat;
        recipe.layout = DP_LAYOUT_FLAT;
        recipe.window = 0; /* means nothing in a flat bank */
        flat = fit(session, &recipe);
        for (size_t p = 0; p < N_GOOD; p++)
            assert_float_equal(dp_bank_picture_score(flat, p), dp_bank_picture_score(grid, p), 1e-5);
        dp_picture *picture = draw_nail(152, 121, 25, 1, 78);
        dp_result *a = inspect(session, grid, picture), *b = inspect(session, flat, picture);
        assert_float_equal(a->score, b->score, 1e-5);
        assert_true(a->n_defects >= 1 && a->n_defects == b->n_defects);
        assert_int_equal(a->defects[0].nearest_picture, b->defects[0].nearest_picture);
        free_result(&a);
        free_result(&b);
        dp_picture_free(&picture);
        dp_bank_close(&grid);
        dp_bank_close(&flat);
    }
    dp_session_close(&session);
}

/* Coordinates along the nail that draw_nail drew with this centre and angle. */
static double along_nail(const double pose[3], double x, double y)
{
    double angle = pose[2] * acos(-1) / 180;
    return (x - pose[0]) * cos(angle) + (y - pose[1]) * sin(angle);
}

/* At window 0 what a defect is compared with lies at the same place of the part, whichever way round either was taken. */
static void the_nearest_patch_is_found_in_its_picture(void **state)
{
    (void)state;
    dp_session *session = open_session(2);
    size_t known = 0;
    for (int way = 0; way < 4; way++) {
        dp_recipe recipe = small_recipe();
        recipe.window = 0;
        recipe.polarity = way % 2 ? DP_POLARITY_MIRROR : DP_POLARITY_ROTATE;
        recipe.mirror = way / 2;
        dp_bank *bank = fit(session, &recipe);
        for (unsigned turn = 0; turn < 4; turn++) {
            const double pose[3] = {152, 121, 25 + 90.0 * turn};
            dp_picture *picture = draw_nail(pose[0], pose[1], pose[2], 1, 78);
            dp_result *result = inspect(session, bank, picture);
            for (size_t i = 0; i < result->n_defects && i < 1; i++) {
                const dp_defect *d = &result->defects[i];
                assert_true(d->nearest_picture < N_GOOD);
                double here = along_nail(pose, d->centre_x_px, d->centre_y_px);
                double there = along_nail(poses[d->nearest_picture], d->nearest_x_px, d->nearest_y_px);
                if (!(fabs(here - there) < 16))
                    fail_msg("way %d, turn %u: %g along the nail here, %g in good picture %zu", way, turn, here, there,
                             d->nearest_picture);
                known++;
            }
            free_result(&result);
            dp_picture_free(&picture);
        }
        dp_bank_close(&bank);
    }
    assert_true(known >= 8);
    dp_recipe recipe = small_recipe();
    recipe.align = DP_ALIGN_NONE;
    recipe.polarity = DP_POLARITY_NONE;
    recipe.window = 0;
    dp_bank *bank = fit(session, &recipe);
    dp_picture *picture = draw_nail(152, 121, 115, 1, 78);
    dp_view view;
    dp_view_init(bank, &view);
    view.threshold = 0;
    dp_result *result = NULL;
    assert_ok(inspect_once(session, bank, &view, picture, &result, err));
    assert_true(result->n_defects >= 1 && result->defects[0].nearest_picture < N_GOOD);
    size_t cell = result->defects[0].peak_cell; /* of a window of 0: the same cell, resized */
    double cell_width = (double)picture->width_px / (double)result->grid_cols;
    double cell_height = (double)picture->height_px / (double)result->grid_rows;
    assert_float_equal(result->defects[0].nearest_x_px, ((double)(cell % result->grid_cols) + 0.5) * cell_width - 0.5,
                       1e-6);
    assert_float_equal(result->defects[0].nearest_y_px, ((double)(cell / result->grid_cols) + 0.5) * cell_height - 0.5,
                       1e-6);
    free_result(&result);
    dp_picture_free(&picture);
    dp_bank_close(&bank);
    dp_session_close(&session);
}

static void things_that_do_not_belong_together(void **state)
{
    (void)state;
    dp_session *session = open_session(1), *foreign = NULL;
    dp_recipe recipe = small_recipe();
    dp_bank *bank = fit(session, &recipe), *none = NULL;
    dp_architecture architecture;
    const char *path = keep(temporary_path("other.safetensors"));
    assert_ok(dp_architecture_parse("demo", &architecture, err));
    assert_ok(dp_network_synthesise(&architecture, 2, path, err));
    dp_network *other = NULL;
    assert_ok(dp_network_open(path, &other, err));
    dp_run run;
    dp_run_init(&run);
    assert_ok(dp_session_open(other, DP_FP32, &run, &foreign, err));
    dp_view view;
    dp_view_init(bank, &view);
    dp_picture *picture = draw_nail(160, 120, 0, 0, 1);
    dp_result *result = NULL;
    assert_fails(DP_E_MISMATCH, "another checkpoint", inspect_once(foreign, bank, &view, picture, &result, err));
    assert_null(result);
    assert_fails(DP_E_MISMATCH, "another checkpoint",
                 dp_bank_add(foreign, bank, good_paths, 1, NULL, NULL, &none, NULL, err));
    dp_view filtered = view;
    filtered.post.median = 2;
    assert_fails(DP_E_ARGUMENT, "median", inspect_once(session, bank, &filtered, picture, &result, err));
    recipe.post.low = -1;
    assert_fails(DP_E_ARGUMENT, "map.low", dp_bank_fit(session, &recipe, good_paths, 1, NULL, NULL, &none, NULL, err));
    recipe = small_recipe();
    recipe.canvas_width_px = 225;
    assert_fails(DP_E_ARGUMENT, "not a multiple",
                 dp_bank_fit(session, &recipe, good_paths, 1, NULL, NULL, &none, NULL, err));
    recipe = small_recipe();
    recipe.layers[0] = 99;
    recipe.n_layers = 1;
    assert_fails(DP_E_ARGUMENT, "does not exist",
                 dp_bank_fit(session, &recipe, good_paths, 1, NULL, NULL, &none, NULL, err));
    const char *missing = "/no/such/picture.png";
    recipe = small_recipe();
    assert_fails(DP_E_PICTURE, "the picture cannot be used",
                 dp_bank_fit(session, &recipe, &missing, 1, NULL, NULL, &none, NULL, err));
    assert_null(none);
    dp_picture_free(&picture);
    free((void *)(uintptr_t)path);
    dp_session_close(&foreign);
    dp_network_close(&other);
    dp_bank_close(&bank);
    dp_session_close(&session);
}

/* Shares of the time add up to no more than the whole, and a bank can be timed by itself, whatever its layout. */
static void the_search_is_timed_apart(void **state)
{
    (void)state;
    dp_session *session = open_session(2);
    for (int flat = 0; flat < 2; flat++) {
        dp_recipe recipe = small_recipe();
        if (flat) {
            recipe.layout = DP_LAYOUT_FLAT;
            recipe.align = DP_ALIGN_NONE;
            recipe.polarity = DP_POLARITY_NONE;
            recipe.coreset = 40;
            recipe.reweight = 3;
        }
        dp_bank *bank = fit(session, &recipe);
        dp_picture *picture = draw_nail(152, 121, 25, 1, 77);
        dp_result *result = inspect(session, bank, picture);
        assert_true(result->search_ms > 0 && result->embed_ms > 0);
        dp_bank_details info;
        dp_bank_get_details(bank, &info);
        size_t rows = flat ? 40 : N_GOOD * 8 * 16;
        assert_true(info.feature_bytes >= rows * info.dim * sizeof(float));
        assert_true(info.feature_bytes < rows * (info.dim * sizeof(float) + 16));
        dp_view view;
        dp_view_init(bank, &view);
        double median = -1, least = -1, most = -1;
        assert_ok(dp_bank_bench(bank, &view, 4, NULL, &median, &least, &most, err));
        assert_true(least > 0 && least <= median && median <= most);
        assert_ok(dp_bank_bench(bank, &view, 1, NULL, NULL, NULL, NULL, err));
        assert_fails(DP_E_ARGUMENT, "0 repeats", dp_bank_bench(bank, &view, 0, NULL, &median, NULL, NULL, err));
        free_result(&result);
        dp_picture_free(&picture);
        dp_bank_close(&bank);
    }
    dp_session_close(&session);
}

static int stop_at_three(void *user, const char *stage, size_t done, size_t total)
{
    (void)user, (void)stage, (void)total;
    return done == 3;
}

static void fit_can_be_stopped(void **state)
{
    (void)state;
    dp_run run;
    dp_run_init(&run);
    run.progress = stop_at_three;
    dp_session *session = NULL;
    assert_ok(dp_session_open(model, DP_FP32, &run, &session, err));
    dp_recipe recipe = small_recipe();
    dp_bank *bank = NULL;
    assert_fails(DP_E_CANCELLED, "3 of 8",
                 dp_bank_fit(session, &recipe, good_paths, N_GOOD, NULL, NULL, &bank, NULL, err));
    assert_null(bank);
    dp_session_close(&session);
}

static void one_picture_has_no_threshold(void **state)
{
    (void)state;
    dp_session *session = open_session(2);
    dp_recipe recipe = small_recipe();
    dp_bank *bank = NULL;
    assert_ok(dp_bank_fit(session, &recipe, good_paths, 1, NULL, NULL, &bank, NULL, err));
    dp_picture *picture = draw_nail(150, 120, 10, 1, 3);
    dp_result *result = inspect(session, bank, picture);
    assert_true(isnan(result->threshold));
    assert_int_equal(result->label, DP_LABEL_NONE);
    assert_string_equal(result->reason, "");
    assert_int_equal(result->n_defects, 0);
    free_result(&result);
    dp_picture_free(&picture);
    dp_bank_close(&bank);
    dp_session_close(&session);
}

/* A flat picture cannot be aligned: left out by fit, not inspected. */
static void flat_pictures(void **state)
{
    (void)state;
    dp_picture *flat = NULL;
    assert_ok(dp_picture_new(W, H, &flat, err));
    const char *path = keep(temporary_path("flat.png"));
    assert_ok(dp_picture_save_png(flat, path, err));
    const char *files[] = {good_paths[0], path, good_paths[1]};
    dp_session *session = open_session(2);
    dp_recipe recipe = small_recipe();
    dp_bank *bank = NULL;
    dp_fit_counts report = {0};
    assert_ok(dp_bank_fit(session, &recipe, files, 3, NULL, NULL, &bank, &report, err));
    assert_int_equal(report.n_failed, 1);
    dp_result *result = inspect(session, bank, flat);
    assert_int_equal(result->label, DP_LABEL_NOT_INSPECTED);
    assert_non_null(strstr(result->reason, "cannot be aligned (few_edges)"));
    assert_int_equal(result->pose.status, DP_ALIGN_FEW_EDGES);
    free_result(&result);
    dp_picture_free(&flat);
    free((void *)(uintptr_t)path);
    dp_bank_close(&bank);
    dp_session_close(&session);
}

static void canvas_of_auto(void **state)
{
    (void)state;
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.canvas_width_px = 672;
    dp_pose slim = {.status = DP_ALIGN_OK, .sigma_major_px = 100, .sigma_minor_px = 10, .extent_minor_px = 40};
    dp_pose wide = slim, lost = {.status = DP_ALIGN_FEW_EDGES, .extent_minor_px = 1000};
    wide.extent_minor_px = 500;
    size_t w[3] = {400, 400, 400}, h[3] = {300, 300, 200};
    /* 4 sigma are 400 px of the picture on 672 of the canvas; 2 * 1.1 * 40 px are 147.84: eleven cells of 14 */
    assert_int_equal(dp_canvas_height(&recipe, 14, 1, &slim, w, h), 154);
    dp_pose both[] = {slim, lost, wide};
    assert_int_equal(dp_canvas_height(&recipe, 14, 2, both, w, h), 154);
    assert_int_equal(dp_canvas_height(&recipe, 14, 3, both, w, h), 672);
    assert_int_equal(dp_canvas_height(&recipe, 14, 1, &lost, w, h), 672);
    recipe.align = DP_ALIGN_NONE;
    assert_int_equal(dp_canvas_height(&recipe, 14, 3, both, w, h), 504);
}

static void layers(void **state)
{
    (void)state;
    const dp_network_facts network = {.depth = 12, .patch_px = 14, .dim = 384};
    dp_recipe recipe = {0};
    assert_ok(dp_recipe_fit_network(&recipe, &network, err));
    assert_int_equal(recipe.n_layers, 1);
    assert_int_equal(recipe.layers[0], 11);
    recipe = (dp_recipe){.n_layers = 3, .layers = {(size_t)-1, 2, (size_t)-4}};
    assert_ok(dp_recipe_fit_network(&recipe, &network, err));
    assert_int_equal(recipe.layers[0], 2);
    assert_int_equal(recipe.layers[1], 8);
    assert_int_equal(recipe.layers[2], 11);
    recipe = (dp_recipe){.n_layers = 2, .layers = {(size_t)-1, 11}};
    assert_fails(DP_E_ARGUMENT, "twice", dp_recipe_fit_network(&recipe, &network, err));
    recipe = (dp_recipe){.n_layers = 1, .layers = {12}};
    assert_fails(DP_E_ARGUMENT, "0 to 11", dp_recipe_fit_network(&recipe, &network, err));
    recipe = (dp_recipe){.n_layers = 1, .layers = {(size_t)-13}};
    assert_fails(DP_E_ARGUMENT, "does not exist", dp_recipe_fit_network(&recipe, &network, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defects_are_found_where_they_are),
        cmocka_unit_test(a_half_turn_changes_little),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(many_files_through_a_saved_bank),
        cmocka_unit_test(several_views_at_once),
        cmocka_unit_test(weights_of_cells),
        cmocka_unit_test(rescored_is_as_fitted),
        cmocka_unit_test(post_processing_by_hand),
        cmocka_unit_test(the_nearest_patch_is_found_in_its_picture),
        cmocka_unit_test(things_that_do_not_belong_together),
        cmocka_unit_test(the_search_is_timed_apart),
        cmocka_unit_test(fit_can_be_stopped),
        cmocka_unit_test(one_picture_has_no_threshold),
        cmocka_unit_test(flat_pictures),
        cmocka_unit_test(small_banks_inspect_too),
        cmocka_unit_test(few_shots),
        cmocka_unit_test(memory_is_planned),
        cmocka_unit_test(pictures_are_added),
        cmocka_unit_test(a_flat_bank_is_a_grid_searched_everywhere),
        cmocka_unit_test(canvas_of_auto),
        cmocka_unit_test(layers),
    };
    return cmocka_run_group_tests_name("run", tests, set_up, tear_down);
}
