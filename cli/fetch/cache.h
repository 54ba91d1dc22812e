/* SPDX-License-Identifier: Apache-2.0 */
/* cache.h - where downloaded checkpoints are. */
#ifndef DP_CLI_FETCH_CACHE_H
#define DP_CLI_FETCH_CACHE_H

#include "dinopatch/experimental.h"

/* Makes the folder of path, and its parents. */
dp_status fetch_make_folder_for(const char *path, dp_error *err);

#endif
