/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch tune - searches for post-processing and score on labelled pictures, and says how much of the gain is
 * real. */
#include "models.h"
#include "outputs.h"
#include "recipe.h"
#include "dinopatch/edit.h"
#include "dinopatch/eval.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* TRIED: scored with the settings under trial. STORED: scored with those of the bank, if --blend makes a difference. */
enum { TRIED, STORED, N_WAYS };

/* Maps of the pictures that could be compared. */
struct maps {
    GPtrArray *grids[N_WAYS], *valids,
        *weights; /* float, uint8_t and float [rows, cols] of each picture, owned; weights: NULL if there are none */
    GByteArray *labels;
    size_t rows, cols, n_good_inputs, n_failed;
    bool other_size;
};

static int on_result(void *user, size_t index, size_t view, const char *path, const dp_picture *picture,
                     const dp_result *result, double ms, const char *message)
{
    struct maps *maps = user;
    GPtrArray *tried = maps->grids[TRIED], *stored = maps->grids[STORED];
    if (view == STORED) {
        if (result && stored->len < tried->len) /* the first view took this picture */
            g_ptr_array_add(stored,
                            g_memdup2(result->grid, result->grid_rows * result->grid_cols * sizeof *result->grid));
    } else if (!result) {
        maps->n_failed++;
        cli_complain("%s", message);
    } else if (result->label == DP_LABEL_NOT_INSPECTED) {
        maps->n_failed++;
        cli_complain("%s: is left out: %s", path, result->reason);
    } else if (tried->len && (result->grid_rows != maps->rows || result->grid_cols != maps->cols)) {
        maps->other_size = true;
        return 1;
    } else {
        size_t cells = result->grid_rows * result->grid_cols;
        uint8_t label = index >= maps->n_good_inputs;
        maps->rows = result->grid_rows;
        maps->cols = result->grid_cols;
        g_ptr_array_add(tried, g_memdup2(result->grid, cells * sizeof *result->grid));
        g_ptr_array_add(maps->valids, g_memdup2(result->grid_valid, cells));
        g_ptr_array_add(maps->weights,
                        result->weights ? g_memdup2(result->weights, cells * sizeof *result->weights) : NULL);
        g_byte_array_append(maps->labels, &label, 1);
    }
    return cli_interrupted();
}

static void print_post(const dp_post *post, dp_score score)
{
    printf("score %s", dp_option_choice("score", (int)score));
    if (post->low > 0 || post->high > 0)
        printf(", thresholds %.6g to %.6g, objects from %s, holes up to %s", post->low, post->high,
               cli_count(MAX(post->min_object, 1), "cell"), cli_count(post->max_hole, "cell"));
    else
        printf(", no thresholds");
    if (post->gaussian > 0)
        printf(", Gaussian %g", post->gaussian);
    if (post->median > 1)
        printf(", median %zu", post->median);
    putchar('\n');
}

static void print_row(const char *name, const dp_tune_figures *f, double auroc)
{
    printf("  %-34s %7.4f  %8.4f  %9.4f  %6.4f  %6.4f\n", name, auroc, f->confusion.accuracy, f->confusion.precision,
           f->confusion.recall, f->confusion.f1);
}

