/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch bank quarantine, release - a missed defect: which good pictures excused it, what it costs to hear them no more, and back. */
#include "bank_change.h"
#include "bank_verbs.h"
#include "feedback.h"
#include "models.h"
#include "outputs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct asked {
    char *path, *model_name, *out, *region_text;
    gboolean dry_run, json, overwrite;
    dp_box region;
    const dp_box *box; /* NULL: where the picture differs most */
};

/* What a bank makes of the picture whose defect was missed. */
struct outcome {
    double score, threshold;
    dp_label label;
};

struct job {
    const struct asked *asked;
    const char *path;
    dp_session *session;
    const dp_run *run;
    const dp_picture *picture;
};

static dp_status inspect(const struct job *job, const dp_bank *bank, struct outcome *outcome, GArray **places,
                         dp_error *err)
{
    dp_view view;
    dp_inspector *inspector = NULL;
    const dp_result *result = NULL;
    dp_view_init(bank, &view);
    dp_status status = dp_inspector_open_views(job->session, bank, &view, 1, &inspector, err);
    if (!status)
        status = dp_inspector_run_picture(inspector, job->picture, &result, err);
    if (!status && places)
        status = cli_excuses_find(bank, inspector, job->asked->box, places, err);
    if (!status)
        *outcome = (struct outcome){result->score, result->threshold, result->label};
    dp_inspector_close(&inspector);
    return status;
}

static json_t *outcome_json(const struct outcome *v)
{
    return cli_json_pack("{s:o, s:o, s:s}", "score", cli_json_real(v->score), "threshold", cli_json_real(v->threshold),
                         "label", dp_label_name(v->label));
}

static void print_places(const dp_bank *bank, const GArray *places)
{
    for (guint i = 0; i < places->len; i++) {
        const cli_excuse *e = &g_array_index(places, cli_excuse, i);
        printf("  %s at %g,%g,%gx%g: nearest to %s\n", cli_shown(dp_bank_picture_name(bank, e->picture)), e->box.x0_px,
               e->box.y0_px, e->box.x1_px - e->box.x0_px, e->box.y1_px - e->box.y0_px, cli_count(e->n_cells, "cell"));
    }
}

static void print_cost(const char *what, const dp_bank *before, const dp_bank *after, double old, double threshold)
{
    cli_cost a = cli_cost_of(before, old), b = cli_cost_of(after, threshold);
    printf("  %s: %zu of %zu good pictures lie above the threshold (%zu before)", what, b.n_above, b.n_good, a.n_above);
    for (guint i = 0; i < b.above->len && i < 5; i++)
        printf("%s%s", i ? ", " : ": ", cli_shown(b.above->pdata[i]));
    printf("%s\n", b.n_above > 5 ? ", .." : "");
    cli_cost_clear(&a);
    cli_cost_clear(&b);
}

static void print_report(const struct job *job, const dp_bank *bank, const dp_bank *changed, const struct outcome *was,
                         const struct outcome *is, const GArray *places, bool helps)
{
    dp_bank_details a, b;
    dp_bank_get_details(bank, &a);
    dp_bank_get_details(changed, &b);
    double lower = was->label == DP_LABEL_GOOD ? cli_threshold_below(bank, was->score) : NAN;
    printf("%s: score %.6g, %s by the threshold %.6g; excused by\n", cli_shown(job->path), was->score,
           dp_label_name(was->label), was->threshold);
    print_places(bank, places);
    printf("without these places\n  score %.6g, %s by the threshold %.6g\n", is->score, dp_label_name(is->label),
           is->threshold);
    print_cost("cost", bank, changed, a.threshold, b.threshold);
    if (isfinite(lower)) {
        printf("instead, a threshold of %.6g (dinopatch calibrate --bank %s --value %.6g)\n", lower,
               cli_shown(job->asked->path), lower);
        print_cost("cost", bank, bank, a.threshold, lower);
    }
    g_autofree char *threshold = cli_threshold_told(bank, changed);
    if (job->asked->dry_run)
        printf("nothing was changed (--dry-run)\n");
    else if (!helps)
        printf("nothing was changed: the score is no higher without these places\n");
    else
        printf("%s: in quarantine now; 'dinopatch bank release' undoes it; %s\n",
               cli_shown(job->asked->out ? job->asked->out : job->asked->path), threshold);
}

