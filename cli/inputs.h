/* SPDX-License-Identifier: Apache-2.0 */
/* inputs.h - the pictures below folders, and the names of their outputs. */
#ifndef DP_CLI_INPUTS_H
#define DP_CLI_INPUTS_H

#include "picture_names.h"
#include "tars.h"

/* True if a search skips folders with this name. */
typedef bool (*cli_leave_out)(const char *name);

/* Adds the pictures below a folder to files, in the order of their paths. Leaves out hidden files, folders of the
 * system (@eaDir, __MACOSX, thumbnails), what dinopatch wrote (marks.h) and files that are no pictures; counts and
 * names them. Follows links to folders, each folder once. False: a folder cannot be read; complained. */
bool cli_find_pictures(const char *folder, cli_leave_out leave_out, GPtrArray *files);

/* As cli_inputs, and for each picture the name of its outputs: its path below the given folder, or its file name if it
 * was given itself. If the pictures come from several folders, the name of its folder stands in front. `.png` is
 * removed, any other suffix stays. */
GPtrArray *cli_inputs_named(char **arguments, int n, GPtrArray **names, size_t *n_failed);
/* The same for the arguments and the names of a list (may be NULL). The name of a listed picture is its path as it is
 * listed, or its file name if that path is absolute or goes up. With tars, the pictures of tar files stand in their
 * places; NULL: a tar file counts as a picture, whose reader refuses it. */
GPtrArray *cli_inputs_listed(char **arguments, int n, const GPtrArray *listed, cli_tars *tars, GPtrArray **names,
                             size_t *n_failed);
/* True if no two names are equal. False: *code, both pictures are named. */
bool cli_names_differ(const GPtrArray *inputs, const GPtrArray *names, int *code);
/* The name of a picture's outputs, from its path below the given folder; g_free. `.png` stays if the rest is again the
 * name of a picture. */
char *cli_output_name(const char *below);

#endif
