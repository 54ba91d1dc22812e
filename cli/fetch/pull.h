/* SPDX-License-Identifier: Apache-2.0 */
/* pull.h - downloads a file that the registry does not list: for tests. */
#ifndef DP_CLI_FETCH_PULL_H
#define DP_CLI_FETCH_PULL_H

#include "fetch.h"

/* As fetch_pull, for any checkpoint. promised: the network that the file must hold; NULL: the content is not
 * checked. */
dp_status fetch_pull_checkpoint(const fetch_checkpoint *checkpoint, const dp_architecture *promised,
                                const char *destination, const fetch_settings *settings, const dp_run *run,
                                char *sha256, dp_error *err);

#endif
