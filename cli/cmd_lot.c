/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch lot - judges the pictures of a lot by each other, and makes a bank of those it trusts. */
#include "cli.h"
#include "dinopatch/edit.h"
#include "models.h"
#include "outputs.h"
#include "picture_list.h"
#include "recipe.h"
#include "rates.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COMPARED 32 /* others of each picture, unless --compare says otherwise */
#define STEADY 0.7  /* agreement from which the order of the pictures is no matter of chance */
#define MANY 0.25   /* share of a lot that stands out from which the lot may be mostly bad */

/* What became of the inputs. */
struct fate {
    char **reasons; /* [n] g_free; NULL: judged */
    gboolean *twin; /* [n] */
};

static void on_picture(void *user, size_t index, const char *path, const dp_pose *pose, const char *message)
{
    struct fate *fate = user;
    (void)pose;
    if (!message)
        return;
    const char *reason = g_str_has_prefix(message, path) ? message + strlen(path) : message;
    while (*reason == ':' || *reason == ' ')
        reason++;
    fate->reasons[index] = g_strdup(reason);
    fate->twin[index] = strstr(message, "is given twice") || strstr(message, "taken once");
    cli_complain("%s", message);
}

static bool print_row(const char *path, const dp_lot_picture *picture, const char *reason, bool twin, bool json)
{
    if (json) {
        json_t *line = cli_json_pack("{s:o, s:s, s:o}", "input", cli_json_text(path), "status",
                                     picture ? "ok"
                                     : twin  ? "twin"
                                             : "error",
                                     "reason", reason ? cli_json_text(reason) : json_null());
        cli_json_set(line, "score", cli_json_real(picture ? picture->score : NAN));
        cli_json_set(line, "score_alone", cli_json_real(picture ? picture->alone : NAN));
        cli_json_set(line, "robust_z", cli_json_real(picture ? picture->robust_z : NAN));
        cli_json_set(line, "trusted", picture ? json_boolean(picture->trusted) : json_null());
        cli_json_bytes(line, "input", path);
        return cli_json_print(line);
    }
    if (picture)
        printf("%s: %s, score %.4f, %.1f spreads from the middle\n", cli_shown(path),
               picture->trusted ? "trusted" : "stands out", picture->score, picture->robust_z);
    else
        printf("%s: not judged (%s)\n", cli_shown(path), reason ? reason : "not used");
    return true;
}

/* Prints a row for each input, in their order. Adds those that are trusted to *trusted. */
static bool print_rows(const dp_bank *bank, const dp_lot *lot, const GPtrArray *inputs, const struct fate *fate,
                       bool json, GPtrArray *trusted)
{
    size_t next = 0; /* the bank's pictures are the inputs that were used, in their order */
    for (size_t i = 0; i < inputs->len; i++) {
        const char *path = inputs->pdata[i];
        const dp_lot_picture *picture = NULL;
        if (!fate->reasons[i] && next < lot->n && !strcmp(dp_bank_picture_name(bank, next), path))
            picture = &lot->pictures[next++];
        if (picture && picture->trusted)
            g_ptr_array_add(trusted, inputs->pdata[i]);
        if (!print_row(path, picture, fate->reasons[i], fate->twin[i], json))
            return false;
    }
    return true;
}

/* Says how sure the order of the pictures is, and what it cannot tell. */
static void say_trust(const dp_lot *lot)
{
    const size_t out = lot->n - lot->n_trusted;
    cli_note(
        "each picture was compared with %zu of %zu others; by two halves of these the order of the pictures agrees to "
        "%.2f (1: the same)",
        lot->compared, lot->n - 1, lot->agreement);
    if (!(lot->agreement >= STEADY))
        cli_warn(
            "two halves of the lot disagree on which pictures stand out: this order says little; give more pictures "
            "of one product, or a larger --compare");
    if ((double)out > MANY * (double)lot->n)
        cli_warn("%zu of %zu pictures stand out: a lot can tell good from bad only if most of it is good and its "
                 "defects differ; look at them before you use a bank of the others",
                 out, lot->n);
    cli_note("at least half of a lot is always trusted: where most pictures have the same defect, it looks normal");
}

