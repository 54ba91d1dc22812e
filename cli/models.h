/* SPDX-License-Identifier: Apache-2.0 */
/* models.h - finds and opens the checkpoint that a command works with. */
#ifndef DP_CLI_MODELS_H
#define DP_CLI_MODELS_H

#include "cli.h"

/* True if a path of cli_model_path or of a bank is the name of the built-in network. */
bool cli_model_is_built_in(const char *path);
/* Path of --model M (NULL: of DINOPATCH_MODEL). If M is a file: M. If M is a folder: the checkpoint or index in it.
 * Else M.safetensors in the cache. If nothing is named, or the built-in network: its name. g_free. */
char *cli_model_path(const char *model);

/* True if argument, whose path that is, names a checkpoint that is not on this machine; says then what it is and what to do. Files
 * that a reader would miss by their own name are left to it. */
bool cli_model_is_missing(const char *argument, const char *path);
/* Opens the checkpoint. Prints a note if the built-in network is used because nothing was named, and a warning for a
 * stand-in. False: *code, complained. */
bool cli_model_open(const char *argument, dp_network **model, int *code);
/* Opens the checkpoint that a bank was made with: --model if given, else the built-in network, the path in the bank,
 * the same file name in the cache, DINOPATCH_MODEL. Refuses a checkpoint with another SHA-256 and names both. False:
 * *code, complained. */
bool cli_model_open_for_bank(const char *argument, const dp_bank_details *bank, dp_network **model, int *code);

#endif
