/* SPDX-License-Identifier: Apache-2.0 */
/* verbs.c - commands that have commands of their own: `bank info`, `model pull`. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

static int give_one(const cli_verb *verbs, size_t n)
{
    GString *list = g_string_new(NULL);
    for (size_t i = 0; i < n; i++)
        g_string_append_printf(list, "%s%s", !i ? "" : i + 1 < n ? ", " : " or ", verbs[i].name);
    int code = cli_usage("give %s", list->str);
    g_string_free(list, TRUE);
    return code;
}

static void print_help(const cli_verb *verbs, size_t n)
{
    g_autofree char *command = cli_command();
    puts("Usage:");
    for (size_t i = 0; i < n; i++) {
        g_autofree char *summary = g_strconcat("      ", verbs[i].summary, NULL);
        printf("  %s %s\n", command, verbs[i].usage);
        cli_print_wrapped(summary, 6);
    }
}

int cli_run_verb(int argc, char **argv, const cli_verb *verbs, size_t n)
{
    if (argc < 2)
        return give_one(verbs, n);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(argv[1], verbs[i].name)) {
            cli_begin_verb(verbs[i].name);
            return verbs[i].run(argc - 1, argv + 1);
        }
    if (g_str_has_prefix(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        print_help(verbs, n);
        return EXIT_DONE;
    }
    const char **names = g_new0(const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        names[i] = verbs[i].name;
    int code = cli_unknown_command(argv[1], names);
    g_free(names);
    return code;
}
