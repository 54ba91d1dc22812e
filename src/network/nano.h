/* SPDX-License-Identifier: Apache-2.0 */
/* nano.h - the built-in network. */
#ifndef DP_NETWORK_NANO_H
#define DP_NETWORK_NANO_H

#include "format/safetensors.h"

#include <stdbool.h>

/* Whether this name means the built-in network.  A file of that name is opened as ./nano. */
bool dp_is_nano(const char *name);
/* Its checkpoint; nothing is copied.  Errors: DP_E_MEMORY. */
dp_status dp_nano_open(dp_safetensors **file, dp_error *err);

#endif
