/* options.c - option parsing that commands share. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const cli_polarity_names[] = {"mirror", "rotate", "none", NULL};
const char *const cli_metric_names[] = {"l2", "cosine", NULL};
const char *const cli_score_names[] = {"max", "mean", "p99", "top1p", NULL};
const char *const cli_precision_names[] = {"fp32", "int8", NULL};
const char *const cli_align_names[] = {"pca", "none", NULL};
const char *const cli_layer_mix_names[] = {"mean", "concat", "separate", NULL};
const char *const cli_layout_names[] = {"grid", "pool", NULL};
const char *const cli_background_names[] = {"none", "test", "reference", "both", NULL};
const char *const cli_background_rule_names[] = {"cells", "list", NULL};
const char *const cli_reading_names[] = {"hysteresis", "band", "clip", NULL};
const char *const cli_unit_names[] = {"cells", "pixels", NULL};
const char *const cli_storage_names[] = {"f32", "f16", "int8", NULL};

bool cli_parse(int *argc, char ***argv, const GOptionEntry *entries, GOptionGroup *group, const char *usage,
               const char *summary, const char *description, int *code)
{
    /* GLib's own --help would exit with its own idea of a name; this one prints the same page and returns. */
    gboolean help = FALSE;
    const GOptionEntry help_entries[] = {{"help", 'h', 0, G_OPTION_ARG_NONE, &help, "show this page", NULL},
                                         G_OPTION_ENTRY_NULL};
    GOptionContext *context = g_option_context_new(usage);
    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_summary(context, summary);
    g_option_context_set_description(context, description);
    GOptionGroup *main_group = g_option_group_new("main", "Options:", "", NULL, NULL);
    g_option_group_add_entries(main_group, entries);
    g_option_group_add_entries(main_group, help_entries);
    g_option_context_set_main_group(context, main_group);
    if (group)
        g_option_context_add_group(context, group);

    char *program = cli_command();
    g_set_prgname(program);
    GError *error = NULL;
    bool good = g_option_context_parse(context, argc, argv, &error);
    if (!good) {
        *code = cli_usage("%s", error->message);
        g_error_free(error);
    } else if (help) {
        char *page = g_option_context_get_help(context, FALSE, NULL);
        fputs(page, stdout);
        g_free(page);
        *code = EXIT_DONE;
        good = false;
    }
    /* "--" ends the options; it is not an input. */
    if (good && *argc > 1 && !strcmp((*argv)[1], "--")) {
        memmove(*argv + 1, *argv + 2, (size_t)(*argc - 1) * sizeof **argv);
        (*argc)--;
    }
    g_free(program);
    g_option_context_free(context);
    return good;
}

GOptionGroup *cli_run_group(cli_run *options)
{
    *options = (cli_run){0};
    const GOptionEntry entries[] = {
        {"threads", 't', 0, G_OPTION_ARG_INT, &options->threads, "worker threads (default: one per processor)", "N"},
        {"isa", 0, 0, G_OPTION_ARG_STRING, &options->isa, "hold the kernels to c, neon, avx2, avx512 or avx512vnni", "NAME"},
        {"max-pixels", 0, 0, G_OPTION_ARG_STRING, &options->max_pixels, "refuse pictures with more (default 268M)", "N"},
        {"max-tokens", 0, 0, G_OPTION_ARG_STRING, &options->max_tokens, "refuse pictures with more cells on the network's grid (default 16384)", "N"},
        {"tolerant", 0, 0, G_OPTION_ARG_NONE, &options->tolerant, "take damaged pictures as far as they go, and say so", NULL},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &options->quiet, "no progress on stderr, errors only", NULL},
        {"no-times", 0, 0, G_OPTION_ARG_NONE, &options->no_times, "write nothing of how long it took: equal input, equal bytes", NULL},
        G_OPTION_ENTRY_NULL};
    GOptionGroup *group = g_option_group_new("run", "Run options:", "", NULL, NULL);
    g_option_group_add_entries(group, entries);
    return group;
}

