/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz.h - what the fuzz targets share.
 *
 * A target is one file with LLVMFuzzerTestOneInput. With Meson's option `fuzzing`, libFuzzer drives it; otherwise
 * replay.c runs it over files, and a test replays those of corpus/ and regressions/. A target takes any bytes. In
 * addition to the sanitizers it checks what the library promises: a failed call gives its reason in one line of UTF-8,
 * and touches no output. */
#ifndef DP_TESTS_FUZZ_H
#define DP_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dinopatch/io.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Ends the process, with the text on stderr, where a promise is broken. */
void fuzz_must(bool holds, const char *promise);
/* What every function of the library promises: status DP_OK, or a code and a sentence in err.  True: DP_OK. */
bool fuzz_ok(dp_status status, const dp_error *err);
bool fuzz_is_utf8(const char *text, size_t bytes);

/* A file in memory with these bytes; its path, which lasts until the next call. */
const char *fuzz_file(const uint8_t *data, size_t bytes);
/* A folder of this process, removed at its end. */
const char *fuzz_folder(void);
void fuzz_empty_folder(void);
/* Writes folder/name. */
void fuzz_put(const char *name, const void *data, size_t bytes);

/* From here on stdout is kept in memory; then what was printed since the last call, freed by the caller. */
void fuzz_catch_stdout(void);
char *fuzz_caught(size_t *bytes);

#endif
