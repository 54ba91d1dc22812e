/* SPDX-License-Identifier: Apache-2.0 */
/* file_digest.h - SHA-256 of large files, and the note of it beside a downloaded checkpoint. */
#ifndef DP_CLI_FETCH_FILE_DIGEST_H
#define DP_CLI_FETCH_FILE_DIGEST_H

#include "support.h"

#include <stdbool.h>

/* Copies 64 hexadecimal digits from text to hex in lower case. False: text is anything else. */
bool fetch_digest_parse(const char *text, char hex[FETCH_HEX_BYTES]);

/* Digest of a text.  Errors: DP_E_MEMORY. */
dp_status fetch_digest_text(const char *text, char hex[FETCH_HEX_BYTES], dp_error *err);

/* Digest of a file, read in pieces. run->progress (run may be NULL) counts bytes in the stage "check". Errors: DP_E_IO,
 * DP_E_CANCELLED, DP_E_MEMORY. */
dp_status fetch_digest_file(const char *path, const dp_run *run, char hex[FETCH_HEX_BYTES], dp_error *err);

/* Reads path.sha256, in the format of sha256sum. False: there is none, or it holds no digest. */
bool fetch_digest_note_read(const char *path, char hex[FETCH_HEX_BYTES]);
dp_status fetch_digest_note_write(const char *path, const char hex[FETCH_HEX_BYTES], dp_error *err);

#endif
