/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch fit - makes a bank from pictures of good parts. */
#include "models.h"
#include "outputs.h"
#include "picture_list.h"
#include "rates.h"
#include "recipe.h"
#include "roi.h"
#include "used.h"
#include "dinopatch/edit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void on_picture(void *user, size_t index, const char *path, const dp_pose *pose, const char *message)
{
    if (!message)
        return;
    cli_complain("%s", message);
    cli_used_left_out(user, path, message);
}

static void print_summary(const dp_bank *bank, const char *path, size_t n_failed, size_t n_twins, bool quiet)
{
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    printf("%s: %s", cli_shown(path), cli_count(info.n_pictures, "good picture"));
    if (info.recipe.mirror)
        printf(" (%zu with their mirror images)", 2 * info.n_pictures);
    if (info.recipe.brightness > 0)
        printf(" (each also in another brightness)");
    if (info.recipe.layout == DP_LAYOUT_FLAT)
        printf(", a flat bank of %s of %s", cli_count(info.n_rows, "row"), cli_count(info.dim, "feature"));
    else
        printf(", %zux%zu cells of %s", info.grid_rows, info.grid_cols, cli_count(info.dim, "feature"));
    if (n_failed)
        printf("; %zu left out", n_failed);
    if (n_twins)
        printf("; %zu picture%s given twice", n_twins, n_twins == 1 ? " was" : "s were");
    printf("\n");
    size_t n_choices;
    const dp_choice *choices = dp_bank_choices(bank, &n_choices);
    for (size_t i = 0; i < n_choices && !quiet; i++)
        printf("  %s %s: %s\n", choices[i].option, choices[i].value, choices[i].reason);
    if (isnan(info.threshold)) {
        printf("no threshold: a threshold needs at least two pictures; the scores of this bank only rank pictures\n");
        return;
    }
    printf("threshold %.6g (%s score of the good pictures, each left out in turn; aims at a false-alarm rate of %g)\n"
           "cell threshold %.6g (the largest distance anywhere in a good picture's map, likewise)\n",
           info.threshold, dp_option_choice("score", (int)info.recipe.score), info.recipe.fpr, info.cell_threshold);
}

/* GOOD.bank beside the folder GOOD. NULL: the input is not one folder, or it is the root folder. */
static char *bank_beside(char **arguments, int n)
{
    if (n != 1 || !g_file_test(arguments[0], G_FILE_TEST_IS_DIR))
        return NULL;
    size_t length = strlen(arguments[0]);
    while (length > 1 && arguments[0][length - 1] == '/')
        length--;
    char *folder = g_strndup(arguments[0], length), *name = g_path_get_basename(folder);
    if (!strcmp(name, ".") || !strcmp(name, "..")) { /* find the folder's real name */
        char *whole = g_canonicalize_filename(folder, NULL);
        g_free(folder);
        folder = whole;
    }
    char *path = strcmp(folder, "/") != 0 ? g_strconcat(folder, ".bank", NULL) : NULL;
    g_free(name);
    g_free(folder);
    return path;
}

/* How one fit is divided between processes: --settle, then --settled with --shard for each. */
struct shard_options {
    char *settle, *settled;
    gboolean resume;
};

/* False: *code, complained. */
static bool check_shard(const struct shard_options *how, const cli_list *list, const cli_recipe *options,
                        const char *roi, bool has_out, int *code)
{
    char *given = NULL;
    for (size_t i = 0; i < dp_option_count() && how->settled && !given; i++)
        if (cli_recipe_is_given(options, dp_option_at(i)->key))
            given = g_strdup(dp_option_at(i)->key);
    if (how->settle && (how->settled || list->shard.n))
        *code = cli_usage("--settle comes first, alone; then each shard takes its file with --settled");
    else if (list->shard.n && !how->settled)
        *code = cli_usage(
            "--shard needs --settled FILE, so that all shards work with the same settings: write it once with "
            "'dinopatch fit --settle FILE' and the pictures of all shards");
    else if (how->settled && !list->shard.n)
        *code = cli_usage("--settled needs --shard I/N");
    else if (how->resume && !list->shard.n)
        *code = cli_usage("--resume needs --shard");
    else if (given)
        *code = cli_usage("the settings of a shard are those of %s: leave out %s", how->settled, given);
    else if (roi && (how->settle || how->settled))
        *code = cli_usage(
            "--roi: a region belongs to all pictures, which no shard knows; fit without shards, or inspect with "
            "--roi");
    else if (how->settle && has_out)
        *code = cli_usage("--settle writes %s and no bank: leave out --out", how->settle);
    else if (list->shard.n && !has_out)
        *code = cli_usage("--out is missing: name the file of the shard");
    else {
        g_free(given);
        return true;
    }
    g_free(given);
    return false;
}

