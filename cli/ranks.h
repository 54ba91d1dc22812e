/* SPDX-License-Identifier: Apache-2.0 */
/* ranks.h - the processes of an MPI job that inspect together, and the bank whose rows they share. */
#ifndef DP_CLI_RANKS_H
#define DP_CLI_RANKS_H

#include "cli.h"

/* Joins the job that mpirun started, for the words of `inspect`. With --shard each process works for itself. True: go on, as rank 0 or
 * alone. False: this was another rank, which has done its work, or there is a complaint; return *code. */
bool cli_ranks_begin(int argc, char **argv, int *code);
/* Leaves it. */
void cli_ranks_end(void);

/* The bank of inspect: one file, or a pattern of the files of its shares. */
typedef struct cli_shared {
    GPtrArray *paths; /* the files */
    dp_shared_bank *shared;
    dp_bank *own;
    const dp_bank *bank;
} cli_shared;

/* False: *code, complained. */
bool cli_shared_open(const char *path, const dp_run *run, cli_shared *opened, int *code);
void cli_shared_close(cli_shared *opened);

#endif
