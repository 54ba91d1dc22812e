/* SPDX-License-Identifier: Apache-2.0 */
/* request.h - one request and its answer, between transport and endpoints. */
#ifndef DP_CLI_SERVICE_REQUEST_H
#define DP_CLI_SERVICE_REQUEST_H

#include "service.h"

#include <microhttpd.h>

#define REQUEST_PARTS 3

typedef struct request {
    service *service;
    struct MHD_Connection *connection;
    char *part[REQUEST_PARTS]; /* what stands for {} in the route */
    const char *body;          /* [bytes]; NULL: there is none */
    size_t bytes;
    /* the answer: one reply_... */
    unsigned status;
    struct MHD_Response *response;
    bool kserve; /* problems also have the member "error" of that protocol */
    size_t answer_bytes;
    bool streams; /* the answer lasts */
} request;

/* A query's value, or a header's; NULL: it is not there. */
const char *request_query(const request *r, const char *name);
const char *request_header(const request *r, const char *name);
/* A query's whole number from least to most; absent: *value stays.  False: answered. */
bool request_number(request *r, const char *name, int64_t least, int64_t most, int64_t *value);
/* Whether the client would rather have `type` than JSON: it stands in Accept, and JSON does not stand before it. */
bool request_accepts(const request *r, const char *type);
/* The body as a JSON object; NULL: answered. */
json_t *request_json(request *r);
/* Whether an object has no other members than these, between spaces; false: answered, what being its name. */
bool request_only(request *r, const json_t *object, const char *known, const char *what);
/* The bank of the route's first part, ready for use; NULL: answered.  Give it back by served_bank_drop. */
served_bank *request_bank(request *r);
/* A whole number that stands in the route; 0: answered (404). */
int64_t request_id(request *r, size_t part, const char *what);

/* Answers.  The last one counts.  value, bytes and text are taken over. */
void reply_json(request *r, unsigned status, json_t *value);
void reply_text(request *r, unsigned status, GString *text, const char *type);
void reply_bytes(request *r, unsigned status, GBytes *bytes, const char *type);
void reply_static(request *r, const void *data, size_t bytes, const char *type);
/* What `read` gives piece by piece, by libmicrohttpd's rules; done frees `user`. */
void reply_stream(request *r, MHD_ContentReaderCallback read, void *user, MHD_ContentReaderFreeCallback done,
                  const char *type);
void reply_empty(request *r, unsigned status);
/* A problem document (RFC 9457). */
void reply_problem(request *r, unsigned status, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* The same with a member of its own, which is taken over. */
void reply_problem_with(request *r, unsigned status, const char *detail, const char *key, json_t *value);
/* A fault of the library, under the status it deserves. */
void reply_fault(request *r, const dp_error *err);
unsigned status_of_fault(dp_status status);
/* After an answer: a further header. */
void reply_header(request *r, const char *name, const char *value);

#endif