static json_t *report_json(const struct job *job, const dp_bank *bank, const dp_bank *changed,
                           const struct outcome *was, const struct outcome *is, const GArray *places, bool helps)
{
    json_t *list = json_array();
    dp_bank_details a, b;
    dp_bank_get_details(bank, &a);
    dp_bank_get_details(changed, &b);
    for (guint i = 0; i < places->len; i++)
        cli_json_append(list, cli_excuse_json(bank, &g_array_index(places, cli_excuse, i)));
    double lower = was->label == DP_LABEL_GOOD ? cli_threshold_below(bank, was->score) : NAN;
    cli_cost before = cli_cost_of(bank, a.threshold), after = cli_cost_of(changed, b.threshold),
             lowered = cli_cost_of(bank, lower);
    g_autofree char *threshold = cli_threshold_told(bank, changed);
    json_t *object = cli_json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:s}", "input", cli_json_text(job->path), "before", outcome_json(was),
        "after", outcome_json(is), "places", list, "cost_before", cli_cost_json(&before), "cost", cli_cost_json(&after),
        "lower_threshold",
        isfinite(lower) ? cli_json_pack("{s:o, s:o}", "value", cli_json_real(lower), "cost", cli_cost_json(&lowered))
                        : json_null(),
        "changed", helps && !job->asked->dry_run, "threshold", threshold);
    cli_cost_clear(&before);
    cli_cost_clear(&after);
    cli_cost_clear(&lowered);
    return object;
}

static dp_bank_place *places_of(const GArray *excuses)
{
    dp_bank_place *places = g_new0(dp_bank_place, excuses->len + 1);
    for (guint i = 0; i < excuses->len; i++) {
        const cli_excuse *e = &g_array_index(excuses, cli_excuse, i);
        places[i] = (dp_bank_place){.picture = e->picture, .box = e->box};
    }
    return places;
}

/* False: complained, and *code. */
static bool quarantine(const struct job *job, const dp_bank *bank, int *code)
{
    const struct asked *asked = job->asked;
    struct outcome was = {0}, is = {0};
    GArray *excuses = NULL;
    dp_bank *changed = NULL;
    dp_error err;
    bool good = false, helps = false;
    *code = EXIT_JOB_FAILED;
    dp_status status = inspect(job, bank, &was, &excuses, &err);
    if (!status && !excuses->len) {
        cli_complain("%s: no place of the good pictures is known that excused it%s", job->path,
                     asked->box ? "; is anything inspected in this region?" : "");
    } else if (!status) {
        dp_bank_place *places = places_of(excuses);
        status = dp_bank_quarantine(bank, places, excuses->len, job->run, &changed, &err);
        g_free(places);
        if (!status)
            status = inspect(job, changed, &is, NULL, &err);
        helps = !status && !(is.score <= was.score);
        if (!status && helps && !asked->dry_run)
            status = dp_bank_save(changed, asked->out ? asked->out : asked->path, &err);
        good = !status;
    }
    cli_progress_end();
    if (status)
        *code = cli_failed(&err);
    if (good && asked->json)
        good = cli_json_print(report_json(job, bank, changed, &was, &is, excuses, helps));
    else if (good)
        print_report(job, bank, changed, &was, &is, excuses, helps);
    if (good)
        *code = helps || asked->dry_run ? EXIT_DONE : EXIT_SOME_FAILED;
    if (excuses)
        g_array_unref(excuses);
    dp_bank_close(&changed);
    return good;
}

