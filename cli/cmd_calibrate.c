/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch calibrate - sets a threshold from good pictures: those of the bank, each scored without itself, or others
 * that the bank does not hold. With pictures of defects it also shows what each rate catches. Even then the threshold
 * comes from the good pictures alone, unless --best-f1 is given. */
#include "dinopatch/edit.h"
#include "dinopatch/eval.h"
#include "held_out.h"
#include "rates.h"
#include "recipe.h"
#include "view.h"

#include <math.h>
#include <stdio.h>

#define INDENT "                     "

struct asked {
    char *bank_path, *model, *out, **good, **bad;
    cli_number fpr, value;
    gboolean json, dry_run, overwrite, best_f1, allow_few;
};

/* The threshold, and the figures that are printed with it. */
struct found {
    cli_view settled; /* its view goes into the bank */
    cli_held_out held;
    cli_rates rates;
    dp_certificate certificate; /* with --good */
    dp_measures measures;       /* with --best-f1 */
    double fpr;
};

static void print_recall(const struct found *f)
{
    const cli_scored *bad = &f->held.bad;
    if (!bad->given)
        return;
    printf("caught               %zu of %s", cli_scored_above(bad, f->settled.view.threshold),
           cli_count(bad->scores->len, "bad picture"));
    if (bad->not_inspected)
        printf(", %zu not inspected", bad->not_inspected);
    printf("\n");
}

static void print_certificate(const struct found *f)
{
    const dp_certificate *c = &f->certificate;
    printf("certified            with 95 %% confidence, at most %.3g of coming good pictures score above it, if they "
           "are like these; it is the "
           "score number %zu from the top\n",
           c->rate, c->k);
    if (!c->supported)
        printf(INDENT "a rate of %g takes %s: add %zu\n", f->fpr, cli_count(c->n_needed, "good picture"),
               c->n_needed - c->n);
}

static void print_promise(const struct found *f)
{
    const dp_calibration *c = &f->settled.good.of_scores;
    printf("false alarms         about %.3g of coming good pictures are expected (asked: %g), at most %.3g on average; "
           "with 95 %% confidence at most %.3g\n",
           c->expected, f->fpr, c->fpr, c->fpr_95);
    cli_rates_print_few(c->n, f->fpr, INDENT);
}

static size_t good_above(const struct found *f, size_t *n)
{
    size_t above = 0;
    *n = 0;
    for (size_t i = 0; i < f->settled.view.n_good_scores; i++) {
        *n += !isnan(f->settled.good.scores[i]);
        above += f->settled.good.scores[i] > f->settled.view.threshold;
    }
    return above;
}

static void print_text(const struct asked *asked, const struct found *f, const char *path)
{
    const dp_view *view = &f->settled.view;
    size_t n, above = good_above(f, &n);
    if (f->held.good.given)
        printf("good pictures        %u of %zu scored, none of them in the bank\n", f->held.good.scores->len,
               f->held.good.given);
    else if (!asked->value.given)
        printf("good pictures        %zu, each scored without itself%s\n", n,
               f->settled.rescored ? ", with the new options" : "");
    if (isnan(view->threshold)) {
        printf("threshold            none: a threshold needs at least two pictures\n");
        return;
    }
    printf("threshold            %.6g%s\n", view->threshold,
           asked->value.given ? ", as given"
           : asked->best_f1   ? ", where F1 on these good and bad pictures is highest"
                              : "");
    if (asked->value.given) { /* a threshold given by hand promises no rate: only count the good pictures above it */
        printf("false alarms         %zu of %s, each scored without itself, lie above the threshold\n", above,
               cli_count(n, "good picture"));
    } else {
        if (isfinite(view->cell_threshold))
            printf("cell threshold       %.6g (for the map: boxes, contour and area)\n", view->cell_threshold);
        if (asked->best_f1)
            printf("F1                   %.4f on the pictures that chose the threshold; expect less on others\n",
                   f->measures.f1_max);
        else if (asked->good)
            print_certificate(f);
        else
            print_promise(f);
        print_recall(f);
        if (isfinite(view->heat.low))
            printf("heat maps            coloured from %.4g to %.4g\n", view->heat.low, view->heat.high);
    }
    if (path)
        printf("written to           %s\n", cli_shown(path));
    cli_rates_print(&f->rates, "");
}

