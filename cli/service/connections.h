/* SPDX-License-Identifier: Apache-2.0 */
/* connections.h - the open connections and how long each may take: who dribbles or stays half open is cut off and starves nobody.
 *
 * A connection without a whole request has a deadline, and makes room first where the places run out. */
#ifndef DP_CLI_SERVICE_CONNECTIONS_H
#define DP_CLI_SERVICE_CONNECTIONS_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum connection_state {
    CONNECTION_WAITING = 0, /* for a request's head: new, or kept alive */
    CONNECTION_RECEIVING,   /* a body */
    CONNECTION_WORKING,     /* the request is whole */
    CONNECTION_SENDING,     /* an answer */
    CONNECTION_STREAMING    /* events, which last */
} connection_state;

typedef struct connections connections;
typedef struct connection connection;

/* most: places that there are.  on_cut is called for each that is cut off. */
connections *connections_new(size_t most, void (*on_cut)(void *user), void *user);
void connections_free(connections **all);
/* A connection came or is about to be closed. */
connection *connections_add(connections *all, int fd);
void connections_remove(connections *all, connection *one);
/* It does something else now; bytes: how many are to come or to go, from which its time follows; 0: not known. */
void connections_set(connections *all, connection *one, connection_state state, size_t bytes);
/* Cuts off what is over its time; called every second. */
void connections_check(connections *all);
/* Cuts off all that wait for a request but have just come.  Returns how many others there are. */
size_t connections_drain(connections *all);

#endif
