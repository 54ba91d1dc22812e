/* dinopatch calibrate - a threshold from the good pictures that are in the bank; no model, no new features. */
#include "outputs.h"
#include "rates.h"
#include "recipe.h"
#include "view.h"
#include "dinopatch/edit.h"

#include <math.h>
#include <stdio.h>

static void print_calibration(const cli_view *settled, const cli_rates *rates, double fpr, const char *path)
{
    const dp_calibration *c = &settled->good.of_scores;
    printf("good pictures        %zu, each scored without itself%s\n", c->n,
           settled->rescored ? ", in the new way" : "");
    if (!c->n) {
        printf("threshold            none: it takes at least two pictures to leave one out\n");
        return;
    }
    printf("threshold            %.6g\n", c->threshold);
    if (isfinite(settled->view.cell_threshold))
        printf("cell threshold       %.6g (of the map: boxes, contour and area)\n", settled->view.cell_threshold);
    printf(
        "false alarms         about %.3g of the next good pictures, asked for %g; at most %.3g, with 95 %% confidence "
        "%.3g\n",
        c->expected, fpr, c->fpr, c->fpr_95);
    cli_rates_print_few(c->n, fpr, "                     ");
    if (isfinite(settled->view.heat.low))
        printf("heat maps            coloured from %.4g to %.4g\n", settled->view.heat.low, settled->view.heat.high);
    if (path)
        printf("written to           %s\n", cli_shown(path));
    cli_rates_print(rates, "");
}

/* A threshold given by hand promises nothing: how many of the good pictures lie above it is all there is to say. */
static bool print_value(const cli_view *settled, const cli_rates *rates, double value, const char *path, bool json)
{
    size_t n = 0, above = 0;
    for (size_t i = 0; i < settled->view.n_good_scores; i++) {
        n += !isnan(settled->good.scores[i]);
        above += settled->good.scores[i] > value;
    }
    if (json)
        return cli_json_print(cli_json_pack("{s:I, s:o, s:I, s:o}", "n", (json_int_t)n, "threshold",
                                            cli_json_real(value), "good_above", (json_int_t)above, "rates",
                                            cli_rates_json(rates)));
    printf("threshold            %.6g, as given\nfalse alarms         %zu of %s, each scored without itself, lie above "
           "it\n",
           value, above, cli_count(n, "good picture"));
    if (path)
        printf("written to           %s\n", cli_shown(path));
    cli_rates_print(rates, "");
    return true;
}

static bool print_json(const cli_view *settled, const cli_rates *rates, double fpr)
{
    const dp_calibration *c = &settled->good.of_scores;
    return cli_json_print(cli_json_pack(
        "{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:I, s:[o,o], s:o}", "n", (json_int_t)c->n, "threshold",
        cli_json_real(c->threshold), "cell_threshold", cli_json_real(settled->view.cell_threshold), "fpr_asked",
        cli_json_real(fpr), "fpr_expected", cli_json_real(c->expected), "fpr_bound", cli_json_real(c->fpr), "fpr_least",
        cli_json_real(c->fpr_least), "fpr_95", cli_json_real(c->fpr_95), "supported", c->supported, "n_needed",
        (json_int_t)c->n_needed, "heat_scale", cli_json_real(settled->view.heat.low),
        cli_json_real(settled->view.heat.high), "rates", cli_rates_json(rates)));
}

