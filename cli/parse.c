/* SPDX-License-Identifier: Apache-2.0 */
/* parse.c - reads a command line by a command's table of options, and makes the --help page from the same table.
 *
 * The value of an option is the next word, or the text after "=". If an option is repeated, the last value counts, and
 * a warning says so. "--" ends the options. */
#include "recipe.h"

#include <stdio.h>
#include <string.h>

struct parser {
    GPtrArray *options;  /* of const cli_option */
    GPtrArray *values;   /* of each option: the last value, or NULL */
    GPtrArray *repeated; /* options that were repeated with another value */
    const char **words;
    int n_words, next; /* the word to read next */
    bool help_all;     /* --help=all */
};

static bool takes_value(const cli_option *o)
{
    return o->arg != CLI_FLAG && o->arg != CLI_SETTING_FLAG;
}

static const cli_option *find_long(const struct parser *p, const char *name, size_t length)
{
    for (guint i = 0; i < p->options->len; i++) {
        const cli_option *o = p->options->pdata[i];
        if (strlen(o->long_name) == length && !strncmp(o->long_name, name, length))
            return o;
    }
    return NULL;
}

static const cli_option *find_short(const struct parser *p, char letter)
{
    for (guint i = 0; i < p->options->len; i++)
        if (((const cli_option *)p->options->pdata[i])->short_name == letter)
            return p->options->pdata[i];
    return NULL;
}

static void unknown_option(const struct parser *p, const char *name, size_t length)
{
    GPtrArray *names = g_ptr_array_new();
    for (guint i = 0; i < p->options->len; i++)
        g_ptr_array_add(names, (char *)((const cli_option *)p->options->pdata[i])->long_name);
    g_ptr_array_add(names, NULL);
    char *word = g_strndup(name, length), *command = cli_command();
    char *meant = cli_did_you_mean(word, "--", (const char *const *)names->pdata);
    cli_usage("--%s: '%s' has no such option%s", word, command, meant);
    g_free(meant);
    g_free(command);
    g_free(word);
    g_ptr_array_unref(names);
}

static void remember(struct parser *p, const cli_option *o, const char *value)
{
    guint i = 0;
    while (p->options->pdata[i] != o)
        i++;
    const char *before = p->values->pdata[i];
    bool again = o->arg == CLI_FILES || (o->arg == CLI_SETTING && !strcmp(o->long_name, "set"));
    if (before && !again && strcmp(before, value) != 0)
        g_ptr_array_add(p->repeated, (gpointer)o);
    p->values->pdata[i] = (gpointer)value;
}

/* Stores one option where the table says. value NULL: the option is a flag, or needs no value. False: complained. */
static bool put(struct parser *p, const cli_option *o, const char *value)
{
    remember(p, o, value ? value : "");
    if (o->arg == CLI_SETTING_FLAG)
        return cli_recipe_take(o->arg_data, o->long_name, "yes");
    if (!takes_value(o)) {
        *(gboolean *)o->arg_data = TRUE;
        return true;
    }
    if (!value) {
        ((cli_number *)o->arg_data)->given = true;
        return true;
    }
    if (!*value) {
        cli_usage("--%s: its value is empty; write --%s=%s", o->long_name, o->long_name, o->arg_description);
        return false;
    }
    if (o->arg == CLI_SETTING)
        return cli_recipe_take(o->arg_data, o->long_name, value);
    if (o->arg == CLI_TEXT || o->arg == CLI_FILE || o->arg == CLI_CONFIG) {
        *(char **)o->arg_data = (char *)value;
    } else if (o->arg == CLI_FILES) {
        char ***list = o->arg_data;
        guint n = *list ? g_strv_length(*list) : 0;
        *list = g_renew(char *, *list, n + 2);
        (*list)[n] = g_strdup(value);
        (*list)[n + 1] = NULL;
    } else {
        cli_number *number = o->arg_data;
        char *reason = cli_number_read(o, value, &number->value);
        if (reason) {
            cli_usage("--%s %s: %s", o->long_name, value, reason);
            g_free(reason);
            return false;
        }
        number->given = true;
    }
    return true;
}

/* The word after an option. False: there is none; complained. */
static bool next_value(struct parser *p, const cli_option *o, const char **value)
{
    const char *word = p->next < p->n_words ? p->words[p->next] : NULL;
    if (o->flags & CLI_LONE) { /* the next word is its value only if it looks like a number */
        bool number = word && (g_ascii_isdigit(word[0]) || (word[0] == '-' && g_ascii_isdigit(word[1])));
        *value = number && !strchr(word, '/') && !strchr(word, '.') ? p->words[p->next++] : NULL;
        return true;
    }
    if (!word) {
        cli_usage("--%s: its value is missing; write --%s=%s", o->long_name, o->long_name, o->arg_description);
        return false;
    }
    if (g_str_has_prefix(word, "--") && find_long(p, word + 2, strcspn(word + 2, "="))) {
        cli_usage("--%s: its value is missing, because %s is an option; write --%s=%s", o->long_name, word,
                  o->long_name, o->arg_description);
        return false;
    }
    p->next++;
    *value = word;
    return true;
}

