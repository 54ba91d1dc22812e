/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch model - lists, downloads, describes and checks checkpoints, and makes synthetic ones. */
#include "fetch/fetch.h"
#include "models.h"
#include "outputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_file(const dp_network_info *i)
{
    if (i->n_unused)
        printf("  not used     %s%s\n", cli_shown(i->unused),
               i->n_unused > 1 ? " and others: no part of the network" : ": no part of the network");
    if (*i->licence)
        printf("  licence      %s\n", cli_shown(i->licence));
    if (i->n_files > 1)
        printf("  files        %zu shards\n", i->n_files);
    printf("  SHA-256      %s\n", i->sha256);
}

static int model_info(int argc, char **argv)
{
    gboolean json = FALSE;
    const cli_option entries[] = {{"json", 0, 0, CLI_FLAG, &json, "one JSON line on stdout", NULL}, CLI_OPTION_END};
    int code;
    if (!cli_parse(&argc, &argv, entries, NULL, "MODEL", "Prints facts about a checkpoint.", NULL, &code))
        return code;
    if (argc != 2)
        return cli_usage("give one checkpoint");
    char *path = cli_model_path(argv[1]);
    dp_network *model = NULL;
    dp_error err;
    const bool missing = cli_model_is_missing(argv[1], path);
    if (missing || dp_network_open(path, &model, &err)) {
        g_free(path);
        return missing ? EXIT_JOB_FAILED : cli_failed(&err);
    }
    dp_network_info i;
    dp_network_get_info(model, &i);
    bool good = *i.sha256 != 0;
    if (!good)
        cli_complain("%s: cannot compute its SHA-256: not enough memory", path);
    const bool resnet = !strcmp(i.kind, "resnet");
    if (!good) {
        /* complained already */
    } else if (json) {
        json_t *line = cli_json_pack("{s:o, s:s, s:s, s:I, s:I, s:I}", "path", cli_json_text(path), "kind", i.kind,
                                     "architecture", i.architecture ? i.architecture : i.kind, "dim", (json_int_t)i.dim,
                                     "depth", (json_int_t)i.depth, "patch_px", (json_int_t)i.patch_px);
        json_t *transformer = resnet
                                  ? json_object()
                                  : cli_json_pack("{s:I, s:I, s:I, s:s, s:[I,I]}", "heads", (json_int_t)i.heads,
                                                  "registers", (json_int_t)i.registers, "hidden", (json_int_t)i.hidden,
                                                  "mlp", i.swiglu ? "swiglu" : "gelu", "position_grid",
                                                  (json_int_t)i.position_rows, (json_int_t)i.position_cols);
        json_t *file =
            cli_json_pack("{s:I, s:s, s:s, s:b, s:s, s:o, s:I, s:o, s:I}", "parameters", (json_int_t)i.parameters,
                          "naming", i.naming, "dtype", i.dtype, "stand_in", i.stand_in, "sha256", i.sha256, "licence",
                          *i.licence ? cli_json_text(i.licence) : json_null(), "files", (json_int_t)i.n_files, "unused",
                          i.unused ? cli_json_text(i.unused) : json_null(), "n_unused", (json_int_t)i.n_unused);
        if (json_object_update(line, transformer) || json_object_update(line, file))
            cli_json_made(NULL, __FILE__, __LINE__, NULL);
        json_decref(transformer);
        json_decref(file);
        good = cli_json_print(line);
    } else if (resnet) {
        printf("%s%s\n  residual network  %s, %zu layers, %zu features in cells of %zu pixels\n  parameters   %.1f "
               "million, %s, %s names%s\n",
               cli_shown(path), cli_model_is_built_in(path) ? " (built in)" : "", i.architecture, i.depth, i.dim,
               i.patch_px, (double)i.parameters / 1e6, i.dtype, i.naming,
               i.stand_in ? ", a stand-in of random weights" : "");
        print_file(&i);
    } else {
        printf("%s\n  transformer  %s, %zu blocks, %zu features, %s, %s of %zu, patch %zu", cli_shown(path),
               i.architecture, i.depth, i.dim, cli_count(i.heads, "head"), i.swiglu ? "SwiGLU" : "MLP", i.hidden,
               i.patch_px);
        if (i.registers)
            printf(", %s", cli_count(i.registers, "register"));
        if (i.position_rows)
            printf("\n  positions    %zu x %zu", i.position_rows, i.position_cols);
        else
            printf("\n  positions    rotary, for any grid");
        printf("\n  parameters   %.1f million, %s, %s names%s\n", (double)i.parameters / 1e6, i.dtype, i.naming,
               i.stand_in ? ", a stand-in of random weights" : "");
        print_file(&i);
    }
    dp_network_close(&model);
    g_free(path);
    return good ? EXIT_DONE : EXIT_JOB_FAILED;
}