static void print_result(const dp_tune_result *r, size_t n_good, size_t n_bad, bool all_data)
{
    printf("%zu good and %s, %s\n\n  %-34s %7s  %8s  %9s  %6s  %6s\n", n_good, cli_count(n_bad, "bad picture"),
           cli_count(r->trials, "trial"), "", "AUROC", "accuracy", "precision", "recall", "F1");
    print_row("untuned", &r->untuned, r->untuned.auroc);
    print_row("tuned, on the same pictures", &r->tuned, r->tuned.auroc);
    if (r->folds) {
        char name[64];
        snprintf(name, sizeof name, "tuned, held out (%zu folds)", r->folds);
        print_row("untuned, within the folds", &r->untuned, r->untuned_fold_auroc);
        print_row(name, &r->held_out, r->held_out.auroc);
        double gap = r->tuned.auroc - r->held_out.auroc, gain = r->held_out.auroc - r->untuned_fold_auroc;
        printf("\nRely on the held-out row: it is %.4f lower than the row of the tuned pictures; tuning %s %.4f in "
               "AUROC.\n",
               gap, gain >= 0 ? "is worth" : "costs", fabs(gain));
        if (isfinite(r->held_out_deviation))
            printf("Standard deviation between the folds: %.4f.\n", r->held_out_deviation);
    } else {
        printf("\nAll figures come from the pictures used for tuning, as in the paper: they are too good to be true "
               "for other pictures.\n%s\n",
               all_data ? "Without --all-data, tune reports held-out figures."
                        : "Held-out figures need two pictures of each class.");
    }
    printf("\nbest on all pictures: ");
    print_post(&r->post, r->score);
    printf("threshold %.6g\n", r->threshold);
}

/* True if the settings found beat the stored ones on held-out pictures: by AUROC, and if that is equal, by F1. */
static bool is_better(const dp_tune_result *r)
{
    double gain = r->held_out.auroc - r->untuned_fold_auroc;
    return r->folds && (gain > 1e-9 || (gain > -1e-9 && r->held_out.confusion.f1 > r->untuned.confusion.f1 + 1e-9));
}

static void note_not_better(const dp_tune_result *r, bool all_data)
{
    if (r->folds)
        cli_complain("the new settings do not beat the stored ones on held-out pictures: AUROC %.4f against %.4f, F1 "
                     "%.4f against %.4f. Nothing is stored; pass --force to store them anyway",
                     r->held_out.auroc, r->untuned_fold_auroc, r->held_out.confusion.f1, r->untuned.confusion.f1);
    else
        cli_complain("%s, so it is unknown whether the new settings beat the stored ones. Nothing is stored; pass "
                     "--force to store them anyway",
                     all_data ? "--all-data holds no picture out" : "there are too few pictures to hold some out");
}

/* Replaces the figures of the stored settings: trial 0 scored them on the maps under trial, this scores them on the
 * maps of the stored settings. */
static dp_status compare_with_stored(const dp_tune_set *stored, const dp_tune_settings *settings, const dp_run *run,
                                     dp_tune_result *result, dp_error *err)
{
    dp_tune_settings one = *settings;
    dp_tune_result plain;
    dp_run quiet = *run;
    quiet.progress = NULL;
    one.trials = 1;
    dp_status status = dp_tune(stored, &one, &quiet, &plain, err);
    if (!status) {
        result->untuned = plain.untuned;
        result->untuned_fold_auroc = plain.untuned_fold_auroc;
    }
    return status;
}

static json_t *json_figures(const dp_tune_figures *f)
{
    const dp_confusion *c = &f->confusion;
    return cli_json_pack("{s:o, s:o, s:o, s:o, s:o, s:[I,I,I,I]}", "auroc", cli_json_real(f->auroc), "accuracy",
                         cli_json_real(c->accuracy), "precision", cli_json_real(c->precision), "recall",
                         cli_json_real(c->recall), "f1", cli_json_real(c->f1), "tp_fp_tn_fn",
                         (json_int_t)c->true_positives, (json_int_t)c->false_positives, (json_int_t)c->true_negatives,
                         (json_int_t)c->false_negatives);
}

static bool print_json(const dp_tune_result *r, size_t n_good, size_t n_bad, bool stored)
{
    json_t *post = cli_json_pack("{s:o, s:o, s:I, s:I, s:o, s:I}", "low", cli_json_real(r->post.low), "high",
                                 cli_json_real(r->post.high), "min_object", (json_int_t)r->post.min_object, "max_hole",
                                 (json_int_t)r->post.max_hole, "gaussian", cli_json_real(r->post.gaussian), "median",
                                 (json_int_t)r->post.median);
    return cli_json_print(cli_json_pack(
        "{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:b, s:b}", "good", (json_int_t)n_good, "bad",
        (json_int_t)n_bad, "trials", (json_int_t)r->trials, "folds", (json_int_t)r->folds, "untuned",
        json_figures(&r->untuned), "untuned_fold_auroc", cli_json_real(r->untuned_fold_auroc), "tuned",
        json_figures(&r->tuned), "held_out", r->folds ? json_figures(&r->held_out) : json_null(), "held_out_deviation",
        cli_json_real(r->held_out_deviation), "post", post, "score", dp_option_choice("score", (int)r->score),
        "threshold", cli_json_real(r->threshold), "better", is_better(r), "stored", stored));
}