/* Settles, or does one shard: everything of a fit but the bank. Returns an exit code. */
static int settle_or_shard(dp_session *session, const struct shard_options *how, cli_list *list,
                           const dp_recipe *recipe, const char *out, cli_used *used)
{
    const dp_source source = cli_list_source(list, list->all);
    const dp_fit_input input = {.source = &source, .on_picture = on_picture, .user = used};
    const dp_fit_shard shard = {.index = list->shard.index,
                                .n = list->shard.n,
                                .pictures = (const size_t *)(const void *)list->numbers->data,
                                .n_pictures = list->numbers->len,
                                .resume = how->resume};
    dp_fit_shard_report report = {0};
    dp_error err;
    dp_status status = how->settle ? dp_fit_settle_from(session, recipe, &input, how->settle, &err)
                                   : dp_fit_shard_from(session, how->settled, &input, &shard, out, &report, &err);
    cli_progress_end();
    if (status)
        return cli_failed(&err);
    if (how->settle)
        printf("%s: settled by %s; next: 'dinopatch fit --settled %s --shard I/N' for each shard\n",
               cli_shown(how->settle), cli_count(list->all->len, "picture"), cli_shown(how->settle));
    else
        printf("%s: shard %zu of %zu, %s of %zu (%zu were there already, %zu cannot be used)\n", cli_shown(out),
               shard.index, shard.n, cli_count(shard.n_pictures, "picture"), (size_t)list->all->len, report.n_taken,
               report.n_failed);
    return list->n_failed ? EXIT_SOME_FAILED : EXIT_DONE;
}

