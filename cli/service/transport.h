/* SPDX-License-Identifier: Apache-2.0 */
/* transport.h - HTTP: libmicrohttpd with limits, in front of the endpoints. */
#ifndef DP_CLI_SERVICE_TRANSPORT_H
#define DP_CLI_SERVICE_TRANSPORT_H

#include "request.h"

typedef struct transport transport;

/* Listens on ADDRESS:PORT.  Only a loopback address goes without a token.  *where, g_free: the URL it listens on, with the port that a port 0
 * became.  Errors: DP_E_ARGUMENT (no address, a token is missing, a bad certificate), DP_E_IO (the address is taken). */
dp_status transport_open(service *s, const char *listen, transport **opened, char **where, dp_error *err);
/* Called every second. */
void transport_tick(transport *t);
/* Takes no more connections, and waits at most so long for what is at work. */
void transport_drain(transport *t, unsigned most_seconds);
void transport_close(transport **opened);

#endif
