/* SPDX-License-Identifier: Apache-2.0 */
/* recipe.c - makes a dp_recipe from the command line and a file, by the table of options. */
#include "recipe.h"
#include "config.h"

#include <string.h>

/* The options on the first page of --help; --help=all lists all. */
static const char *const first[] = {"method",    "size", "align",  "canvas", "edge",
                                    "precision", "seed", "window", "fpr",    NULL};

/* The options that make a bank smaller. */
static const char *const compressing[] = {"bank.storage", "bank.pca", "bank.kmeans", "bank.coreset", "seed", NULL};

char *cli_option_text(const dp_recipe *recipe, const char *key)
{
    char *text = NULL;
    if (dp_recipe_get(recipe, key, &text, NULL))
        return g_strdup("?");
    char *copy = g_strdup(text);
    dp_memory_free(text);
    return copy;
}

static bool is_of_bank(const cli_recipe *o)
{
    return o->parts & (CLI_RECIPE_OVERRIDE | CLI_RECIPE_SEARCH);
}

static bool is_taken(unsigned parts, const dp_option *option)
{
    bool search = !strcmp(option->key, "window") || g_str_has_prefix(option->key, "search.");
    if (parts & CLI_RECIPE_PRECISION)
        return !strcmp(option->key, "precision");
    if (parts & CLI_RECIPE_COMPRESS)
        return g_strv_contains(compressing, option->key);
    if (parts & CLI_RECIPE_SEARCH)
        return search;
    return parts & CLI_RECIPE_OVERRIDE ? option->flags & DP_OPTION_OVERRIDE : parts >> option->stage & 1;
}

void cli_recipe_begin(unsigned parts, dp_recipe *recipe)
{
    dp_recipe_preset(recipe, parts & CLI_RECIPE_BANK ? DP_METHOD_AUTO : DP_METHOD_DINOPATCH);
}

const cli_option *cli_recipe_entries(cli_recipe *o, unsigned parts, const cli_option *own)
{
    dp_recipe standard;
    cli_recipe_begin(parts, &standard);
    *o = (cli_recipe){.parts = parts};
    size_t n = 0;
    for (; own[n].long_name; n++)
        o->entries[n] = own[n];
    for (size_t i = 0; i < dp_option_count(); i++) {
        const dp_option *option = dp_option_at(i);
        if (!option->alias || !is_taken(parts, option))
            continue;
        char *text = cli_option_text(&standard, option->key);
        char *help = is_of_bank(o) ? g_strconcat(option->help, " (default: the bank's)", NULL)
                     : option->kind == DP_OPTION_FLAG || parts & CLI_RECIPE_COMPRESS || !strcmp(text, "?")
                             || !strcmp(text, "auto")
                         ? g_strdup(option->help)
                         : g_strdup_printf("%s (default %s)", option->help, text);
        bool flag = option->kind == DP_OPTION_FLAG,
             hidden = !(parts & CLI_RECIPE_COMPRESS) && !g_strv_contains(first, option->key);
        o->entries[n++] = (cli_option){option->alias,
                                       0,
                                       hidden ? CLI_MORE : 0,
                                       flag ? CLI_SETTING_FLAG : CLI_SETTING,
                                       o,
                                       g_intern_string(help),
                                       flag ? NULL : option->takes};
        g_free(help);
        g_free(text);
    }
    if (parts & CLI_RECIPE_PRECISION)
        return o->entries;
    o->entries[n++] = (cli_option){
        "set", 0, 0, CLI_SETTING, o, "set any option of 'dinopatch options' by its key; may be repeated", "KEY=VALUE"};
    o->entries[n++] = (cli_option){
        "config", 0, 0, CLI_FILE, &o->config, "read options from a JSON object; the command line overrides it", "FILE"};
    return o->entries;
}

/* The reason in a message of dp_recipe_set, which begins with "KEY TEXT: ". */
static const char *reason_of(const dp_error *err, const char *key, const char *text)
{
    size_t front = strlen(key) + 1 + strlen(text) + 2;
    return strlen(err->message) > front ? err->message + front : err->message;
}

/* Tries whether the text suits the option by itself. shown: "--fpr 2", "cfg.json: fpr 2". False: complained. */
static bool try_option(const dp_option *option, const char *text, const char *shown)
{
    dp_recipe scratch;
    dp_error err;
    dp_recipe_init(&scratch);
    if (!dp_recipe_set(&scratch, option->key, text, &err))
        return true;
    char *meant = option->kind == DP_OPTION_CHOICE ? cli_did_you_mean(text, "", option->choices) : g_strdup("");
    cli_usage("%s: %s%s", shown, reason_of(&err, option->key, text), meant);
    g_free(meant);
    return false;
}

