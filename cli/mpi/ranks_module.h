/* SPDX-License-Identifier: Apache-2.0 */
/* ranks_module.h - the door of the module that speaks MPI, so that the program starts without it. */
#ifndef DP_CLI_MPI_RANKS_MODULE_H
#define DP_CLI_MPI_RANKS_MODULE_H

#include "dinopatch/experimental.h"

#define RANKS_VERSION 1
#define RANKS_SYMBOL "dinopatch_ranks"

typedef struct ranks_api {
    unsigned version;
    int (*begin)(dp_exchange *exchange); /* not 0: it failed */
    void (*end)(void);                   /* all ranks call it */
    void (*abort)(int code);             /* ends all ranks */
} ranks_api;

#endif
