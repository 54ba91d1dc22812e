/* SPDX-License-Identifier: Apache-2.0 */
/* shard_lines.c - writes the JSON lines of one shard, takes over those of a stopped run, and joins those of all shards. */
#include "shard_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDED ",\"file_sha256\":" /* begins what a line of a shard has more than a plain one */

struct cli_shard_lines {
    const cli_list *list;
    json_t *header;
    char **digests;  /* [inputs] of the files; NULL: it cannot be read */
    char **taken;    /* [inputs] lines of an earlier run, without the added keys; NULL: none */
    GArray *pending; /* of size_t */
    size_t next, n;  /* the next input to print; lines printed */
};

/* ----------------------------------------------------------------------------------------------------------- a file */

/* A mapped file of lines. */
struct lines_file {
    const char *path;
    GMappedFile *mapped;
    const char *at, *stop;
};

static bool file_open(struct lines_file *file, const char *path)
{
    GError *error = NULL;
    *file = (struct lines_file){.path = path, .mapped = g_mapped_file_new(path, FALSE, &error)};
    if (!file->mapped) {
        cli_complain("%s: cannot read it: %s", path, error->message);
        g_error_free(error);
        return false;
    }
    file->at = g_mapped_file_get_contents(file->mapped);
    file->stop = file->at + g_mapped_file_get_length(file->mapped);
    return true;
}

static void file_close(struct lines_file *file)
{
    if (file->mapped)
        g_mapped_file_unref(file->mapped);
    file->mapped = NULL;
}

/* The next whole line [*bytes]; NULL after the last. */
static const char *file_next(struct lines_file *file, size_t *bytes)
{
    const char *line = file->at, *end = line < file->stop ? memchr(line, '\n', (size_t)(file->stop - line)) : NULL;
    if (!end)
        return NULL;
    *bytes = (size_t)(end - line);
    file->at = end + 1;
    return line;
}

/* The length of a line without the added keys, its closing brace not counted; 0: it has none. */
static size_t plain_length(const char *line, size_t bytes)
{
    const char *found = g_strrstr_len(line, (gssize)bytes, ADDED);
    return found ? (size_t)(found - line) : 0;
}

static void tally_line(cli_tally *tally, const json_t *line)
{
    const char *label = json_string_value(json_object_get(line, "label"));
    const char *status = json_string_value(json_object_get(line, "status"));
    size_t *count = !label                            ? &tally->n_unlabelled
                    : !strcmp(label, "good")          ? &tally->n_good
                    : !strcmp(label, "not_inspected") ? &tally->n_not_inspected
                                                      : &tally->n_anomalous;
    ++*count;
    tally->n_failed += status && strcmp(status, "ok") != 0;
}

/* ---------------------------------------------------------------------------------------------------------- one shard */

/* Puts the lines of a file by the paths of their pictures: *lines, path -> line of JSON. False: complained. */
static bool read_earlier(const cli_shard_lines *shard, const char *path, GHashTable *lines)
{
    struct lines_file file;
    size_t bytes;
    if (!file_open(&file, path))
        return false;
    const char *line = file_next(&file, &bytes);
    json_t *first = line ? json_loadb(line, bytes, 0, NULL) : NULL;
    const json_t *had = json_object_get(first, "shard"), *wants = json_object_get(shard->header, "shard");
    bool good = !line || json_equal(json_object_get(had, "work"), json_object_get(wants, "work"));
    if (!good)
        cli_complain("%s: %s; name another file, or leave out --resume", path,
                     had ? "was made with another bank, other settings or another instruction set"
                         : "is no output of 'inspect --shard'");
    json_decref(first);
    while (good && (line = file_next(&file, &bytes))) {
        json_t *value = json_loadb(line, bytes, 0, NULL);
        const char *input = json_string_value(json_object_get(value, "input"));
        const char *status = json_string_value(json_object_get(value, "status"));
        if (input && status && !strcmp(status, "ok") && plain_length(line, bytes))
            g_hash_table_replace(lines, g_strdup(input), g_strndup(line, bytes));
        json_decref(value);
    }
    file_close(&file);
    return good;
}

/* The line of a picture, if the file is still the same; without the added keys, g_free. NULL: there is none. */
static char *take_over(GHashTable *earlier, const char *path, const char *digest)
{
    json_t *name = cli_json_text(path); /* as the line has it */
    const char *line = g_hash_table_lookup(earlier, json_string_value(name));
    json_t *value = line ? json_loads(line, 0, NULL) : NULL;
    const char *had = json_string_value(json_object_get(value, "file_sha256"));
    const bool same = had && digest && !strcmp(had, digest);
    char *plain = same ? g_strndup(line, plain_length(line, strlen(line))) : NULL;
    json_decref(value);
    json_decref(name);
    return plain;
}

