/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch inspect - scores new pictures with a bank and shows where they differ from the good ones. */
#include "explain.h"
#include "inputs.h"
#include "inspect_rows.h"
#include "models.h"
#include "outputs.h"
#include "picture_list.h"
#include "ranks.h"
#include "recipe.h"
#include "roi.h"
#include "shard_lines.h"
#include "view.h"
#include "eval/eval.h"

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
    cli_explain *explain;   /* or NULL */
    cli_shard_lines *shard; /* or NULL */
    enum { AS_TEXT, AS_JSON, AS_CSV } format;
    cli_tally tally;
    size_t n_learned; /* pictures that the bank was made of */
    bool output_broken;
};

/* OUT/NAME with an ending; g_free. */
static char *output_path(const char *out, const GPtrArray *names, size_t index, const char *ending)
{
    char *file = g_strconcat(names->pdata[index], ending, NULL), *path = g_build_filename(out, file, NULL);
    g_free(file);
    return path;
}

static char *explain_path(const char *out, const GPtrArray *names, size_t index, size_t k)
{
    char ending[48];
    g_snprintf(ending, sizeof ending, ".explain-%zu.png", k + 1);
    return output_path(out, names, index, ending);
}

/* Declares and checks all outputs before the work begins. False: *code, complained. */
static bool declare_outputs(cli_outputs *files, const char *out, const GPtrArray *inputs, const GPtrArray *names,
                            bool explain, int *code)
{
    if (!cli_names_differ(inputs, names, code))
        return false;
    for (guint i = 0; i < names->len; i++) {
        char *heat = output_path(out, names, i, ".heat.png"), *map = output_path(out, names, i, ".map.tiff");
        cli_outputs_write(files, heat);
        cli_outputs_write(files, map);
        g_free(heat);
        g_free(map);
        for (size_t k = 0; explain && k < CLI_EXPLAINED; k++) {
            char *path = explain_path(out, names, i, k);
            cli_outputs_write(files, path);
            g_free(path);
        }
    }
    return cli_outputs_check(files, code);
}

static bool save_pictures(const struct job *job, size_t index, const dp_picture *picture, const dp_result *result,
                          char **map_path, dp_error *err)
{
    char *heat_path = output_path(job->out, job->names, index, ".heat.png");
    *map_path = output_path(job->out, job->names, index, ".map.tiff");
    dp_interval heat = cli_heat_scale(job->view, result);
    dp_picture *drawn = NULL;
    bool good = !dp_map_save_tiff(result->map, result->height_px, result->width_px, *map_path, err)
                && !dp_result_draw(picture, result, heat.low, heat.high, &drawn, err)
                && !dp_picture_save_png(drawn, heat_path, err);
    dp_picture_free(&drawn);
    g_free(heat_path);
    return good;
}

/* Writes NAME.explain-1.png for the largest defect, and so on. Adds the paths to explained. */
static bool save_explained(const struct job *job, size_t index, const dp_picture *picture, const dp_result *result,
                           GPtrArray *explained, dp_error *err)
{
    bool good = true;
    for (size_t i = 0; good && i < result->n_defects && i < CLI_EXPLAINED; i++) {
        char *path = explain_path(job->out, job->names, index, i);
        dp_picture *drawn = NULL;
        good = !cli_explain_draw(job->explain, picture, result, i, true, &drawn, err)
               && !dp_picture_save_png(drawn, path, err);
        g_ptr_array_add(explained, path);
        dp_picture_free(&drawn);
    }
    return good;
}

static int on_result(void *user, size_t index, size_t view, const char *path, const dp_picture *picture,
                     const dp_result *result, double ms, const char *message)
{
    (void)view;
    struct job *job = user;
    dp_error err;
    char *map_path = NULL;
    GPtrArray *explained = g_ptr_array_new_with_free_func(g_free);
    if (result && job->out
        && (!save_pictures(job, index, picture, result, &map_path, &err)
            || (job->explain && !save_explained(job, index, picture, result, explained, &err)))) {
        message = err.message; /* score and label are still valid */
        g_clear_pointer(&map_path, g_free);
    }
    char *fault = message ? cli_spelled(message) : NULL;
    const cli_row row = {.bank = job->bank,
                         .path = path,
                         .result = result,
                         .fault = fault,
                         .map_path = map_path,
                         .explained = explained,
                         .threshold = job->view->threshold,
                         .cell_threshold = job->view->cell_threshold,
                         .ms = ms};
    cli_tally_add(&job->tally, &row);
    if (result && result->label != DP_LABEL_NOT_INSPECTED && result->score == 0 && !(job->view->post.low > 0))
        job->n_learned++;
    if (message)
        cli_complain("%s", message);
    if (job->shard) {
        job->output_broken = !cli_shard_lines_put(job->shard, cli_row_json(&row), &job->tally);
    } else if (job->format == AS_JSON) {
        job->output_broken = !cli_json_print(cli_row_json(&row));
    } else {
        if (job->format == AS_CSV)
            cli_row_print_csv(&row);
        else
            cli_row_print_text(&row);
        job->output_broken = !cli_output_good();
    }
    g_free(fault);
    g_free(map_path);
    g_ptr_array_unref(explained);
    return job->output_broken || cli_interrupted();
}

