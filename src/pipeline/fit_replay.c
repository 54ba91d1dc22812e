/* SPDX-License-Identifier: Apache-2.0 */
/* fit_replay.c - opens the shards of a fit and checks that they are all of it. */
#include "pipeline/fit_replay.h"
#include "base/error.h"
#include "base/memory.h"
#include "pipeline/fit_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SHARDS 1000000
#define MOST_NAMED 20

struct place {
    size_t file, piece; /* piece 0: there is none */
};

struct dp_fit_replay {
    dp_frames *files; /* [n_files] */
    size_t n_files, n_shards, n;
    struct place *places; /* [n] of the pictures */
    char **names;         /* [n] */
    dp_isa isa;
    dp_record now;
};

static dp_status open_piece(const dp_frames *file, size_t piece, dp_safetensors **out, dp_error *err)
{
    dp_status status = dp_frames_check(file, piece, err);
    return status ? status
                  : dp_safetensors_parse(file->pieces[piece].data, file->pieces[piece].bytes, file->path, out, err);
}

static size_t number_of(const char *text)
{
    char *end = NULL;
    unsigned long long value = text && *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    return end && !*end && value < SIZE_MAX ? (size_t)value : SIZE_MAX;
}

/* What is wrong with two shards of one fit; NULL: nothing. */
static const char *differ(const dp_frames *a, const dp_frames *b)
{
    const dp_bytes *x = &a->pieces[DP_SHARD_SETTLED], *y = &b->pieces[DP_SHARD_SETTLED];
    return x->bytes != y->bytes || memcmp(x->data, y->data, x->bytes) != 0 ? "begins from other settings" : NULL;
}

/* Reads the head of a file: *index and *n_shards. */
static dp_status read_head(dp_fit_replay *replay, size_t f, size_t *index, size_t *n_shards, dp_error *err)
{
    dp_frames *file = &replay->files[f];
    dp_safetensors *head = NULL;
    if (file->n <= DP_SHARD_HEAD)
        return dp_fail(err, DP_E_FORMAT, "%s: is cut short; run this shard again", file->path);
    dp_status status = open_piece(file, DP_SHARD_HEAD, &head, err);
    if (status)
        return status;
    *index = number_of(dp_safetensors_metadata(head, "shard_index"));
    *n_shards = number_of(dp_safetensors_metadata(head, "shard_of"));
    const char *isa = dp_safetensors_metadata(head, "isa");
    dp_isa level = DP_ISA_AUTO;
    if (!isa || dp_isa_parse(isa, &level, NULL) || *n_shards > MOST_SHARDS || *index >= *n_shards)
        status = dp_fail(err, DP_E_FORMAT, "%s: is no shard of a fit by this version; run it again", file->path);
    else if (f && differ(&replay->files[0], file))
        status = dp_fail(err, DP_E_MISMATCH,
                         "%s: a foreign shard: it %s than %s; run it with the settled file of the others", file->path,
                         differ(&replay->files[0], file), replay->files[0].path);
    else if (f && *n_shards != replay->n_shards)
        status = dp_fail(err, DP_E_MISMATCH, "%s: a foreign shard: it is one of %zu, and %s one of %zu", file->path,
                         *n_shards, replay->files[0].path, replay->n_shards);
    else if (f && level != replay->isa)
        status =
            dp_fail(err, DP_E_MISMATCH,
                    "%s: was computed with %s, and %s with %s: their features differ in the last bits; run all shards "
                    "with one isa",
                    file->path, isa, replay->files[0].path, dp_isa_name(replay->isa));
    replay->n_shards = *n_shards;
    replay->isa = level;
    dp_safetensors_close(&head);
    return status;
}

