/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch eval - learns from the good pictures of a data set, inspects its test pictures, and prints the usual
 * figures.
 *
 * eval/run.c does one category, eval/state.c remembers what was done, eval/table.c prints. */
#include "eval/eval.h"
#include "models.h"
#include "marks.h"
#include "outputs.h"
#include "report/report.h"
#include "recipe.h"
#include "roi.h"
#include "used.h"

#include <math.h>
#include <string.h>

/* What all categories and seeds share. */
struct job {
    dp_session *session;
    const dp_recipe *recipe;
    dp_network_info model;
    const cli_run *run;
    const GPtrArray *sets;
    const char *out, *data;
    bool allow_few;
    size_t n_seeds; /* 0: one run, with the seed of the recipe */
    eval_state state;
    const dp_roi *roi; /* or NULL */
};

/* With several categories, the row `mean` is the mean of all. */
static char *row_name(const struct job *job, const char *category)
{
    return g_strdup(job->sets->len > 1 && !strcmp(category, "mean") ? "mean (category)" : category);
}

/* A category that cannot be evaluated gets a row too, and the next category follows. */
static void put_not_possible(const char *category, const char *reason, double row[EVAL_COLUMNS], json_t *run,
                             json_t *metrics)
{
    eval_print_not_possible(category, reason);
    for (int k = 0; k < EVAL_COLUMNS; k++)
        row[k] = NAN;
    cli_json_set(run, "not_possible", cli_json_text(reason));
    cli_json_set(metrics, category, cli_json_pack("{s:o}", "not_possible", cli_json_text(reason)));
}

/* Evaluates one category with each seed; rows [max(n_seeds, 1)]. Returns an exit code: EXIT_SOME_FAILED if the category
 * cannot be evaluated. */
static int evaluate_category(struct job *job, const dataset *set, double (*rows)[EVAL_COLUMNS], json_t *metrics,
                             size_t *n_failed)
{
    size_t n = MAX(job->n_seeds, 1);
    char *category = eval_safe_name(set->category), *row = row_name(job, category);
    json_t *seeds = json_array();
    int code = EXIT_DONE;
    for (size_t i = 0; i < n && code == EXIT_DONE; i++) {
        eval_run run = {.set = set,
                        .roi = job->roi,
                        .out = job->out,
                        .data = job->data,
                        .recipe = *job->recipe,
                        .model = job->model,
                        .state = &job->state,
                        .allow_few = job->allow_few,
                        .max_pixels = job->run->run.max_picture_pixels};
        char *name = g_strdup(category), *folder = g_strdup("");
        if (job->n_seeds) {
            run.recipe.seed = i + 1;
            g_free(name);
            g_free(folder);
            name = g_strdup_printf("%s, seed %zu", category, i + 1);
            folder = g_strdup_printf("seed-%zu", i + 1);
        }
        run.name = name;
        run.folder = folder;
        dp_error err;
        cli_progress_begin(name, job->run->quiet);
        dp_status status = eval_run_do(job->session, &run, &err);
        cli_progress_end();
        *n_failed += run.n_failed;
        if (run.stopped && job->out)
            cli_complain("%s: stopped; run the same command to continue", name);
        else if (status && !run.not_possible)
            cli_complain("%s: %s", name, err.message);
        if (run.not_possible) {
            put_not_possible(row, err.message, rows[0], eval_state_run(&job->state, name), metrics);
            code = EXIT_SOME_FAILED;
        } else if (status) {
            code = status == DP_E_ARGUMENT ? EXIT_USAGE : EXIT_JOB_FAILED;
        } else if (!job->state.shard.n) {
            const json_t *known = eval_state_run(&job->state, name);
            eval_row(known, rows[i]);
            cli_json_append(seeds, json_incref(json_object_get(known, "figures")));
            if (job->n_seeds > 1)
                eval_print_row(name, rows[i]);
        }
        g_free(name);
        g_free(folder);
    }
    if (job->state.shard.n) { /* figures need the other shards */
        json_decref(seeds);
        g_free(row);
        g_free(category);
        return code;
    }
    if (code == EXIT_DONE && job->n_seeds < 2) {
        cli_json_share(metrics, row, json_array_get(seeds, 0));
    } else if (code == EXIT_DONE) {
        double mean[EVAL_COLUMNS], deviation[EVAL_COLUMNS];
        eval_mean((const double(*)[EVAL_COLUMNS])rows, n, mean, deviation);
        json_t *value = eval_row_json(mean);
        cli_json_set(value, "deviation", eval_row_json(deviation));
        cli_json_share(value, "seeds", seeds);
        cli_json_set(metrics, row, value);
        eval_print_row(row, mean);
        eval_print_row("  +-", deviation);
        memcpy(rows[0], mean, sizeof mean);
    }
    json_decref(seeds);
    if (code == EXIT_DONE && job->n_seeds < 2)
        eval_print_row(row, rows[0]);
    g_free(row);
    g_free(category);
    return code;
}