static int model_synth(int argc, char **argv)
{
    char *arch = NULL, *out = NULL;
    gboolean overwrite = FALSE;
    cli_number seed = {0};
    const cli_option entries[] = {
        {"arch", 'a', 0, CLI_TEXT, &arch,
         "demo, vits14, vitb14, vitl14, vitg14, the same with _reg, resnet18, resnet50, wide_resnet50_2", "NAME"},
        {"seed", 0, 0, CLI_WHOLE, &seed, "seed of the random weights (default 0)", "S", 0, CLI_MOST_SEED},
        {"out", 'o', 0, CLI_FILE, &out, "the checkpoint to write", "FILE"},
        CLI_OVERWRITE_ENTRY(&overwrite),
        CLI_OPTION_END};
    int code;
    if (!cli_parse(&argc, &argv, entries, NULL, "--arch NAME --out FILE",
                   "Writes a checkpoint of seeded random weights: for timing and for trying the program out.",
                   "Such a stand-in has learned nothing; a bank made with it says so.", &code))
        return code;
    if (!arch || !out || argc != 1)
        return cli_usage("give --arch and --out");
    dp_architecture architecture;
    dp_error err;
    if (dp_architecture_parse(arch, &architecture, &err))
        return cli_failed(&err);
    cli_outputs *files = cli_outputs_new(overwrite);
    cli_outputs_write_bank(files, out);
    bool ready = cli_outputs_check(files, &code) && cli_outputs_begin(files, NULL, &code);
    cli_outputs_free(files);
    if (!ready)
        return code;
    if (dp_network_synthesise(&architecture, (uint64_t)seed.value, out, &err))
        return cli_failed(&err);
    return EXIT_DONE;
}

#define NANO_PARAMETERS 2782784
#define NANO_BYTES 5598952
#define NANO_LICENCE "Apache-2.0"

#define LIST_ROW "%-17s %8.1f M %6.0f MB  %-11s %-11s  %-6s  %s\n"

static void list_built_in(bool json)
{
    if (json)
        cli_json_print(cli_json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:[], s:o, s:b}", "name", DP_NETWORK_NANO,
                                     "parameters", (json_int_t)NANO_PARAMETERS, "bytes", (json_int_t)NANO_BYTES,
                                     "licence", NANO_LICENCE, "layout", "torchvision", "source", "built in", "also",
                                     "path", json_null(), "cached", true));
    else
        printf(LIST_ROW, DP_NETWORK_NANO, NANO_PARAMETERS / 1e6, NANO_BYTES / 1e6, NANO_LICENCE, "torchvision", "yes",
               "built in, used where no --model is given");
}