/* Writes the bank with the settings found. If the bank keeps its features, its good pictures are scored again for
 * p-values and heat maps. */
static dp_status store(const dp_bank *bank, const dp_view *looked, const dp_tune_result *r,
                       const dp_threshold_origin *origin, const dp_run *run, const char *path, dp_error *err)
{
    dp_bank_details info;
    dp_view view = *looked;
    dp_bank_get_details(bank, &info);
    view.post = r->post;
    view.score = r->score;
    if (view.score != DP_SCORE_MAX)
        view.reweight = 0;
    dp_good good = {.scores = g_new(double, info.n_pictures), .peaks = g_new(double, info.n_pictures), .optional = 1};
    dp_status status = dp_bank_calibrate(bank, &view, info.recipe.fpr, run, &good, err);
    if (!status && !good.of_scores.n && info.n_pictures > 1)
        cli_complain("the bank holds no features to score its good pictures again; inspect will give no p-values%s",
                     good.of_peaks.n ? "" : ", and will draw only the largest cell of an anomalous picture");
    view.threshold = r->threshold; /* r->threshold comes from labelled pictures; the cell threshold still comes from
                                    * good ones only */
    view.origin = *origin;
    view.cell_threshold = good.of_peaks.threshold;
    dp_view_take_good(&view, &good, info.n_pictures);
    if (!status)
        status = dp_bank_save_view(bank, &view, info.recipe.fpr, path, err);
    g_free(good.scores);
    g_free(good.peaks);
    return status;
}

static void add_inputs(GPtrArray *all, char **arguments, size_t *n_failed)
{
    GPtrArray *found = cli_inputs(arguments, (int)g_strv_length(arguments), n_failed);
    for (guint i = 0; i < found->len; i++)
        g_ptr_array_add(all, g_strdup(found->pdata[i]));
    g_ptr_array_unref(found);
}

/* What --good and --bad name; each NULL-ended, or NULL. */
struct given {
    char **good, **bad;
};

