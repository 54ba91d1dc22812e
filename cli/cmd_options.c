/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch options - prints the table of options that --set and a configuration file take. */
#include "recipe.h"

#include <stdio.h>
#include <string.h>

static const char *kind_name(dp_option_kind kind)
{
    static const char *const names[] = {"choice", "flag",   "whole",  "real",  "share", "amount",
                                        "window", "layers", "canvas", "canny", "map"};
    return names[kind];
}

static bool has_range(const dp_option *o)
{
    return o->kind == DP_OPTION_REAL || o->kind == DP_OPTION_SHARE || o->kind == DP_OPTION_WINDOW
           || (o->kind == DP_OPTION_WHOLE && !o->choices);
}

/* "1 to 99, odd", "above 0 and below 1", or "" if words say it all; g_free. */
static char *range_text(const dp_option *o)
{
    if (!has_range(o))
        return g_strdup("");
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "%s%.10g", o->flags & DP_OPTION_ABOVE ? "above " : "", o->low);
    if (o->high < CLI_NO_END)
        g_string_append_printf(text, "%s%.10g", o->flags & DP_OPTION_BELOW ? " and below " : " to ", o->high);
    else
        g_string_append(text, " or more");
    if (o->kind == DP_OPTION_SHARE)
        g_string_assign(text, "between 0 and 1, or a count");
    if (o->flags & DP_OPTION_ODD)
        g_string_append(text, ", odd");
    return g_string_free(text, FALSE);
}

/* g_free. */
static char *default_text(const dp_option *o)
{
    dp_recipe recipe;
    dp_recipe_init(&recipe);
    return !strcmp(o->key, "method") ? g_strdup("auto") : cli_option_text(&recipe, o->key);
}

static json_t *row_json(const dp_option *o)
{
    char *text = default_text(o);
    json_t *choices = o->choices ? json_array() : json_null();
    for (size_t i = 0; o->choices && o->choices[i]; i++)
        cli_json_append(choices, json_string(o->choices[i]));
    json_t *range = !has_range(o)
                        ? json_null()
                        : cli_json_pack("{s:o, s:b, s:o, s:b, s:b}", "low", cli_json_real(o->low), "low_open",
                                        (o->flags & DP_OPTION_ABOVE) != 0, "high", cli_json_real(o->high), "high_open",
                                        (o->flags & DP_OPTION_BELOW) != 0, "odd", (o->flags & DP_OPTION_ODD) != 0);
    json_t *row =
        cli_json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:s?, s:s, s:s?, s:s?, s:b, s:b}", "key", o->key, "kind",
                      kind_name(o->kind), "takes", o->takes, "range", range, "choices", choices, "default", text,
                      "unit", o->unit, "help", o->help, "needs", o->needs, "alias", o->alias, "off",
                      (o->flags & DP_OPTION_OFF) != 0, "overridable", (o->flags & DP_OPTION_OVERRIDE) != 0);
    g_free(text);
    return row;
}

static void print_text(void)
{
    printf("Options of a recipe, for --set KEY=VALUE and --config FILE.  * marks options that inspect and calibrate "
           "may change.\n"
           "\n"
           "  %-23s %-61s %s\n",
           "KEY", "VALUE", "DEFAULT");
    for (size_t i = 0; i < dp_option_count(); i++) {
        const dp_option *o = dp_option_at(i);
        char *text = default_text(o), *range = range_text(o);
        char *value = g_strconcat(o->takes, o->flags & DP_OPTION_OFF ? "|off" : "", *range ? ", " : "", range,
                                  o->unit ? " " : "", o->unit ? o->unit : "", NULL);
        printf("%s %-23s %-61s %s\n      %s\n", o->flags & DP_OPTION_OVERRIDE ? "*" : " ", o->key, value, text,
               o->help);
        if (o->needs)
            printf("      needs %s\n", o->needs);
        g_free(value);
        g_free(range);
        g_free(text);
    }
}

/* A cell of a Markdown table. */
static void print_cell(const char *text, bool code)
{
    fputs(code && *text ? " `" : " ", stdout);
    for (const char *c = text; *c; c++)
        fputs(*c == '|' ? "\\|" : (const char[]){*c, '\0'}, stdout);
    fputs(code && *text ? "` |" : " |", stdout);
}

static void print_markdown(void)
{
    printf("| key | value | range | default | long option | what it does |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < dp_option_count(); i++) {
        const dp_option *o = dp_option_at(i);
        char *text = default_text(o), *range = range_text(o),
             *alias = o->alias ? g_strconcat("--", o->alias, NULL) : g_strdup("");
        char *value = g_strconcat(o->takes, o->flags & DP_OPTION_OFF ? "|off" : "", NULL);
        char *unit = g_strconcat(range, o->unit && *range ? " " : "", o->unit ? o->unit : "", NULL);
        char *help = g_strconcat(o->help, o->needs ? ". Needs " : "", o->needs ? o->needs : "",
                                 o->flags & DP_OPTION_OVERRIDE ? ". *" : "", NULL);
        fputs("|", stdout);
        print_cell(o->key, true);
        print_cell(value, true);
        print_cell(unit, false);
        print_cell(text, true);
        print_cell(alias, true);
        print_cell(help, false);
        fputs("\n", stdout);
        g_free(help);
        g_free(unit);
        g_free(value);
        g_free(alias);
        g_free(range);
        g_free(text);
    }
}

int cmd_options(int argc, char **argv)
{
    gboolean json = FALSE, markdown = FALSE;
    int code;
    const cli_option entries[] = {{"json", 0, 0, CLI_FLAG, &json, "a JSON list of the options on stdout", NULL},
                                  {"markdown", 0, 0, CLI_FLAG, &markdown, "the table of docs/options.md", NULL},
                                  CLI_OPTION_END};
    if (!cli_parse(&argc, &argv, entries, NULL, "",
                   "Lists the options of a recipe: key, value, range, default, and what each does.",
                   "fit, eval, embed and align take them as --set KEY=VALUE, as keys of the JSON object in --config "
                   "FILE, and many as long\n"
                   "options of their own, which --help=all lists; inspect, calibrate and tune take those that need no "
                   "new features.",
                   &code))
        return code;
    if (argc > 1)
        return cli_usage("'%s': options takes no arguments", argv[1]);
    if (json && markdown)
        return cli_usage("give --json or --markdown, not both");
    if (json) {
        json_t *list = json_array();
        for (size_t i = 0; i < dp_option_count(); i++)
            cli_json_append(list, row_json(dp_option_at(i)));
        return cli_json_print(list) ? EXIT_DONE : EXIT_JOB_FAILED;
    }
    if (markdown)
        print_markdown();
    else
        print_text();
    return EXIT_DONE;
}