/* Prints the summary and returns the exit code. With fail_on_anomaly only good pictures pass. */
static int finish(struct job *job, bool fail_on_anomaly, bool summary, bool quiet, size_t n_failed)
{
    const cli_tally *tally = &job->tally;
    if (job->shard && !cli_shard_lines_end(job->shard, &job->tally))
        return EXIT_JOB_FAILED;
    if (summary && !cli_json_print(cli_tally_json(tally)))
        return EXIT_JOB_FAILED;
    if (!quiet) {
        char *text = cli_tally_text(tally, isnan(job->view->threshold));
        fprintf(stderr, "%s\n", text);
        g_free(text);
    }
    if (job->n_learned)
        cli_note("%zu picture%s score%s 0, as only pictures do that the bank was made of: this says nothing about it; "
                 "inspect pictures that it has not seen",
                 job->n_learned, job->n_learned == 1 ? "" : "s", job->n_learned == 1 ? "s" : "");
    if (fail_on_anomaly && tally->n_anomalous + tally->n_not_inspected + tally->n_unlabelled > 0)
        return EXIT_ANOMALY;
    return n_failed + tally->n_failed > 0 ? EXIT_SOME_FAILED : EXIT_DONE;
}

/* A digest of all that the lines of a shard depend on, beside the pictures; g_free. NULL: complained. */
static char *work_digest(const dp_bank *bank, const dp_recipe *recipe, const cli_view *settled, const char *roi,
                         bool any_size, const char *out, const dp_run *run)
{
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    GString *text = g_string_new(dp_version());
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    char *mask = roi ? eval_file_sha256(roi) : NULL;
    const dp_isa best = dp_isa_detect(), isa = run->isa == DP_ISA_AUTO || run->isa > best ? best : run->isa;
    for (size_t i = 0; i < dp_option_count(); i++) {
        const char *key = dp_option_at(i)->key;
        char *value = cli_option_text(recipe, key);
        g_string_append_printf(text, "\n%s=%s", key, value);
        g_free(value);
    }
    g_string_append_printf(text, "\n%s %s %.17g %.17g %s %d %s %d", info.model_sha256, dp_isa_name(isa),
                           settled->view.threshold, settled->view.cell_threshold, mask ? mask : "", any_size,
                           out ? out : "", cli_times_hidden());
    for (size_t i = 0; i < info.n_pictures; i++) {
        const unsigned char *digest = dp_bank_picture_digest(bank, i);
        g_string_append_printf(text, "\n%s %.17g", dp_bank_picture_name(bank, i), dp_bank_picture_score(bank, i));
        if (digest)
            g_string_append_len(text, (const char *)digest, 32);
    }
    g_checksum_update(sum, (const guchar *)text->str, (gssize)text->len);
    char *digest = g_strdup(g_checksum_get_string(sum));
    g_checksum_free(sum);
    g_string_free(text, TRUE);
    g_free(mask);
    return digest;
}

/* Of the pictures and names of a list those that have no line yet. */
static void keep_pending(const cli_shard_lines *lines, GPtrArray **inputs, GPtrArray **names)
{
    size_t n;
    const size_t *pending = cli_shard_lines_pending(lines, &n);
    GPtrArray *some = g_ptr_array_new(), *their = g_ptr_array_new();
    for (size_t i = 0; i < n; i++) {
        g_ptr_array_add(some, (*inputs)->pdata[pending[i]]);
        g_ptr_array_add(their, (*names)->pdata[pending[i]]);
    }
    g_ptr_array_unref(*inputs);
    g_ptr_array_unref(*names);
    *inputs = some;
    *names = their;
}

