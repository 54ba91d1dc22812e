/* SPDX-License-Identifier: Apache-2.0 */
/* run.c - one category with one draw of the good pictures: fit, inspect, measure.
 *
 * Labels are read only when all scores are there. What the state holds is not done again: the bank stays in
 * DIR/resume.bank until its run ends, and the maps stay in place. */
#include "eval.h"
#include "../explain.h"
#include "../view.h"
#include "dinopatch/eval.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#define DRAWN_SIDE 560 /* pixels, longer side of the pictures in a report */
#define N_AXES 4       /* good pictures that are drawn with their axes */

/* A run at work. */
struct work {
    eval_run *run;
    dp_pixel_meter *pixels; /* NULL where there are no masks */
    GArray *pending;        /* of guint: test pictures to be inspected */
    dp_view view;           /* the view of the bank */
    cli_explain *explain;   /* NULL without out */
    const dp_bank *bank;    /* while pictures are inspected */
    bool broken;            /* the state cannot be written */
};

static double now_s(void)
{
    return (double)g_get_monotonic_time() / 1e6;
}

static bool meter_map(const struct work *work, const dataset_item *item, const float *map, size_t height, size_t width,
                      dp_error *err)
{
    uint8_t *mask = NULL;
    bool good = !work->pixels
                || (dataset_load_mask(item, work->run->max_pixels, height, width, &mask, err)
                    && !dp_pixel_meter_add(work->pixels, map, mask, height, width, err));
    g_free(mask);
    return good;
}

/* Writes the map where the published evaluation scripts look for it, and the picture for people. *drawn: its path,
 * g_free. */
static bool save_pictures(const struct work *work, const dataset_item *item, const dp_picture *picture,
                          const dp_result *result, char **drawn, dp_error *err)
{
    const eval_run *run = work->run;
    char *place = eval_place(run, "anomaly_maps", item, ".tiff"), *path = eval_make_place(run->out, place, err);
    bool good = path && !dp_map_save_tiff(result->map, result->height_px, result->width_px, path, err);
    g_free(path);
    g_free(place);
    if (!good)
        return false;
    dp_interval heat = cli_heat_scale(&work->view, result);
    dp_picture *whole = NULL;
    place = eval_place(run, "pictures", item, ".jpg");
    good = !dp_result_draw(picture, result, heat.low, heat.high, &whole, err)
           && eval_save_small(run->out, place, whole, DRAWN_SIDE, err);
    dp_picture_free(&whole);
    if (good)
        *drawn = place;
    else
        g_free(place);
    return good;
}

/* Draws the largest defect beside the nearest good patch. *explained: its path, g_free; NULL if there is no defect. */
static bool save_explained(const struct work *work, const dataset_item *item, const dp_picture *picture,
                           const dp_result *result, char **explained, dp_error *err)
{
    if (!work->explain || !result->n_defects)
        return true;
    char *place = eval_place(work->run, "explained", item, ".jpg"), *path = eval_make_place(work->run->out, place, err);
    dp_picture *drawn = NULL;
    bool good = path && !cli_explain_draw(work->explain, picture, result, 0, false, &drawn, err)
                && !dp_picture_save_jpeg(drawn, path, err);
    dp_picture_free(&drawn);
    g_free(path);
    if (good)
        *explained = place;
    else
        g_free(place);
    return good;
}