static bool print_json(const struct asked *asked, const struct found *f)
{
    const dp_calibration *c = &f->settled.good.of_scores;
    const dp_certificate *held = &f->certificate;
    const dp_view *view = &f->settled.view;
    size_t n, above = good_above(f, &n);
    json_t *all = cli_json_pack("{s:I, s:o}", "n", (json_int_t)(asked->good ? held->n : n), "threshold",
                                cli_json_real(view->threshold));
    if (asked->value.given) {
        cli_json_set(all, "good_above", json_integer((json_int_t)above));
    } else {
        cli_json_set(all, "cell_threshold", cli_json_real(view->cell_threshold));
        cli_json_set(all, "fpr_asked", cli_json_real(f->fpr));
        if (asked->good) {
            cli_json_set(all, "k", json_integer((json_int_t)held->k));
            cli_json_set(all, "certified", cli_json_real(held->rate));
        } else {
            cli_json_set(all, "fpr_bound", cli_json_real(c->fpr));
            cli_json_set(all, "fpr_least", cli_json_real(c->fpr_least));
            cli_json_set(all, "fpr_95", cli_json_real(c->fpr_95));
        }
        cli_json_set(all, "fpr_expected", cli_json_real(asked->good ? held->expected : c->expected));
        cli_json_set(all, "supported", json_boolean(asked->good ? held->supported : c->supported));
        cli_json_set(all, "n_needed", json_integer((json_int_t)(asked->good ? held->n_needed : c->n_needed)));
        cli_json_set(all, "heat_scale",
                     cli_json_pack("[o,o]", cli_json_real(view->heat.low), cli_json_real(view->heat.high)));
        if (asked->best_f1)
            cli_json_set(all, "f1", cli_json_real(f->measures.f1_max));
    }
    if (asked->good)
        cli_json_set(all, "good", cli_scored_json(&f->held.good));
    if (asked->bad) {
        json_t *bad = cli_scored_json(&f->held.bad);
        cli_json_set(bad, "caught", json_integer((json_int_t)cli_scored_above(&f->held.bad, view->threshold)));
        cli_json_set(all, "bad", bad);
    }
    cli_json_set(all, "rates", cli_rates_json(&f->rates));
    return cli_json_print(all);
}

/* Returns the scores of good pictures that the threshold and the table come from. */
static const double *good_scores(const struct found *f, size_t *n)
{
    *n = f->held.n_good ? f->held.good.scores->len : f->settled.view.n_good_scores;
    return f->held.n_good ? (const double *)f->held.good.scores->data : f->settled.good.scores;
}

static dp_status best_f1(struct found *f, dp_error *err)
{
    size_t n_good, n_bad = f->held.bad.scores->len, n = 0;
    const double *good = good_scores(f, &n_good);
    double *scores = g_new(double, n_good + n_bad);
    uint8_t *labels = g_new0(uint8_t, n_good + n_bad);
    for (size_t i = 0; i < n_good; i++)
        if (!isnan(good[i]))
            scores[n++] = good[i];
    f->settled.view.origin = (dp_threshold_origin){.by = DP_ORIGIN_TUNE, .n_good = n, .n_bad = n_bad};
    for (size_t i = 0; i < n_bad; i++, n++) {
        scores[n] = g_array_index(f->held.bad.scores, double, i);
        labels[n] = 1;
    }
    dp_status status = dp_measure(scores, labels, n, &f->measures, err);
    if (!status)
        f->settled.view.threshold = f->measures.decision_threshold;
    g_free(scores);
    g_free(labels);
    return status;
}

/* Chooses the thresholds and writes them, with their origin, into the view. */
static dp_status choose(const struct asked *asked, struct found *f, dp_error *err)
{
    dp_view *view = &f->settled.view;
    const cli_scored *held = &f->held.good;
    const dp_calibration *c = &f->settled.good.of_scores;
    dp_certificate of_peaks;
    view->threshold = c->threshold;
    view->cell_threshold = f->settled.good.of_peaks.threshold;
    view->origin = (dp_threshold_origin){0};
    if (c->n)
        view->origin = (dp_threshold_origin){.by = DP_ORIGIN_CALIBRATE, .fpr = f->fpr, .n_good = c->n};
    if (asked->value.given) {
        view->threshold = asked->value.value;
        view->origin = (dp_threshold_origin){.by = DP_ORIGIN_VALUE};
    }
    if (asked->good) {
        const double *scores = (const double *)held->scores->data, *peaks = (const double *)held->peaks->data;
        dp_status status = dp_certify(scores, held->scores->len, f->fpr, &f->certificate, err);
        if (!status)
            status = dp_certify(peaks, held->peaks->len, f->fpr, &of_peaks, err);
        if (status)
            return status;
        view->threshold = f->certificate.threshold;
        view->cell_threshold = of_peaks.threshold;
        view->origin = (dp_threshold_origin){.by = DP_ORIGIN_HELD_OUT,
                                             .fpr = f->fpr,
                                             .n_good = f->certificate.n,
                                             .k = f->certificate.k,
                                             .certified = f->certificate.rate};
    }
    return asked->best_f1 ? best_f1(f, err) : DP_OK;
}