/* True if the command takes the option. False: complained. */
static bool belongs(const cli_recipe *o, const dp_option *option, const char *where)
{
    if (is_taken(o->parts, option))
        return true;
    char *command = cli_command();
    cli_usage("%s %s: '%s' does not take this option%s", where, option->key, command,
              is_of_bank(o) && !(option->flags & DP_OPTION_OVERRIDE) ? "; give it to fit, because it needs new features"
                                                                     : "");
    g_free(command);
    return false;
}

bool cli_recipe_take(cli_recipe *o, const char *name, const char *value)
{
    bool set = !strcmp(name, "set");
    const char *text = value;
    char *key = NULL, *shown = g_strdup_printf("--%s %s", name, value);
    int index = -1;
    bool good = true;
    if (set) {
        const char *equals = strchr(value, '=');
        good = equals && equals > value && equals[1];
        if (!good)
            cli_usage("--set %s: write --set KEY=VALUE, such as --set search.knn=3", value);
        key = good ? g_strndup(value, (gsize)(equals - value)) : NULL;
        text = good ? equals + 1 : NULL;
        good =
            good && (index = cli_option_index("--set", key)) >= 0 && belongs(o, dp_option_at((size_t)index), "--set");
    } else {
        index = 0;
        while (!dp_option_at((size_t)index)->alias || strcmp(dp_option_at((size_t)index)->alias, name) != 0)
            index++;
    }
    if (good) {
        const dp_option *option = dp_option_at((size_t)index);
        good = try_option(option, text, shown);
        if (good)
            o->given[index] = g_intern_string(text);
    }
    g_free(shown);
    g_free(key);
    return good;
}

/* The options that a file sets. */
struct file {
    const cli_recipe *options;
    const char *given[CLI_MOST_OPTIONS];
};

static bool take_from_file(void *user, const char *path, const char *key, const char *text)
{
    struct file *file = user;
    size_t index = (size_t)cli_option_index(path, key);
    const dp_option *option = dp_option_at(index);
    char *where = g_strconcat(path, ":", NULL), *shown = g_strdup_printf("%s: %s %s", path, key, text);
    bool good = belongs(file->options, option, where) && try_option(option, text, shown);
    g_free(where);
    g_free(shown);
    if (!good)
        return false;
    file->given[index] = g_intern_string(text);
    return true;
}

/* Applies options in the order of the table, so that an option comes after those that it overrides. */
static void lay_over(const char *const *given, dp_recipe *recipe)
{
    for (size_t i = 0; i < dp_option_count(); i++)
        if (given[i] && strcmp(dp_option_at(i)->key, "method") != 0)
            (void)dp_recipe_set(recipe, dp_option_at(i)->key, given[i], NULL); /* tried already */
}

static size_t index_of(const char *key)
{
    size_t i = 0;
    while (strcmp(dp_option_at(i)->key, key) != 0)
        i++;
    return i;
}

bool cli_recipe_resolve(cli_recipe *o, dp_recipe *recipe, int *code)
{
    struct file file = {.options = o};
    dp_error err;
    bool good = !o->config || cli_config_read(o->config, take_from_file, &file);
    const size_t canvas = index_of("canvas"), edge = index_of("edge"), method = index_of("method");
    for (const char **given = file.given; good && given; given = given == file.given ? o->given : NULL)
        if (given[canvas] && given[edge]) {
            cli_usage("give edge or canvas, not both");
            good = false;
        }
    if (good) {
        const char *name = o->given[method] ? o->given[method] : file.given[method];
        if (name)
            (void)dp_recipe_set(recipe, "method", name, NULL);
        lay_over(file.given, recipe);
        lay_over(o->given, recipe);
        /* dp_view_settle checks a bank's own recipe against what is searched. */
        if (!is_of_bank(o) && !(o->parts & CLI_RECIPE_COMPRESS) && dp_recipe_check(recipe, &err)) {
            cli_usage("%s", err.message);
            good = false;
        }
    }
    for (size_t i = 0; i < CLI_MOST_OPTIONS; i++)
        o->given[i] = o->given[i] ? o->given[i] : file.given[i]; /* for cli_recipe_given */
    if (!good)
        *code = EXIT_USAGE;
    return good;
}

bool cli_recipe_is_given(const cli_recipe *o, const char *key)
{
    return o->given[index_of(key)] != NULL;
}

json_t *cli_recipe_given(const cli_recipe *o, const dp_recipe *recipe)
{
    json_t *given = json_object();
    for (size_t i = 0; i < dp_option_count(); i++) {
        const dp_option *option = dp_option_at(i);
        char *text = !o->given[i]                     ? NULL
                     : !strcmp(option->key, "method") ? g_strdup(o->given[i])
                                                      : cli_option_text(recipe, option->key);
        if (text)
            cli_json_set(given, option->key, cli_json_text(text));
        g_free(text);
    }
    return given;
}
