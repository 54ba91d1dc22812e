/* SPDX-License-Identifier: Apache-2.0 */
/* models.h - finds and opens the checkpoint a command works with. */
#ifndef DP_CLI_MODELS_H
#define DP_CLI_MODELS_H

#include "cli.h"

/* Whether a path of cli_model_path or of a bank is no path but the name of the built-in network. */
bool cli_model_is_built_in(const char *path);
/* Path of --model M (NULL: of DINOPATCH_MODEL): M where it is a file, of a folder the checkpoint or index in it, else the cache's M.safetensors.  The built-in network where nothing is
 * named, or it is.  g_free. */
char *cli_model_path(const char *model);
/* Opens it; notes where it is built in because nothing is named, warns where it is a stand-in.  False: *code, complained. */
bool cli_model_open(const char *argument, dp_network **model, int *code);
/* The checkpoint a bank was made with: --model where given, else the built-in one, the path the bank holds, the same file name in the cache,
 * DINOPATCH_MODEL.  What is not the bank's checkpoint by its SHA-256 is refused, both files named. */
bool cli_model_open_for_bank(const char *argument, const dp_bank_details *bank, dp_network **model, int *code);

#endif
