/* SPDX-License-Identifier: Apache-2.0 */
/* multipart.h - the parts of a multipart/form-data body (RFC 7578), which lie where the body lies. */
#ifndef DP_CLI_SERVICE_MULTIPART_H
#define DP_CLI_SERVICE_MULTIPART_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct multipart_part {
    char *name;       /* of the field */
    char *file;       /* name of the file; NULL: the part is no file */
    const char *data; /* [bytes], borrowed from the body */
    size_t bytes;
} multipart_part;

/* The parts [multipart_part] of a body whose Content-Type is `type`; g_ptr_array_unref.  NULL, and *fault, g_free: what is wrong with it. */
GPtrArray *multipart_parse(const char *type, const char *body, size_t bytes, char **fault);

#endif
