/* SPDX-License-Identifier: Apache-2.0 */
/* settled_file.h - what was settled for a fit, as a file: all shards of the fit begin from it. */
#ifndef DP_PIPELINE_SETTLED_FILE_H
#define DP_PIPELINE_SETTLED_FILE_H

#include "base/hash.h"
#include "pipeline/settle.h"

/* A file of safetensors: docs/scale.md. Errors: DP_E_IO, DP_E_MEMORY. */
dp_status dp_settled_save(const dp_settled *settled, const dp_network_info *network, const char *path, dp_error *err);

/* The network that it was settled for. */
typedef struct dp_settled_network {
    char sha256[65];
    char *path; /* dp_memory_free */
} dp_settled_network;

/* Reads it back: recipe, choices and reference. name begins the messages. settled is closed by the caller; network may be
 * NULL. Errors: DP_E_FORMAT, DP_E_MEMORY. */
dp_status dp_settled_read(dp_bytes bytes, const char *name, dp_settled *settled, dp_settled_network *network,
                          dp_error *err);

#endif
