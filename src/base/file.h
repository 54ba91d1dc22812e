/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - maps files for reading, and writes files that appear whole or not at all. */
#ifndef DP_BASE_FILE_H
#define DP_BASE_FILE_H

#include "dinopatch/experimental.h"

#include <time.h>

/* A file mapped read-only. If the file is replaced by another (as dp_writer_commit does), the mapping keeps the old
 * content. If the file is written to in place, the mapping changes too; dp_mapping_check detects it. Reading bytes
 * that were cut off raises SIGBUS. */
typedef struct dp_mapping {
    const unsigned char *data; /* [bytes]; NULL for an empty file */
    size_t bytes;
    int fd; /* open unless data is NULL */
    struct timespec changed;
} dp_mapping;

/* Opens a file for reading. Repeats an interrupted call, and does not wait for a pipe. Returns -1 and sets errno on
 * failure. */
int dp_open_to_read(const char *path);

dp_status dp_mapping_open(const char *path, dp_mapping *mapping, dp_error *err);
/* Returns DP_E_CORRUPT if the file was written to since it was mapped. */
dp_status dp_mapping_check(const dp_mapping *mapping, const char *path, dp_error *err);
void dp_mapping_close(dp_mapping *mapping);

/* A file under construction. It is written under a temporary name in the target's folder; commit syncs it and renames
 * it over the target. Until then the target does not change. abort (or a failed commit) removes the temporary file.
 * If the writer is killed, the next writer of the same target removes the file.
 *
 *     dp_writer *w;
 *     dp_writer_open(path, &w, err); dp_writer_put(w, data, bytes, err); ...; dp_writer_commit(&w, err);
 *
 * Errors: DP_E_IO, DP_E_MEMORY; the message names the target. */
typedef struct dp_writer dp_writer;
dp_status dp_writer_open(const char *path, dp_writer **writer, dp_error *err);
dp_status dp_writer_put(dp_writer *writer, const void *data, size_t bytes, dp_error *err);
dp_status dp_writer_commit(dp_writer **writer, dp_error *err);
void dp_writer_abort(dp_writer **writer);

#endif
