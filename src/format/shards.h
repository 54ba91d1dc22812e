/* SPDX-License-Identifier: Apache-2.0 */
/* shards.h - a checkpoint in one file, or in several that an index names. */
#ifndef DP_FORMAT_SHARDS_H
#define DP_FORMAT_SHARDS_H

#include "format/safetensors.h"

/* Opens a safetensors file, or all shards of an index as Hugging Face writes it (model.safetensors.index.json), which is
 * told by its content. limits (NULL: the default limits) hold for each shard, for the index as for a header, and for the
 * tensors and bytes of all shards together. The pieces of what was opened are the shards by name. Errors: DP_E_IO,
 * DP_E_FORMAT (names the shard and what is wrong), DP_E_MEMORY. */
dp_status dp_shards_open(const char *path, const dp_limits *limits, dp_safetensors **file, dp_error *err);

#endif
