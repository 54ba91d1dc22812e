/* SPDX-License-Identifier: Apache-2.0 */
/* tars.h - the pictures in tar files, each file opened once. The picture a.jpg of shard.tar has the path shard.tar/a.jpg. */
#ifndef DP_CLI_TARS_H
#define DP_CLI_TARS_H

#include "cli.h"

typedef struct cli_tars cli_tars;

cli_tars *cli_tars_new(void);
void cli_tars_free(cli_tars *tars);

/* Opens a tar file and adds the paths of its pictures to paths, in its order. What is damaged, or must not be read, is
 * complained of and counted in *n_failed; what is no picture is counted for cli_tars_report. */
void cli_tars_add(cli_tars *tars, const char *path, GPtrArray *paths, size_t *n_failed);
/* Says what was left out because it is no picture. */
void cli_tars_report(const cli_tars *tars);

/* The tar files that are open; NULL: none. */
const GPtrArray *cli_tars_files(const cli_tars *tars);
/* Where the picture of a path is; path is borrowed. */
dp_kept_picture cli_tars_find(const cli_tars *tars, const char *path);
/* SHA-256 of a picture as it is stored, in hexadecimal; g_free. NULL: it cannot be read. */
char *cli_tars_sha256(const cli_tars *tars, const char *path);

#endif