static bool parse_long(struct parser *p, const char *name)
{
    size_t length = strcspn(name, "=");
    const cli_option *o = find_long(p, name, length);
    const char *value = name[length] ? name + length + 1 : NULL;
    if (!o) {
        unknown_option(p, name, length);
        return false;
    }
    if (value && !strcmp(o->long_name, "help") && !strcmp(value, "all")) {
        p->help_all = true;
        value = NULL;
    }
    if (value && !takes_value(o)) {
        cli_usage("--%s: takes no value; remove '=%s'", o->long_name, value);
        return false;
    }
    return (value || !takes_value(o) || next_value(p, o, &value)) && put(p, o, value);
}

/* Reads -q, -qt4, -t 4, -t4. */
static bool parse_short(struct parser *p, const char *letters)
{
    size_t length = strcspn(letters, "=");
    if (length > 2 && find_long(p, letters, length)) { /* do not read -bank as a bank called "ank" */
        cli_usage("-%s: an option with more than one letter needs two dashes; did you mean --%.*s?", letters,
                  (int)length, letters);
        return false;
    }
    for (; *letters; letters++) {
        const cli_option *o = find_short(p, *letters);
        const char *value = letters[1] ? letters + 1 : NULL;
        if (!o) {
            char *command = cli_command();
            bool ascii = g_ascii_isgraph(*letters);
            cli_usage("-%.*s: '%s' has no such option", ascii ? 1 : (int)strlen(letters), letters, command);
            g_free(command);
            return false;
        }
        if (!takes_value(o)) {
            if (!put(p, o, NULL))
                return false;
            continue;
        }
        if (value && *value == '=') {
            cli_usage("-%c%s: write -%c %s, or --%s%s", *letters, value, *letters, value + 1, o->long_name, value);
            return false;
        }
        return (value || next_value(p, o, &value)) && put(p, o, value);
    }
    return true;
}

/* ----- a file of options: {"listen": "0.0.0.0:8080", "workers": 4, "host": ["a", "b"], "json": true} */

/* Texts of files stay until the process ends, as those of the command line do. */
static const char *kept(char *text)
{
    static GPtrArray *texts;
    if (!texts)
        texts = g_ptr_array_new();
    g_ptr_array_add(texts, text);
    return text;
}

static bool put_json(struct parser *p, const cli_option *o, const char *path, const json_t *value)
{
    size_t i;
    json_t *item;
    if (!takes_value(o)) {
        if (json_is_boolean(value))
            return json_is_false(value) || put(p, o, NULL);
        cli_complain("%s: %s is not true or false", path, o->long_name);
        return false;
    }
    if (o->arg == CLI_FILES && json_is_array(value)) {
        json_array_foreach(value, i, item)
        {
            if (json_is_array(item) || !put_json(p, o, path, item))
                return false;
        }
        return true;
    }
    if (json_is_string(value))
        return put(p, o, kept(g_strdup(json_string_value(value))));
    if (json_is_integer(value))
        return put(p, o, kept(g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value))));
    if (json_is_real(value)) {
        char digits[G_ASCII_DTOSTR_BUF_SIZE];
        return put(p, o, kept(g_strdup(g_ascii_dtostr(digits, sizeof digits, json_real_value(value)))));
    }
    cli_complain("%s: %s is not a string or a number", path, o->long_name);
    return false;
}

/* What the command line says is not looked at in the file. */
static bool read_config(struct parser *p, const char *path)
{
    json_t *all = cli_json_load(path, JSON_REJECT_DUPLICATES), *value;
    const char *name;
    g_autofree gpointer *given = g_memdup2(p->values->pdata, p->values->len * sizeof(gpointer));
    bool good = json_is_object(all);
    if (all && !good)
        cli_complain("%s: is not a JSON object of options", path);
    json_object_foreach(all, name, value)
    {
        const cli_option *o = find_long(p, name, strlen(name));
        guint i = 0;
        if (!o || o->arg == CLI_CONFIG || !strcmp(name, "help")) {
            g_autofree char *command = cli_command();
            cli_complain("%s: '%s' has no option %s", path, command, name);
            good = false;
            break;
        }
        while (p->options->pdata[i] != o)
            i++;
        good = given[i] || put_json(p, o, path, value);
        if (!good)
            break;
    }
    json_decref(all);
    return good;
}

static bool read_configs(struct parser *p)
{
    for (guint i = 0; i < p->options->len; i++) {
        const cli_option *o = p->options->pdata[i];
        if (o->arg == CLI_CONFIG && p->values->pdata[i] && !read_config(p, p->values->pdata[i]))
            return false;
    }
    return true;
}

#define HELP_WIDTH 80
#define HELP_COLUMN 28 /* where the text of an option begins */

void cli_print_wrapped(const char *line, size_t hang)
{
    size_t begin = 0;
    while (strlen(line) > HELP_WIDTH - begin) {
        size_t end = HELP_WIDTH - begin, least = begin ? 0 : hang;
        while (end > least && line[end] != ' ')
            end--;
        if (end == least) /* a word that is wider than the page */
            end += strcspn(line + end, " ");
        if (!line[end])
            break;
        printf("%.*s\n%*s", (int)end, line, (int)hang, "");
        line += end + 1;
        begin = hang;
    }
    puts(line);
}

