/* SPDX-License-Identifier: Apache-2.0 */
/* nameless.h - files without a name, which go when they are closed, also by a kill; and banks opened from such copies. */
#ifndef DP_CLI_SERVICE_NAMELESS_H
#define DP_CLI_SERVICE_NAMELESS_H

#include "../cli.h"

/* A descriptor of an empty file on the folder's file system, to read and write; -1 and errno: it cannot be made. */
int nameless_file(const char *folder);

/* dp_bank_open of a copy that lies in the folder without a name: whatever is done to the bank's file later, this bank
 * stays as it was.  sha256 (may be NULL): of the copy.  Where there is no room for a copy, the file itself is opened,
 * and the log says so. */
dp_status nameless_bank_open(const char *folder, const char *path, dp_bank **bank, char sha256[65], dp_error *err);

#endif