cli_shard_lines *cli_shard_lines_open(const cli_list *list, const char *work, const char *resume, int *code)
{
    cli_shard_lines *lines = g_new0(cli_shard_lines, 1);
    GHashTable *earlier = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    char *digest = cli_list_digest(list);
    lines->list = list;
    lines->digests = g_new0(char *, list->inputs->len);
    lines->taken = g_new0(char *, list->inputs->len);
    lines->pending = g_array_new(FALSE, FALSE, sizeof(size_t));
    lines->header =
        cli_json_pack("{s:{s:I, s:I, s:I, s:s, s:s}}", "shard", "index", (json_int_t)list->shard.index, "of",
                      (json_int_t)list->shard.n, "pictures", (json_int_t)list->all->len, "list", digest, "work", work);
    g_free(digest);
    bool good = !resume || read_earlier(lines, resume, earlier);
    for (size_t i = 0; i < list->inputs->len && good && !cli_interrupted(); i++) {
        lines->digests[i] = cli_list_sha256(list, list->inputs->pdata[i]);
        lines->taken[i] = take_over(earlier, list->inputs->pdata[i], lines->digests[i]);
        if (!lines->taken[i])
            g_array_append_val(lines->pending, i);
    }
    g_hash_table_unref(earlier);
    if (good && resume)
        cli_note("%s: %u of %u pictures of the shard are done", resume, list->inputs->len - lines->pending->len,
                 list->inputs->len);
    if (good)
        return lines;
    *code = EXIT_JOB_FAILED;
    cli_shard_lines_free(lines);
    return NULL;
}

void cli_shard_lines_free(cli_shard_lines *lines)
{
    if (!lines)
        return;
    for (guint i = 0; i < lines->list->inputs->len; i++) {
        g_free(lines->digests[i]);
        g_free(lines->taken[i]);
    }
    g_free(lines->digests);
    g_free(lines->taken);
    g_array_unref(lines->pending);
    json_decref(lines->header);
    g_free(lines);
}

const size_t *cli_shard_lines_pending(const cli_shard_lines *lines, size_t *n)
{
    *n = lines->pending->len;
    return (const size_t *)(const void *)lines->pending->data;
}

bool cli_shard_lines_begin(cli_shard_lines *lines)
{
    return cli_json_print(json_incref(lines->header));
}

/* Prints a line [bytes], without its closing brace, and the added keys. */
static bool print_added(cli_shard_lines *lines, const char *plain, size_t bytes)
{
    const size_t i = lines->next++;
    const char *digest = lines->digests[i];
    printf("%.*s" ADDED "%s%s%s,\"number\":%zu}\n", (int)bytes, plain, digest ? "\"" : "", digest ? digest : "null",
           digest ? "\"" : "", g_array_index(lines->list->numbers, size_t, i));
    lines->n++;
    return cli_output_good();
}

static bool print_taken(cli_shard_lines *lines, cli_tally *tally)
{
    bool good = true;
    while (good && lines->next < lines->list->inputs->len && lines->taken[lines->next]) {
        const char *plain = lines->taken[lines->next];
        char *whole = g_strconcat(plain, "}", NULL);
        json_t *value = json_loads(whole, 0, NULL);
        tally_line(tally, value);
        json_decref(value);
        g_free(whole);
        good = print_added(lines, plain, strlen(plain));
    }
    return good;
}

bool cli_shard_lines_put(cli_shard_lines *lines, json_t *line, cli_tally *tally)
{
    char *text = print_taken(lines, tally) ? cli_json_line(line) : NULL;
    json_decref(line);
    const bool good = text && print_added(lines, text, strlen(text) - 1);
    free(text);
    return good;
}

bool cli_shard_lines_end(cli_shard_lines *lines, cli_tally *tally)
{
    return print_taken(lines, tally)
           && cli_json_print(cli_json_pack("{s:{s:I, s:I, s:I}}", "shard_end", "index",
                                           (json_int_t)lines->list->shard.index, "of", (json_int_t)lines->list->shard.n,
                                           "lines", (json_int_t)lines->n));
}

/* ---------------------------------------------------------------------------------------------------------- all shards */

struct placed {
    const char *line;
    size_t bytes; /* without closing brace */
    json_int_t number;
};

struct joining {
    json_t *first;       /* the header of the first file */
    const char *pattern; /* its name */
    const char **files;  /* [of] the file of each shard; NULL: none yet */
    size_t n;
    GArray *lines; /* of struct placed */
    cli_tally tally;
};

