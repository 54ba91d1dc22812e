/* file.h - files mapped for reading, and files that appear whole or not at all. */
#ifndef DP_BASE_FILE_H
#define DP_BASE_FILE_H

#include "dinopatch.h"

#include <time.h>

/* A file mapped read-only.  Replacing the file by another (as dp_writer_commit does) leaves the mapping as it was; a file that is written to
 * in place changes under it, which dp_mapping_check finds out.  Bytes that were cut off cannot be read any more: SIGBUS. */
typedef struct dp_mapping {
    const unsigned char *data; /* [bytes]; NULL for an empty file */
    size_t bytes;
    int fd; /* where data is not NULL */
    struct timespec changed;
} dp_mapping;

/* open() for reading: an interrupted call is made again, and a pipe does not keep us waiting.  -1: errno. */
int dp_open_to_read(const char *path);

dp_status dp_mapping_open(const char *path, dp_mapping *mapping, dp_error *err);
/* DP_E_CORRUPT where the file was written to since it was mapped. */
dp_status dp_mapping_check(const dp_mapping *mapping, const char *path, dp_error *err);
void dp_mapping_close(dp_mapping *mapping);

/* A file under construction: written under a temporary name in the target's folder, synced and renamed over the target
 * by commit.  Until then the target is untouched; abort (or a failed commit) removes the temporary file, and what a killed
 * writer left the next writer of the same target removes.
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
