/* SPDX-License-Identifier: Apache-2.0 */
/* kserve_request.h - an inference request of the KServe V2 protocol, in JSON or with the binary tensor extension.
 *
 * One input: a picture, as pixels (UINT8 [height, width, 3], [height, width] or these with a leading 1) or as a file (BYTES [1]; in JSON its
 * base64). */
#ifndef DP_CLI_SERVICE_KSERVE_REQUEST_H
#define DP_CLI_SERVICE_KSERVE_REQUEST_H

#include "../cli.h"

typedef enum kserve_output {
    KSERVE_SCORE = 0,
    KSERVE_LABEL,
    KSERVE_THRESHOLD,
    KSERVE_P_VALUE,
    KSERVE_CELL_THRESHOLD,
    KSERVE_RESULT, /* the JSON of `inspect --json` */
    KSERVE_MAP,
    KSERVE_OUTPUTS
} kserve_output;

extern const struct kserve_tensor {
    const char *name, *datatype;
    int dims; /* 1: [1]; 2: [height, width] */
} kserve_tensors[KSERVE_OUTPUTS];

typedef struct kserve_request {
    char *id;                       /* or NULL */
    const uint8_t *pixels;          /* [height, width, channels]; NULL: it is a file */
    size_t height, width, channels; /* 1 or 3 */
    const void *file;               /* [file_bytes] */
    size_t file_bytes;
    struct {
        bool wanted, binary;
    } outputs[KSERVE_OUTPUTS];
    guchar *owned; /* what was decoded */
} kserve_request;

/* header_bytes: of the JSON in front of binary tensors; SIZE_MAX: all is JSON.  What is borrowed lies in the body.  NULL: *request is filled; or
 * what is wrong; g_free. */
char *kserve_parse(const char *body, size_t bytes, size_t header_bytes, kserve_request *request);
void kserve_request_clear(kserve_request *request);

#endif