static bool write_results(struct job *job, json_t *metrics, json_t *header)
{
    GString *csv = g_string_new(NULL);
    bool good = eval_write_json(job->out, "metrics.json", metrics);
    for (size_t s = 0; s < MAX(job->n_seeds, 1); s++) {
        g_string_assign(csv, "category,split,defect,input,label,score\n");
        for (guint i = 0; i < job->sets->len; i++) {
            const dataset *set = job->sets->pdata[i];
            char *category = eval_safe_name(set->category);
            char *name = job->n_seeds ? g_strdup_printf("%s, seed %zu", category, s + 1) : g_strdup(category);
            char *seed = job->n_seeds ? g_strdup_printf("seed-%zu", s + 1) : g_strdup(".");
            char *figures = g_build_filename(job->out, seed, "figures", set->category, NULL);
            const json_t *run = eval_state_run(&job->state, name);
            eval_add_csv(csv, run, set);
            good = good && (!json_object_get(run, "figures") || report_save_charts(run, figures));
            g_free(figures);
            g_free(seed);
            g_free(name);
            g_free(category);
        }
        char *folder = job->n_seeds ? g_strdup_printf("%s/seed-%zu", job->out, s + 1) : g_strdup(job->out);
        good = good && eval_write_file(folder, "scores.csv", csv->str, csv->len);
        g_free(folder);
    }
    g_string_free(csv, TRUE);
    cli_json_share(header, "metrics", metrics);
    cli_json_share(header, "runs", job->state.runs);
    return good && eval_write_json(job->out, "run.json", header);
}

/* Evaluates every category in turn and prints each row when it is ready. */
static int evaluate_all(struct job *job, json_t *header)
{
    json_t *metrics = json_object();
    size_t n = MAX(job->n_seeds, 1), n_failed = 0, n_possible = 0;
    double(*means)[EVAL_COLUMNS] = g_malloc0_n(job->sets->len, sizeof *means);
    double(*rows)[EVAL_COLUMNS] = g_malloc0_n(n, sizeof *rows);
    int code = EXIT_DONE;
    if (job->state.n_resumed && !job->run->quiet)
        fprintf(stderr, "continuing in %s: %zu pictures are done\n", cli_shown(job->out), job->state.n_resumed);
    if (!job->state.shard.n)
        eval_print_heading();
    for (guint i = 0; i < job->sets->len && code == EXIT_DONE; i++) {
        code = evaluate_category(job, job->sets->pdata[i], rows, metrics, &n_failed);
        memcpy(means[i], rows[0], sizeof means[i]);
        n_possible += code == EXIT_DONE;
        if (code == EXIT_SOME_FAILED)
            code = EXIT_DONE;
    }
    if (job->state.shard.n) {
        if (code == EXIT_DONE && !eval_state_end_shard(&job->state))
            code = EXIT_JOB_FAILED;
        if (code == EXIT_DONE)
            printf("%s: shard %zu of %zu is done; 'dinopatch eval --merge %zu' gives the figures when all are\n",
                   cli_shown(job->out), job->state.shard.index, job->state.shard.n, job->state.shard.n);
    } else if (code == EXIT_DONE && job->sets->len > 1) {
        double mean[EVAL_COLUMNS], deviation[EVAL_COLUMNS];
        eval_mean((const double(*)[EVAL_COLUMNS])means, job->sets->len, mean, deviation);
        char label[32];
        g_snprintf(label, sizeof label, n_possible == job->sets->len ? "mean" : "mean of %zu", n_possible);
        eval_print_row(label, mean);
        json_t *value = eval_row_json(mean);
        cli_json_set(value, "categories", json_integer((json_int_t)n_possible));
        cli_json_set(metrics, "mean", value);
    }
    if (code == EXIT_DONE && job->out && !job->state.shard.n && !write_results(job, metrics, header))
        code = EXIT_JOB_FAILED;
    if (code == EXIT_DONE && job->out)
        eval_forget_bank(job->out, job->state.shard);
    json_decref(metrics);
    g_free(means);
    g_free(rows);
    if (code == EXIT_DONE && !n_possible)
        return EXIT_JOB_FAILED;
    return code == EXIT_DONE && (n_failed || n_possible < job->sets->len) ? EXIT_SOME_FAILED : code;
}

