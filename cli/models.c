/* SPDX-License-Identifier: Apache-2.0 */
/* models.c - opens the checkpoint of --model M: the built-in network, a file, or a registry name in the cache. */
#include "models.h"
#include "fetch/fetch.h"

#include <stdlib.h>
#include <string.h>

bool cli_model_is_built_in(const char *path)
{
    return !strcmp(path, DP_NETWORK_NANO);
}

/* The checkpoint in a folder as Hugging Face lays it out: one file, or the index of several.  Without either, the folder. */
static char *in_folder(const char *folder)
{
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        char *path = g_build_filename(folder, names[i], NULL);
        if (g_file_test(path, G_FILE_TEST_EXISTS))
            return path;
        g_free(path);
    }
    return g_strdup(folder);
}

char *cli_model_path(const char *model)
{
    if (!model)
        model = getenv("DINOPATCH_MODEL");
    if (!model || !*model || cli_model_is_built_in(model))
        return g_strdup(DP_NETWORK_NANO);
    const fetch_checkpoint *known = NULL;
    if (!g_file_test(model, G_FILE_TEST_EXISTS) && fetch_registry_find(model, &known, NULL) == DP_OK)
        model = known->name;
    if (g_file_test(model, G_FILE_TEST_IS_DIR))
        return in_folder(model);
    if (strchr(model, '/') || g_str_has_suffix(model, ".safetensors") || g_str_has_suffix(model, ".json")
        || g_file_test(model, G_FILE_TEST_EXISTS))
        return g_strdup(model);
    char *file = g_strconcat(model, ".safetensors", NULL);
    char *path = g_build_filename(g_get_user_cache_dir(), "dinopatch", file, NULL);
    g_free(file);
    return path;
}

/* What lies in the cache under a name of the registry is under that licence. */
static void set_licence(dp_network *model, const char *path)
{
    for (size_t i = 0; i < fetch_registry_count(); i++) {
        const fetch_checkpoint *c = fetch_registry_at(i);
        char *cached = NULL;
        if (fetch_cache_path(c->name, NULL, &cached, NULL) == DP_OK && !strcmp(cached, path))
            dp_network_set_licence(model, c->licence);
        free(cached);
    }
}

static void warn_of_stand_in(const dp_network *model)
{
    dp_network_info info;
    dp_network_get_info(model, &info);
    if (info.stand_in)
        cli_log(NULL, DP_LOG_WARNING, "this checkpoint is a stand-in of random weights: it has learned nothing");
}

bool cli_model_is_missing(const char *argument, const char *path)
{
    const fetch_checkpoint *known = NULL;
    dp_architecture architecture;
    if (!argument || cli_model_is_built_in(path))
        return false;
    if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
        cli_complain(
            "%s: the folder holds no model.safetensors and no model.safetensors.index.json; give the file, and convert "
            "it to safetensors if it is of another kind",
            cli_shown(path));
        return true;
    }
    if (g_file_test(path, G_FILE_TEST_EXISTS))
        return false;
    if (fetch_registry_find(argument, &known, NULL) == DP_OK)
        cli_complain("%s is not in the cache (%s): run 'dinopatch model pull %s' first", known->name, path,
                     known->name);
    else if (!strchr(argument, '/') && dp_architecture_parse(argument, &architecture, NULL) == DP_OK)
        cli_complain("%s is not in the cache (%s), and 'model pull' does not offer it; give the file", argument, path);
    else if (!g_path_is_absolute(argument) && *argument != '.' && !g_str_has_suffix(argument, ".safetensors")
             && !g_str_has_suffix(argument, ".json"))
        cli_complain(
            "%s: there is no such file, and no checkpoint of that name; 'dinopatch model list' names those known",
            cli_shown(argument));
    else
        return false;
    return true;
}

bool cli_model_open(const char *argument, dp_network **model, int *code)
{
    char *path = cli_model_path(argument);
    const char *variable = getenv("DINOPATCH_MODEL");
    if (!argument && !(variable && *variable))
        cli_note("using the built-in network nano; --model vitb14 or dinov3_vitb16 is more accurate and slower");
    dp_error err;
    bool good = false;
    dp_architecture architecture;
    const fetch_checkpoint *known = NULL;
    if (argument && !g_file_test(argument, G_FILE_TEST_EXISTS) && fetch_registry_find(argument, &known, NULL) == DP_OK)
        argument = known->name;
    if (cli_model_is_missing(argument, path)) {
        *code = EXIT_JOB_FAILED;
    } else if (dp_network_open(path, model, &err)) {
        *code = cli_failed(&err);
    } else if (argument && !strchr(argument, '/') && strcmp(argument, path) != 0 /* a name, found in the cache */
               && dp_architecture_parse(argument, &architecture, NULL) == DP_OK
               && dp_architecture_check(&architecture, *model, &err)) {
        cli_complain("%s: is not a %s: %s; 'dinopatch model pull %s' fetches it again", path, argument, err.message,
                     argument);
        dp_network_close(model);
        *code = EXIT_JOB_FAILED;
    } else {
        dp_network_info info;
        dp_network_get_info(*model, &info);
        if (!info.stand_in)
            set_licence(*model, path);
        good = *info.sha256 != 0;
        if (!good) {
            cli_complain("%s: cannot compute its SHA-256: not enough memory", path);
            dp_network_close(model);
            *code = EXIT_JOB_FAILED;
        }
    }
    g_free(path);
    if (good)
        warn_of_stand_in(*model);
    return good;
}

