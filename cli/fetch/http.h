/* SPDX-License-Identifier: Apache-2.0 */
/* http.h - the two requests that downloading a checkpoint needs, made with libcurl.
 *
 * The Hugging Face hub answers a resolve URL with a redirect to a storage server. The redirect carries what the hub
 * knows of the file: x-linked-etag (its SHA-256) and x-linked-size. A mirror may serve the file at once, with the
 * digest as its ETag. */
#ifndef DP_CLI_FETCH_HTTP_H
#define DP_CLI_FETCH_HTTP_H

#include "support.h"

#include <stdbool.h>

#define FETCH_BYTES_UNKNOWN UINT64_MAX

/* What the answers to one request say, redirects included. */
typedef struct fetch_http_facts {
    long status;                  /* of the last answer */
    char sha256[FETCH_HEX_BYTES]; /* empty: none stated */
    uint64_t file_bytes;          /* of the whole file; FETCH_BYTES_UNKNOWN if not stated */
    uint64_t range_start;         /* first byte of a 206 answer */
    bool encoded;                 /* the body is compressed, though nobody asked for that */
    bool gated;                   /* refused, as nobody accepted the licence (the hub's X-Error-Code) */
    bool token_sent;              /* the first request carried the token */
} fetch_http_facts;

/* How to ask. */
typedef struct fetch_http_how {
    unsigned stall_s;
    const char
        *token; /* NULL: none.  Goes to the host of the address alone, never to where that redirects; over plain http
                        * only to this machine; and not where the address has a user and a password */
    const dp_run *run;
} fetch_http_how;

/* An address as messages and logs may show it: without what stands before an '@' (a user and a password) and after a
 * '?' (often a token).  Where in doubt, more is left out.  To be freed with free; NULL: no memory. */
char *fetch_url_shown(const char *url);

/* Asks for the facts alone.  The storage server's signature often covers GET only: a redirect is followed no further
 * than to the answer that states the digest.  *again: another try may succeed. Errors: DP_E_IO, DP_E_MEMORY,
 * DP_E_CANCELLED. */
dp_status fetch_http_head(const char *url, const fetch_http_how *how, fetch_http_facts *facts, bool *again,
                          dp_error *err);

/* Where a body goes. begin is called once, with status 200 or 206, before the first byte. */
typedef struct fetch_http_sink {
    dp_status (*begin)(void *user, const fetch_http_facts *facts, dp_error *err);
    dp_status (*put)(void *user, const void *data, size_t bytes, dp_error *err);
    void *user;
} fetch_http_sink;

/* Gets url from byte `from` on.  416 (nothing left from there) is DP_OK with facts->status saying so; other refusals
 * are errors.  The sink's errors come back as they are.  Progress is called with the stage "download". */
dp_status fetch_http_get(const char *url, uint64_t from, const fetch_http_how *how, const fetch_http_sink *sink,
                         fetch_http_facts *facts, bool *again, dp_error *err);

#endif