bool cli_run_resolve(cli_run *options, int *code)
{
    dp_run_init(&options->run);
    if (options->threads < 0) {
        *code = cli_usage("--threads %d: at least 1", options->threads);
        return false;
    }
    if (options->no_times)
        cli_hide_times();
    options->run.threads = (size_t)options->threads;
    if (options->max_pixels && !cli_parse_bytes(options->max_pixels, &options->run.max_picture_pixels)) {
        *code = cli_usage("--max-pixels %s: a number such as 50M", options->max_pixels);
        return false;
    }
    if (options->max_tokens && (!cli_parse_bytes(options->max_tokens, &options->run.max_tokens) || !options->run.max_tokens)) {
        *code = cli_usage("--max-tokens %s: a number of cells from 1, such as 16384", options->max_tokens);
        return false;
    }
    if (options->max_memory && !cli_parse_bytes(options->max_memory, &options->run.max_memory_bytes)) {
        *code = cli_usage("--max-memory %s: a size such as 500M or 2.5G", options->max_memory);
        return false;
    }
    options->run.tolerant = options->tolerant;
    options->run.log = options->quiet ? cli_log_warning : cli_log;
    options->run.progress = cli_progress;
    const char *isa = options->isa ? options->isa : getenv("DINOPATCH_ISA");
    dp_error err;
    if (isa && *isa && dp_isa_parse(isa, &options->run.isa, &err)) {
        *code = cli_usage("%s: %s", options->isa ? "--isa" : "DINOPATCH_ISA", err.message);
        return false;
    }
    return true;
}

dp_status cli_picture_load(const char *path, const dp_run *run, dp_picture **picture, dp_error *err)
{
    const dp_picture_options options = {.max_pixels = run->max_picture_pixels, .tolerant = run->tolerant};
    dp_picture_notes notes;
    dp_status status = dp_picture_load_with(path, &options, picture, &notes, err);
    if (!status && notes.text[0] && run->log) {
        char *line = g_strdup_printf("%s: %s", path, notes.text);
        run->log(run->user, DP_LOG_WARNING, line);
        g_free(line);
    }
    return status;
}

static bool parse_size(const char **text, size_t *size)
{
    if (!g_ascii_isdigit(**text))
        return false;
    guint64 value = g_ascii_strtoull(*text, (char **)text, 10);
    *size = (size_t)value;
    return value > 0 && value <= 65536;
}

bool cli_parse_canvas(const char *text, size_t *height, size_t *width)
{
    size_t h = 0, w = 784;
    if (!strncmp(text, "auto", 4)) {
        text += 4;
        if (*text == ':' && (text++, !parse_size(&text, &w)))
            return false;
    } else {
        if (!parse_size(&text, &h) || *text++ != 'x' || !parse_size(&text, &w))
            return false;
    }
    if (*text)
        return false;
    *height = h;
    *width = w;
    return true;
}

bool cli_parse_window(const char *text, size_t *window)
{
    if (!strcmp(text, "global")) {
        *window = DP_WINDOW_GLOBAL;
        return true;
    }
    char *end;
    guint64 value = g_ascii_strtoull(text, &end, 10);
    if (!g_ascii_isdigit(*text) || *end || value > 65536)
        return false;
    *window = (size_t)value;
    return true;
}

int cli_choice(const char *text, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], text))
            return i;
    return -1;
}

bool cli_parse_bytes(const char *text, size_t *bytes)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}};
    char *end;
    double number = g_ascii_strtod(text, &end);
    for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
        if (end == text || strcmp(end, units[i].unit) != 0 || !(number * units[i].factor >= 1 && number * units[i].factor < 1e18))
            continue;
        *bytes = (size_t)(number * units[i].factor);
        return true;
    }
    return false;
}