/* Opens a file that may be the bank's checkpoint. *why says why it is not; g_free. */
static bool open_same(const char *path, const dp_bank_details *bank, dp_network **model, char **why)
{
    dp_error err;
    dp_network_info info;
    *why = NULL;
    if (dp_network_open(path, model, &err)) {
        *why = g_strdup(err.message);
        return false;
    }
    dp_network_get_info(*model, &info);
    if (!strcmp(info.sha256, bank->model_sha256))
        return true;
    *why = *info.sha256 ? g_strdup_printf("%s is another checkpoint: SHA-256 %s", path, info.sha256)
                        : g_strdup_printf("%s: cannot compute its SHA-256 (not enough memory)", path);
    dp_network_close(model);
    return false;
}

static void note_variable(const char *recorded, const char *variable)
{
    char *line = g_strdup_printf(
        "cannot find %s, the bank's checkpoint; DINOPATCH_MODEL=%s has the same SHA-256 and is used instead", recorded,
        variable);
    cli_log(NULL, DP_LOG_INFO, line);
    g_free(line);
}

/* Tries in order: the built-in network, the file that the bank names, the same file name in the cache of this machine
 * (the bank may come from another machine), DINOPATCH_MODEL. The digest must be that of the bank's checkpoint. */
bool cli_model_open_for_bank(const char *argument, const dp_bank_details *bank, dp_network **model, int *code)
{
    const char *variable = getenv("DINOPATCH_MODEL");
    char *name = g_path_get_basename(bank->model_path), *why = NULL, *path = NULL;
    GString *tried = g_string_new(NULL);
    bool good = false;
    *code = EXIT_JOB_FAILED;
    if (argument) {
        good = cli_model_open(argument, model, code);
        dp_network_info info = {.sha256 = ""};
        if (good)
            dp_network_get_info(*model, &info);
        if (good && strcmp(info.sha256, bank->model_sha256) != 0) {
            cli_complain("--model %s is not the checkpoint that the bank was made with: that one is %s (SHA-256 %s), "
                         "but this one has SHA-256 %s",
                         argument, bank->model_path, bank->model_sha256,
                         *info.sha256 ? info.sha256 : "none: not enough memory");
            dp_network_close(model);
            *code = EXIT_JOB_FAILED;
            good = false;
        }
        goto done;
    }
    bool named = *bank->model_path && !cli_model_is_built_in(bank->model_path); /* the bank names a file */
    if (!strcmp(bank->model_sha256, DP_NETWORK_NANO_SHA256)) {
        good = open_same(DP_NETWORK_NANO, bank, model, &why);
        if (!good)
            g_string_append_printf(tried, "; %s", why);
        g_free(why);
    }
    char *places[] = {g_strdup(bank->model_path), g_build_filename(g_get_user_cache_dir(), "dinopatch", name, NULL)};
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        if (!good && named && g_file_test(places[i], G_FILE_TEST_EXISTS)
            && !(good = open_same(places[i], bank, model, &why))) {
            g_string_append_printf(tried, "; %s", why);
            g_free(why);
        }
        g_free(places[i]);
    }
    if (!good && variable && *variable) {
        path = cli_model_path(NULL);
        good = open_same(path, bank, model, &why);
        if (good)
            note_variable(bank->model_path, variable);
        else
            g_string_append_printf(tried, "; DINOPATCH_MODEL=%s: %s", variable, why);
        g_free(why);
    }
    if (good)
        warn_of_stand_in(*model);
    else
        cli_complain("cannot find the checkpoint that the bank was made with, %s (SHA-256 %s)%s; name it with --model",
                     *bank->model_path ? bank->model_path : "a file without a name", bank->model_sha256, tried->str);
done:
    g_string_free(tried, TRUE);
    g_free(path);
    g_free(name);
    return good;
}
