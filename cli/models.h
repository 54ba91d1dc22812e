/* models.h - finds and opens the checkpoint a command works with. */
#ifndef DP_CLI_MODELS_H
#define DP_CLI_MODELS_H

#include "cli.h"

/* Path of --model M (NULL: of DINOPATCH_MODEL): M where it is a file, else the cache's M.safetensors.  g_free. */
char *cli_model_path(const char *model);
/* Opens it; warns where it is a stand-in.  False: *code, complained. */
bool cli_model_open(const char *argument, dp_model **model, int *code);
/* The checkpoint a bank was made with: --model where given, else the path the bank holds, else the same file name in the cache, else
 * DINOPATCH_MODEL.  What is not the bank's checkpoint by its SHA-256 is refused, both files named. */
bool cli_model_open_for_bank(const char *argument, const dp_bank_info *bank, dp_model **model, int *code);

#endif
