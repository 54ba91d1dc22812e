/* SPDX-License-Identifier: Apache-2.0 */
/* shards.c - opens a checkpoint that an index spreads over several safetensors files.
 *
 * The index is JSON: {"metadata": {...}, "weight_map": {"tensor's name": "file's name", ...}}. Source: the layout that
 * Hugging Face's libraries write. It is not trusted: a shard lies beside the index and nowhere else, and the tensors of
 * the shards are exactly those that the index names, each in its place. */
#include "format/shards.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/json_size.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MOST_SHARDS 1024
#define VALUES_BESIDES 4096 /* in the index's JSON, beside one for each tensor */

typedef struct shards {
    const char *path;      /* of the index */
    size_t folder;         /* bytes of it that are the folder, with the slash */
    dp_limits limits;      /* what is left of them */
    json_t *map;           /* tensor -> file; those that were found are taken out */
    const char **names;    /* [n] each file once, by name */
    dp_safetensors **part; /* [n]; NULL: not open yet */
    size_t n;
} shards;

/* The first 8 bytes of a safetensors file are a length, whose upper bytes are 0; text has no zeros. */
static bool is_text(const dp_mapping *file)
{
    return file->bytes >= 8 && file->data[0] == '{' && !memchr(file->data, 0, 8);
}

/* Whether a name is that of a file in the folder, and of nothing elsewhere. */
static bool is_beside(const char *name)
{
    return *name && !strpbrk(name, "/\\") && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static dp_status list_names(shards *s, dp_error *err)
{
    size_t tensors = json_object_size(s->map), n = 0;
    const char *tensor;
    json_t *value;
    s->names = dp_calloc(tensors, sizeof(char *));
    if (!s->names)
        return dp_fail_memory(err, s->path, tensors * sizeof(char *));
    json_object_foreach(s->map, tensor, value)
    {
        const char *name = json_string_value(value);
        if (!name || !is_beside(name))
            return dp_fail(err, DP_E_FORMAT,
                           "%s: its weight_map gives tensor '%s' the shard '%s'; a shard is a file beside the index, "
                           "named without a folder",
                           s->path, tensor, name ? name : "?");
        s->names[n++] = name;
    }
    qsort(s->names, n, sizeof *s->names, by_name);
    for (size_t i = 0; i < n; i++)
        if (!s->n || strcmp(s->names[s->n - 1], s->names[i]) != 0)
            s->names[s->n++] = s->names[i];
    if (s->n > MOST_SHARDS)
        return dp_fail(err, DP_E_FORMAT, "%s: names %zu shards; the limit is %d", s->path, s->n, MOST_SHARDS);
    s->part = dp_calloc(s->n, sizeof(dp_safetensors *));
    return s->part ? DP_OK : dp_fail_memory(err, s->path, s->n * sizeof(dp_safetensors *));
}

static dp_status read_index(shards *s, const dp_mapping *index, dp_error *err)
{
    const char *text = (const char *)index->data;
    size_t most;
    if (index->bytes > s->limits.max_header_bytes)
        return dp_fail(err, DP_E_FORMAT, "%s: is an index of %zu bytes; the limit is %zu", s->path, index->bytes,
                       s->limits.max_header_bytes);
    if (!dp_add_size(s->limits.max_tensors, VALUES_BESIDES, &most))
        most = SIZE_MAX;
    if (dp_json_values(text, index->bytes) > most)
        return dp_fail(err, DP_E_FORMAT, "%s: is longer than an index of %zu tensors, the limit, could be", s->path,
                       s->limits.max_tensors);
    json_error_t json;
    json_t *all = json_loadb(text, index->bytes, JSON_REJECT_DUPLICATES, &json);
    s->map = json_incref(json_object_get(all, "weight_map"));
    dp_status status = DP_OK;
    if (!all)
        status = dp_fail(err, DP_E_FORMAT, "%s: is JSON, as an index of shards, but broken: %s", s->path, json.text);
    else if (!json_is_object(s->map) || !json_object_size(s->map))
        status = dp_fail(err, DP_E_FORMAT,
                         "%s: is JSON, but no index of shards: it has no \"weight_map\" of tensors; give the "
                         "checkpoint, or its model.safetensors.index.json",
                         s->path);
    else if (json_object_size(s->map) > s->limits.max_tensors)
        status = dp_fail(err, DP_E_FORMAT, "%s: names %zu tensors; the limit is %zu", s->path, json_object_size(s->map),
                         s->limits.max_tensors);
    json_decref(all);
    return status ? status : list_names(s, err);
}

/* Takes the tensors of a shard out of the map: each must be there, with this shard. */
static dp_status check_part(shards *s, size_t index, const char *path, dp_error *err)
{
    size_t n = dp_safetensors_count(s->part[index]), bytes = dp_safetensors_bytes(s->part[index]).bytes;
    for (size_t i = 0; i < n; i++) {
        const char *tensor = dp_safetensors_at(s->part[index], i)->name;
        const char *shard = json_string_value(json_object_get(s->map, tensor));
        if (!shard || strcmp(shard, s->names[index]) != 0)
            return dp_fail(err, DP_E_FORMAT,
                           "%s: holds tensor '%s', which the index %s does not give to it: this shard is of another "
                           "checkpoint",
                           path, tensor, s->path);
    }
    if (s->limits.max_file_bytes && bytes >= s->limits.max_file_bytes && index + 1 < s->n)
        return dp_fail(err, DP_E_FORMAT, "%s: its shards have more bytes than the limit", s->path);
    s->limits.max_file_bytes -= s->limits.max_file_bytes ? bytes : 0;
    return DP_OK;
}

static dp_status open_part(shards *s, size_t index, dp_error *err)
{
    const char *name = s->names[index];
    size_t bytes = s->folder + strlen(name) + 1;
    char *path = dp_malloc(bytes, 1);
    if (!path)
        return dp_fail_memory(err, s->path, bytes);
    snprintf(path, bytes, "%.*s%s", (int)s->folder, s->path, name);
    dp_error cause = {0};
    dp_status status = dp_safetensors_open_within(path, &s->limits, &s->part[index], &cause);
    if (status)
        dp_fail(err, status, "%s (shard %zu of %zu that %s names; all belong into its folder)", cause.message,
                index + 1, s->n, s->path);
    else
        status = check_part(s, index, path, err);
    dp_memory_free(path);
    return status;
}

/* Every tensor of the index must have been in its shard. */
static dp_status check_all_found(shards *s, dp_error *err)
{
    size_t found = 0;
    for (size_t i = 0; i < s->n; i++)
        found += dp_safetensors_count(s->part[i]);
    if (found == json_object_size(s->map)) /* none is there twice */
        return DP_OK;
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < dp_safetensors_count(s->part[i]); j++)
            (void)json_object_set_new(s->map, dp_safetensors_at(s->part[i], j)->name, json_null());
    const char *tensor;
    json_t *value;
    json_object_foreach(s->map, tensor, value) if (json_is_string(value)) return dp_fail(
        err, DP_E_FORMAT,
        "%.*s%s: lacks tensor '%s', which the index %s gives to it: this shard is of another "
        "checkpoint",
        (int)s->folder, s->path, json_string_value(value), tensor, s->path);
    return dp_fail_memory(err, s->path, found);
}