int cmd_fit(int argc, char **argv)
{
    struct shard_options how = {0};
    cli_roi region = {0};
    dp_roi *roi = NULL;
    char *model_name = NULL, *out = NULL, *bank_alias = NULL;
    gboolean allow_few = FALSE, overwrite = FALSE;
    cli_list list = {0};
    cli_used used;
    cli_run run;
    const cli_option own_entries[] = {
        {"model", 'm', 0, CLI_FILE, &model_name, "network: a file, or a name like vits14 (default: nano, built in)",
         "M"},
        {"out", 'o', 0, CLI_FILE, &out, "the bank to write (default: GOOD.bank beside the one folder GOOD)", "BANK"},
        {"bank", 'b', 0, CLI_FILE, &bank_alias, "the same as --out", "BANK"},
        CLI_LIST_ENTRIES(&list),
        CLI_SHARD_ENTRY(&list),
        {"settle", 0, 0, CLI_FILE, &how.settle, "write what is settled for all shards of these pictures, and no bank",
         "FILE"},
        {"settled", 0, 0, CLI_FILE, &how.settled, "with --shard: what --settle wrote", "FILE"},
        {"resume", 0, 0, CLI_FLAG, &how.resume, "with --shard: go on with what a stopped run of it left", NULL},
        CLI_ALLOW_FEW_ENTRY(&allow_few),
        CLI_OVERWRITE_ENTRY(&overwrite),
        CLI_MAX_MEMORY_ENTRY(&run),
        CLI_ROI_ENTRIES(&region),
        CLI_OPTION_END};
    cli_recipe options;
    int code;
    const cli_option *entries = cli_recipe_entries(&options, CLI_RECIPE_ALL, own_entries);
    bool parsed =
        cli_parse(&argc, &argv, entries, cli_run_group(&run), "[--model M] [--out BANK] PICTURES_OR_FOLDERS...",
                  "Learns what good parts look like: aligns each picture, stores its features by place, and sets a "
                  "first threshold by scoring each picture without itself.",
                  "The options are stored in the bank, and 'dinopatch inspect' uses them.", &code);
    dp_recipe recipe;
    dp_recipe_init(&recipe);
    if (!parsed || !cli_run_resolve(&run, &code) || !cli_recipe_resolve(&options, &recipe, &code))
        return code;
    if (out && bank_alias)
        return cli_usage("--out and --bank are the same option: give one");
    if (!cli_list_check(&list, argc - 1, "give pictures of good parts", &code))
        return code;
    if (!check_shard(&how, &list, &options, region.path, out || bank_alias, &code))
        return code;
    char *bank_path = how.settle        ? g_strdup(how.settle)
                      : out             ? g_strdup(out)
                      : bank_alias      ? g_strdup(bank_alias)
                      : list.files_from ? NULL
                                        : bank_beside(argv + 1, argc - 1);
    if (!bank_path)
        return cli_usage("--out is missing: name the bank to write (only a single folder needs no --out)");
    if (!cli_roi_open(&region, &run.run, &roi, &code)) {
        g_free(bank_path);
        return code;
    }

    dp_fit_counts report;
    char *settled_network = NULL;
    dp_network *model = NULL;
    dp_session *session = NULL;
    dp_bank *bank = NULL;
    dp_bank_lock *lock = NULL;
    dp_error err;
    cli_used_begin(&used);
    cli_outputs *files = cli_outputs_new(overwrite);
    if (!cli_list_open(&list, argv + 1, argc - 1, &code))
        goto done;
    const GPtrArray *inputs = list.inputs;
    if (!list.all->len) {
        cli_complain("no pictures to learn from");
        code = EXIT_JOB_FAILED;
        goto done;
    }
    cli_outputs_read_all(files, inputs, "a picture to learn from");
    cli_outputs_read_all(files, cli_tars_files(list.tars), "a tar file of pictures to learn from");
    cli_outputs_read_model(files, model_name, NULL);
    cli_outputs_read(files, region.path, "the mask in use");
    cli_outputs_read(files, region.picture, "the picture of the mask");
    cli_outputs_read(files, options.config, "the options in use");
    cli_outputs_read(files, how.settled, "what was settled for the shards");
    const bool cuts = how.settle || how.settled;
    if (how.resume)
        cli_outputs_write_own(files, bank_path);
    else if (cuts)
        cli_outputs_write(files, bank_path);
    else
        cli_outputs_write_bank(files, bank_path);
    dp_bank_details made_for = {0};
    if (how.settled && dp_fit_settled_details(how.settled, &made_for, &settled_network, &err)) {
        code = cli_failed(&err);
        goto done;
    }
    if (!cli_outputs_check(files, &code)
        || !(how.settled ? cli_model_open_for_bank(model_name, &made_for, &model, &code)
                         : cli_model_open(model_name, &model, &code))
        || !cli_outputs_begin(files, NULL, &code))
        goto done;
    if (cuts) {
        cli_progress_begin(how.settle ? "settle" : "fit", run.quiet);
        if ((how.settle && dp_network_settle_recipe(model, &recipe, &err))
            || dp_session_open(model, how.settle ? recipe.precision : made_for.recipe.precision, &run.run, &session,
                               &err))
            code = cli_failed(&err);
        else
            code = settle_or_shard(session, &how, &list, &recipe, bank_path, &used);
        goto done;
    }
    if (dp_network_settle_recipe(model, &recipe, &err) || dp_bank_lock_take(bank_path, &run.run, &lock, &err)) {
        code = cli_failed(&err);
        goto done;
    }
    cli_progress_begin("fit", run.quiet);
    const dp_source source = cli_list_source(&list, inputs);
    const dp_fit_input input = {.source = &source, .roi = roi, .on_picture = on_picture, .user = &used};
    if (dp_session_open(model, recipe.precision, &run.run, &session, &err)
        || dp_bank_fit_from(session, &recipe, &input, &bank, &report, &err)) {
        cli_progress_end();
        code = cli_failed(&err);
        if (used.reasons->len > 1)
            cli_used_complain(&used, 0, used.reasons->len, NULL);
        goto done;
    }
    cli_progress_end();
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    size_t asked = MAX(info.n_pictures + report.n_failed, recipe.shots);
    bool enough = cli_used_enough(info.n_pictures, asked);
    code = EXIT_SOME_FAILED;
    if (!enough)
        cli_used_complain(&used, info.n_pictures, asked, allow_few ? NULL : "no bank was written");
    if (!enough && !allow_few)
        goto done;
    if (dp_bank_save(bank, bank_path, &err)) {
        code = cli_failed(&err);
        goto done;
    }
    print_summary(bank, bank_path, list.n_failed + report.n_failed, report.n_twins, run.quiet);
    if (!cli_print_trust(bank, bank_path, &code))
        goto done;
    code = enough && !list.n_failed && !report.n_failed ? EXIT_DONE : EXIT_SOME_FAILED;
done:
    dp_memory_free(settled_network);
    g_free(bank_path);
    cli_outputs_free(files);
    cli_list_close(&list);
    cli_used_end(&used);
    dp_bank_lock_release(&lock);
    dp_bank_close(&bank);
    dp_roi_close(&roi);
    dp_session_close(&session);
    dp_network_close(&model);
    return code;
}