static bool print_summary(const dp_lot *lot, size_t n_failed, size_t n_twins, bool json)
{
    fprintf(stderr, "%s: %zu trusted, %zu stand out, %zu not judged\n", cli_count(lot->n + n_failed, "picture"),
            lot->n_trusted, lot->n - lot->n_trusted, n_failed);
    return !json
           || cli_json_print(cli_json_pack("{s:{s:I, s:I, s:I, s:I, s:I, s:I, s:o}}", "summary", "pictures",
                                           (json_int_t)(lot->n + n_failed), "trusted", (json_int_t)lot->n_trusted,
                                           "stand_out", (json_int_t)(lot->n - lot->n_trusted), "not_judged",
                                           (json_int_t)n_failed, "twins", (json_int_t)n_twins, "compared",
                                           (json_int_t)lot->compared, "agreement", cli_json_real(lot->agreement)));
}

/* True if the recipe keeps all features of each picture on one grid. */
static bool suits_a_lot(const dp_recipe *recipe, int *code)
{
    const char *wrong = recipe->layout != DP_LAYOUT_GRID                ? "bank.layout other than grid"
                        : recipe->kmeans                                ? "bank.kmeans"
                        : recipe->pca > 0                               ? "bank.pca"
                        : recipe->shots                                 ? "pictures.shots"
                        : recipe->background == DP_BACKGROUND_REFERENCE ? "background=reference"
                                                                        : NULL;
    if (!wrong)
        return true;
    *code = cli_usage("%s: a lot is judged by all features of each picture on one grid; leave it out", wrong);
    return false;
}