static dp_status open_all(const char *path, const dp_limits *limits, const dp_mapping *index, dp_safetensors **out,
                          dp_error *err)
{
    const char *slash = strrchr(path, '/');
    shards s = {.path = path, .folder = slash ? (size_t)(slash - path) + 1 : 0};
    dp_limits_init(&s.limits);
    if (limits)
        s.limits = *limits;
    dp_status status = read_index(&s, index, err);
    for (size_t i = 0; i < s.n && !status; i++)
        status = open_part(&s, i, err);
    if (!status)
        status = check_all_found(&s, err);
    if (!status)
        status = dp_safetensors_join(path, s.part, s.n, out, err);
    for (size_t i = 0; status && s.part && i < s.n; i++)
        dp_safetensors_close(&s.part[i]);
    json_decref(s.map);
    dp_memory_free(s.names);
    dp_memory_free(s.part);
    return status;
}

dp_status dp_shards_open(const char *path, const dp_limits *limits, dp_safetensors **out, dp_error *err)
{
    dp_mapping file;
    dp_status status = dp_mapping_open(path, &file, err);
    if (status)
        return status;
    bool index = is_text(&file);
    if (index)
        status = open_all(path, limits, &file, out, err);
    dp_mapping_close(&file);
    return index ? status : dp_safetensors_open_within(path, limits, out, err);
}
