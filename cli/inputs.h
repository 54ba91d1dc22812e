/* SPDX-License-Identifier: Apache-2.0 */
/* inputs.h - the pictures below folders, and the names of what is written of them. */
#ifndef DP_CLI_INPUTS_H
#define DP_CLI_INPUTS_H

#include "cli.h"

/* Whether a folder of that name is no part of a search. */
typedef bool (*cli_leave_out)(const char *name);

/* Adds the pictures below a folder to files, in the order of their paths.  Hidden files, folders of the system (@eaDir, __MACOSX, thumbnails),
 * what dinopatch wrote (outputs.h) and files that are no pictures are left out, counted and named.  Links to folders are followed, each
 * folder once.  False: a folder cannot be read, complained. */
bool cli_find_pictures(const char *folder, cli_leave_out leave_out, GPtrArray *files);

/* Hidden, or a name that systems give to their own files and folders. */
bool cli_is_left_out(const char *name);

/* As cli_inputs, and for each picture the name that its outputs have: its path below the folder given, or its file name where it was given
 * itself, with the name of its folder in front where the pictures come from several; `.png` is taken off, any other suffix stays. */
GPtrArray *cli_inputs_named(char **arguments, int n, GPtrArray **names, size_t *n_failed);
/* No two of the names are equal.  False: *code, both pictures named. */
bool cli_names_differ(const GPtrArray *inputs, const GPtrArray *names, int *code);
/* The name of the outputs of a picture, from its path below the folder given; g_free.  `.png` stays where what remains is a picture's name. */
char *cli_output_name(const char *below);

#endif
