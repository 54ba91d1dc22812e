/* SPDX-License-Identifier: Apache-2.0 */
/* messages.c - what is printed on stderr, and the exit codes that go with it. */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *current_program = "dinopatch", *current_command, *current_verb;

void cli_begin_program(const char *program)
{
    current_program = program;
}

void cli_begin(const char *command)
{
    current_command = command;
    current_verb = NULL;
}

void cli_begin_verb(const char *verb)
{
    current_verb = verb;
}

char *cli_command(void)
{
    return g_strjoin(" ", current_program, current_command, current_verb, NULL); /* g_strjoin stops at the first NULL */
}

/* The library names a run setting by its key. --set takes the keys of a recipe, but a run setting needs its long
 * option. */
static const struct {
    const char *key, *option;
} run_keys[] = {{"max_pixels", "--max-pixels"},
                {"max_tokens", "--max-tokens"},
                {"max_memory", "--max-memory"},
                {"any_size", "--any-size"},
                {"tolerant=yes", "--tolerant"}};

char *cli_spelled(const char *message)
{
    GString *text = g_string_new(message);
    for (size_t i = 0; i < G_N_ELEMENTS(run_keys); i++)
        for (gsize at = 0; at < text->len;) {
            const char *found = strstr(text->str + at, run_keys[i].key);
            if (!found)
                break;
            const gsize begin = (gsize)(found - text->str), length = strlen(run_keys[i].key);
            const char next = found[length];
            const bool word = (!begin || text->str[begin - 1] == ' ') && !(next == '_' || g_ascii_isalnum(next));
            at = begin + length;
            if (word) {
                g_string_erase(text, (gssize)begin, (gssize)length);
                g_string_insert(text, (gssize)begin, run_keys[i].option);
                at = begin + strlen(run_keys[i].option);
            }
        }
    return g_string_free(text, FALSE);
}

static void print_message(const char *format, va_list args)
{
    cli_progress_hide();
    char *plain = g_strdup_vprintf(format, args), *text = cli_spelled(plain);
    fprintf(stderr, "%s%s%s: %s\n", current_program, current_command ? " " : "", current_command ? current_command : "",
            cli_shown(text));
    g_free(plain);
    g_free(text);
}

void cli_complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message(format, args);
    va_end(args);
}

static bool notes_hidden;

void cli_hide_notes(void)
{
    notes_hidden = true;
}

void cli_note(const char *format, ...)
{
    if (notes_hidden)
        return;
    va_list args;
    va_start(args, format);
    print_message(format, args);
    va_end(args);
}

int cli_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message(format, args);
    va_end(args);
    char *command = cli_command();
    fprintf(stderr, "Try '%s --help'.\n", command);
    g_free(command);
    return EXIT_USAGE;
}

void cli_log(void *user, dp_log_level level, const char *line)
{
    char *text = cli_spelled(line);
    cli_progress_hide();
    fprintf(stderr, "%s%s\n", level == DP_LOG_WARNING ? "warning: " : "", cli_shown(text));
    g_free(text);
}

void cli_log_warning(void *user, dp_log_level level, const char *line)
{
    if (level == DP_LOG_WARNING)
        cli_log(user, level, line);
}

void cli_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = g_strdup_vprintf(format, args);
    va_end(args);
    cli_log(NULL, DP_LOG_WARNING, text);
    g_free(text);
}

int cli_failed(const dp_error *err)
{
    cli_complain("%s", err->message);
    return err->status == DP_E_ARGUMENT ? EXIT_USAGE : EXIT_JOB_FAILED;
}
