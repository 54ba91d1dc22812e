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
    bool encoded;                 /* the server compressed the body although that was not asked for */
    bool gated;                   /* refused because nobody accepted the licence (X-Error-Code of the hub) */
    bool token_sent;              /* the first request carried the token */
} fetch_http_facts;

/* How to ask. */
typedef struct fetch_http_how {
    unsigned stall_s;
    /* NULL: none. It goes only to the host of the address, never to a host that the address redirects to; over plain
     * http only to this machine; and not if the address has a user and a password. */
    const char *token;
    const dp_run *run;
} fetch_http_how;

/* An address as messages and logs may show it: without user and password (before '@') and without the query (after '?',
 * often a token). In doubt it leaves out more. Free with free; NULL: no memory. */
char *fetch_url_shown(const char *url);

/* Asks for the facts only. Storage servers often sign GET only, so redirects are followed no further than the answer
 * that states the digest. *again: another try may succeed. Errors: DP_E_IO, DP_E_MEMORY, DP_E_CANCELLED. */
dp_status fetch_http_head(const char *url, const fetch_http_how *how, fetch_http_facts *facts, bool *again,
                          dp_error *err);

/* Where a body goes. begin is called once, with status 200 or 206, before the first byte. */
typedef struct fetch_http_sink {
    dp_status (*begin)(void *user, const fetch_http_facts *facts, dp_error *err);
    dp_status (*put)(void *user, const void *data, size_t bytes, dp_error *err);
    void *user;
} fetch_http_sink;

/* Gets url from byte `from` on. Status 416 (no bytes from there) gives DP_OK and is in facts->status; other refusals
 * are errors. Errors of the sink are returned unchanged. Progress is called with the stage "download". */
dp_status fetch_http_get(const char *url, uint64_t from, const fetch_http_how *how, const fetch_http_sink *sink,
                         fetch_http_facts *facts, bool *again, dp_error *err);

#endif
