/* dinopatch inspect - scores new pictures against a bank and shows where they differ. */
#include "explain.h"
#include "models.h"
#include "recipe.h"
#include "roi.h"
#include "view.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct job {
    const dp_bank *bank;
    const dp_view *view;
    const char *out;
    const GPtrArray *names;
    cli_explain *explain; /* or NULL */
    enum { AS_TEXT, AS_JSON, AS_CSV } format;
    size_t n_failed, n_anomalous;
    bool output_broken;
};

static bool save_pictures(const struct job *job, size_t index, const dp_picture *picture, const dp_result *result,
                          char **map_path, dp_error *err)
{
    char *stem = g_build_filename(job->out, job->names->pdata[index], NULL);
    char *heat_path = g_strconcat(stem, ".heatmap.png", NULL);
    *map_path = g_strconcat(stem, ".tiff", NULL);
    dp_interval heat = cli_heat_scale(job->view, result);
    dp_picture *drawn = NULL;
    bool good = !dp_map_save_tiff(result->map, result->height_px, result->width_px, *map_path, err)
                && !dp_result_draw(picture, result, heat.low, heat.high, &drawn, err) && !dp_picture_save_png(drawn, heat_path, err);
    dp_picture_free(&drawn);
    g_free(heat_path);
    g_free(stem);
    return good;
}

/* NAME.explain-1.png for the largest defect, and so on; their paths into explained. */
static bool save_explained(const struct job *job, size_t index, const dp_picture *picture, const dp_result *result, GPtrArray *explained,
                           dp_error *err)
{
    bool good = true;
    for (size_t i = 0; good && i < result->n_defects && i < CLI_EXPLAINED; i++) {
        char *file = g_strdup_printf("%s.explain-%zu.png", (const char *)job->names->pdata[index], i + 1);
        char *path = g_build_filename(job->out, file, NULL);
        dp_picture *drawn = NULL;
        good = !cli_explain_draw(job->explain, picture, result, i, true, &drawn, err) && !dp_picture_save_png(drawn, path, err);
        g_ptr_array_add(explained, path);
        dp_picture_free(&drawn);
        g_free(file);
    }
    return good;
}

static json_t *json_defects(const dp_bank *bank, const dp_result *result, const GPtrArray *explained)
{
    json_t *list = json_array();
    for (size_t i = 0; i < result->n_defects; i++) {
        const dp_defect *d = &result->defects[i];
        json_array_append_new(
            list, json_pack("{s:[o,o,o,o], s:o, s:o, s:o, s:o, s:o}", "bbox_xyxy", cli_json_real(d->x0_px), cli_json_real(d->y0_px),
                            cli_json_real(d->x1_px), cli_json_real(d->y1_px), "area_px", cli_json_real(d->area_px), "peak",
                            cli_json_real(d->peak), "nearest", cli_json_text(dp_bank_picture_name(bank, d->nearest_picture)),
                            "nearest_at", isnan(d->nearest_x_px) ? json_null()
                            : json_pack("[o,o]", cli_json_real(d->nearest_x_px), cli_json_real(d->nearest_y_px)),
                            "explained", i < explained->len ? cli_json_text(explained->pdata[i]) : json_null()));
    }
    return list;
}

/* What part of the picture was looked at. */
static json_t *json_coverage(const dp_result *result)
{
    json_t *crop = isnan(result->crop_x0_px) ? json_null()
                   : json_pack("[o,o,o,o]", cli_json_real(result->crop_x0_px), cli_json_real(result->crop_y0_px),
                               cli_json_real(result->crop_x1_px), cli_json_real(result->crop_y1_px));
    return json_pack("{s:o, s:o, s:o, s:o}", "inspected_fraction", cli_json_real(result->inspected_fraction), "roi_fraction",
                     cli_json_real(result->roi_fraction), "masked_fraction", cli_json_real(result->masked_fraction), "crop_xyxy", crop);
}

static json_t *json_result(const struct job *job, const char *path, const dp_result *result, const char *map_path,
                           const GPtrArray *explained, double ms)
{
    json_t *align = cli_json_pose(&result->pose);
    json_object_set_new(align, "polarity", json_integer(result->polarity));
    json_object_set_new(align, "valid_fraction", cli_json_real(result->valid_fraction));
    json_t *map = json_object();
    json_object_set_new(map, "path", map_path ? cli_json_text(map_path) : json_null());
    if (map_path)
        cli_json_bytes(map, "path", map_path);
    json_object_set_new(map, "shape", json_pack("[I,I]", (json_int_t)result->height_px, (json_int_t)result->width_px));
    json_t *line = json_pack("{s:o, s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "input", cli_json_text(path), "status", "ok", "score",
                     cli_json_real(result->score), "p_value", cli_json_real(result->p_value), "threshold", cli_json_real(result->threshold), "label",
                     dp_label_name(result->label), "align", align, "map", map, "defects", json_defects(job->bank, result, explained), "ms",
                     cli_json_ms(ms), "embed_ms", cli_json_ms(result->embed_ms), "search_ms", cli_json_ms(result->search_ms));
    json_object_set_new(line, "coverage", json_coverage(result));
    return line;
}