static int model_list(int argc, char **argv)
{
    gboolean json = FALSE;
    const cli_option entries[] = {{"json", 0, 0, CLI_FLAG, &json, "one JSON line per checkpoint on stdout", NULL},
                                  CLI_OPTION_END};
    int code;
    if (!cli_parse(&argc, &argv, entries, NULL, "",
                   "Lists the built-in network and the checkpoints that 'model pull' fetches.", NULL, &code))
        return code;
    if (!json)
        printf("%-17s %10s %9s  %-11s %-11s  %-6s  %s\n", "NAME", "PARAMETERS", "SIZE", "LICENCE", "LAYOUT", "CACHED",
               "SOURCE");
    list_built_in(json);
    for (size_t i = 0; i < fetch_registry_count(); i++) {
        const fetch_checkpoint *c = fetch_registry_at(i);
        char *path = NULL;
        bool cached = fetch_cache_path(c->name, NULL, &path, NULL) == DP_OK && g_file_test(path, G_FILE_TEST_EXISTS);
        json_t *also = json_array();
        for (size_t j = 0; j < FETCH_ALSO && c->also[j]; j++)
            cli_json_append(also, json_string(c->also[j]));
        if (json)
            cli_json_print(cli_json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:O, s:o, s:b}", "name", c->name, "parameters",
                                         (json_int_t)c->parameters, "bytes", (json_int_t)c->bytes, "licence",
                                         c->licence, "layout", c->layout, "source", c->source, "also", also, "path",
                                         path ? cli_json_text(path) : json_null(), "cached", cached));
        else
            printf(LIST_ROW, c->name, (double)c->parameters / 1e6, (double)c->bytes / 1e6, c->licence, c->layout,
                   cached ? "yes" : "no", c->source);
        json_decref(also);
        free(path);
    }
    return EXIT_DONE;
}

static int model_pull(int argc, char **argv)
{
    char *out = NULL, *sha256 = NULL;
    gboolean force = FALSE;
    const cli_option entries[] = {{"out", 'o', 0, CLI_FILE, &out, "the file to write (default: in the cache)", "FILE"},
                                  {"sha256", 0, 0, CLI_TEXT, &sha256, "the digest the file must have", "HEX"},
                                  {"force", 'f', 0, CLI_FLAG, &force, "download it again even if it is in place", NULL},
                                  CLI_OPTION_END};
    cli_run run;
    int code;
    if (!cli_parse(&argc, &argv, entries, cli_run_group(&run), "NAME",
                   "Downloads an official checkpoint, checks its SHA-256 and puts it into the cache.",
                   "DINOPATCH_MIRROR or HF_ENDPOINT replace the hub's address, HF_TOKEN opens gated files; proxies are "
                   "taken from the environment.",
                   &code)
        || !cli_run_resolve(&run, &code))
        return code;
    if (argc != 2)
        return cli_usage(argc < 2 ? "name a checkpoint; 'dinopatch model list' lists them" : "give one checkpoint");
    if (cli_model_is_built_in(argv[1])) {
        if (out)
            return cli_usage("nano is built in: there is nothing to download to %s", out);
        printf("%s  nano is built in: there is nothing to download\n", DP_NETWORK_NANO_SHA256);
        return EXIT_DONE;
    }
    fetch_settings settings;
    fetch_settings_init(&settings);
    settings.mirror = getenv("DINOPATCH_MIRROR") ? getenv("DINOPATCH_MIRROR") : getenv("HF_ENDPOINT");
    settings.token = getenv("HF_TOKEN");
    settings.sha256 = sha256;
    settings.force = force;
    char digest[65], *path = NULL;
    dp_error err;
    cli_outputs *files =
        cli_outputs_new(true); /* a file in place that is not the wanted one stays, unless --force is given */
    if (out)
        cli_outputs_write_bank(files, out);
    bool ready = cli_outputs_check(files, &code);
    cli_outputs_free(files);
    if (!ready)
        return code;
    cli_progress_begin("pull", run.quiet);
    if (fetch_pull(argv[1], out, &settings, &run.run, digest, &err)
        || (!out && fetch_cache_path(argv[1], NULL, &path, &err))) {
        cli_progress_end();
        return cli_failed(&err);
    }
    cli_progress_end();
    printf("%s  %s\n", digest, cli_shown(out ? out : path));
    free(path);
    return EXIT_DONE;
}

