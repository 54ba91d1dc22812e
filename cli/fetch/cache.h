/* SPDX-License-Identifier: Apache-2.0 */
/* cache.h - where fetched checkpoints lie. */
#ifndef DP_CLI_FETCH_CACHE_H
#define DP_CLI_FETCH_CACHE_H

#include "dinopatch/experimental.h"

/* Makes the folder that path lies in, and those above it. */
dp_status fetch_make_folder_for(const char *path, dp_error *err);

#endif
