/* SPDX-License-Identifier: Apache-2.0 */
/* Tests pictures that come from memory, not from files: the same banks and results, with names and numbers of the
 * source. */
#include "small_world.h"
#include "dinopatch/edit.h"

#include <stdatomic.h>

enum { MANY = 6 };

/* A source of seeded pictures, named as if they were files; picture `broken` cannot be had. */
struct frames {
    const char *const *names;
    size_t broken, n_asked;
    size_t asked[MANY];
    size_t white;
    atomic_size_t loads;
};

static const char *frame_name(void *user, size_t index)
{
    return ((struct frames *)user)->names[index];
}

static dp_status frame_load(void *user, size_t index, const dp_picture_options *options, dp_picture **picture,
                            dp_picture_notes *notes, dp_error *err)
{
    struct frames *frames = user;
    atomic_fetch_add(&frames->loads, 1);
    (void)options;
    if (index == frames->broken) {
        if (err) {
            err->status = DP_E_IO;
            snprintf(err->message, sizeof err->message, "%s: the camera is silent", frames->names[index]);
        }
        return DP_E_IO;
    }
    if (notes && index == 1)
        snprintf(notes->text, sizeof notes->text, "seen through fog");
    *picture = world_picture((unsigned)index % 5 + 1); /* the sixth is the first again */
    return DP_OK;
}

static dp_status frame_white(void *user, const size_t *pictures, size_t n, const dp_run *run, size_t *white,
                             dp_error *err)
{
    struct frames *frames = user;
    (void)run, (void)err;
    frames->n_asked = n;
    memcpy(frames->asked, pictures, n * sizeof *pictures);
    *white = frames->white;
    return DP_OK;
}

static dp_source source_of(struct frames *frames, size_t n)
{
    return (dp_source){.n = n,
                       .name = frame_name,
                       .load = frame_load,
                       .find_white = frames->white ? frame_white : NULL,
                       .user = frames};
}

/* What fit says of its pictures. */
struct told {
    size_t n_good, n_bad, bad_index;
    char message[256];
};

static void on_picture(void *user, size_t index, const char *name, const dp_pose *pose, const char *message)
{
    struct told *told = user;
    (void)pose;
    if (!message) {
        told->n_good++;
        return;
    }
    told->n_bad++;
    told->bad_index = index;
    assert_non_null(strstr(message, name));
    snprintf(told->message, sizeof told->message, "%s", message);
}

static void assert_same_files(const char *a, const char *b)
{
    FILE *x = fopen(a, "rb"), *y = fopen(b, "rb");
    assert_true(x && y);
    for (int c = 0; c != EOF;) {
        c = getc(x);
        assert_int_equal(c, getc(y));
    }
    fclose(x);
    fclose(y);
}

static size_t warnings;

static void count_fog(void *user, dp_log_level level, const char *line)
{
    (void)user;
    warnings += level == DP_LOG_WARNING && strstr(line, "seen through fog") != NULL;
}

static void as_from_files(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    dp_run run;
    dp_run_init(&run);
    run.threads = 2;
    run.log = count_fog;
    dp_session *session = NULL;
    assert_ok(dp_session_open(w.model, DP_FP32, &run, &session, err));
    const dp_recipe recipe = world_recipe();
    dp_bank *files = world_fit(&w, session, &recipe), *memory = NULL;
    struct frames frames = {.names = (const char *const *)w.paths, .broken = SIZE_MAX};
    const dp_source source = source_of(&frames, WORLD_PICTURES);
    struct told told = {0};
    const dp_fit_input input = {.source = &source, .on_picture = on_picture, .user = &told};
    assert_ok(dp_bank_fit_from(session, &recipe, &input, &memory, NULL, err));
    assert_int_equal(told.n_good, WORLD_PICTURES);
    assert_int_equal(told.n_bad, 0);
    assert_int_equal(frames.loads, WORLD_PICTURES);
    assert_int_equal(warnings, 1);
    const char *a = temporary_path("files.bank"), *b = temporary_path("memory.bank");
    assert_ok(dp_bank_save(files, a, err));
    assert_ok(dp_bank_save(memory, b, err));
    assert_same_files(a, b);
    dp_bank_close(&files);
    dp_bank_close(&memory);
    dp_session_close(&session);
    world_close(&w);
}

struct seen {
    size_t n, n_failed;
    double scores[MANY];
};

static int on_view(void *user, size_t index, size_t view, const char *name, const dp_picture *picture,
                   const dp_result *result, double milliseconds, const char *message)
{
    struct seen *seen = user;
    (void)name, (void)milliseconds;
    assert_int_equal(view, 0);
    seen->n++;
    seen->n_failed += message != NULL;
    seen->scores[index] = result ? result->score : -1;
    assert_int_equal(picture != NULL, message == NULL);
    return 0;
}

static int on_result(void *user, size_t index, const char *path, const dp_picture *picture, const dp_result *result,
                     double milliseconds, const char *message)
{
    return on_view(user, index, 0, path, picture, result, milliseconds, message);
}

