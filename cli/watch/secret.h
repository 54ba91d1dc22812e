/* SPDX-License-Identifier: Apache-2.0 */
/* secret.h - passwords and tokens, which come from files and are never printed. */
#ifndef DP_CLI_WATCH_SECRET_H
#define DP_CLI_WATCH_SECRET_H

#include "../cli.h"

/* The first line of a file, by secret_free.  Errors: DP_E_IO (not to be read, its first line is empty). */
dp_status secret_read(const char *path, char **secret, dp_error *err);
/* Overwrites it first. */
void secret_free(char **secret);

#endif
