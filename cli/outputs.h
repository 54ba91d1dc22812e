/* SPDX-License-Identifier: Apache-2.0 */
/* outputs.h - the files that a command reads and writes: declared before the work begins, checked once.
 *
 *      cli_outputs *files = cli_outputs_new(overwrite);
 *      cli_outputs_read(files, bank_path, "the bank in use"); cli_outputs_write(files, heat_path); ...
 *      if (!cli_outputs_check(files, &code)) ...                 nothing has been touched
 *      if (!cli_outputs_begin(files, NULL, &code)) ...          when the work begins
 *
 * No output is a file that is read; device and inode decide, so a link counts as the file that it leads to. No output
 * exists yet, unless --overwrite is given. Each can be written at its place, and no two are the same file. */
#ifndef DP_CLI_OUTPUTS_H
#define DP_CLI_OUTPUTS_H

#include "cli.h"

#define CLI_OVERWRITE_ENTRY(overwrite)                                                                                 \
    {                                                                                                                  \
        "overwrite", 0, 0, CLI_FLAG, overwrite, "replace files that exist (never one that is read)", NULL              \
    }

typedef struct cli_outputs cli_outputs;

cli_outputs *cli_outputs_new(bool overwrite);
void cli_outputs_free(cli_outputs *files);

/* A file that the command reads, and what it is: "the bank in use". path NULL: none. If the file is missing, its reader
 * complains. */
void cli_outputs_read(cli_outputs *files, const char *path, const char *what);
void cli_outputs_read_all(cli_outputs *files, const GPtrArray *paths, const char *what);
/* The checkpoint of --model, and the one that a bank names (or NULL). */
void cli_outputs_read_model(cli_outputs *files, const char *argument, const char *recorded);
/* A bank that the command reads and may update: cli_outputs_write_bank may name it again. */
void cli_outputs_source(cli_outputs *files, const char *path);

/* A file that the command writes. */
void cli_outputs_write(cli_outputs *files, const char *path);
/* A bank that the command writes. It replaces only a bank, even with --overwrite. */
void cli_outputs_write_bank(cli_outputs *files, const char *path);
/* A file that an earlier run of the same work may have left. It is replaced without --overwrite. */
void cli_outputs_write_own(cli_outputs *files, const char *path);

/* Checks all outputs. False: *code is EXIT_USAGE, complained. */
bool cli_outputs_check(const cli_outputs *files, int *code);
/* Makes the folders of all outputs. Marks one of them (or NULL), so that no search takes its outputs for pictures.
 * False: *code, complained. */
bool cli_outputs_begin(const cli_outputs *files, const char *marked, int *code);

/* Does all of the above for a command that reads a bank and writes the same or another bank, besides the files declared
 * already. True: the work can begin. False: *code, complained. */
bool cli_outputs_bank(cli_outputs *files, const char *out, const char *bank, const char *model, int *code);

#endif
