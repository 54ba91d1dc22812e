/* SPDX-License-Identifier: Apache-2.0 */
/* guard.h - who may ask: Host (DNS rebinding), Origin (posts from other sites), the bearer token. */
#ifndef DP_CLI_SERVICE_GUARD_H
#define DP_CLI_SERVICE_GUARD_H

#include <glib.h>
#include <stdbool.h>

/* Whether a Host header names this machine and no name that a stranger's DNS could point here: an address, localhost, or one of `names`
 * (NULL-ended; may be NULL), with any port. */
bool guard_host(const char *host, char *const *names);
/* Whether an Origin header is that of the Host header: of a page that this service gave out. */
bool guard_origin(const char *origin, const char *host);

typedef struct guard_token {
    guint8 digest[32]; /* SHA-256 of the token */
} guard_token;

/* The token of a file: its first line, at least 16 characters without space.  NULL, or why not; g_free. */
char *guard_token_read(const char *path, guard_token *token);
/* Whether an Authorization header (may be NULL) carries the token; takes the same time wherever they differ. */
bool guard_token_matches(const guard_token *token, const char *authorization);

#endif
