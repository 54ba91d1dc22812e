/* SPDX-License-Identifier: Apache-2.0 */
/* shard_pieces.c - a file of pieces: reads those that are whole, appends. */
#include "pipeline/shard_pieces.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAGIC "dpframe1"
#define MAGIC_BYTES (sizeof MAGIC - 1)
#define HEAD_BYTES (sizeof(uint64_t) + DP_SHA256_BYTES)

static uint64_t length_at(const unsigned char *at)
{
    uint64_t length = 0;
    for (int i = 7; i >= 0; i--)
        length = length << 8 | at[i];
    return length;
}

/* Finds the whole pieces: those that pieces (or NULL) has room for are entered. */
static size_t find_pieces(const dp_mapping *file, dp_bytes *pieces, size_t *end)
{
    size_t n = 0, at = MAGIC_BYTES;
    while (file->bytes - at > HEAD_BYTES) {
        uint64_t length = length_at(file->data + at);
        if (length > file->bytes - at - HEAD_BYTES)
            break;
        if (pieces)
            pieces[n] = (dp_bytes){file->data + at + HEAD_BYTES, (size_t)length};
        n++;
        at += HEAD_BYTES + (size_t)length;
    }
    *end = at;
    return n;
}

dp_status dp_frames_open(const char *path, dp_frames *out, dp_error *err)
{
    dp_frames frames = {.path = dp_strdup(path)};
    size_t end = 0;
    dp_status status =
        frames.path ? dp_mapping_open(path, &frames.file, err) : dp_fail_memory(err, path, strlen(path) + 1);
    if (!status && (frames.file.bytes < MAGIC_BYTES || memcmp(frames.file.data, MAGIC, MAGIC_BYTES) != 0))
        status = dp_fail(err, DP_E_FORMAT, "%s: is no shard of a fit", path);
    if (!status) {
        frames.n = find_pieces(&frames.file, NULL, &end);
        frames.pieces = dp_malloc(frames.n + 1, sizeof *frames.pieces);
        if (frames.pieces)
            find_pieces(&frames.file, frames.pieces, &end);
        else
            status = dp_fail_memory(err, path, frames.n * sizeof *frames.pieces);
        frames.cut = end < frames.file.bytes;
    }
    if (status)
        dp_frames_close(&frames);
    else
        *out = frames;
    return status;
}

void dp_frames_close(dp_frames *frames)
{
    if (frames->path)
        dp_mapping_close(&frames->file);
    dp_memory_free(frames->path);
    dp_memory_free(frames->pieces);
    *frames = (dp_frames){0};
}

dp_status dp_frames_check(const dp_frames *frames, size_t piece, dp_error *err)
{
    unsigned char digest[DP_SHA256_BYTES];
    const dp_bytes *bytes = &frames->pieces[piece];
    dp_status status = dp_sha256_raw(bytes, 1, digest, err);
    if (!status && memcmp(digest, (const unsigned char *)bytes->data - DP_SHA256_BYTES, sizeof digest) != 0)
        status = dp_fail(err, DP_E_CORRUPT, "%s: is damaged at byte %zu; run this shard again", frames->path,
                         (size_t)((const unsigned char *)bytes->data - frames->file.data));
    return status;
}

struct dp_frame_writer {
    int fd;
    char *path, *unfinished;
};

char *dp_frames_unfinished(const char *path)
{
    const size_t bytes = strlen(path) + sizeof ".unfinished";
    char *name = dp_malloc(bytes, 1);
    if (name)
        snprintf(name, bytes, "%s.unfinished", path);
    return name;
}

static dp_status write_all(dp_frame_writer *writer, const void *data, size_t bytes, dp_error *err)
{
    for (const unsigned char *at = data; bytes;) {
        ssize_t done = write(writer->fd, at, bytes);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return dp_fail_errno(err, "%s: cannot write", writer->unfinished);
        at += done;
        bytes -= (size_t)done;
    }
    return DP_OK;
}

/* Where the first `keep` pieces of a file end. */
static dp_status end_of(const char *path, size_t keep, size_t *end, dp_error *err)
{
    dp_frames frames;
    dp_status status = dp_frames_open(path, &frames, err);
    if (status)
        return status;
    *end = MAGIC_BYTES;
    for (size_t i = 0; i < keep && i < frames.n; i++)
        *end += HEAD_BYTES + frames.pieces[i].bytes;
    dp_frames_close(&frames);
    return DP_OK;
}

dp_status dp_frame_writer_open(const char *path, size_t keep, dp_frame_writer **out, dp_error *err)
{
    dp_frame_writer *writer = dp_calloc(1, sizeof *writer);
    size_t end = 0;
    if (!writer)
        return dp_fail_memory(err, path, sizeof *writer);
    *writer = (dp_frame_writer){.fd = -1, .path = dp_strdup(path), .unfinished = dp_frames_unfinished(path)};
    dp_status status =
        writer->path && writer->unfinished ? DP_OK : dp_fail_memory(err, path, sizeof *writer + strlen(path));
    if (!status && keep)
        status = end_of(writer->unfinished, keep, &end, err);
    if (!status) {
        do
            writer->fd = open(writer->unfinished, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        while (writer->fd < 0 && errno == EINTR);
        if (writer->fd < 0)
            status = dp_fail_errno(err, "%s: cannot write", writer->unfinished);
        else if (dp_lock_try(writer->fd) == DP_LOCK_OTHERS)
            status = dp_fail(err, DP_E_IO, "%s: another process writes this shard; wait for it, or name another file",
                             writer->unfinished);
        else if (ftruncate(writer->fd, (off_t)end) != 0 || lseek(writer->fd, 0, SEEK_END) < 0)
            status = dp_fail_errno(err, "%s: cannot write", writer->unfinished);
        else if (!end)
            status = write_all(writer, MAGIC, MAGIC_BYTES, err);
    }
    if (status)
        dp_frame_writer_close(&writer);
    else
        *out = writer;
    return status;
}

dp_status dp_frame_writer_put(dp_frame_writer *writer, const dp_bytes *bytes, size_t n, dp_error *err)
{
    unsigned char head[HEAD_BYTES];
    uint64_t length = 0;
    for (size_t i = 0; i < n; i++)
        length += bytes[i].bytes;
    for (size_t i = 0; i < 8; i++)
        head[i] = (unsigned char)(length >> 8 * i);
    dp_status status = dp_sha256_raw(bytes, n, head + 8, err);
    if (!status)
        status = write_all(writer, head, sizeof head, err);
    for (size_t i = 0; i < n && !status; i++)
        status = write_all(writer, bytes[i].data, bytes[i].bytes, err);
    return status;
}

dp_status dp_frame_writer_commit(dp_frame_writer **writer, dp_error *err)
{
    dp_frame_writer *w = *writer;
    dp_status status = DP_OK;
    if (fsync(w->fd) != 0)
        status = dp_fail_errno(err, "%s: cannot write", w->unfinished);
    else if (rename(w->unfinished, w->path) != 0)
        status = dp_fail_errno(err, "%s: cannot be renamed to its final name", w->unfinished);
    dp_frame_writer_close(writer);
    return status;
}

void dp_frame_writer_close(dp_frame_writer **writer)
{
    dp_frame_writer *w = *writer;
    if (!w)
        return;
    if (w->fd >= 0)
        close(w->fd);
    dp_memory_free(w->path);
    dp_memory_free(w->unfinished);
    dp_memory_free(w);
    *writer = NULL;
}
