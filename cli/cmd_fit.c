/* dinopatch fit - a memory bank from pictures of good parts. */
#include "models.h"
#include "recipe.h"
#include "roi.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

static void on_picture(void *user, size_t index, const char *path, const dp_pose *pose, const char *message)
{
    if (message)
        cli_complain("%s", message);
}

static void print_summary(const dp_bank *bank, const char *path, size_t n_failed, size_t n_twins)
{
    dp_bank_info info;
    dp_bank_get_info(bank, &info);
    printf("%s: %s", cli_shown(path), cli_count(info.n_pictures, "good picture"));
    if (info.recipe.mirror)
        printf(" (%zu with their mirror pictures)", 2 * info.n_pictures);
    if (info.recipe.layout == DP_LAYOUT_POOL)
        printf(", a pool of %s of %s", cli_count(info.n_rows, "row"), cli_count(info.dim, "feature"));
    else
        printf(", %zux%zu cells of %s", info.grid_rows, info.grid_cols, cli_count(info.dim, "feature"));
    if (n_failed)
        printf("; %zu left out", n_failed);
    if (n_twins)
        printf("; %zu picture%s given twice", n_twins, n_twins == 1 ? " was" : "s were");
    if (isnan(info.threshold)) {
        printf("\nno threshold: it takes at least two pictures to leave one out\n");
        return;
    }
    double promised = 1.0 / (double)(info.n_pictures + 1);
    printf("\nthreshold %.6g (%s score of the good pictures, each left out in turn", info.threshold,
           cli_score_names[info.recipe.score]);
    if (promised > info.recipe.fpr)
        printf("; aimed at a false-alarm rate of %g, but %s can promise no less than %.2g", info.recipe.fpr,
               cli_count(info.n_pictures, "picture"), promised);
    printf(")\ncell threshold %.6g (the largest distance anywhere in a good picture's map, likewise)\n", info.cell_threshold);
}

/* Said before the work is done, not after it. */
static bool can_write_beside(const char *path)
{
    char *folder = g_path_get_dirname(path);
    bool good = access(folder, W_OK | X_OK) == 0;
    if (!good)
        cli_complain("%s: cannot be written: the folder %s: %s", path, folder, g_strerror(errno));
    g_free(folder);
    return good;
}

int cmd_fit(int argc, char **argv)
{
    cli_roi region = {0};
    dp_roi *roi = NULL;
    char *model_name = NULL, *bank_path = NULL;
    cli_run run;
    const cli_option own_entries[] = {
        {"model", 'm', 0, CLI_FILE, &model_name, "checkpoint: a file, or a name like vits14", "M"},
        {"bank", 'b', 0, CLI_FILE, &bank_path, "the bank to write", "OUT"},
        CLI_MAX_MEMORY_ENTRY(&run),
        CLI_ROI_ENTRIES(&region),
        CLI_OPTION_END};
    cli_recipe options;
    int code;
    cli_option *entries = cli_recipe_entries(
        &options, CLI_RECIPE_ALIGN | CLI_RECIPE_EMBED | CLI_RECIPE_BANK | CLI_RECIPE_SCORE, own_entries);
    bool parsed = cli_parse(&argc, &argv, entries, cli_run_group(&run), "--model M --bank OUT PICTURES_OR_FOLDERS...",
                            "Learns what good parts look like: aligns each picture, computes its features, keeps them per "
                            "place, and sets a first threshold by leaving each picture out in turn.",
                            "What is given here is stored in the bank and is the default of 'dinopatch inspect'.", &code);
    g_free(entries);
    dp_recipe recipe;
    dp_recipe_init(&recipe);
    if (!parsed || !cli_run_resolve(&run, &code) || !cli_recipe_resolve(&options, &recipe, &code))
        return code;
    if (!bank_path)
        return cli_usage("--bank is missing");
    if (argc < 2)
        return cli_usage("no pictures of good parts given");
    if (!can_write_beside(bank_path))
        return EXIT_JOB_FAILED;
    if (!cli_roi_open(&region, &run.run, &roi, &code))
        return code;

    size_t n_failed = 0;
    dp_fit_report report;
    dp_model *model = NULL;
    dp_session *session = NULL;
    dp_bank *bank = NULL;
    dp_bank_lock *lock = NULL;
    dp_error err;
    GPtrArray *inputs = cli_inputs(argv + 1, argc - 1, &n_failed);
    if (!inputs->len) {
        cli_complain("no pictures to learn from");
        code = EXIT_JOB_FAILED;
        goto done;
    }
    if (!cli_model_open(model_name, &model, &code))
        goto done;
    if (dp_model_settle_recipe(model, &recipe, &err) || dp_bank_lock_take(bank_path, &run.run, &lock, &err)) {
        code = cli_failed(&err);
        goto done;
    }
    cli_progress_begin("fit", run.quiet);
    if (dp_session_open(model, recipe.precision, &run.run, &session, &err)
        || dp_bank_fit_within(session, &recipe, roi, (const char *const *)inputs->pdata, inputs->len, on_picture, NULL, &bank, &report,
                       &err)
        || dp_bank_save(bank, bank_path, &err)) {
        cli_progress_end();
        code = cli_failed(&err);
        goto done;
    }
    cli_progress_end();
    n_failed += report.n_failed;
    print_summary(bank, bank_path, n_failed, report.n_twins);
    code = n_failed ? EXIT_SOME_FAILED : EXIT_DONE;
done:
    g_ptr_array_unref(inputs);
    dp_bank_lock_release(&lock);
    dp_bank_close(&bank);
    dp_roi_close(&roi);
    dp_session_close(&session);
    dp_model_close(&model);
    return code;
}
