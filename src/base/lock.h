/* lock.h - locks that a dead process leaves free, whatever it died of. */
#ifndef DP_BASE_LOCK_H
#define DP_BASE_LOCK_H

#include <stdbool.h>

typedef enum dp_lock {
    DP_LOCK_OURS,
    DP_LOCK_OTHERS,
    DP_LOCK_UNKNOWN /* this file system knows no locks */
} dp_lock;

/* Tries to lock an open file against all other open files of the same inode, this process's own included.  Held until fd is closed. */
dp_lock dp_lock_try(int fd);

/* Who holds the lock of the file that is open as fd: the number of the process; 0 where that cannot be told. */
long dp_lock_holder(int fd);

/* Whether path stands for the file that is open as fd: a file may have been renamed or unlinked since it was opened. */
bool dp_is_file_of(int fd, const char *path);

#endif
