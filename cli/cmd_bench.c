/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch bench - times the network on this machine, next to the limit set by its multiply-adds, and the search in a
 * bank. */
#include "models.h"
#include "recipe.h"

#include <stdio.h>

static json_t *json_stages(const dp_bench_result *r)
{
    json_t *stages = json_object();
    for (size_t i = 0; dp_bench_stage_name(i); i++)
        cli_json_set(stages, dp_bench_stage_name(i), cli_json_real(r->stage_s[i]));
    return stages;
}

/* Times of the search for one picture. */
struct search {
    const char *bank;
    size_t bytes;
    double median_s, min_s, max_s;
};

static void add_search(json_t *line, const struct search *s)
{
    cli_json_set(line, "bank", cli_json_text(s->bank));
    cli_json_set(line, "bank_bytes", json_integer((json_int_t)s->bytes));
    cli_json_set(line, "search_ms", cli_json_ms(1000 * s->median_s));
    cli_json_set(line, "search_min_ms", cli_json_ms(1000 * s->min_s));
    cli_json_set(line, "search_max_ms", cli_json_ms(1000 * s->max_s));
}

static void print_search(const struct search *s, size_t repeat)
{
    printf("search in %s, %.1f MB\n", cli_shown(s->bank), (double)s->bytes / 1e6);
    printf("  %.2f ms a picture (median of %zu; %.2f to %.2f)\n", 1000 * s->median_s, repeat, 1000 * s->min_s,
           1000 * s->max_s);
}

/* Times the search. False: *code, complained. */
static bool time_search(const char *path, size_t repeat, const dp_run *run, struct search *search, int *code)
{
    dp_bank *bank = NULL;
    dp_error err;
    dp_status status = dp_bank_open(path, &bank, &err);
    if (!status) {
        dp_view view;
        dp_bank_details info;
        dp_view_init(bank, &view);
        dp_bank_get_details(bank, &info);
        search->bank = path;
        search->bytes = info.feature_bytes;
        status = dp_bank_bench(bank, &view, repeat, run, &search->median_s, &search->min_s, &search->max_s, &err);
    }
    dp_bank_close(&bank);
    if (status)
        *code = cli_failed(&err);
    return !status;
}

static json_t *json_bench(const char *model, const dp_bench_settings *s, const dp_bench_result *r, bool profile)
{
    json_t *line =
        cli_json_pack("{s:o, s:[I,I], s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I}", "model",
                      cli_json_text(model), "size", (json_int_t)s->height_px, (json_int_t)s->width_px, "precision",
                      dp_option_choice("precision", (int)r->precision), "isa", dp_isa_name(r->isa), "threads",
                      (json_int_t)r->threads, "repeat", (json_int_t)s->repeat, "median_s", cli_json_real(r->median_s),
                      "min_s", cli_json_real(r->min_s), "max_s", cli_json_real(r->max_s), "gflop",
                      cli_json_real(r->gflop), "gflop_per_s", cli_json_real(r->gflop_per_s), "fma_bound_gflop_per_s",
                      cli_json_real(r->fma_bound_gflop_per_s), "share_of_bound", cli_json_real(r->share_of_bound),
                      "weights_bytes", (json_int_t)r->weights_bytes, "peak_rss_bytes", (json_int_t)r->peak_rss_bytes);
    if (profile)
        cli_json_set(line, "stages_s", json_stages(r));
    return line;
}

