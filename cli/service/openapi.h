/* SPDX-License-Identifier: Apache-2.0 */
/* openapi.h - openapi.json, which the program carries in itself. */
#ifndef DP_CLI_SERVICE_OPENAPI_H
#define DP_CLI_SERVICE_OPENAPI_H

#include <stddef.h>

/* Static storage. */
const char *openapi_text(size_t *bytes);

#endif