static int tune(int argc, char **argv, struct given *given)
{
    char *bank_path = NULL, *model_name = NULL, *out = NULL;
    cli_number trials = {.value = 20000}, folds = {.value = 5}, seconds = {0}, seed = {0};
    gboolean all_data = FALSE, json = FALSE, dry_run = FALSE, force = FALSE, overwrite = FALSE;
    const cli_option own_entries[] = {
        {"bank", 'b', 0, CLI_FILE, &bank_path, "the bank that 'dinopatch fit' wrote", "B"},
        {"model", 'm', 0, CLI_FILE, &model_name, "checkpoint (default: the one the bank was made with)", "M"},
        {"good", 0, 0, CLI_FILES, &given->good,
         "good pictures that are not in the bank: a file or folder; may be repeated", "DIR"},
        {"bad", 0, 0, CLI_FILES, &given->bad, "pictures of defects: a file or folder; may be repeated", "DIR"},
        {"trials", 0, 0, CLI_WHOLE, &trials, "configurations to try (default 20000)", "N", 1, 1e9},
        {"seconds", 0, CLI_ABOVE, CLI_REAL, &seconds, "search for this long instead", "S", 0, 1e6},
        {"folds", 0, 0, CLI_WHOLE, &folds, "folds of the held-out figures (default 5)", "K", 2, 100},
        {"seed", 0, 0, CLI_WHOLE, &seed, "seed of the search and the folds (default 0)", "S", 0, CLI_MOST_SEED},
        {"all-data", 0, 0, CLI_FLAG, &all_data, "as in the paper: no held-out figures", NULL},
        {"force", 0, 0, CLI_FLAG, &force, "store the new settings even if held-out pictures do not support them", NULL},
        {"out", 'o', 0, CLI_FILE, &out, "write here and leave the bank as it is", "BANK"},
        CLI_OVERWRITE_ENTRY(&overwrite),
        {"dry-run", 0, 0, CLI_FLAG, &dry_run, "write nothing", NULL},
        {"json", 0, 0, CLI_FLAG, &json, "one JSON object on stdout", NULL},
        CLI_OPTION_END};
    cli_recipe options;
    cli_run run;
    int code;
    const cli_option *entries = cli_recipe_entries(&options, CLI_RECIPE_SEARCH, own_entries);
    if (!cli_parse(&argc, &argv, entries, cli_run_group(&run), "--bank B --good DIR --bad DIR",
                   "Searches for the post-processing, the score and the threshold that best separate good from bad "
                   "pictures, and stores\nthem in the bank.",
                   "Rely on the held-out figures: each fold is scored with settings found on the other folds. If these "
                   "do not beat\nthe stored settings, nothing is stored. The pictures must not be those in the bank.",
                   &code)
        || !cli_run_resolve(&run, &code))
        return code;
    if (!bank_path)
        return cli_usage("--bank is missing");
    if (!given->good || !given->bad)
        return cli_usage("%s is missing", given->good ? "--bad" : "--good");
    if (argc > 1)
        return cli_usage("'%s': give pictures with --good and --bad", argv[1]);
    if (trials.given && seconds.given)
        return cli_usage("give --trials or --seconds, not both");
    if (all_data && folds.given)
        return cli_usage("give --folds or --all-data, not both: --all-data holds no pictures out");

    const char *target = dry_run ? NULL : out ? out : bank_path;
    dp_bank *bank = NULL;
    dp_bank_lock *lock = NULL;
    dp_network *model = NULL;
    dp_session *session = NULL;
    dp_error err;
    size_t n_unread = 0;
    struct maps maps = {.grids = {g_ptr_array_new_with_free_func(g_free), g_ptr_array_new_with_free_func(g_free)},
                        .valids = g_ptr_array_new_with_free_func(g_free),
                        .weights = g_ptr_array_new_with_free_func(g_free),
                        .labels = g_byte_array_new()};
    GPtrArray *inputs = g_ptr_array_new_with_free_func(g_free);
    cli_outputs *files = cli_outputs_new(overwrite);
    add_inputs(inputs, given->good, &n_unread);
    maps.n_good_inputs = inputs->len;
    add_inputs(inputs, given->bad, &n_unread);
    code = EXIT_JOB_FAILED;
    if (!maps.n_good_inputs || inputs->len == maps.n_good_inputs) {
        cli_complain("no %s pictures to tune on", maps.n_good_inputs ? "bad" : "good");
        goto done;
    }
    cli_outputs_read_all(files, inputs, "a picture to tune on");
    if (target && !cli_outputs_bank(files, target, bank_path, model_name, &code))
        goto done;
    if ((target && dp_bank_lock_take(target, &run.run, &lock, &err)) || dp_bank_open(bank_path, &bank, &err)) {
        code = cli_failed(&err);
        goto done;
    }
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    cli_progress_begin("tune", run.quiet);
    if (!cli_check_labelled(bank, bank_path, inputs, maps.n_good_inputs, &run.run, &code)
        || !cli_model_open_for_bank(model_name, &info, &model, &code)) {
        cli_progress_end();
        goto done;
    }
    dp_recipe recipe = info.recipe;
    if (!cli_recipe_resolve(&options, &recipe, &code)) {
        cli_progress_end();
        goto done;
    }
    dp_view views[N_WAYS];
    dp_view_init(bank, &views[STORED]);
    dp_post_init(&views[STORED].post);
    views[STORED].cell_weights = views[STORED].reweight > 0;
    views[TRIED] = views[STORED];
    const dp_view *view = &views[TRIED];
    bool weighted = view->reweight > 0 && view->score == DP_SCORE_MAX;
    recipe.post = view->post; /* tune looks for it */
    bool other_way = dp_view_take_recipe(&views[TRIED], &recipe);
    dp_status status = dp_view_settle(bank, &views[TRIED], &run.run, &err);
    if (!status && other_way)
        status = dp_view_settle(bank, &views[STORED], &run.run, &err);
    if (!status)
        status = dp_session_open(model, info.recipe.precision, &run.run, &session, &err);
    if (!status)
        status = dp_session_inspect_views(session, bank, views, other_way ? N_WAYS : 1,
                                          (const char *const *)inputs->pdata, inputs->len, on_result, &maps, &err);
    if (maps.other_size) {
        cli_progress_end();
        cli_complain("the maps of the pictures differ in size; give pictures of one size");
        goto done;
    }
    dp_tune_settings settings;
    dp_tune_result result;
    dp_tune_settings_init(&settings);
    settings.trials = seconds.given ? 0 : (size_t)trials.value;
    if (seconds.given)
        settings.seconds = seconds.value;
    settings.folds = all_data ? 0 : (size_t)folds.value;
    settings.seed = (uint64_t)seed.value;
    settings.post = info.recipe.post;
    settings.score = info.recipe.score;
    const dp_tune_set set = {.rows = maps.rows,
                             .cols = maps.cols,
                             .n = maps.labels->len,
                             .maps = (const float *const *)maps.grids[TRIED]->pdata,
                             .valid = (const uint8_t *const *)maps.valids->pdata,
                             .labels = maps.labels->data,
                             .weights = weighted ? (const float *const *)maps.weights->pdata : NULL};
    if (!status)
        status = dp_tune(&set, &settings, &run.run, &result, &err);
    if (!status && other_way) {
        dp_tune_set stored = set;
        stored.maps = (const float *const *)maps.grids[STORED]->pdata;
        status = compare_with_stored(&stored, &settings, &run.run, &result, &err);
    }
    if (status == DP_E_ARGUMENT && maps.n_failed) /* the options are fine; some pictures could not be read */
        err.status = DP_E_PICTURE;
    size_t n_bad = 0;
    for (size_t i = 0; i < set.n; i++)
        n_bad += set.labels[i];
    const dp_threshold_origin origin = {.by = DP_ORIGIN_TUNE, .n_good = set.n - n_bad, .n_bad = n_bad};
    bool stored = !status && target && (force || is_better(&result));
    if (stored)
        status = store(bank, view, &result, &origin, &run.run, target, &err);
    cli_progress_end();
    if (status) {
        code = cli_failed(&err);
        goto done;
    }
    code = n_unread + maps.n_failed > 0 ? EXIT_SOME_FAILED : EXIT_DONE;
    bool printed = true;
    if (json)
        printed = print_json(&result, set.n - n_bad, n_bad, stored);
    else
        print_result(&result, set.n - n_bad, n_bad, all_data);
    if (stored && !json)
        printf("stored in %s\n", cli_shown(target));
    if (target && !stored)
        note_not_better(&result, all_data);
    if (!printed || (target && !stored))
        code = EXIT_JOB_FAILED;
done:
    cli_outputs_free(files);
    g_ptr_array_unref(inputs);
    g_ptr_array_unref(maps.grids[TRIED]);
    g_ptr_array_unref(maps.grids[STORED]);
    g_ptr_array_unref(maps.valids);
    g_ptr_array_unref(maps.weights);
    g_byte_array_unref(maps.labels);
    dp_session_close(&session);
    dp_network_close(&model);
    dp_bank_close(&bank);
    dp_bank_lock_release(&lock);
    return code;
}

int cmd_tune(int argc, char **argv)
{
    struct given given = {0};
    int code = tune(argc, argv, &given);
    g_strfreev(given.good);
    g_strfreev(given.bad);
    return code;
}