static bool make_table(const struct asked *asked, struct found *f, int *code)
{
    size_t n;
    const double *scores = good_scores(f, &n);
    bool at_rate = !asked->value.given && !asked->good && !asked->best_f1;
    if (!cli_rates_make(scores, n, f->fpr, at_rate ? f->settled.view.threshold : NAN, &f->rates, code))
        return false;
    f->rates.n_bad = f->held.bad.scores->len;
    for (size_t i = 0; i < f->rates.n; i++)
        f->rates.caught[i] = cli_scored_above(&f->held.bad, f->rates.rows[i].threshold);
    return true;
}

/* Checks that enough of the given pictures could be scored. False: *code, complained. */
static bool enough(const struct asked *asked, const cli_held_out *held, int *code)
{
    *code = EXIT_SOME_FAILED;
    if (asked->good && !held->good.scores->len) {
        cli_used_complain(&held->used, 0, held->good.given, NULL);
        return false;
    }
    if (asked->bad && !held->bad.scores->len) {
        cli_complain("none of %s could be inspected", cli_count(held->bad.given, "bad picture"));
        return false;
    }
    bool all = cli_used_enough(held->good.scores->len, held->good.given);
    if (!all)
        cli_used_complain(&held->used, held->good.scores->len, held->good.given,
                          asked->allow_few ? NULL : "the threshold was not changed");
    else if (held->good.not_inspected)
        cli_note("%s given with --good could not be inspected; the certificate does not count them",
                 cli_count(held->good.not_inspected, "picture"));
    if (all || asked->allow_few)
        *code = all && !held->n_unread && !held->good.failed && !held->bad.failed ? EXIT_DONE : EXIT_SOME_FAILED;
    return all || asked->allow_few;
}

/* recipe: the recipe of the bank, with the given options applied. */
static int calibrate(const struct asked *asked, const dp_recipe *recipe, const dp_bank *bank, const cli_run *run,
                     struct found *f)
{
    const char *target = asked->dry_run ? NULL : asked->out ? asked->out : asked->bank_path;
    dp_error err;
    int code;
    cli_progress_begin("calibrate", run->quiet);
    bool good =
        cli_view_settle(bank, recipe, NULL, &run->run, &f->settled, &code)
        && (!f->held.inputs->len
            || cli_held_out_score(&f->held, bank, asked->bank_path, &f->settled.view, asked->model, &run->run, &code));
    cli_progress_end();
    if (!good || !enough(asked, &f->held, &code))
        return code;
    if (choose(asked, f, &err))
        return cli_failed(&err);
    int failed = 0;
    if (!make_table(asked, f, &failed))
        return failed;
    if (target && dp_bank_save_view(bank, &f->settled.view, recipe->fpr, target, &err))
        return cli_failed(&err);
    if (!asked->json)
        print_text(asked, f, target);
    else if (!print_json(asked, f))
        return EXIT_JOB_FAILED;
    return code;
}

