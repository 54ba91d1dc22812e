/* SPDX-License-Identifier: Apache-2.0 */
/* nano.h - the built-in network. */
#ifndef DP_NETWORK_NANO_H
#define DP_NETWORK_NANO_H

#include "format/safetensors.h"

#include <stdbool.h>

/* Returns whether this name means the built-in network. A file with this name must be opened as ./nano. */
bool dp_is_nano(const char *name);
/* Opens the checkpoint of nano without copying it. Errors: DP_E_MEMORY. */
dp_status dp_nano_open(dp_safetensors **file, dp_error *err);

#endif
