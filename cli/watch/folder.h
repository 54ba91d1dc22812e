/* SPDX-License-Identifier: Apache-2.0 */
/* folder.h - a folder that pictures come into: each file once it is whole.
 *
 * A file counts as whole when its writer closed it or moved it there.  One that a search finds (at the start, on a file system that tells
 * nothing, after an overflow) counts when two looks at it see the same size and time of change. */
#ifndef DP_CLI_WATCH_FOLDER_H
#define DP_CLI_WATCH_FOLDER_H

#include "../cli.h"

#include <sys/stat.h>

/* What a file is known by, beside its path. */
typedef struct file_identity {
    int64_t inode, bytes, changed_ns;
} file_identity;

file_identity file_identity_of(const struct stat *about);
bool file_identity_equal(const file_identity *a, const file_identity *b);

typedef struct folder_settings {
    const char *path;       /* as the user named it; so pictures are named */
    double poll_s;          /* look again so often; 0: be told by inotify; below 0: whichever the file system needs */
    const GPtrArray *apart; /* folders that hold our own files: these are not searched */
} folder_settings;

typedef struct watched_folder watched_folder;

/* Searches the folder.  Errors: DP_E_IO. */
dp_status folder_open(const folder_settings *settings, watched_folder **opened, dp_error *err);
void folder_close(watched_folder **opened);
/* Readable when something may have come; -1: the folder is polled. */
int folder_fd(const watched_folder *f);
double folder_poll_s(const watched_folder *f); /* 0: inotify */
/* *path: the next file, g_free; NULL: none now, look again after *wait_ms (-1: when folder_fd is readable).  Errors: DP_E_IO (the
 * folder is gone). */
dp_status folder_next(watched_folder *f, char **path, int *wait_ms, dp_error *err);
/* A file that was handed out was still being written: it comes again when it is whole. */
void folder_give_back(watched_folder *f, const char *path);

#endif
