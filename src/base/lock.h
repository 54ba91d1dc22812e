/* SPDX-License-Identifier: Apache-2.0 */
/* lock.h - locks that the kernel frees when their process dies for any reason. */
#ifndef DP_BASE_LOCK_H
#define DP_BASE_LOCK_H

#include <stdbool.h>

typedef enum dp_lock {
    DP_LOCK_OURS,
    DP_LOCK_OTHERS,
    DP_LOCK_UNKNOWN /* this file system has no locks */
} dp_lock;

/* Tries to lock an open file against all other open files of the same inode, including those of this process. The
 * lock is held until fd is closed. */
dp_lock dp_lock_try(int fd);

/* Returns the number of the process that holds the lock of the file open as fd; 0 if unknown. */
long dp_lock_holder(int fd);

/* Returns whether path still names the file open as fd. The file may have been renamed or unlinked since it was
 * opened. */
bool dp_is_file_of(int fd, const char *path);

#endif