/* Reads the last piece of a file: where the pictures are. */
static dp_status read_end(dp_fit_replay *replay, size_t f, size_t index, char list[65], dp_error *err)
{
    dp_frames *file = &replay->files[f];
    dp_safetensors *end = NULL;
    dp_status status = open_piece(file, file->n - 1, &end, err);
    const char *pictures = status ? NULL : dp_safetensors_metadata(end, "shard_end"),
               *digest = pictures ? dp_safetensors_metadata(end, "list") : NULL;
    if (!status && (!pictures || file->cut))
        status = dp_fail(err, DP_E_MISMATCH,
                         "%s: shard %zu of %zu is not finished; run it again, which goes on where it stopped",
                         file->path, index, replay->n_shards);
    const dp_tensor *table = status ? NULL : dp_safetensors_find(end, "records");
    const size_t n = number_of(pictures);
    if (!status && (!table || table->dtype != DP_DTYPE_I64 || table->count % 2 || !digest || n > INT32_MAX))
        status = dp_fail(err, DP_E_FORMAT, "%s: is no shard of a fit by this version; run it again", file->path);
    if (!status && f && strcmp(digest, list) != 0)
        status = dp_fail(err, DP_E_MISMATCH,
                         "%s: a foreign shard: it was made of another list of pictures than %s; run it again with the "
                         "list of the others",
                         file->path, replay->files[0].path);
    if (!status && !f) {
        snprintf(list, 65, "%s", digest);
        replay->n = n;
        replay->places = dp_calloc(n + 1, sizeof *replay->places);
        replay->names = dp_calloc(n + 1, sizeof *replay->names);
        if (!replay->places || !replay->names)
            status = dp_fail_memory(err, file->path, n * sizeof *replay->places);
    }
    for (size_t i = 0; !status && i < table->count / 2; i++) {
        int64_t entry[2];
        memcpy(entry, table->data + i * sizeof entry, sizeof entry);
        if (entry[0] < 0 || (uint64_t)entry[0] >= replay->n || entry[1] < DP_SHARD_RECORDS
            || (uint64_t)entry[1] >= file->n - 1 || replay->places[entry[0]].piece)
            status =
                dp_fail(err, DP_E_FORMAT, "%s: its table of pictures is damaged; run this shard again", file->path);
        else
            replay->places[entry[0]] = (struct place){f, (size_t)entry[1]};
    }
    dp_safetensors_close(&end);
    return status;
}

static dp_status read_names(dp_fit_replay *replay, dp_error *err)
{
    dp_status status = DP_OK;
    for (size_t i = 0; i < replay->n && !status; i++) {
        const struct place *at = &replay->places[i];
        const dp_frames *file = &replay->files[at->file];
        dp_record record;
        if (!at->piece)
            return dp_fail(err, DP_E_MISMATCH, "the shards lack picture %zu of %zu; run them again", i + 1, replay->n);
        status = dp_record_open(file->pieces[at->piece], file->path, &record, err);
        if (!status) {
            replay->names[i] = record.name;
            record.name = NULL;
            dp_record_close(&record);
        }
    }
    return status;
}

/* Whether all shards are there; seen [n_shards]: the file of each and 1. */
static dp_status find_missing(const dp_fit_replay *replay, const size_t *seen, dp_error *err)
{
    char text[256] = "";
    size_t n = 0, at = 0;
    for (size_t i = 0; i < replay->n_shards; i++)
        if (!seen[i] && n++ < MOST_NAMED)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%zu", n > 1 ? ", " : "", i);
    if (!n)
        return DP_OK;
    if (n > MOST_NAMED)
        snprintf(text + at, sizeof text - at, " and %zu more", n - MOST_NAMED);
    return dp_fail(err, DP_E_MISMATCH, "shard%s %s of %zu %s missing; run %s and give all files", n == 1 ? "" : "s",
                   text, replay->n_shards, n == 1 ? "is" : "are", n == 1 ? "it" : "them");
}

