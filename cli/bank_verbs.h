/* SPDX-License-Identifier: Apache-2.0 */
/* bank_verbs.h - the commands below `dinopatch bank`. argv[0] is the name of the command. */
#ifndef DP_CLI_BANK_VERBS_H
#define DP_CLI_BANK_VERBS_H

#include "cli.h"

int cli_bank_add(int argc, char **argv);
int cli_bank_remove(int argc, char **argv);
int cli_bank_merge(int argc, char **argv);
int cli_bank_compress(int argc, char **argv);
int cli_bank_quarantine(int argc, char **argv);
int cli_bank_split(int argc, char **argv);
int cli_bank_release(int argc, char **argv);

#endif
