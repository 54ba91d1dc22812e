/* SPDX-License-Identifier: Apache-2.0 */
/* picture_list.c - the pictures of a command, and the shard of them that it works on. */
#include "picture_list.h"
#include "inputs.h"
#include "eval/eval.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MOST_SHARDS 1000000

static bool read_shard(const char *text, cli_shard *shard, int *code)
{
    char *end = NULL, *last = NULL;
    guint64 index = g_ascii_isdigit(text[0]) ? g_ascii_strtoull(text, &end, 10) : 0, n = 0;
    if (end && *end == '/' && g_ascii_isdigit(end[1]))
        n = g_ascii_strtoull(end + 1, &last, 10);
    if (!last || *last || n < 1 || n > MOST_SHARDS || index >= n) {
        *code =
            cli_usage("--shard %s: give I/N, I from 0 to N-1 and N from 1 to %d: 0/8, 1/8, .. 7/8", text, MOST_SHARDS);
        return false;
    }
    *shard = (cli_shard){(size_t)index, (size_t)n};
    return true;
}

bool cli_list_check(cli_list *list, int n_arguments, const char *nothing, int *code)
{
    if (list->null && !list->files_from)
        *code = cli_usage("--null needs --files-from");
    else if (!n_arguments && !list->files_from)
        *code = cli_usage("%s", nothing);
    else
        return !list->shard_text || read_shard(list->shard_text, &list->shard, code);
    return false;
}

/* The names in a list, g_free each. NULL: it cannot be read; complained. */
static GPtrArray *read_names(const char *path, char separator)
{
    const bool standard = !strcmp(path, "-");
    FILE *file = standard ? stdin : fopen(path, "rbe");
    GString *text = g_string_new(NULL);
    char chunk[65536];
    if (file)
        for (size_t n; (n = fread(chunk, 1, sizeof chunk, file));)
            g_string_append_len(text, chunk, (gssize)n);
    const int error = !file || ferror(file) ? errno : 0;
    if (file && !standard)
        (void)fclose(file);
    if (error) {
        cli_complain("%s: cannot read the list of pictures: %s", standard ? "stdin" : path, g_strerror(error));
        g_string_free(text, TRUE);
        return NULL;
    }
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    const char *at = text->str, *stop = text->str + text->len;
    while (at < stop) {
        const char *end = memchr(at, separator, (size_t)(stop - at));
        const size_t length = (size_t)((end ? end : stop) - at);
        if (separator && memchr(at, 0, length)) {
            cli_complain("%s: a name in the list holds a zero byte; pass --null if zero bytes end the names", path);
            g_ptr_array_unref(names);
            names = NULL;
            break;
        }
        if (length)
            g_ptr_array_add(names, g_strndup(at, length));
        at += length + 1;
    }
    g_string_free(text, TRUE);
    return names;
}

size_t cli_shard_of(const char *name, size_t n)
{
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 digest[32];
    gsize bytes = sizeof digest;
    g_checksum_update(sum, (const guchar *)name, (gssize)strlen(name));
    g_checksum_get_digest(sum, digest, &bytes);
    g_checksum_free(sum);
    guint64 value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | digest[i];
    return (size_t)(value % n);
}

bool cli_list_open(cli_list *list, char **arguments, int n, int *code)
{
    GPtrArray *listed = NULL;
    if (list->files_from && !(listed = read_names(list->files_from, list->null ? 0 : '\n'))) {
        *code = EXIT_JOB_FAILED;
        return false;
    }
    list->tars = cli_tars_new();
    list->all = cli_inputs_listed(arguments, n, listed, list->tars, &list->all_names, &list->n_failed);
    if (listed)
        g_ptr_array_unref(listed);
    list->inputs = g_ptr_array_new();
    list->names = g_ptr_array_new();
    list->numbers = g_array_new(FALSE, FALSE, sizeof(size_t));
    for (size_t i = 0; i < list->all->len; i++) {
        if (list->shard.n && cli_shard_of(list->all_names->pdata[i], list->shard.n) != list->shard.index)
            continue;
        g_ptr_array_add(list->inputs, list->all->pdata[i]);
        g_ptr_array_add(list->names, list->all_names->pdata[i]);
        g_array_append_val(list->numbers, i);
    }
    return true;
}

void cli_list_close(cli_list *list)
{
    GPtrArray *arrays[] = {list->inputs, list->names, list->all, list->all_names};
    for (size_t i = 0; i < G_N_ELEMENTS(arrays); i++)
        if (arrays[i])
            g_ptr_array_unref(arrays[i]);
    if (list->numbers)
        g_array_unref(list->numbers);
    list->inputs = list->names = list->all = list->all_names = NULL;
    list->numbers = NULL;
    g_clear_pointer(&list->kept, g_free);
    cli_tars_free(list->tars);
    list->tars = NULL;
}

dp_source cli_list_source(cli_list *list, const GPtrArray *pictures)
{
    g_free(list->kept);
    list->kept = g_new(dp_kept_picture, pictures->len);
    for (guint i = 0; i < pictures->len; i++)
        list->kept[i] = cli_tars_find(list->tars, pictures->pdata[i]);
    return dp_source_kept(list->kept, pictures->len);
}

char *cli_list_sha256(const cli_list *list, const char *picture)
{
    return cli_tars_find(list->tars, picture).tar ? cli_tars_sha256(list->tars, picture) : eval_file_sha256(picture);
}

char *cli_list_digest(const cli_list *list)
{
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    for (guint i = 0; i < list->all->len; i++)
        g_checksum_update(sum, list->all->pdata[i], (gssize)strlen(list->all->pdata[i]) + 1);
    char *text = g_strdup(g_checksum_get_string(sum));
    g_checksum_free(sum);
    return text;
}