/* RFC 4180: quoted where it must be. */
static void print_csv_text(const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void print_csv(const char *path, const dp_result *result, double ms, const char *message)
{
    print_csv_text(path);
    if (result) {
        printf(",ok,%.9g,", result->score);
        if (isfinite(result->threshold))
            printf("%.9g", result->threshold);
        putchar(',');
        if (isfinite(result->p_value))
            printf("%.6g", result->p_value);
        printf(",%s,%s,%d,%.6g,%zu,", dp_label_name(result->label), dp_align_status_name(result->pose.status), result->polarity,
               result->valid_fraction, result->n_defects);
        if (!cli_times_hidden())
            printf("%.3f", ms);
        puts(",");
    } else {
        fputs(",error,,,,,,,,,,", stdout);
        print_csv_text(message);
        putchar('\n');
    }
}

static void print_text(const char *path, const dp_result *result, double ms)
{
    printf("%s: %s, score %.4f", cli_shown(path), dp_label_name(result->label), result->score);
    if (isfinite(result->threshold))
        printf(" (threshold %.4f)", result->threshold);
    if (result->pose.status != DP_ALIGN_OK && result->pose.status != DP_ALIGN_OFF)
        printf(", could not be aligned (%s)", dp_align_status_name(result->pose.status));
    if (result->n_defects)
        printf(", %zu defect%s, largest at (%.0f, %.0f)", result->n_defects, result->n_defects > 1 ? "s" : "",
               (result->defects[0].x0_px + result->defects[0].x1_px) / 2,
               (result->defects[0].y0_px + result->defects[0].y1_px) / 2);
    if (!cli_times_hidden())
        printf(", %.0f ms", ms);
    putchar('\n');
}

static int on_result(void *user, size_t index, const char *path, const dp_picture *picture, const dp_result *result, double ms,
                     const char *message)
{
    struct job *job = user;
    dp_error err;
    char *map_path = NULL;
    GPtrArray *explained = g_ptr_array_new_with_free_func(g_free);
    if (result && job->out
        && (!save_pictures(job, index, picture, result, &map_path, &err)
            || (job->explain && !save_explained(job, index, picture, result, explained, &err)))) {
        message = err.message;
        result = NULL;
    }
    if (!result) {
        job->n_failed++;
        cli_complain("%s", message);
    } else if (result->label == DP_LABEL_ANOMALOUS) {
        job->n_anomalous++;
    }
    if (job->format == AS_JSON) {
        json_t *line = result ? json_result(job, path, result, map_path, explained, ms)
                              : json_pack("{s:o, s:s, s:o}", "input", cli_json_text(path), "status", "error", "error",
                                          cli_json_text(message));
        cli_json_bytes(line, "input", path);
        job->output_broken = !cli_json_print(line);
    } else {
        if (job->format == AS_CSV)
            print_csv(path, result, ms, message);
        else if (result)
            print_text(path, result, ms);
        job->output_broken = fflush(stdout) != 0;
        if (job->output_broken)
            cli_complain("standard output: cannot write: %s", g_strerror(errno));
    }
    g_free(map_path);
    g_ptr_array_unref(explained);
    return job->output_broken || cli_interrupted();
}

static int finish(const struct job *job, bool fail_on_anomaly, size_t n_failed)
{
    n_failed += job->n_failed;
    if (fail_on_anomaly && job->n_anomalous)
        return EXIT_ANOMALY;
    return n_failed ? EXIT_SOME_FAILED : EXIT_DONE;
}

int cmd_inspect(int argc, char **argv)
{
    cli_roi region = {0};
    char *model_name = NULL, *bank_path = NULL, *out = NULL, *train = NULL;
    double threshold = NAN;
    gboolean json = FALSE, csv = FALSE, fail_on_anomaly = FALSE, explain = FALSE;
    const GOptionEntry own_entries[] = {
        {"bank", 'b', 0, G_OPTION_ARG_FILENAME, &bank_path, "the bank that 'dinopatch fit' wrote", "B"},
        {"model", 'm', 0, G_OPTION_ARG_FILENAME, &model_name, "checkpoint (default: the one the bank was made with)", "M"},
        {"out", 'o', 0, G_OPTION_ARG_FILENAME, &out, "write NAME.heatmap.png and NAME.tiff (distances) here", "DIR"},
        {"explain", 0, 0, G_OPTION_ARG_NONE, &explain, "with --out: NAME.explain-N.png, the patch of a defect beside the nearest good one", NULL},
        {"train", 0, 0, G_OPTION_ARG_FILENAME, &train, "with --explain: where the training pictures lie now", "DIR"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "one JSON line per picture on stdout", NULL},
        {"csv", 0, 0, G_OPTION_ARG_NONE, &csv, "a CSV table on stdout", NULL},
        {"threshold", 0, 0, G_OPTION_ARG_DOUBLE, &threshold, "decide at this score (default: the bank's)", "T"},
        {"fail-on-anomaly", 0, 0, G_OPTION_ARG_NONE, &fail_on_anomaly, "exit code 3 where an anomaly was found", NULL},
        CLI_ROI_ENTRIES(&region),
        G_OPTION_ENTRY_NULL};
    cli_recipe options;
    cli_run run;
    int code;
    dp_roi *roi = NULL;
    GOptionEntry *entries = cli_recipe_entries(&options, CLI_RECIPE_SCORE, own_entries);
    bool parsed = cli_parse(&argc, &argv, entries, cli_run_group(&run), "--bank B PICTURES_OR_FOLDERS...",
                            "Scores new pictures by their distance from the good ones, place by place.",
                            "A threshold belongs to one way of scoring: with another --window, --metric, --knn, --map or --score and no\n"
                            "--threshold it is found anew from the bank's good pictures.",
                            &code);
    g_free(entries);
    dp_recipe recipe = {0};
    if (!parsed || !cli_run_resolve(&run, &code))
        return code;
    if (!bank_path)
        return cli_usage("--bank is missing");
    if (argc < 2)
        return cli_usage("no pictures given");
    if (json && csv)
        return cli_usage("--json or --csv, not both");
    if (explain && !out)
        return cli_usage("--explain needs --out DIR");
    if (train && !explain)
        return cli_usage("--train belongs to --explain");

    dp_bank *bank = NULL;
    dp_model *model = NULL;
    dp_session *session = NULL;
    dp_error err;
    size_t n_failed = 0;
    GPtrArray *inputs = NULL, *names = NULL;
    cli_view settled = {0};
    if (!cli_roi_open(&region, &run.run, &roi, &code))
        goto done;
    if (dp_bank_open(bank_path, &bank, &err)) {
        code = cli_failed(&err);
        goto done;
    }
    dp_bank_info info;
    dp_bank_get_info(bank, &info);
    recipe = info.recipe;
    if (!cli_recipe_resolve(&options, &recipe, &code))
        goto done;

    inputs = cli_inputs(argv + 1, argc - 1, &n_failed);
    names = cli_output_names(inputs);
    if (!inputs->len) {
        cli_complain("no pictures to inspect");
        code = EXIT_SOME_FAILED;
        goto done;
    }
    if (out && !cli_make_folder(out)) {
        code = EXIT_JOB_FAILED;
        goto done;
    }
    if (!cli_model_open_for_bank(model_name, &info, &model, &code))
        goto done;
    cli_progress_begin("inspect", run.quiet || (!out && isatty(fileno(stdout))));
    if (!cli_view_settle(bank, &recipe, roi, &run.run, &settled, &code))
        goto done;
    if (dp_session_open(model, info.recipe.precision, &run.run, &session, &err)) {
        code = cli_failed(&err);
        goto done;
    }
    if (!isnan(threshold))
        settled.view.threshold = threshold;
    cli_explain *explainer = explain ? cli_explain_new(bank, train, run.run.max_picture_pixels) : NULL;
    struct job job = {.bank = bank, .view = &settled.view, .explain = explainer, .out = out, .names = names, .format = json ? AS_JSON : csv ? AS_CSV : AS_TEXT};
    if (csv)
        puts("input,status,score,threshold,p_value,label,align_status,polarity,valid_fraction,defects,ms,error");
    dp_status status = dp_session_inspect_files(session, bank, &settled.view, (const char *const *)inputs->pdata, inputs->len,
                                                on_result, &job, &err);
    cli_progress_end();
    cli_explain_free(explainer);
    if (status)
        code = job.output_broken ? EXIT_JOB_FAILED : cli_failed(&err);
    else
        code = finish(&job, fail_on_anomaly, n_failed);
done:
    if (inputs)
        g_ptr_array_unref(inputs);
    if (names)
        g_ptr_array_unref(names);
    cli_view_free(&settled);
    dp_roi_close(&roi);
    dp_session_close(&session);
    dp_model_close(&model);
    dp_bank_close(&bank);
    return code;
}