/* Prints paragraphs. A line that ends with a full stop ends there. One that begins with a space explains a word: "  WORD  text". */
static void print_paragraphs(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *paragraph = g_string_new(NULL);
    for (char **line = lines; *line; line++) {
        g_string_append(paragraph, *line);
        const char *next = line[1];
        if (next && *next && *next != ' ' && **line && **line != ' ' && !g_str_has_suffix(*line, ".")) {
            g_string_append_c(paragraph, ' ');
            continue;
        }
        size_t word = strspn(*line, " "), hang = 0;
        if (word) {
            hang = word + strcspn(*line + word, " ");
            hang += strspn(*line + hang, " ");
        }
        cli_print_wrapped(paragraph->str, hang);
        g_string_truncate(paragraph, 0);
    }
    g_string_free(paragraph, TRUE);
}

static bool is_shown(const cli_option *o, bool all)
{
    return all || !(o->flags & CLI_MORE);
}

static void print_options(const char *title, const cli_option *entries, bool all)
{
    printf("\n%s\n", title);
    for (const cli_option *o = entries; o->long_name; o++) {
        char letter[8] = "    ";
        if (!is_shown(o, all))
            continue;
        if (o->short_name)
            snprintf(letter, sizeof letter, "-%c, ", o->short_name);
        g_autofree char *name =
            g_strconcat("  ", letter, "--", o->long_name, o->arg_description ? "=" : NULL, o->arg_description, NULL);
        bool fits = strlen(name) + 2 <= HELP_COLUMN;
        g_autofree char *line = g_strdup_printf("%-*s%s", HELP_COLUMN, fits ? name : "", o->description);
        if (!fits)
            puts(name);
        cli_print_wrapped(line, HELP_COLUMN);
    }
}

/* parts: the command's own options, those of the run, help. The middle one may be NULL. */
static void print_page(const cli_option *const parts[3], bool all, const char *usage, const char *summary,
                       const char *description)
{
    int more = 0;
    for (size_t i = 0; i < 3; i++)
        for (const cli_option *o = parts[i]; o && o->long_name; o++)
            more += !is_shown(o, all);
    g_autofree char *command = cli_command();
    g_autofree char *first = g_strconcat("  ", command, " [OPTIONS]", *usage ? " " : "", usage, NULL);
    puts("Usage:");
    cli_print_wrapped(first, 6);
    puts("");
    print_paragraphs(summary);
    if (parts[0] && parts[0]->long_name)
        print_options("Options:", parts[0], all);
    if (parts[1])
        print_options("Run options:", parts[1], all);
    print_options("Help:", parts[2], all);
    if (more) {
        g_autofree char *line = g_strdup_printf(
            "'%s --help=all' shows %d more; 'dinopatch options' lists all that --set takes.", command, more);
        puts("");
        cli_print_wrapped(line, 0);
    }
    if (description) {
        puts("");
        print_paragraphs(description);
    }
}

bool cli_parse(int *argc, char ***argv, const cli_option *entries, const cli_option *group, const char *usage,
               const char *summary, const char *description, int *code)
{
    gboolean help = FALSE;
    const cli_option help_entries[] = {
        {"help", 'h', 0, CLI_FLAG, &help, "show this page; --help=all lists every option", NULL}, CLI_OPTION_END};
    const cli_option *const parts[] = {entries, group, help_entries};
    struct parser p = {.options = g_ptr_array_new(),
                       .values = g_ptr_array_new(),
                       .repeated = g_ptr_array_new(),
                       .words = (const char **)*argv,
                       .n_words = *argc,
                       .next = 1};
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
        for (const cli_option *o = parts[i]; o && o->long_name; o++) {
            g_ptr_array_add(p.options, (gpointer)o);
            g_ptr_array_add(p.values, NULL);
        }
    bool good = true, ended = false;
    int kept = 1;
    while (good && !help && p.next < p.n_words) {
        const char *word = p.words[p.next++];
        if (ended || word[0] != '-' || !word[1])
            (*argv)[kept++] = (char *)word;
        else if (!strcmp(word, "--"))
            ended = true;
        else
            good = word[1] == '-' ? parse_long(&p, word + 2) : parse_short(&p, word + 1);
    }
    good = good && (help || read_configs(&p));
    if (!good) {
        *code = EXIT_USAGE;
    } else if (help) {
        print_page(parts, p.help_all, usage, summary, description);
        *code = EXIT_DONE;
        good = false;
    } else {
        *argc = kept;
        const cli_option *quiet = find_long(&p, "quiet", 5);
        for (guint i = 0; i < p.repeated->len && !(quiet && *(gboolean *)quiet->arg_data); i++)
            cli_warn("--%s is given more than once: the last one counts",
                     ((const cli_option *)p.repeated->pdata[i])->long_name);
    }
    g_ptr_array_unref(p.options);
    g_ptr_array_unref(p.values);
    g_ptr_array_unref(p.repeated);
    return good;
}
