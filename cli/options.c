/* SPDX-License-Identifier: Apache-2.0 */
/* options.c - options that several commands share. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

const cli_option *cli_run_group(cli_run *options)
{
    const cli_option entries[] = {
        {"threads", 't', 0, CLI_WHOLE, &options->threads, "worker threads (default: one per processor)", "N", 1, 1024},
        {"isa", 0, CLI_MORE, CLI_TEXT, &options->isa, "limit the kernels to c, neon, avx2, avx512 or avx512vnni",
         "NAME"},
        {"max-pixels", 0, CLI_MORE, CLI_SIZE, &options->max_pixels, "refuse pictures with more pixels (default 268M)",
         "N", 1, 1e15},
        {"max-tokens", 0, CLI_MORE, CLI_SIZE, &options->max_tokens,
         "refuse pictures with more cells on the network's grid (default 16384)", "N", 1, 1e9},
        {"tolerant", 0, 0, CLI_FLAG, &options->tolerant,
         "use damaged pictures as far as they can be read, of several in a file the first, and warn", NULL},
        {"wait", 0, CLI_MORE, CLI_REAL, &options->wait,
         "wait at most this long for another process that changes the same bank (default: no limit; with --quiet 60)",
         "SECONDS", 0, 1e6},
        {"quiet", 'q', 0, CLI_FLAG, &options->quiet, "no progress on stderr, errors only", NULL},
        {"no-times", 0, CLI_MORE, CLI_FLAG, &options->no_times, "write no times, so that equal input gives equal bytes",
         NULL},
        CLI_OPTION_END};
    *options = (cli_run){0};
    G_STATIC_ASSERT(sizeof entries <= sizeof options->entries);
    memcpy(options->entries, entries, sizeof entries);
    return options->entries;
}

static int cli_stop(void *user)
{
    return cli_interrupted();
}

bool cli_run_resolve(cli_run *options, int *code)
{
    dp_run_init(&options->run);
    if (options->no_times)
        cli_hide_times();
    if (options->quiet)
        cli_hide_notes();
    options->run.threads = (size_t)options->threads.value; /* 0: one per processor */
    if (options->max_pixels.given)
        options->run.max_picture_pixels = (size_t)options->max_pixels.value;
    if (options->max_tokens.given)
        options->run.max_tokens = (size_t)options->max_tokens.value;
    if (options->max_memory.given)
        options->run.max_memory_bytes = (size_t)options->max_memory.value;
    options->run.tolerant = options->tolerant;
    options->run.log = options->quiet ? cli_log_warning : cli_log;
    options->run.progress = cli_progress;
    options->run.stop = cli_stop;
    /* A quiet wait shows nothing, so it has a limit. */
    if (options->wait.given || options->quiet)
        options->run.max_wait_seconds = options->wait.given ? options->wait.value : 60;
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

bool cli_parse_size(const char *text, size_t *height, size_t *width)
{
    dp_recipe recipe;
    dp_recipe_init(&recipe);
    if (dp_recipe_set(&recipe, "canvas", text, NULL) || !recipe.canvas_height_px)
        return false;
    *height = recipe.canvas_height_px;
    *width = recipe.canvas_width_px;
    return true;
}

int cli_choose(const char *option, const char *text, const char *const *names, int *code)
{
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], text))
            return i;
    char *list = g_strjoinv(", ", (char **)names), *meant = cli_did_you_mean(text, "", names);
    *code = cli_usage("--%s %s: is not one of %s%s", option, text, list, meant);
    g_free(list);
    g_free(meant);
    return -1;
}