static int verify_built_in(const char *sha256)
{
    dp_network *model = NULL;
    dp_network_info info;
    dp_error err;
    if (dp_network_open(DP_NETWORK_NANO, &model, &err))
        return cli_failed(&err);
    dp_network_get_info(model, &info);
    const char *wanted = sha256 ? sha256 : DP_NETWORK_NANO_SHA256;
    bool same = !g_ascii_strcasecmp(info.sha256, wanted);
    if (same)
        printf("%s  nano: whole, the digest is the one %s\n", info.sha256,
               sha256 ? "given" : "of the built-in network");
    else
        cli_complain("nano: its SHA-256 is %s, not %s", *info.sha256 ? info.sha256 : "unknown (not enough memory)",
                     wanted);
    dp_network_close(&model);
    return same ? EXIT_DONE : EXIT_JOB_FAILED;
}

/* Reads and digests a single file, with progress. For shards, the network has the digest already. */
static dp_status verify_files(const char *path, const dp_network *model, const char *sha256, const dp_run *run,
                              char digest[65], int *known, dp_error *err)
{
    dp_network_info info;
    dp_network_get_info(model, &info);
    if (info.n_files == 1)
        return fetch_verify(path, sha256, run, digest, known, err);
    snprintf(digest, 65, "%s", info.sha256);
    return fetch_verify_digest(path, sha256, digest, known, err);
}

/* Checks structure and numbers of a checkpoint, and its digest if one is known. */
static int model_verify(int argc, char **argv)
{
    char *sha256 = NULL;
    const cli_option entries[] = {{"sha256", 0, 0, CLI_TEXT, &sha256, "the digest the file must have", "HEX"},
                                  CLI_OPTION_END};
    cli_run run;
    int code;
    if (!cli_parse(&argc, &argv, entries, cli_run_group(&run), "MODEL", "Reads a checkpoint whole and checks it.", NULL,
                   &code)
        || !cli_run_resolve(&run, &code))
        return code;
    if (argc != 2)
        return cli_usage("give one checkpoint");
    char *path = cli_model_path(argv[1]), digest[65];
    int known = 0;
    dp_network *model = NULL;
    dp_error err;
    dp_architecture promised;
    if (cli_model_is_built_in(path)) {
        g_free(path);
        return verify_built_in(sha256);
    }
    if (cli_model_is_missing(argv[1], path)) {
        g_free(path);
        return EXIT_JOB_FAILED;
    }
    cli_progress_begin("verify", run.quiet);
    if (!strchr(argv[1], '/') && strcmp(argv[1], path) != 0 && dp_architecture_parse(argv[1], &promised, NULL) == DP_OK
        && dp_network_open(path, &model, NULL) == DP_OK && dp_architecture_check(&promised, model, &err)) {
        cli_complain("%s: is not a %s: %s", path, argv[1], err.message);
        code = EXIT_JOB_FAILED;
    } else if ((!model && dp_network_open(path, &model, &err))
               || verify_files(path, model, sha256, &run.run, digest, &known, &err)) {
        code = cli_failed(&err);
    } else {
        printf("%s  %s: whole, %s\n", digest, cli_shown(path),
               sha256  ? "the digest is the one given"
               : known ? "the digest is the one noted when it was fetched"
                       : "no digest is known to compare it with");
        code = EXIT_DONE;
    }
    dp_network_close(&model);
    g_free(path);
    return code;
}

int cmd_model(int argc, char **argv)
{
    static const cli_verb verbs[] = {
        {"list", model_list, "list [--json]", "lists the built-in network and the official checkpoints"},
        {"pull", model_pull, "pull [--out FILE] NAME", "downloads a checkpoint, checked and resumable"},
        {"info", model_info, "info [--json] MODEL", "says what a checkpoint is"},
        {"verify", model_verify, "verify MODEL", "reads a whole checkpoint and checks it"},
        {"synth", model_synth, "synth --arch NAME --out FILE", "writes a checkpoint of random weights"},
    };
    return cli_run_verb(argc, argv, verbs, G_N_ELEMENTS(verbs));
}