dp_status dp_fit_replay_open(const char *const *paths, size_t n, dp_fit_replay **out, dp_error *err)
{
    dp_fit_replay *replay = dp_calloc(1, sizeof *replay);
    size_t *seen = NULL;
    char list[65] = "";
    if (!replay || !(replay->files = dp_calloc(n + 1, sizeof *replay->files))) {
        dp_memory_free(replay);
        return dp_fail_memory(err, "the shards", n * sizeof(dp_frames));
    }
    dp_status status = DP_OK;
    for (size_t f = 0; f < n && !status; f++) {
        size_t index = 0, n_shards = 0;
        status = dp_frames_open(paths[f], &replay->files[f], err);
        if (status)
            break;
        replay->n_files++;
        status = read_head(replay, f, &index, &n_shards, err);
        if (!status && !seen && !(seen = dp_calloc(n_shards, sizeof *seen)))
            status = dp_fail_memory(err, "the shards", n_shards * sizeof *seen);
        if (!status && seen[index])
            status = dp_fail(err, DP_E_MISMATCH, "%s and %s: both are shard %zu of %zu; give it once",
                             paths[seen[index] - 1], paths[f], index, n_shards);
        if (!status) {
            seen[index] = f + 1;
            status = read_end(replay, f, index, list, err);
        }
    }
    if (!status)
        status = seen ? find_missing(replay, seen, err) : dp_fail(err, DP_E_ARGUMENT, "no shards to join");
    if (!status)
        status = read_names(replay, err);
    dp_memory_free(seen);
    if (status)
        dp_fit_replay_close(&replay);
    else
        *out = replay;
    return status;
}

void dp_fit_replay_close(dp_fit_replay **out)
{
    dp_fit_replay *replay = *out;
    if (!replay)
        return;
    dp_record_close(&replay->now);
    for (size_t i = 0; i < replay->n && replay->names; i++)
        dp_memory_free(replay->names[i]);
    for (size_t f = 0; f < replay->n_files; f++)
        dp_frames_close(&replay->files[f]);
    dp_memory_free(replay->names);
    dp_memory_free(replay->places);
    dp_memory_free(replay->files);
    dp_memory_free(replay);
    *out = NULL;
}

dp_status dp_fit_replay_settled(const dp_fit_replay *replay, dp_settled *settled, dp_error *err)
{
    const dp_frames *file = &replay->files[0];
    dp_status status = dp_frames_check(file, DP_SHARD_SETTLED, err);
    return status ? status : dp_settled_read(file->pieces[DP_SHARD_SETTLED], file->path, settled, NULL, err);
}

dp_isa dp_fit_replay_isa(const dp_fit_replay *replay)
{
    return replay->isa;
}

static const char *name_of(void *user, size_t index)
{
    const dp_fit_replay *replay = user;
    return replay->names[index];
}

static dp_status load(void *user, size_t index, const dp_picture_options *options, dp_picture **picture,
                      dp_picture_notes *notes, dp_error *err)
{
    (void)options;
    (void)picture;
    (void)notes;
    return dp_fail(err, DP_E_IO, "%s: a shard holds no pixels", name_of(user, index));
}

dp_source dp_fit_replay_source(dp_fit_replay *replay)
{
    return (dp_source){.n = replay->n, .name = name_of, .load = load, .user = replay};
}

dp_status dp_fit_replay_go(dp_fit_replay *replay, dp_prepared *prepared, dp_error *err)
{
    const struct place *at = &replay->places[prepared->index];
    const dp_frames *file = &replay->files[at->file];
    dp_record_close(&replay->now);
    dp_status status = dp_frames_check(file, at->piece, err);
    if (!status)
        status = dp_record_open(file->pieces[at->piece], file->path, &replay->now, err);
    if (!status)
        status = dp_record_prepared(&replay->now, file->path, prepared, err);
    prepared->path = replay->names[prepared->index];
    return status;
}

dp_status dp_fit_replay_view(const dp_fit_replay *replay, int turn, size_t version, float *tokens, size_t count,
                             uint8_t *cells, size_t n_cells, dp_error *err)
{
    return dp_record_view_read(&replay->now, turn, version, tokens, count, cells, n_cells, err);
}

dp_status dp_fit_replay_vector(const dp_fit_replay *replay, int turn, size_t version, float *vector, size_t n,
                               dp_error *err)
{
    return dp_record_vector_read(&replay->now, turn, version, vector, n, err);
}