static int on_result(void *user, size_t index, const char *path, const dp_picture *picture, const dp_result *result,
                     double ms, const char *message)
{
    struct work *work = user;
    eval_run *run = work->run;
    guint at = g_array_index(work->pending, guint, index);
    const dataset_item *item = eval_item(run, at);
    dp_error err;
    char *drawn = NULL, *explained = NULL, *own;
    eval_drop_blank(path, &result, &message, &own);
    bool good = result && meter_map(work, item, result->map, result->height_px, result->width_px, &err);
    if (good && run->out)
        good = save_pictures(work, item, picture, result, &drawn, &err)
               && save_explained(work, item, picture, result, &explained, &err);
    if (!good) {
        run->n_failed++;
        cli_complain("%s", result ? err.message : message);
    }
    if (result) {
        json_t *value =
            cli_json_pack("{s:o, s:s, s:o, s:i, s:o, s:o, s:o, s:o, s:s, s:i}", "input", cli_json_text(item->path),
                          "split", item->split, "defect", cli_json_text(item->defect), "label", item->label, "score",
                          cli_json_real(result->score), "ms", cli_json_ms(ms), "embed_ms",
                          cli_json_ms(result->embed_ms), "search_ms", cli_json_ms(result->search_ms), "align",
                          dp_align_status_name(result->pose.status), "n_defects", (int)result->n_defects);
        cli_json_set(value, "decision",
                     result->label == DP_LABEL_NONE ? json_null() : json_string(dp_label_name(result->label)));
        cli_json_set(value, "reason", *result->reason ? cli_json_text(result->reason) : json_null());
        cli_json_set(value, "drawn", drawn ? cli_json_text(drawn) : json_null());
        const char *nearest = explained ? dp_bank_picture_name(work->bank, result->defects[0].nearest_picture) : NULL;
        if (explained)
            cli_json_set(value, "explained", cli_json_text(explained));
        if (explained)
            cli_json_set(value, "peak", cli_json_real(result->defects[0].peak));
        if (nearest)
            cli_json_set(value, "nearest", cli_json_text(nearest));
        cli_json_set(value, "whole", json_boolean(good)); /* true if map and drawing were written */
        work->broken |= !eval_state_put(run->state, run->name, NULL, (long)at, value);
    }
    g_free(own);
    g_free(drawn);
    g_free(explained);
    return cli_interrupted() || work->broken;
}

/* ------------------------------------------------------------------------------------------------------------- fit */

static void on_good(void *user, size_t index, const char *path, const dp_pose *pose, const char *message)
{
    if (message)
        cli_complain("%s", message);
}

/* Draws good pictures with axes, centre and canvas (Figure 4 of the paper). Leaves out a picture that cannot be drawn.
 * NULL (err): memory is short, or a drawing cannot be written. */
static json_t *draw_axes(const eval_run *run, const dp_bank *bank, const dp_bank_details *info, dp_error *err)
{
    json_t *list = json_array();
    bool good = true;
    for (size_t i = 0; good && run->out && info->recipe.align == DP_ALIGN_PCA && i < info->n_pictures && i < N_AXES;
         i++) {
        dp_picture *picture = NULL, *drawn = NULL;
        char file[32];
        g_snprintf(file, sizeof file, "axes-%zu.jpg", i + 1);
        char *place = eval_figure_place(run, file);
        const char *name = dp_bank_picture_name(bank, i);
        const dp_picture_options options = {
            .max_pixels = run->max_pixels, .tolerant = 1, .white = info->recipe.sample_white};
        dp_status status = dp_picture_load_with(name, &options, &picture, NULL, err);
        if (!status)
            status = dp_pose_draw(picture, dp_bank_picture_pose(bank, i), info->recipe.fill,
                                  info->recipe.canvas_height_px, info->recipe.canvas_width_px, &drawn, err);
        good = status ? status != DP_E_MEMORY : eval_save_small(run->out, place, drawn, DRAWN_SIDE, err);
        if (good && !status)
            cli_json_append(list,
                            cli_json_pack("{s:o, s:o}", "input", cli_json_text(name), "drawn", cli_json_text(place)));
        dp_picture_free(&picture);
        dp_picture_free(&drawn);
        g_free(place);
    }
    if (good)
        return list;
    json_decref(list);
    return NULL;
}

void eval_forget_bank(const char *out, cli_shard shard)
{
    char *path = eval_shard_path(out, "resume", shard, ".bank");
    unlink(path);
    g_free(path);
}

