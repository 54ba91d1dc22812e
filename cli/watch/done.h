/* SPDX-License-Identifier: Apache-2.0 */
/* done.h - where finished files go. */
#ifndef DP_CLI_WATCH_DONE_H
#define DP_CLI_WATCH_DONE_H

#include "../cli.h"

/* Makes the folder.  Errors: DP_E_IO, DP_E_ARGUMENT (on another file system than `in`: a move there is no move). */
dp_status done_begin(const char *in, const char *done, dp_error *err);
/* Moves a file to DONE/BELOW; where that name is taken, to NAME~2, NAME~3 and so on.  A file that is gone is no error.  Errors: DP_E_IO. */
dp_status done_move(const char *path, const char *done, const char *below, dp_error *err);

#endif