static int by_number(gconstpointer a, gconstpointer b)
{
    const struct placed *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static json_int_t whole(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* Compares the first line of a file with that of the first file. False: complained. */
static bool belongs(struct joining *all, const char *path, const json_t *shard)
{
    const json_int_t index = whole(shard, "index"), n = whole(shard, "of");
    if (!shard || index < 0 || n < 1 || index >= n || n > 1000000) {
        cli_complain("%s: is no output of 'inspect --json --shard': its first line says no shard", path);
        return false;
    }
    if (!all->first) {
        all->first = json_deep_copy(shard);
        all->pattern = path;
        all->n = (size_t)n;
        all->files = g_new0(const char *, all->n);
    }
    const char *what = whole(all->first, "of") != n ? "is of another number of shards"
                       : !json_equal(json_object_get(all->first, "work"), json_object_get(shard, "work"))
                           ? "was made with another bank, other settings or another instruction set"
                       : !json_equal(json_object_get(all->first, "list"), json_object_get(shard, "list"))
                           ? "was made of another list of pictures"
                           : NULL;
    if (what)
        cli_complain("%s: a foreign shard: it %s than %s; run it again like the others", path, what, all->pattern);
    else if (all->files[index])
        cli_complain("%s and %s: both are shard %d of %zu; give it once", all->files[index], path, (int)index, all->n);
    else
        all->files[index] = path;
    return !what && all->files[index] == path;
}

static bool read_file(struct joining *all, struct lines_file *file)
{
    size_t bytes;
    const char *line = file_next(file, &bytes);
    json_t *value = line ? json_loadb(line, bytes, 0, NULL) : NULL;
    const guint before = all->lines->len;
    bool good = belongs(all, file->path, json_object_get(value, "shard")), ended = false;
    const json_int_t index = whole(json_object_get(value, "shard"), "index");
    json_decref(value);
    while (good && !ended && (line = file_next(file, &bytes))) {
        value = json_loadb(line, bytes, 0, NULL);
        const json_t *end = json_object_get(value, "shard_end"), *number = json_object_get(value, "number");
        const struct placed placed = {line, plain_length(line, bytes), json_integer_value(number)};
        ended = end && whole(end, "lines") == (json_int_t)(all->lines->len - before);
        good = ended || (number && placed.bytes);
        if (good && !ended) {
            g_array_append_val(all->lines, placed);
            tally_line(&all->tally, value);
        } else if (!good) {
            cli_complain("%s: line %u is damaged; run shard %d again", file->path, all->lines->len - before + 2,
                         (int)index);
        }
        json_decref(value);
    }
    if (good && !ended)
        cli_complain("%s: shard %d of %zu is not finished; run it again, with --resume %s", file->path, (int)index,
                     all->n, file->path);
    return good && ended;
}

/* Whether every shard is there, and every picture once. False: complained. */
static bool is_whole(const struct joining *all)
{
    GString *missing = g_string_new(NULL);
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++)
        if (!all->files[i] && n++ < 20)
            g_string_append_printf(missing, "%s%zu", missing->len ? ", " : "", i);
    if (n > 20)
        g_string_append_printf(missing, " and %zu more", n - 20);
    if (n)
        cli_complain("shard%s %s of %zu %s missing; run %s and give all files", n == 1 ? "" : "s", missing->str, all->n,
                     n == 1 ? "is" : "are", n == 1 ? "it" : "them");
    g_string_free(missing, TRUE);
    const json_int_t pictures = whole(all->first, "pictures");
    bool good = !n;
    for (guint i = 0; good && i < all->lines->len; i++)
        good = g_array_index(all->lines, struct placed, i).number == i;
    if (!n && (!good || pictures != all->lines->len)) {
        cli_complain("the shards hold %u lines, not one for each of %" G_GINT64_FORMAT " pictures; run them again",
                     all->lines->len, (gint64)pictures);
        good = false;
    }
    return good;
}

int cli_results_merge(int argc, char **argv)
{
    gboolean summary = FALSE;
    const cli_option entries[] = {{"summary", 0, 0, CLI_FLAG, &summary, "{\"summary\": {...}} as the last line", NULL},
                                  CLI_OPTION_END};
    int code;
    if (!cli_parse(&argc, &argv, entries, NULL, "SHARD.jsonl...",
                   "Joins the lines of all shards of 'inspect --json --shard I/N' to those of one run, on stdout.",
                   "The files may come in any order. Exit code: 0 done; 1 some inputs failed; 2 wrong usage; 4 a shard "
                   "is missing, given twice, not finished or foreign.",
                   &code))
        return code;
    if (argc < 2)
        return cli_usage("give the files of all shards");
    struct joining all = {.lines = g_array_new(FALSE, FALSE, sizeof(struct placed))};
    struct lines_file *files = g_new0(struct lines_file, (gsize)argc);
    bool good = true;
    for (int i = 1; i < argc && good; i++)
        good = file_open(&files[i], argv[i]) && read_file(&all, &files[i]);
    g_array_sort(all.lines, by_number);
    good = good && is_whole(&all);
    bool printed = true;
    for (guint i = 0; good && printed && i < all.lines->len; i++) {
        const struct placed *placed = &g_array_index(all.lines, struct placed, i);
        printf("%.*s}\n", (int)placed->bytes, placed->line);
        printed = i % 1024 || cli_output_good();
    }
    printed = printed && (!good || !summary || cli_json_print(cli_tally_json(&all.tally))) && cli_output_good();
    if (good) {
        char *text = cli_tally_text(&all.tally, all.tally.n_unlabelled > 0);
        fprintf(stderr, "%s\n", text);
        g_free(text);
    }
    for (int i = 1; i < argc; i++)
        file_close(&files[i]);
    g_free(files);
    g_array_unref(all.lines);
    g_free(all.files);
    json_decref(all.first);
    return !good || !printed ? EXIT_JOB_FAILED : all.tally.n_failed ? EXIT_SOME_FAILED : EXIT_DONE;
}
