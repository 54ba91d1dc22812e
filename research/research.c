/* SPDX-License-Identifier: Apache-2.0 */
/* research.c - the command line, data sets, network and session of these programs, and their end. */
#include "research.h"
#include "cli/marks.h"
#include "cli/models.h"
#include "cli/used.h"

#include <locale.h>
#include <string.h>

void research_begin(research *r, const char *name)
{
    *r = (research){0};
    cli_streams_begin();
    cli_json_begin();
    setlocale(LC_CTYPE, "");
    cli_begin_program(name);
    cli_signals_catch(cli_progress_abandon);
}

bool research_parse(research *r, int argc, char **argv, const cli_option *own, const char *summary, int *code)
{
    const cli_option common[] = {
        {"model", 'm', 0, CLI_FILE, &r->model_name, "checkpoint: a file, or a name like vits14", "M"},
        {"out", 'o', 0, CLI_FILE, &r->out, "write figures and JSON here", "DIR"},
        CLI_OVERWRITE_ENTRY(&r->overwrite),
        CLI_ALLOW_FEW_ENTRY(&r->allow_few),
    };
    size_t n_own = 0;
    while (own[n_own].long_name)
        n_own++;
    cli_option *entries = g_new0(cli_option, G_N_ELEMENTS(common) + n_own + 1);
    memcpy(entries, common, sizeof common);
    memcpy(entries + G_N_ELEMENTS(common), own, n_own * sizeof *own);
    r->entries = cli_recipe_entries(&r->options, CLI_RECIPE_ALL, entries);
    g_free(entries);
    dp_recipe_preset(&r->recipe, DP_METHOD_DINOPATCH); /* the programs vary the settings of the paper */
    if (!cli_parse(&argc, &argv, r->entries, cli_run_group(&r->run), "--model M DATASET_FOLDER", summary,
                   "DATASET_FOLDER: one category or a folder of categories, as 'dinopatch eval' takes them.", code)
        || !cli_run_resolve(&r->run, code) || !cli_recipe_resolve(&r->options, &r->recipe, code))
        return false;
    if (argc != 2)
        *code = cli_usage("give one data set");
    else if (r->out && !*r->out)
        *code = cli_usage("--out: the folder has no name");
    else
        r->folder = argv[1];
    return r->folder != NULL;
}

static bool check_outputs(const research *r, void (*declare)(cli_outputs *files, const research *r), int *code)
{
    cli_outputs *files = cli_outputs_new(r->overwrite);
    eval_declare_inputs(files, r->sets);
    cli_outputs_read_model(files, r->model_name, NULL);
    cli_outputs_read(files, r->options.config, "the options in use");
    declare(files, r);
    bool good = cli_outputs_check(files, code);
    cli_outputs_free(files);
    return good;
}

bool research_open(research *r, void (*declare)(cli_outputs *files, const research *r), int *code)
{
    dp_error err;
    *code = EXIT_JOB_FAILED;
    if (!(r->sets = dataset_find(r->folder, &r->n_unusable)) || (r->out && !check_outputs(r, declare, code))
        || !cli_model_open(r->model_name, &r->model, code)
        || !eval_refuse_leaks(r->sets, &r->run, &r->n_unusable, code))
        return false;
    *code = EXIT_JOB_FAILED;
    if (r->out && !cli_make_folder(r->out))
        return false;
    dp_network_get_info(r->model, &r->about);
    if (dp_network_settle_recipe(r->model, &r->recipe, &err)
        || dp_session_open(r->model, r->recipe.precision, &r->run.run, &r->session, &err)) {
        *code = cli_failed(&err);
        return false;
    }
    return true;
}

int research_each(const research *r, research_set_fn *one, void *user, const char *name)
{
    json_t *all = json_object();
    size_t n_failed = 0, n_possible = 0;
    int code = EXIT_DONE;
    for (guint s = 0; s < r->sets->len && code == EXIT_DONE; s++) {
        const dataset *set = r->sets->pdata[s];
        char *category = eval_safe_name(set->category);
        code = one(r, user, set, category, all, &n_failed);
        n_possible += code == EXIT_DONE;
        if (code == EXIT_SOME_FAILED)
            code = EXIT_DONE;
        g_free(category);
    }
    if (code == EXIT_DONE && r->out && !eval_write_json(r->out, name, all))
        code = EXIT_JOB_FAILED;
    json_decref(all);
    if (code == EXIT_DONE && !n_possible)
        return EXIT_JOB_FAILED;
    return code == EXIT_DONE && (n_failed || n_possible < r->sets->len) ? EXIT_SOME_FAILED : code;
}

int research_end(research *r, int code)
{
    if (code == EXIT_DONE && r->n_unusable)
        code = EXIT_SOME_FAILED;
    dp_session_close(&r->session);
    dp_network_close(&r->model);
    if (r->sets)
        g_ptr_array_unref(r->sets);
    cli_signals_reraise();
    return cli_streams_end(code);
}

void research_declare(cli_outputs *files, const research *r, const char *name)
{
    char *path = g_build_filename(r->out, name, NULL);
    cli_outputs_write(files, path);
    g_free(path);
}

void research_declare_figures(cli_outputs *files, const research *r, const char *stem, size_t n)
{
    for (guint s = 0; s < r->sets->len; s++)
        for (size_t i = 1; i <= n; i++) {
            char *place = research_place(r->sets->pdata[s], stem, i);
            research_declare(files, r, place);
            g_free(place);
        }
}

char *research_place(const dataset *set, const char *stem, size_t number)
{
    char *file = g_strdup_printf("%s-%zu.jpg", stem, number),
         *place = g_build_filename("figures", set->category, file, NULL);
    g_free(file);
    return place;
}

static void on_good(void *user, size_t index, const char *path, const dp_pose *pose, const char *message)
{
    if (message)
        cli_complain("%s", message);
}

dp_status research_fit(const research *r, const dataset *set, const dp_recipe *recipe, dp_bank **bank, size_t *n_failed,
                       dp_error *err)
{
    dp_fit_counts report = {0};
    dp_status status = dp_bank_fit(r->session, recipe, (const char *const *)set->train->pdata, set->train->len, on_good,
                                   NULL, bank, &report, err);
    if (!status)
        status = eval_check_used(*bank, report.n_failed, recipe, r->allow_few, err);
    *n_failed += report.n_failed;
    return status;
}

const char **research_test_paths(const dataset *set)
{
    const char **paths = g_new(const char *, set->test->len);
    for (guint i = 0; i < set->test->len; i++)
        paths[i] = g_array_index(set->test, dataset_item, i).path;
    return paths;
}
