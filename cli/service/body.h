/* SPDX-License-Identifier: Apache-2.0 */
/* body.h - the body of a request as it comes in: a little in memory, more in a file without a name. */
#ifndef DP_CLI_SERVICE_BODY_H
#define DP_CLI_SERVICE_BODY_H

#include "../cli.h"

typedef struct body {
    GByteArray *memory;
    int fd; /* -1: none yet */
    size_t bytes, most;
    int error; /* of the disk: nothing more is kept; 0: none */
    void *mapped;
} body;

void body_begin(body *b, size_t most_bytes);
void body_end(body *b);
/* False: it is over the limit.  What a full disk does not take is dropped, so that the sender comes to the end and hears why. */
bool body_add(body *b, const char *folder, const void *data, size_t bytes);
/* All of it, [b->bytes]; valid until body_end.  NULL: b->error says why not. */
const char *body_whole(body *b);

#endif