static int run_calibrate(int argc, char **argv, struct asked *asked)
{
    const cli_option own_entries[] = {
        {"bank", 'b', 0, CLI_FILE, &asked->bank_path, "the bank that 'dinopatch fit' wrote", "B"},
        {"fpr", 0, CLI_ABOVE | CLI_BELOW, CLI_REAL, &asked->fpr, "false-alarm rate to aim at (default: the bank's)",
         "RATE", 0, 1},
        {"value", 0, 0, CLI_REAL, &asked->value, "set this threshold, whatever false-alarm rate it gives", "T", 0,
         CLI_NO_END},
        {"good", 0, 0, CLI_FILES, &asked->good,
         "certify the threshold with good pictures that are not in the bank: a file or folder; may be repeated", "DIR"},
        {"bad", 0, 0, CLI_FILES, &asked->bad, "pictures of defects: show how many each rate catches; may be repeated",
         "DIR"},
        {"best-f1", 0, 0, CLI_FLAG, &asked->best_f1, "with --bad: set the threshold with the highest F1", NULL},
        {"model", 'm', 0, CLI_FILE, &asked->model, "with --good or --bad: the network (default: the bank's)", "M"},
        CLI_ALLOW_FEW_ENTRY(&asked->allow_few),
        {"out", 'o', 0, CLI_FILE, &asked->out, "write here and leave the bank as it is", "BANK"},
        CLI_OVERWRITE_ENTRY(&asked->overwrite),
        {"dry-run", 0, 0, CLI_FLAG, &asked->dry_run, "write nothing", NULL},
        {"json", 0, 0, CLI_FLAG, &asked->json, "one JSON object on stdout", NULL},
        CLI_OPTION_END};
    cli_recipe options;
    cli_run run;
    int code;
    const cli_option *entries = cli_recipe_entries(&options, CLI_RECIPE_OVERRIDE, own_entries);
    bool parsed = cli_parse(
        &argc, &argv, entries, cli_run_group(&run), "--bank B [--fpr RATE | --value T] [--good DIR] [--bad DIR]",
        "Sets the threshold of a bank from its good pictures alone, each scored without itself.",
        "Prints the false-alarm rates that this number of pictures can promise. Needs no network and takes seconds.\n"
        "With --good the threshold comes from good pictures that are not in the bank, and the rate is certified.\n"
        "Scoring options given here are stored in the bank.",
        &code);
    if (!parsed || !cli_run_resolve(&run, &code))
        return code;
    if (!asked->bank_path)
        return cli_usage("--bank is missing");
    if (argc > 1)
        return cli_usage("'%s': give pictures with --good and --bad", argv[1]);
    if (asked->value.given && asked->fpr.given)
        return cli_usage("give --value or --fpr, not both");
    if (asked->value.given && (asked->good || asked->bad))
        return cli_usage("give --value or %s, not both: --value sets the threshold and uses no pictures",
                         asked->good ? "--good" : "--bad");
    if (asked->best_f1 && !asked->bad)
        return cli_usage("--best-f1 needs --bad DIR");
    if (asked->best_f1 && asked->fpr.given)
        return cli_usage("give --best-f1 or --fpr, not both");
    if (!asked->good && !asked->bad && (asked->model || asked->allow_few))
        return cli_usage("%s needs --good or --bad", asked->model ? "--model" : "--allow-few");

    const char *target = asked->dry_run ? NULL : asked->out ? asked->out : asked->bank_path;
    struct found found = {.settled = {.threshold = asked->value.given ? asked->value.value : NAN}};
    dp_bank *bank = NULL;
    dp_bank_lock *lock = NULL;
    dp_error err;
    cli_outputs *files = cli_outputs_new(asked->overwrite);
    if (!cli_held_out_begin(asked->good, asked->bad, &found.held, &code))
        goto done;
    cli_outputs_read_all(files, found.held.inputs, "a picture to calibrate with");
    if (target && !cli_outputs_bank(files, target, asked->bank_path, asked->model, &code))
        goto done;
    if ((target && dp_bank_lock_take(target, &run.run, &lock, &err)) || dp_bank_open(asked->bank_path, &bank, &err)) {
        code = cli_failed(&err);
        goto done;
    }
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    dp_recipe recipe = info.recipe;
    if (!cli_recipe_resolve(&options, &recipe, &code))
        goto done;
    if (asked->fpr.given)
        recipe.fpr = asked->fpr.value;
    found.fpr = recipe.fpr;
    code = calibrate(asked, &recipe, bank, &run, &found);
done:
    cli_outputs_free(files);
    cli_held_out_end(&found.held);
    cli_view_free(&found.settled);
    dp_bank_lock_release(&lock);
    dp_bank_close(&bank);
    return code;
}

int cmd_calibrate(int argc, char **argv)
{
    struct asked asked = {0};
    int code = run_calibrate(argc, argv, &asked);
    g_strfreev(asked.good);
    g_strfreev(asked.bad);
    return code;
}
