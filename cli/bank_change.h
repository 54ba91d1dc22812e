/* SPDX-License-Identifier: Apache-2.0 */
/* bank_change.h - a command that reads a bank and writes a changed one. */
#ifndef DP_CLI_BANK_CHANGE_H
#define DP_CLI_BANK_CHANGE_H

#include "cli.h"
#include "dinopatch/edit.h"

typedef struct cli_bank_change {
    char *path, *out; /* of the bank; where the changed one goes, NULL: the same file */
    gboolean overwrite;
    cli_run run;
    dp_bank *bank, *changed; /* changed: made by the command, NULL until then */
    dp_bank_lock *lock;
} cli_bank_change;

/* Parses a command line that has only the bank, --out and names. False: *code. */
bool cli_bank_change_parse(cli_bank_change *change, int *argc, char ***argv, const char *usage, const char *summary,
                           int *code);
/* Returns where the changed bank goes. */
const char *cli_bank_change_out(const cli_bank_change *change);
/* Checks that the output harms nothing, locks it and opens the bank. False: complained, *code, and nothing is open. */
bool cli_bank_change_open(cli_bank_change *change, int *code);
/* Ends the progress, and saves the changed bank unless `made` is a fault. Returns an exit code. */
int cli_bank_change_save(cli_bank_change *change, dp_status made, dp_error *err);
void cli_bank_change_close(cli_bank_change *change);

#endif