static void print_text(const dp_bench_settings *s, const dp_bench_result *r, bool profile)
{
    printf("%zux%zu, %s, %s, %zu thread%s\n", s->height_px, s->width_px,
           dp_option_choice("precision", (int)r->precision), dp_isa_name(r->isa), r->threads,
           r->threads > 1 ? "s" : "");
    printf("  %.4f s a picture (median of %zu; %.4f to %.4f)\n", r->median_s, s->repeat, r->min_s, r->max_s);
    printf("  %.0f GFLOP/s, %.0f %% of the %.0f that multiply-adds alone reach on this machine\n", r->gflop_per_s,
           100 * r->share_of_bound, r->fma_bound_gflop_per_s);
    printf("  weights %.0f MB, memory at most %.0f MB\n", (double)r->weights_bytes / 1e6,
           (double)r->peak_rss_bytes / 1e6);
    for (size_t i = 0; profile && dp_bench_stage_name(i); i++)
        if (r->stage_s[i] > 0) /* a network has some of the stages */
            printf("  %-10s %8.2f ms  %4.1f %%\n", dp_bench_stage_name(i), 1000 * r->stage_s[i],
                   100 * r->stage_s[i] / r->median_s);
}

int cmd_bench(int argc, char **argv)
{
    char *model_name = NULL, *size = NULL, *bank = NULL;
    cli_number repeat = {.value = 5};
    gboolean json = FALSE, profile = FALSE;
    const cli_option own_entries[] = {
        {"model", 'm', 0, CLI_FILE, &model_name, "network: a file, or a name like vits14 (default: nano, built in)",
         "M"},
        {"bank", 'b', 0, CLI_FILE, &bank, "also time the search in this bank; without --model, time the search only",
         "B"},
        {"size", 's', 0, CLI_TEXT, &size, "input in pixels, multiples of the patch (default 784x784)", "HxW"},
        {"repeat", 'r', 0, CLI_WHOLE, &repeat, "timed passes (default 5)", "N", 1, 1e6},
        {"profile", 0, 0, CLI_FLAG, &profile, "also print the time of each stage", NULL},
        {"json", 0, 0, CLI_FLAG, &json, "one JSON line on stdout", NULL},
        CLI_OPTION_END};
    cli_recipe options;
    cli_run run;
    int code;
    const cli_option *entries = cli_recipe_entries(&options, CLI_RECIPE_PRECISION, own_entries);
    bool parsed =
        cli_parse(&argc, &argv, entries, cli_run_group(&run), "[--model M] [--bank B]",
                  "Times the transformer and the search in a bank, one picture at a time, on noise.", NULL, &code);
    dp_recipe recipe;
    dp_recipe_init(&recipe);
    if (!parsed || !cli_run_resolve(&run, &code) || !cli_recipe_resolve(&options, &recipe, &code))
        return code;
    dp_bench_settings settings;
    dp_bench_settings_init(&settings);
    if (argc != 1)
        return cli_usage("bench takes no pictures; give options only");
    if (size && !cli_parse_size(size, &settings.height_px, &settings.width_px))
        return cli_usage("--size %s: give HEIGHTxWIDTH with sides from 1 to 65536", size);
    settings.repeat = (size_t)repeat.value;

    dp_network *model = NULL;
    dp_session *session = NULL;
    dp_bench_result result = {0};
    dp_error err;
    struct search search = {0};
    bool network = model_name || !bank;
    if (network && !cli_model_open(model_name, &model, &code))
        return code;
    cli_progress_begin("bench", run.quiet);
    dp_status status = network ? dp_session_open(model, recipe.precision, &run.run, &session, &err) : DP_OK;
    if (network && !status)
        status = dp_session_bench(session, &settings, &result, &err);
    cli_progress_end();
    code = EXIT_DONE;
    if (status)
        code = cli_failed(&err);
    else if (bank)
        time_search(bank, settings.repeat, &run.run, &search, &code);
    if (code == EXIT_DONE && json) {
        dp_network_info info;
        if (network)
            dp_network_get_info(model, &info);
        json_t *line = network ? json_bench(info.path, &settings, &result, profile) : json_object();
        if (bank)
            add_search(line, &search);
        code = cli_json_print(line) ? EXIT_DONE : EXIT_JOB_FAILED;
    } else if (code == EXIT_DONE) {
        if (network)
            print_text(&settings, &result, profile);
        if (bank)
            print_search(&search, settings.repeat);
    }
    dp_session_close(&session);
    dp_network_close(&model);
    return code;
}
