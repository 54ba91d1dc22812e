/* SPDX-License-Identifier: Apache-2.0 */
/* fault.h - errors of the service, in the library's form: a status, and a sentence that names the fact and the remedy. */
#ifndef DP_CLI_SERVICE_FAULT_H
#define DP_CLI_SERVICE_FAULT_H

#include "../cli.h"

/* Fills *err (may be NULL) and returns the status. */
dp_status service_fail(dp_error *err, dp_status status, const char *format, ...) G_GNUC_PRINTF(3, 4);

#endif