int cmd_calibrate(int argc, char **argv)
{
    char *bank_path = NULL, *out = NULL;
    cli_number fpr = {0}, value = {0};
    gboolean json = FALSE, dry_run = FALSE, overwrite = FALSE;
    const cli_option own_entries[] = {
        {"bank", 'b', 0, CLI_FILE, &bank_path, "the bank that 'dinopatch fit' wrote", "B"},
        {"fpr", 0, CLI_ABOVE | CLI_BELOW, CLI_REAL, &fpr, "false-alarm rate to aim at (default: the bank's)", "RATE", 0,
         1},
        {"value", 0, 0, CLI_REAL, &value, "set this threshold, whatever rate it makes", "T", 0, CLI_NO_END},
        {"out", 'o', 0, CLI_FILE, &out, "write here and leave the bank as it is", "BANK"},
        CLI_OVERWRITE_ENTRY(&overwrite),
        {"dry-run", 0, 0, CLI_FLAG, &dry_run, "write nothing", NULL},
        {"json", 0, 0, CLI_FLAG, &json, "one JSON object on stdout", NULL},
        CLI_OPTION_END};
    cli_recipe options;
    cli_rates rates;
    cli_run run;
    int code;
    const cli_option *entries = cli_recipe_entries(&options, CLI_RECIPE_OVERRIDE, own_entries);
    bool parsed = cli_parse(
        &argc, &argv, entries, cli_run_group(&run), "--bank B [--fpr RATE | --value T]",
        "Sets the threshold of a bank from its good pictures alone, each scored without itself.",
        "Says which false-alarm rate so many pictures can promise. Needs no model: the sensitivity is changed in\n"
        "seconds. Options of scoring that are given become the bank's own.",
        &code);
    if (!parsed || !cli_run_resolve(&run, &code))
        return code;
    if (!bank_path)
        return cli_usage("--bank is missing");
    if (argc > 1)
        return cli_usage("'%s': calibrate takes no pictures", argv[1]);
    if (value.given && fpr.given)
        return cli_usage("--value or --fpr, not both");
    const char *target = dry_run ? NULL : out ? out : bank_path;
    dp_bank *bank = NULL;
    dp_bank_lock *lock = NULL;
    dp_error err;
    cli_outputs *files = cli_outputs_new(overwrite);
    bool ready = !target || cli_outputs_bank(files, target, bank_path, NULL, &code);
    cli_outputs_free(files);
    if (!ready)
        return code;
    if ((target && dp_bank_lock_take(target, &run.run, &lock, &err)) || dp_bank_open(bank_path, &bank, &err)) {
        dp_bank_lock_release(&lock);
        return cli_failed(&err);
    }
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    dp_recipe recipe = info.recipe;
    cli_view settled = {.threshold = value.given ? value.value : NAN};
    if (!cli_recipe_resolve(&options, &recipe, &code))
        goto done;
    if (fpr.given)
        recipe.fpr = fpr.value;
    cli_progress_begin("calibrate", run.quiet);
    bool good = cli_view_settle(bank, &recipe, NULL, &run.run, &settled, &code);
    cli_progress_end();
    if (!good)
        goto done;
    settled.view.threshold = settled.good.of_scores.threshold;
    settled.view.cell_threshold = settled.good.of_peaks.threshold;
    settled.view.origin =
        (dp_threshold_origin){.by = settled.good.of_scores.n ? DP_ORIGIN_CALIBRATE : DP_ORIGIN_UNKNOWN,
                              .fpr = settled.good.of_scores.n ? recipe.fpr : 0,
                              .n_good = settled.good.of_scores.n};
    if (value.given) {
        settled.view.threshold = value.value;
        settled.view.origin = (dp_threshold_origin){.by = DP_ORIGIN_VALUE};
    }
    if (!cli_rates_make(settled.good.scores, info.n_pictures, recipe.fpr, value.given ? NAN : settled.view.threshold,
                        &rates, &code))
        goto done;
    if (target && dp_bank_save_view(bank, &settled.view, recipe.fpr, target, &err)) {
        code = cli_failed(&err);
        goto done;
    }
    code = EXIT_DONE;
    if (value.given)
        code = print_value(&settled, &rates, value.value, target, json) ? EXIT_DONE : EXIT_JOB_FAILED;
    else if (!json)
        print_calibration(&settled, &rates, recipe.fpr, target);
    else if (!print_json(&settled, &rates, recipe.fpr))
        code = EXIT_JOB_FAILED;
done:
    cli_view_free(&settled);
    dp_bank_lock_release(&lock);
    dp_bank_close(&bank);
    return code;
}
