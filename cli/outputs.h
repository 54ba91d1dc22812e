/* SPDX-License-Identifier: Apache-2.0 */
/* outputs.h - what a command reads and what it writes: declared before the work, checked once.
 *
 *     cli_outputs *files = cli_outputs_new(overwrite);
 *     cli_outputs_read(files, bank_path, "the bank in use"); cli_outputs_write(files, heat_path); ...
 *     if (!cli_outputs_check(files, &code)) ...                 nothing has been touched
 *     if (!cli_outputs_begin(files, NULL, &code)) ...          when the work begins
 *
 * No output is a file that is read (by device and inode, so links count as what they lead to); none exists, unless --overwrite; each can be
 * written where it is to lie; no two meet. */
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

/* A file that the command reads, and in a word what it is: "the bank in use".  NULL is none; one that is not there is for its reader to
 * complain about. */
void cli_outputs_read(cli_outputs *files, const char *path, const char *what);
void cli_outputs_read_all(cli_outputs *files, const GPtrArray *paths, const char *what);
/* The checkpoint: --model, and the one that a bank names (or NULL). */
void cli_outputs_read_model(cli_outputs *files, const char *argument, const char *recorded);
/* A bank that the command reads and that cli_outputs_write_bank may name again: it is updated. */
void cli_outputs_source(cli_outputs *files, const char *path);

/* A file that the command writes. */
void cli_outputs_write(cli_outputs *files, const char *path);
/* A bank that the command writes.  It takes the place of nothing but a bank, --overwrite or not. */
void cli_outputs_write_bank(cli_outputs *files, const char *path);
/* A file that an earlier run of the same work may have left: it is replaced without --overwrite. */
void cli_outputs_write_own(cli_outputs *files, const char *path);

/* False: *code is EXIT_USAGE, complained. */
bool cli_outputs_check(const cli_outputs *files, int *code);
/* Makes the folders of all outputs, and marks one of them (or NULL) so that no search takes its outputs for pictures.  False: *code,
 * complained. */
bool cli_outputs_begin(const cli_outputs *files, const char *marked, int *code);

/* All of the above for a command that reads a bank and writes one, the same or another, beside what has been declared: true where the work
 * can begin.  False: *code, complained. */
bool cli_outputs_bank(cli_outputs *files, const char *out, const char *bank, const char *model, int *code);

/* ---- folders of outputs, which a folder search leaves out */
typedef enum cli_mark {
    CLI_MARK_NONE,
    CLI_MARK_NAMED, /* files that are outputs by their names, here and below */
    CLI_MARK_ALL    /* all that lies here and below */
} cli_mark;

/* The name of the file that marks a folder. */
#define CLI_MARK_FILE ".dinopatch-outputs"

/* Marks a folder that is there.  False: err. */
bool cli_mark_folder(const char *folder, cli_mark mark, dp_error *err);
/* Makes the folder of a file `place` below `folder`, and marks the first folder on the way that is new, or empty, as one that holds nothing
 * but outputs.  False: err. */
bool cli_make_marked(const char *folder, const char *place, dp_error *err);
cli_mark cli_mark_of(const char *folder);
/* Whether a file in a marked folder is an output: it ends as outputs do, and so does the one that comes with it (NAME.heat.png and
 * NAME.map.tiff, NAME.aligned.png and NAME.mask.png).  A picture that a user calls so stays a picture. */
bool cli_is_output(const char *path);

#endif