/* Opens the bank of the stopped evaluation. NULL: it is missing, or it is another bank. */
static dp_bank *reopen_bank(const json_t *fit, const char *path)
{
    const char *wanted = json_string_value(json_object_get(fit, "bank_sha256"));
    char *found = wanted ? eval_file_sha256(path) : NULL;
    dp_bank *bank = NULL;
    if (found && !strcmp(found, wanted) && dp_bank_open(path, &bank, NULL))
        bank = NULL;
    g_free(found);
    return bank;
}

static dp_status make_bank(dp_session *session, struct work *work, const char *path, dp_bank **bank, dp_error *err)
{
    eval_run *run = work->run;
    dp_fit_counts report = {0};
    double started_s = now_s();
    dp_status status = dp_bank_fit_within(session, &run->recipe, run->roi, (const char *const *)run->set->train->pdata,
                                          run->set->train->len, on_good, NULL, bank, &report, err);
    if (!status)
        status = eval_check_used(*bank, report.n_failed, &run->recipe, run->allow_few, err);
    if (status)
        return status;
    double fit_s = now_s() - started_s;
    run->n_failed += report.n_failed;
    dp_bank_details info;
    dp_bank_get_details(*bank, &info);
    char *digest = NULL;
    if (path && !dp_bank_save(*bank, path, NULL)) /* if it cannot be saved, a stopped run fits again */
        digest = eval_file_sha256(path);
    else if (path)
        unlink(path);
    json_t *axes = draw_axes(run, *bank, &info, err);
    if (!axes) {
        g_free(digest);
        return err->status;
    }
    json_t *scores = json_array();
    for (size_t i = 0; i < info.n_pictures; i++)
        cli_json_append(scores, cli_json_real(dp_bank_picture_score(*bank, i)));
    json_t *fit = cli_json_pack(
        "{s:I, s:I, s:I, s:o, s:o, s:o, s:[I,I], s:o, s:o, s:o}", "n_good", (json_int_t)info.n_pictures, "n_failed",
        (json_int_t)report.n_failed, "bank_bytes", (json_int_t)info.feature_bytes, "threshold",
        cli_json_real(info.threshold), "cell_threshold", cli_json_real(info.cell_threshold), "good_scores", scores,
        "canvas_px", (json_int_t)info.recipe.canvas_height_px, (json_int_t)info.recipe.canvas_width_px, "seconds",
        cli_json_ms(fit_s), "bank_sha256", digest ? json_string(digest) : json_null(), "axes", axes);
    g_free(digest);
    work->broken |= !eval_state_put(run->state, run->name, "fit", -1, fit);
    return DP_OK;
}

/* ------------------------------------------------------------------------------------------------------------- all */

static dp_status measure(struct work *work, dp_error *err)
{
    json_t *figures = NULL;
    dp_status status = eval_figures(work->run, work->pixels, &figures, err);
    if (!status)
        work->broken |= !eval_state_put(work->run->state, work->run->name, "figures", -1, figures);
    return status;
}

/* Returns whether a test picture is one of those to be inspected. */
static bool is_of_shard(const eval_run *run, guint index)
{
    const cli_shard shard = run->state->shard;
    const char *path = eval_item(run, index)->path, *below = path;
    if (g_str_has_prefix(path, run->data))
        below += strlen(run->data);
    return !shard.n || cli_shard_of(below + strspn(below, "/"), shard.n) == shard.index;
}

