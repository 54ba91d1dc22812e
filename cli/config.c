/* SPDX-License-Identifier: Apache-2.0 */
/* config.c - reads a configuration file: one JSON object whose keys are those of `dinopatch options`.
 *
 *      {"align": "none", "search.knn": 3, "map": {"low": 0.5, "high": 0.8}}
 *
 * An object inside replaces the dots of a key: the last entry is map.low and map.high. */
#include "config.h"

#include <math.h>
#include <string.h>

int cli_option_index(const char *where, const char *key)
{
    GPtrArray *names = g_ptr_array_new();
    const char *alias = NULL;
    int found = -1;
    for (size_t i = 0; i < dp_option_count() && found < 0; i++) {
        const dp_option *option = dp_option_at(i);
        g_ptr_array_add(names, (char *)option->key);
        if (!strcmp(option->key, key))
            found = (int)i;
        else if (option->alias && !strcmp(option->alias, key))
            alias = option->key;
    }
    g_ptr_array_add(names, NULL);
    if (found < 0) {
        char *meant = alias ? g_strdup_printf("; did you mean %s?", alias)
                            : cli_did_you_mean(key, "", (const char *const *)names->pdata);
        cli_complain("%s %s: there is no such option%s%s", where, key, meant,
                     *meant ? "" : "; 'dinopatch options' lists them");
        g_free(meant);
    }
    g_ptr_array_unref(names);
    return found;
}

/* Writes 3, 0.5, 1.0: a real number keeps its point, so that nothing takes it for a count. */
static void append_number(GString *text, const json_t *value)
{
    char digits[G_ASCII_DTOSTR_BUF_SIZE];
    if (json_is_integer(value)) {
        g_string_append_printf(text, "%lld", (long long)json_integer_value(value));
        return;
    }
    g_ascii_dtostr(digits, sizeof digits, json_real_value(value));
    g_string_append_printf(text, "%s%s", digits, strpbrk(digits, ".e") ? "" : ".0");
}

/* The text that sets an option to a JSON value. NULL: the value has another type than the option. */
static char *text_of(const dp_option *option, const json_t *value, const char **expected)
{
    const dp_option_kind kind = option->kind;
    bool list = kind == DP_OPTION_LAYERS || kind == DP_OPTION_CANNY || kind == DP_OPTION_CANVAS;
    bool number =
        kind == DP_OPTION_WHOLE || kind == DP_OPTION_REAL || kind == DP_OPTION_SHARE || kind == DP_OPTION_WINDOW;
    bool word = (number && !(option->flags & DP_OPTION_OFF) && kind != DP_OPTION_WINDOW) || kind == DP_OPTION_FLAG
                    ? false
                    : true;
    *expected = kind == DP_OPTION_FLAG ? "true or false"
                : list                 ? "a string or a list of numbers"
                : number && word       ? "a number or a word"
                : number               ? "a number"
                                       : "a string";
    if (kind == DP_OPTION_FLAG)
        return json_is_boolean(value) ? g_strdup(json_is_true(value) ? "yes" : "no") : NULL;
    if (json_is_string(value) && word) {
        const char *text = json_string_value(value);
        return number && g_ascii_isdigit(*text) ? NULL : g_strdup(text);
    }
    GString *text = g_string_new(NULL);
    bool good = false;
    if ((number || kind == DP_OPTION_LAYERS) && json_is_number(value)) {
        append_number(text, value);
        good = true;
    } else if (list && json_is_array(value)) {
        good = json_array_size(value) > 0;
        for (size_t i = 0; i < json_array_size(value) && good; i++) {
            const json_t *item = json_array_get(value, i);
            g_string_append(text, !i ? "" : kind == DP_OPTION_CANVAS ? "x" : ",");
            good = json_is_number(item);
            if (good)
                append_number(text, item);
        }
    }
    return g_string_free(text, !good);
}

static bool read_object(json_t *object, const char *prefix, const char *path, cli_config_fn take, void *user)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        char *key = g_strconcat(prefix, name, NULL), *text = NULL;
        bool good;
        if (json_is_object(value)) {
            char *longer = g_strconcat(key, ".", NULL);
            good = read_object(value, longer, path, take, user);
            g_free(longer);
        } else {
            char *where = g_strconcat(path, ":", NULL);
            int index = cli_option_index(where, key);
            g_free(where);
            const char *expected = NULL;
            good = index >= 0;
            if (good && !(text = text_of(dp_option_at((size_t)index), value, &expected))) {
                cli_complain("%s: %s is not %s", path, key, expected);
                good = false;
            }
            good = good && take(user, path, key, text);
        }
        g_free(text);
        g_free(key);
        if (!good)
            return false;
    }
    return true;
}

bool cli_config_read(const char *path, cli_config_fn take, void *user)
{
    json_t *all = cli_json_load(path, JSON_REJECT_DUPLICATES);
    bool good = all != NULL;
    if (good && !json_is_object(all)) {
        cli_complain("%s: is not a JSON object of options", path);
        good = false;
    }
    good = good && read_object(all, "", path, take, user);
    json_decref(all);
    return good;
}