int cmd_lot(int argc, char **argv)
{
    char *model_name = NULL, *out = NULL;
    gboolean json = FALSE, summary = FALSE, overwrite = FALSE, mostly_good = FALSE;
    cli_number compare = {.value = COMPARED};
    cli_list list = {0};
    cli_run run;
    const cli_option own_entries[] = {
        {"model", 'm', 0, CLI_FILE, &model_name, "network: a file, or a name like vits14 (default: nano, built in)",
         "M"},
        {"out", 'o', 0, CLI_FILE, &out, "write a bank of the pictures that are trusted; needs --mostly-good", "BANK"},
        {"mostly-good", 0, 0, CLI_FLAG, &mostly_good,
         "you know that most pictures of the lot are good; the pictures cannot tell", NULL},
        {"compare", 0, 0, CLI_WHOLE, &compare,
         "compare each picture with N others, drawn with the seed (default 32); 0: with all", "N", 0, 1e6},
        {"json", 'j', 0, CLI_FLAG, &json, "print one JSON object a picture", NULL},
        {"summary", 0, 0, CLI_FLAG, &summary, "with --json: end with an object of counts", NULL},
        CLI_LIST_ENTRIES(&list),
        CLI_OVERWRITE_ENTRY(&overwrite),
        CLI_MAX_MEMORY_ENTRY(&run),
        CLI_OPTION_END};
    cli_recipe options;
    int code;
    const cli_option *entries = cli_recipe_entries(&options, CLI_RECIPE_ALL, own_entries);
    bool parsed =
        cli_parse(&argc, &argv, entries, cli_run_group(&run), "[--model M] [--out BANK] PICTURES_OR_FOLDERS...",
                  "Judges pictures of one product by each other, with none known to be good: what recurs is "
                  "normal, what does not stands out.",
                  "It works where most pictures are good. Look at those that stand out before you trust the "
                  "rest.",
                  &code);
    dp_recipe recipe;
    dp_recipe_init(&recipe);
    if (!parsed || !cli_run_resolve(&run, &code) || !cli_recipe_resolve(&options, &recipe, &code)
        || !suits_a_lot(&recipe, &code))
        return code;
    if (out && !mostly_good)
        return cli_usage(
            "--out needs --mostly-good: where most pictures of a lot are defective, most of those trusted are, and "
            "the scores do not show it; look at the pictures first, or give 'dinopatch fit' those you know");
    if (summary && !json)
        return cli_usage("--summary needs --json: without it the last line on stderr is the summary");
    if (!cli_list_check(&list, argc - 1, "give the pictures of a lot", &code))
        return code;

    dp_network *model = NULL;
    dp_session *session = NULL;
    dp_bank *bank = NULL, *kept = NULL;
    dp_bank_lock *lock = NULL;
    dp_lot lot = {0};
    dp_fit_counts report = {0}, again = {0};
    dp_error err;
    struct fate fate = {0};
    GPtrArray *trusted = g_ptr_array_new();
    cli_outputs *files = cli_outputs_new(overwrite);
    if (!cli_list_open(&list, argv + 1, argc - 1, &code))
        goto done;
    const size_t n = list.inputs->len;
    if (n < DP_LOT_FEWEST) {
        cli_complain("a lot of %s is too small to be judged by itself; give at least %d", cli_count(n, "picture"),
                     DP_LOT_FEWEST);
        code = EXIT_JOB_FAILED;
        goto done;
    }
    fate = (struct fate){g_new0(char *, n + 1), g_new0(gboolean, n)};
    cli_outputs_read_all(files, list.inputs, "a picture of the lot");
    cli_outputs_read_model(files, model_name, NULL);
    cli_outputs_read(files, options.config, "the options in use");
    if (out)
        cli_outputs_write_bank(files, out);
    if (!cli_outputs_check(files, &code) || !cli_model_open(model_name, &model, &code)
        || !cli_outputs_begin(files, NULL, &code))
        goto done;
    const dp_source source = cli_list_source(&list, list.inputs);
    const dp_fit_input input = {.source = &source, .on_picture = on_picture, .user = &fate};
    cli_progress_begin("lot", run.quiet);
    dp_status status = dp_network_settle_recipe(model, &recipe, &err);
    if (!status && out)
        status = dp_bank_lock_take(out, &run.run, &lock, &err);
    if (!status)
        status = dp_session_open(model, recipe.precision, &run.run, &session, &err);
    if (!status)
        status = dp_bank_fit_from(session, &recipe, &input, &bank, &report, &err);
    if (!status)
        status = dp_lot_judge(bank, (size_t)compare.value, &run.run, &lot, &err);
    cli_progress_end();
    if (status) {
        code = cli_failed(&err);
        goto done;
    }
    const size_t n_failed = list.n_failed + report.n_failed;
    code = n_failed ? EXIT_SOME_FAILED : EXIT_DONE;
    if (!print_rows(bank, &lot, list.inputs, &fate, json, trusted)) {
        code = EXIT_JOB_FAILED;
        goto done;
    }
    say_trust(&lot);
    if (out) {
        const dp_source good = cli_list_source(&list, trusted);
        const dp_fit_input learned = {.source = &good};
        cli_progress_begin("fit", run.quiet);
        status = dp_bank_fit_from(session, &recipe, &learned, &kept, &again, &err);
        cli_progress_end();
        if (!status)
            status = dp_bank_save(kept, out, &err);
        if (status) {
            code = cli_failed(&err);
            goto done;
        }
        cli_note(
            "%s: a bank of the %zu trusted pictures; nobody has looked at them, and they were chosen by their scores, "
            "so that its threshold may raise more false alarms than it aims at: 'dinopatch calibrate --good' with "
            "pictures you know",
            cli_shown(out), lot.n_trusted);
    }
    if (!print_summary(&lot, n_failed, report.n_twins, json && summary))
        code = EXIT_JOB_FAILED;
done:
    for (size_t i = 0; fate.reasons && i < list.inputs->len; i++)
        g_free(fate.reasons[i]);
    g_free(fate.reasons);
    g_free(fate.twin);
    g_ptr_array_unref(trusted);
    cli_outputs_free(files);
    cli_list_close(&list);
    dp_lot_close(&lot);
    dp_bank_lock_release(&lock);
    dp_bank_close(&bank);
    dp_bank_close(&kept);
    dp_session_close(&session);
    dp_network_close(&model);
    return code;
}
