/* SPDX-License-Identifier: Apache-2.0 */
/* listener.h - the address that the service listens on. */
#ifndef DP_CLI_SERVICE_LISTENER_H
#define DP_CLI_SERVICE_LISTENER_H

#include "../cli.h"

typedef struct listener {
    int fd;
    bool loopback; /* no other machine can reach it */
    char *name;    /* "127.0.0.1:8080", "[::1]:8080", with the port that it got; g_free */
} listener;

/* Listens on "ADDRESS:PORT", "[ADDRESS]:PORT" or "localhost:PORT"; port 0: any that is free.  Errors: DP_E_ARGUMENT, DP_E_IO. */
dp_status listener_open(const char *text, listener *l, dp_error *err);

#endif
