/* SPDX-License-Identifier: Apache-2.0 */
/* marks.h - folders of outputs, which a search for pictures leaves out. */
#ifndef DP_CLI_MARKS_H
#define DP_CLI_MARKS_H

#include "cli.h"

/* Makes a folder and its parents. False: complained. */
bool cli_make_folder(const char *path);

typedef enum cli_mark {
    CLI_MARK_NONE,
    CLI_MARK_NAMED, /* files whose names are those of outputs, here and below */
    CLI_MARK_ALL    /* all files here and below */
} cli_mark;

/* The name of the file that marks a folder. */
#define CLI_MARK_FILE ".dinopatch-outputs"

/* Marks an existing folder. False: err. */
bool cli_mark_folder(const char *folder, cli_mark mark, dp_error *err);
/* Makes the folder of the file `place` below `folder`. Marks the first folder on the way that is new or empty: it holds
 * only outputs. False: err. */
bool cli_make_marked(const char *folder, const char *place, dp_error *err);
cli_mark cli_mark_of(const char *folder);
/* True if a file in a marked folder is an output: its name ends like one, and so does that of the file that comes with
 * it (NAME.heat.png and NAME.map.tiff, NAME.aligned.png and NAME.mask.png). A user's picture with such a name stays a
 * picture. */
bool cli_is_output(const char *path);

#endif