/* What the evaluation depends on. The header takes over settings. */
static json_t *make_header(json_t *settings, const dp_network *model, const GPtrArray *sets, size_t seeds)
{
    dp_network_info info;
    dp_network_get_info(model, &info);
    if (seeds) {
        char text[32];
        g_snprintf(text, sizeof text, "%zu", seeds);
        cli_json_set(settings, "seeds", json_string(text));
    }
    char *files = eval_files_digest(sets);
    json_t *header = cli_json_pack("{s:s, s:o, s:s, s:s}", "dinopatch", dp_version(), "settings", settings, "model",
                                   info.sha256, "files", files);
    g_free(files);
    return header;
}

/* Adds the digest of the region to the header. False: complained. */
static bool bind_roi(json_t *header, const cli_roi *region)
{
    json_t *settings = json_object_get(header, "settings");
    char *digest = eval_file_sha256(region->path);
    if (!digest) {
        cli_complain("%s: cannot compute its SHA-256: cannot read the file any more", region->path);
        return false;
    }
    cli_json_set(settings, "roi", json_string(digest));
    cli_json_set(settings, "roi-picture", region->picture ? cli_json_text(region->picture) : json_null());
    g_free(digest);
    return true;
}

struct targets {
    const char *out, *report, *model, *config;
    const cli_roi *region;
    bool overwrite;
};

/* Declares and checks all outputs before the work begins. False: *code, complained. */
static bool check_outputs(const GPtrArray *sets, const struct targets *to, cli_shard shard, size_t n_seeds, int *code)
{
    cli_outputs *files = cli_outputs_new(to->overwrite);
    eval_declare_inputs(files, sets);
    cli_outputs_read_model(files, to->model, NULL);
    cli_outputs_read(files, to->region->path, "the mask in use");
    cli_outputs_read(files, to->region->picture, "the picture of the mask");
    cli_outputs_read(files, to->config, "the options in use");
    eval_declare_outputs(files, sets, to->out, shard, n_seeds, to->report);
    bool good = cli_outputs_check(files, code);
    cli_outputs_free(files);
    return good;
}

static bool make_folders(const struct targets *to, int *code)
{
    char *folder = to->report ? g_path_get_dirname(to->report) : NULL;
    bool good = cli_make_folder(to->out) && (!folder || cli_make_folder(folder));
    if (!good)
        *code = EXIT_JOB_FAILED;
    g_free(folder);
    return good;
}