int cli_bank_quarantine(int argc, char **argv)
{
    struct asked asked = {0};
    cli_run run;
    int code;
    const cli_option entries[] = {
        {"bank", 'b', 0, CLI_FILE, &asked.path, "the bank that missed the defect", "B"},
        {"region", 0, 0, CLI_TEXT, &asked.region_text,
         "the defect in the picture, in pixels: left, top, width and height (default: where it differs most)",
         "X,Y,WxH"},
        {"dry-run", 0, 0, CLI_FLAG, &asked.dry_run, "only say what it would do, and what it would cost", NULL},
        {"model", 'm', 0, CLI_FILE, &asked.model_name, "checkpoint (default: the one that the bank names)", "M"},
        {"out", 'o', 0, CLI_FILE, &asked.out, "write another bank instead", "OUT"},
        {"json", 0, 0, CLI_FLAG, &asked.json, "one JSON line on stdout", NULL},
        CLI_OVERWRITE_ENTRY(&asked.overwrite),
        CLI_MAX_MEMORY_ENTRY(&run),
        CLI_OPTION_END};
    if (!cli_parse(
            &argc, &argv, entries, cli_run_group(&run), "--bank B [--region X,Y,WxH] PICTURE",
            "A picture with a defect was called good: finds the places of the good pictures that excused it, and "
            "puts them in quarantine.\nThese rows answer no more; they stay in the bank, and 'dinopatch bank "
            "release' lets them answer again.",
            "It says first what that costs: how many of the good pictures lie above the threshold then. A lower "
            "threshold is the other way.",
            &code)
        || !cli_run_resolve(&run, &code))
        return code;
    if (!asked.path)
        return cli_usage("--bank is missing");
    if (argc != 2)
        return cli_usage("give one picture, whose defect was missed");
    if (asked.region_text && !cli_box_parse(asked.region_text, &asked.region))
        return cli_usage("--region %s: give left, top, width and height in pixels, as 120,40,32x32", asked.region_text);
    asked.box = asked.region_text ? &asked.region : NULL;
    dp_bank *bank = NULL;
    dp_bank_lock *lock = NULL;
    dp_network *model = NULL;
    dp_picture *picture = NULL;
    dp_bank_details info;
    dp_error err;
    struct job job = {.asked = &asked, .path = argv[1], .run = &run.run};
    const char *out = asked.out ? asked.out : asked.path;
    cli_outputs *files = cli_outputs_new(asked.overwrite);
    cli_outputs_read(files, argv[1], "the picture whose defect was missed");
    bool ready = asked.dry_run || cli_outputs_bank(files, out, asked.path, asked.model_name, &code);
    cli_outputs_free(files);
    if (!ready)
        return code;
    dp_status status = asked.dry_run ? DP_OK : dp_bank_lock_take(out, &run.run, &lock, &err);
    if (!status)
        status = dp_bank_open(asked.path, &bank, &err);
    if (status) {
        code = cli_failed(&err);
    } else {
        dp_bank_get_details(bank, &info);
        const dp_picture_options options = {
            .max_pixels = run.run.max_picture_pixels, .tolerant = run.run.tolerant, .white = info.recipe.sample_white};
        if (cli_model_open_for_bank(asked.model_name, &info, &model, &code)) {
            status = dp_picture_load_with(argv[1], &options, &picture, NULL, &err);
            if (!status)
                status = dp_session_open(model, info.recipe.precision, &run.run, &job.session, &err);
            job.picture = picture;
            if (status) {
                code = cli_failed(&err);
            } else {
                cli_progress_begin("quarantine", run.quiet);
                quarantine(&job, bank, &code);
            }
        }
    }
    dp_session_close(&job.session);
    dp_network_close(&model);
    dp_picture_free(&picture);
    dp_bank_lock_release(&lock);
    dp_bank_close(&bank);
    return code;
}

/* Adds what is in quarantine of a picture; false: nothing is. */
static bool add_released(const dp_bank *bank, size_t picture, GArray *places)
{
    size_t n, all;
    dp_box box;
    dp_bank_quarantined(bank, picture, &n, &all, &box);
    const dp_bank_place place = {.picture = picture, .box = {-INFINITY, -INFINITY, INFINITY, INFINITY}, .release = 1};
    if (n)
        g_array_append_val(places, place);
    return n > 0;
}

/* The places that the names ask for; NULL: complained. */
static GArray *named_places(const dp_bank *bank, char **names, size_t n_names)
{
    GArray *places = g_array_new(FALSE, FALSE, sizeof(dp_bank_place));
    bool all = true;
    for (size_t i = 0; !n_names && dp_bank_picture_name(bank, i); i++)
        add_released(bank, i, places);
    for (size_t i = 0; i < n_names; i++) {
        size_t picture = cli_bank_find(bank, names[i]);
        if (picture == SIZE_MAX) {
            cli_complain("%s: is not in the bank, or more than once; name it as 'dinopatch bank info' does", names[i]);
            all = false;
        } else if (!add_released(bank, picture, places)) {
            cli_complain("%s: nothing of it is in quarantine", names[i]);
            all = false;
        }
    }
    if (all && places->len)
        return places;
    if (all)
        cli_complain("nothing of this bank is in quarantine");
    g_array_unref(places);
    return NULL;
}

int cli_bank_release(int argc, char **argv)
{
    cli_bank_change change = {0};
    dp_error err;
    int code;
    if (!cli_bank_change_parse(
            &change, &argc, &argv, "--bank B [NAME...]",
            "Lets the rows in quarantine answer again: of the pictures that are named, or of all. 'dinopatch bank "
            "info' lists them.",
            &code)
        || !cli_bank_change_open(&change, &code))
        return code;
    GArray *places = named_places(change.bank, argv + 1, (size_t)argc - 1);
    code = EXIT_JOB_FAILED;
    if (places) {
        cli_progress_begin("release", change.run.quiet);
        dp_status status = dp_bank_quarantine(change.bank, (const dp_bank_place *)(const void *)places->data,
                                              places->len, &change.run.run, &change.changed, &err);
        code = cli_bank_change_save(&change, status, &err);
    }
    if (code == EXIT_DONE) {
        g_autofree char *threshold = cli_threshold_told(change.bank, change.changed);
        printf("%s: the rows of %s answer again; %s\n", cli_shown(cli_bank_change_out(&change)),
               cli_count(places->len, "picture"), threshold);
    }
    if (places)
        g_array_unref(places);
    cli_bank_change_close(&change);
    return code;
}
