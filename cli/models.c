/* models.c - from --model M to an open checkpoint: a file, or a name of the registry that lies in the cache. */
#include "models.h"

#include <stdlib.h>
#include <string.h>

char *cli_model_path(const char *model)
{
    if (!model)
        model = getenv("DINOPATCH_MODEL");
    if (!model || !*model)
        return NULL;
    if (strchr(model, '/') || g_str_has_suffix(model, ".safetensors") || g_file_test(model, G_FILE_TEST_EXISTS))
        return g_strdup(model);
    char *file = g_strconcat(model, ".safetensors", NULL);
    char *path = g_build_filename(g_get_user_cache_dir(), "dinopatch", file, NULL);
    g_free(file);
    return path;
}

static bool in_registry(const char *name)
{
    for (size_t i = 0; i < dp_registry_count(); i++)
        if (!strcmp(dp_registry_at(i)->name, name))
            return true;
    return false;
}

bool cli_model_open(const char *argument, dp_model **model, int *code)
{
    char *path = cli_model_path(argument);
    if (!path) {
        *code = cli_usage("--model is missing (a checkpoint file, a name like vits14, or DINOPATCH_MODEL)");
        return false;
    }
    dp_error err;
    bool good = false;
    dp_architecture architecture;
    if (argument && !strchr(argument, '/') && !g_file_test(path, G_FILE_TEST_EXISTS)
        && dp_architecture_parse(argument, &architecture, NULL) == DP_OK) {
        if (in_registry(argument))
            cli_complain("%s is not in the cache (%s): run 'dinopatch model pull %s' first", argument, path, argument);
        else
            cli_complain("%s is not in the cache (%s), and 'model pull' does not have it: give the file", argument, path);
        *code = EXIT_JOB_FAILED;
    } else if (dp_model_open(path, model, &err)) {
        *code = cli_failed(&err);
    } else if (argument && !strchr(argument, '/') && strcmp(argument, path) != 0 /* from the cache, by its name */
               && dp_architecture_parse(argument, &architecture, NULL) == DP_OK && dp_architecture_check(&architecture, *model, &err)) {
        cli_complain("%s: is no %s: %s.  'dinopatch model pull %s' fetches it anew", path, argument, err.message, argument);
        dp_model_close(model);
        *code = EXIT_JOB_FAILED;
    } else {
        good = true;
    }
    g_free(path);
    if (good) {
        dp_model_info info;
        dp_model_get_info(*model, &info);
        if (info.stand_in)
            cli_log(NULL, DP_LOG_WARNING, "this checkpoint is a stand-in of random weights: it has learned nothing");
    }
    return good;
}

bool cli_model_open_for_bank(const char *argument, const dp_bank_info *bank, dp_model **model, int *code)
{
    const char *named = getenv("DINOPATCH_MODEL");
    if (argument || (named && *named))
        return cli_model_open(argument, model, code);
    if (g_file_test(bank->model_path, G_FILE_TEST_EXISTS))
        return cli_model_open(bank->model_path, model, code);
    /* The bank may come from another machine: the same file name in this one's cache. */
    char *name = g_path_get_basename(bank->model_path), *path = g_build_filename(g_get_user_cache_dir(), "dinopatch", name, NULL);
    bool good = g_file_test(path, G_FILE_TEST_EXISTS);
    if (good) {
        good = cli_model_open(path, model, code);
    } else {
        cli_complain("the bank's checkpoint %s is not here: give it by --model (SHA-256 %s)", bank->model_path,
                     bank->model_sha256);
        *code = EXIT_JOB_FAILED;
    }
    g_free(path);
    g_free(name);
    return good;
}