int cmd_eval(int argc, char **argv)
{
    cli_roi region = {0};
    dp_roi *roi = NULL;
    char *model_name = NULL, *out = NULL, *report = NULL;
    gboolean allow_few = FALSE, overwrite = FALSE, fresh = FALSE;
    cli_number seeds = {0}, merge = {0};
    cli_list list = {0};
    const cli_option own_entries[] = {
        CLI_SHARD_ENTRY(&list),
        {"merge", 0, 0, CLI_WHOLE, &merge, "the figures of the N shards whose runs with --shard are in DIR", "N", 1,
         1000000},
        {"model", 'm', 0, CLI_FILE, &model_name, "network: a file, or a name like vits14 (default: nano, built in)",
         "M"},
        {"out", 'o', 0, CLI_FILE, &out,
         "write metrics.json, scores.csv, run.json, anomaly_maps/ and pictures/ here; continue a stopped run", "DIR"},
        CLI_OVERWRITE_ENTRY(&overwrite),
        {"fresh", 0, 0, CLI_FLAG, &fresh, "start again instead of continuing what is in DIR", NULL},
        {"report", 0, 0, CLI_FILE, &report, "also write an HTML page", "FILE"},
        {"seeds", 0, 0, CLI_WHOLE, &seeds,
         "with --shots: draw the pictures with seeds 1 to N, and print mean and deviation", "N", 1, 1000},
        CLI_ALLOW_FEW_ENTRY(&allow_few),
        CLI_ROI_ENTRIES(&region),
        CLI_OPTION_END};
    cli_recipe options;
    cli_run run;
    int code;
    const cli_option *entries = cli_recipe_entries(&options, CLI_RECIPE_ALL, own_entries);
    bool parsed = cli_parse(
        &argc, &argv, entries, cli_run_group(&run), "[--model M] DATASET_FOLDER",
        "Learns from the good pictures of a data set, inspects its test pictures, prints the figures.",
        "DATASET_FOLDER: one category or a folder of categories, laid out as in MVTec AD, VisA or MVTec AD 2,\n"
        "or a plain folder with good/ and others (every third good picture is then a test picture).",
        &code);
    dp_recipe recipe;
    dp_recipe_init(&recipe);
    GPtrArray *sets = NULL;
    size_t n_unusable = 0; /* categories */
    dp_network *model = NULL;
    dp_session *session = NULL;
    json_t *header = NULL;
    dp_error err;
    const struct targets targets = {out, report, model_name, options.config, &region, overwrite};
    if (!parsed || !cli_run_resolve(&run, &code) || !cli_recipe_resolve(&options, &recipe, &code))
        goto done;
    if (argc != 2)
        code = cli_usage("give one data set");
    else if (seeds.given && (!recipe.shots || recipe.seed))
        code = cli_usage("--seeds needs --shots K, and excludes --seed");
    else if (!cli_list_check(&list, argc - 1, "give one data set", &code)) { /* complained */
    } else if (list.shard.n && (merge.given || report))
        code = cli_usage("--shard excludes --%s, which needs all shards", report ? "report" : "merge");
    else if ((list.shard.n || merge.given) && !out)
        code = cli_usage("--%s needs --out DIR, the folder of all shards", merge.given ? "merge" : "shard");
    else if ((fresh || report) && !out)
        code = cli_usage("--%s needs --out DIR", fresh ? "fresh" : "report");
    else if (!cli_roi_open(&region, &run.run, &roi, &code)) { /* complained */
    } else if (out && !*out)
        code = cli_usage("--out: the folder has no name");
    else if (!(sets = dataset_find(argv[1], &n_unusable)))
        code = EXIT_JOB_FAILED;
    else if ((!out || check_outputs(sets, &targets, list.shard, (size_t)seeds.value, &code))
             && cli_model_open(model_name, &model, &code) && eval_refuse_leaks(sets, &run, &n_unusable, &code)
             && (!out || make_folders(&targets, &code))) {
        bool settled = !dp_network_settle_recipe(model, &recipe, &err);
        struct job job = {.recipe = &recipe,
                          .run = &run,
                          .sets = sets,
                          .out = out,
                          .data = argv[1],
                          .roi = roi,
                          .allow_few = allow_few,
                          .n_seeds = (size_t)seeds.value,
                          .state = {.fd = -1}};
        header = make_header(cli_recipe_given(&options, &recipe), model, sets, (size_t)seeds.value);
        bool bound = !roi || bind_roi(header, &region);
        if (settled
            && (!bound || !eval_state_open(&job.state, out, list.shard, header, fresh || merge.given)
                || (merge.given && !eval_state_join(&job.state, out, (size_t)merge.value, header))))
            code = EXIT_JOB_FAILED;
        else if (!settled || dp_session_open(model, recipe.precision, &run.run, &session, &err))
            code = cli_failed(&err);
        else {
            job.session = session;
            json_t *result = json_deep_copy(header);
            dp_network_info info;
            dp_network_get_info(model, &info);
            job.model = info;
            cli_json_set(result, "model_path", cli_json_text(info.path));
            cli_json_set(result, "model_stand_in", json_boolean(info.stand_in));
            cli_json_set(result, "data", cli_json_text(argv[1]));
            code = evaluate_all(&job, result);
            json_decref(result);
            if (report && (code == EXIT_DONE || code == EXIT_SOME_FAILED) && !report_write(out, report, 48))
                code = EXIT_JOB_FAILED;
        }
        eval_state_close(&job.state);
        if (code == EXIT_DONE && n_unusable)
            code = EXIT_SOME_FAILED;
    }
done:
    dp_roi_close(&roi);
    json_decref(header);
    dp_session_close(&session);
    dp_network_close(&model);
    if (sets)
        g_ptr_array_unref(sets);
    return code;
}