int cmd_inspect(int argc, char **argv)
{
    cli_list list = {0};
    char *resume = NULL;
    cli_roi region = {0};
    char *model_name = NULL, *bank_path = NULL, *out = NULL, *train = NULL;
    cli_number threshold = {0};
    gboolean json = FALSE, csv = FALSE, fail_on_anomaly = FALSE, explain = FALSE, summary = FALSE, any_size = FALSE,
             overwrite = FALSE;
    const cli_option own_entries[] = {
        {"bank", 'b', 0, CLI_FILE, &bank_path,
         "the bank that 'dinopatch fit' wrote, or 'PREFIX-*.bank': its shares by 'bank split'", "B"},
        {"model", 'm', 0, CLI_FILE, &model_name, "checkpoint (default: the one the bank was made with)", "M"},
        {"out", 'o', 0, CLI_FILE, &out, "write NAME.heat.png and NAME.map.tiff (distances) here", "DIR"},
        CLI_OVERWRITE_ENTRY(&overwrite),
        {"explain", 0, 0, CLI_FLAG, &explain,
         "with --out: NAME.explain-N.png, the patch of a defect beside the nearest good one", NULL},
        {"train", 0, 0, CLI_FILE, &train, "with --explain: the folder in which the training pictures are now", "DIR"},
        {"json", 0, 0, CLI_FLAG, &json, "one JSON line per picture on stdout", NULL},
        {"summary", 0, 0, CLI_FLAG, &summary, "with --json: {\"summary\": {...}} as the last line", NULL},
        {"csv", 0, 0, CLI_FLAG, &csv, "a CSV table on stdout", NULL},
        {"threshold", 0, 0, CLI_REAL, &threshold, "decide at this score (default: the bank's)", "T", 0, CLI_NO_END},
        {"fail-on-anomaly", 0, 0, CLI_FLAG, &fail_on_anomaly,
         "exit with code 3 if a picture is not good: anomalous, not inspected, unreadable, or without a threshold",
         NULL},
        {"any-size", 0, 0, CLI_FLAG, &any_size,
         "with a bank made by --align none: inspect pictures of any size and aspect ratio", NULL},
        CLI_LIST_ENTRIES(&list),
        CLI_SHARD_ENTRY(&list),
        {"resume", 0, 0, CLI_FILE, &resume,
         "with --shard: take over the lines of a stopped run whose picture files are the same", "FILE"},
        CLI_ROI_ENTRIES(&region),
        CLI_OPTION_END};
    cli_recipe options;
    cli_run run;
    int code;
    dp_roi *roi = NULL;
    const cli_option *entries = cli_recipe_entries(&options, CLI_RECIPE_OVERRIDE, own_entries);
    char *columns = cli_row_csv_help();
    char *notes = g_strconcat(
        "A picture is good, anomalous or not_inspected. A picture that cannot be judged is never "
        "called good; the output gives the reason.\n"
        "Exit code: 0 done; 1 some inputs failed; 2 wrong usage; 3 with --fail-on-anomaly, a "
        "picture is not good (wins over 1); 4 the job failed.\n"
        "\n"
        "A threshold belongs to one way of scoring. With another --window, --metric, --knn, "
        "--map or --score and without --threshold, the threshold is computed again from the bank's good pictures.\n"
        "\n",
        columns, NULL);
    bool parsed = cli_parse(&argc, &argv, entries, cli_run_group(&run), "--bank B PICTURES_OR_FOLDERS...",
                            "Scores new pictures by their distance from the good ones, place by place.", notes, &code);
    g_free(columns);
    g_free(notes);
    dp_recipe recipe = {0};
    if (!parsed || !cli_run_resolve(&run, &code))
        return code;
    if (!bank_path)
        return cli_usage("--bank is missing");
    if (!cli_list_check(&list, argc - 1, "give pictures to inspect", &code))
        return code;
    if (list.shard.n && (!json || summary))
        return cli_usage(json ? "--shard excludes --summary: 'dinopatch results merge --summary' says it of all shards"
                              : "--shard needs --json");
    if (resume && !list.shard.n)
        return cli_usage("--resume needs --shard");
    if (json && csv)
        return cli_usage("give --json or --csv, not both");
    if (summary && !json)
        return cli_usage("--summary needs --json");
    if (explain && !out)
        return cli_usage("--explain needs --out DIR");
    if (train && !explain)
        return cli_usage("--train needs --explain");
    if (out && !*out)
        return cli_usage("--out: the folder has no name");

    cli_shared opened = {0};
    dp_network *model = NULL;
    dp_session *session = NULL;
    dp_error err;
    GPtrArray *inputs = NULL, *names = NULL;
    cli_shard_lines *shard = NULL;
    cli_outputs *files = cli_outputs_new(overwrite);
    cli_view settled = {.threshold = threshold.given ? threshold.value : NAN};
    if (!cli_roi_open(&region, &run.run, &roi, &code))
        goto done;
    if (!cli_shared_open(bank_path, &run.run, &opened, &code))
        goto done;
    const dp_bank *bank = opened.bank;
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    recipe = info.recipe;
    if (!cli_recipe_resolve(&options, &recipe, &code))
        goto done;

    if (!cli_list_open(&list, argv + 1, argc - 1, &code))
        goto done;
    if (!list.all->len) {
        cli_complain("no pictures to inspect");
        code = EXIT_SOME_FAILED;
        goto done;
    }
    if (list.shard.n && !cli_view_settle(bank, &recipe, roi, &run.run, &settled, &code))
        goto done;
    inputs = g_ptr_array_ref(list.inputs);
    names = g_ptr_array_ref(list.names);
    if (list.shard.n) {
        char *work = work_digest(bank, &recipe, &settled, region.path, any_size, out, &run.run);
        shard = cli_shard_lines_open(&list, work, resume, &code);
        g_free(work);
        if (!shard)
            goto done;
        keep_pending(shard, &inputs, &names);
    }
    cli_outputs_read_all(files, opened.paths, "the bank in use");
    cli_outputs_read_model(files, model_name, info.model_path);
    cli_outputs_read(files, region.path, "the mask in use");
    cli_outputs_read(files, region.picture, "the picture of the mask");
    cli_outputs_read(files, options.config, "the options in use");
    cli_outputs_read_all(files, inputs, "a picture to be inspected");
    cli_outputs_read_all(files, cli_tars_files(list.tars), "a tar file of pictures to be inspected");
    for (size_t i = 0; i < info.n_pictures; i++)
        cli_outputs_read(files, dp_bank_picture_name(bank, i), "a picture that the bank was made of");
    if (out && !declare_outputs(files, out, inputs, names, explain, &code))
        goto done;
    if (!cli_model_open_for_bank(model_name, &info, &model, &code))
        goto done;
    if (out && !cli_outputs_begin(files, out, &code))
        goto done;
    cli_progress_begin("inspect", run.quiet || (!out && isatty(STDOUT_FILENO)));
    if (!list.shard.n && !cli_view_settle(bank, &recipe, roi, &run.run, &settled, &code))
        goto done;
    if (dp_session_open(model, info.recipe.precision, &run.run, &session, &err)) {
        code = cli_failed(&err);
        goto done;
    }
    settled.view.any_size = any_size;
    cli_explain *explainer = explain ? cli_explain_new(bank, train, run.run.max_picture_pixels) : NULL;
    struct job job = {.bank = bank,
                      .view = &settled.view,
                      .explain = explainer,
                      .out = out,
                      .names = names,
                      .shard = shard,
                      .format = json  ? AS_JSON
                                : csv ? AS_CSV
                                      : AS_TEXT};
    if (csv)
        cli_row_print_csv_header();
    if (shard && !cli_shard_lines_begin(shard))
        job.output_broken = true;
    dp_status status = DP_OK;
    const dp_source source = cli_list_source(&list, inputs);
    if (inputs->len && !job.output_broken)
        status = dp_session_inspect_from(session, bank, &settled.view, 1, &source, on_result, &job, &err);
    cli_progress_end();
    cli_explain_free(explainer);
    if (job.output_broken)
        code = EXIT_JOB_FAILED;
    else if (status)
        code = cli_failed(&err);
    else
        code = finish(&job, fail_on_anomaly, summary, run.quiet, list.n_failed);
done:
    if (inputs)
        g_ptr_array_unref(inputs);
    if (names)
        g_ptr_array_unref(names);
    cli_shard_lines_free(shard);
    cli_list_close(&list);
    cli_outputs_free(files);
    cli_view_free(&settled);
    dp_roi_close(&roi);
    dp_session_close(&session);
    dp_network_close(&model);
    cli_shared_close(&opened);
    return code;
}