/* Shots, twins, a picture that cannot be had; inspecting and adding. */
static void numbers_of_the_source(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    dp_session *session = world_session(w.model, DP_FP32, 2);
    const char *const names[MANY] = {"f", "e", "d", "c", "b", "a"};
    struct frames frames = {.names = names, .broken = 3};
    const dp_source source = source_of(&frames, MANY);
    dp_recipe recipe = world_recipe();
    struct told told = {0};
    const dp_fit_input input = {.source = &source, .on_picture = on_picture, .user = &told};
    dp_bank *bank = NULL, *larger = NULL;
    dp_fit_counts report;

    /* Without shots one fails, one is given twice. */
    assert_ok(dp_bank_fit_from(session, &recipe, &input, &bank, &report, err));
    assert_int_equal(report.n_failed, 1);
    assert_int_equal(report.n_twins, 1);
    assert_int_equal(told.n_good, 4);
    assert_string_equal(told.message, "a: has the same pixels as f and is taken once");
    dp_bank_close(&bank);

    /* Two shots of those that are there once, the first by name: b and c; c cannot be had.  The last is left out as a
     * twin. */
    recipe.shots = 2;
    recipe.sample_white = 4095;
    told = (struct told){0};
    assert_ok(dp_bank_fit_from(session, &recipe, &input, &bank, &report, err));
    assert_int_equal(report.n_failed, 1);
    assert_int_equal(report.n_twins, 1);
    assert_int_equal(told.bad_index, 3);
    assert_string_equal(told.message, "c: the camera is silent");
    assert_string_equal(dp_bank_picture_name(bank, 0), "b");
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    assert_int_equal(info.recipe.sample_white, 4095);

    /* Inspected as they are in files. */
    dp_view view;
    dp_view_init(bank, &view);
    struct seen memory = {0}, files = {0};
    assert_ok(dp_session_inspect_from(session, bank, &view, 1, &source, on_view, &memory, err));
    assert_ok(dp_session_inspect_files(session, bank, &view, (const char *const *)w.paths, WORLD_PICTURES, on_result,
                                       &files, err));
    assert_int_equal(memory.n, MANY);
    assert_int_equal(memory.n_failed, 1);
    assert_int_equal(files.n, WORLD_PICTURES);
    for (size_t i = 0; i < WORLD_PICTURES; i++)
        if (i != frames.broken)
            assert_true(memory.scores[i] == files.scores[i]);

    size_t in_bank[MANY], earlier[MANY];
    assert_ok(dp_find_twins_from(bank, &source, NULL, in_bank, earlier, err));
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(in_bank[i], i == 4 ? 0 : SIZE_MAX);
        assert_int_equal(earlier[i], i == 5 ? 0 : SIZE_MAX);
    }

    told = (struct told){0};
    assert_ok(dp_bank_add_from(session, bank, &input, &larger, &report, err));
    assert_int_equal(told.n_good, 3); /* b is there, c cannot be had, a is f */
    assert_int_equal(report.n_failed, 1);
    assert_int_equal(report.n_twins, 2);
    dp_bank_close(&bank);
    dp_bank_close(&larger);
    dp_session_close(&session);
    world_close(&w);
}

/* The depth is asked of those pictures that are learned from, and kept. */
static dp_status load_whatever(void *user, size_t index, const dp_picture_options *options, dp_picture **picture,
                               dp_picture_notes *notes, dp_error *err)
{
    (void)user, (void)options, (void)notes, (void)err;
    *picture = world_picture((unsigned)index + 1);
    return DP_OK;
}

static void depth_of_the_chosen(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    dp_session *session = world_session(w.model, DP_FP32, 1);
    const char *const names[MANY] = {"f", "e", "d", "c", "b", "a"};
    struct frames frames = {.names = names, .broken = SIZE_MAX, .white = 1023};
    dp_source source = source_of(&frames, MANY);
    source.load = load_whatever;
    dp_recipe recipe = world_recipe();
    recipe.shots = 3;
    const dp_fit_input input = {.source = &source};
    dp_bank *bank = NULL;
    assert_ok(dp_bank_fit_from(session, &recipe, &input, &bank, NULL, err));
    assert_int_equal(frames.n_asked, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(frames.asked[i], MANY - 1 - i);
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    assert_int_equal(info.recipe.sample_white, 1023);
    dp_bank_close(&bank);

    source.n = 0;
    assert_fails(DP_E_ARGUMENT, "no pictures", dp_bank_fit_from(session, &recipe, &input, &bank, NULL, err));
    dp_session_close(&session);
    world_close(&w);
}

static void region_from_a_mask(void **state)
{
    (void)state;
    uint8_t mask[6] = {0};
    dp_roi *roi = NULL;
    assert_fails(DP_E_ARGUMENT, "m: is black everywhere",
                 dp_roi_from_mask(mask, 2, 3, DP_ROI_FIXED, NULL, "m", &roi, err));
    mask[4] = 200;
    assert_fails(DP_E_ARGUMENT, "name the good picture",
                 dp_roi_from_mask(mask, 2, 3, DP_ROI_OBJECT, NULL, "m", &roi, err));
    assert_null(roi);
    assert_ok(dp_roi_from_mask(mask, 2, 3, DP_ROI_FIXED, NULL, "m", &roi, err));
    dp_roi_close(&roi);
    assert_null(roi);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_from_files), cmocka_unit_test(numbers_of_the_source),
                                       cmocka_unit_test(depth_of_the_chosen), cmocka_unit_test(region_from_a_mask)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