/* Sorts the test pictures: the map of a finished one goes into the meter again, the others go into work->pending. */
static void sort_out(struct work *work)
{
    const eval_run *run = work->run;
    for (guint i = 0; i < run->set->test->len; i++) {
        if (!is_of_shard(run, i))
            continue;
        const json_t *known = eval_state_picture(run->state, run->name, i);
        bool done = json_is_true(json_object_get(known, "whole")) && json_is_number(json_object_get(known, "score"));
        if (done && work->pixels) {
            char *place = eval_place(run, "anomaly_maps", eval_item(run, i), ".tiff");
            char *path = g_build_filename(run->out, place, NULL);
            float *map = NULL;
            size_t height, width;
            dp_error err;
            done = !dp_map_load_tiff(path, &map, &height, &width, &err)
                   && meter_map(work, eval_item(run, i), map, height, width, &err);
            dp_memory_free(map);
            g_free(path);
            g_free(place);
        }
        if (!done)
            g_array_append_val(work->pending, i);
    }
}

static dp_status inspect(dp_session *session, struct work *work, const dp_bank *bank, dp_error *err)
{
    const eval_run *run = work->run;
    dp_view_init(bank, &work->view);
    work->bank = bank;
    work->explain = run->out ? cli_explain_new(bank, NULL, run->max_pixels) : NULL;
    const char **paths = g_new(const char *, work->pending->len);
    for (guint i = 0; i < work->pending->len; i++)
        paths[i] = eval_item(run, g_array_index(work->pending, guint, i))->path;
    dp_status status =
        dp_session_inspect_files(session, bank, &work->view, paths, work->pending->len, on_result, work, err);
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): GLib asks for the size of the pointer */
    g_clear_pointer(&work->explain, cli_explain_free);
    g_free(paths);
    return status;
}

/* An earlier process reported the good pictures that it could not use; this one reports that they are missing. */
static void note_left_out(eval_run *run, const json_t *known)
{
    size_t n = (size_t)json_integer_value(json_object_get(json_object_get(known, "fit"), "n_failed"));
    if (n)
        cli_complain(
            "%s: the bank holds %zu good pictures less, because they could not be used; pass --fresh to start again",
            run->name, n);
    run->n_failed += n;
}

dp_status eval_run_do(dp_session *session, eval_run *run, dp_error *err)
{
    json_t *known = eval_state_run(run->state, run->name);
    cli_json_set(known, "category", cli_json_text(run->set->category));
    cli_json_set(known, "seed", *run->folder ? json_integer((json_int_t)run->recipe.seed) : json_null());
    bool done = json_object_get(known, "figures") != NULL;
    for (guint i = 0; done && i < run->set->test->len; i++)
        done = json_is_true(json_object_get(eval_state_picture(run->state, run->name, i), "whole"));
    if (done) {
        note_left_out(run, known);
        return DP_OK;
    }

    struct work work = {.run = run, .pending = g_array_new(FALSE, FALSE, sizeof(guint))};
    char *bank_path = run->out ? eval_shard_path(run->out, "resume", run->state->shard, ".bank") : NULL;
    dp_bank *bank = NULL;
    dp_status status = DP_OK;
    if (run->set->masks && !run->state->shard.n)
        status = dp_pixel_meter_open(&work.pixels, err);
    if (!status) {
        sort_out(&work);
        if (work.pending->len && bank_path)
            bank = reopen_bank(json_object_get(known, "fit"), bank_path);
        if (work.pending->len && !bank)
            status = make_bank(session, &work, bank_path, &bank, err);
        else
            note_left_out(run, known);
        run->not_possible = status == DP_E_PICTURE;
    }
    if (!status && work.pending->len)
        status = inspect(session, &work, bank, err);
    eval_state_sort_pictures(run->state, run->name, run->set->test->len);
    if (!status && !run->state->shard.n)
        status = measure(&work, err);
    if (work.broken) { /* the reason was printed already */
        status = err->status = DP_E_IO;
        g_snprintf(err->message, sizeof err->message, "stopped: cannot write the results so far");
    }
    if (!status && bank_path)
        unlink(bank_path);
    run->stopped = status == DP_E_CANCELLED && cli_interrupted();
    dp_bank_close(&bank);
    dp_pixel_meter_close(&work.pixels);
    g_array_free(work.pending, TRUE);
    g_free(bank_path);
    return status;
}
