/* SPDX-License-Identifier: Apache-2.0 */
/* shard_pieces.h - a file of pieces that are written one after the other, and that a killed writer leaves usable.
 *
 *      "dpframe1", then for each piece: its length (8 bytes, little endian), its SHA-256 (32 bytes), its bytes
 *
 * The writer's file is PATH.unfinished until it is committed. A piece that was cut short does not count. */
#ifndef DP_PIPELINE_SHARD_PIECES_H
#define DP_PIPELINE_SHARD_PIECES_H

#include "base/file.h"
#include "base/hash.h"

#include <stdbool.h>

typedef struct dp_frames {
    char *path;
    dp_mapping file;
    dp_bytes *pieces; /* [n] */
    size_t n;
    bool cut; /* something that is no whole piece follows the last one */
} dp_frames;

/* Errors: DP_E_IO, DP_E_FORMAT (not such a file), DP_E_MEMORY. */
dp_status dp_frames_open(const char *path, dp_frames *frames, dp_error *err);
void dp_frames_close(dp_frames *frames);
/* DP_E_CORRUPT if the bytes of a piece are not those that were written. */
dp_status dp_frames_check(const dp_frames *frames, size_t piece, dp_error *err);

typedef struct dp_frame_writer dp_frame_writer;

/* Begins PATH.unfinished; with `keep` its first `keep` pieces, as dp_frames_open found them there, stay.
 * Errors: DP_E_IO (another process writes it), DP_E_MEMORY. */
dp_status dp_frame_writer_open(const char *path, size_t keep, dp_frame_writer **writer, dp_error *err);
/* Appends a piece that consists of n bytes. */
dp_status dp_frame_writer_put(dp_frame_writer *writer, const dp_bytes *bytes, size_t n, dp_error *err);
/* Syncs the file and gives it its name. */
dp_status dp_frame_writer_commit(dp_frame_writer **writer, dp_error *err);
/* Leaves PATH.unfinished as it is. */
void dp_frame_writer_close(dp_frame_writer **writer);
/* "PATH.unfinished"; dp_memory_free. NULL: no memory. */
char *dp_frames_unfinished(const char *path);

#endif
