/* SPDX-License-Identifier: Apache-2.0 */
#include "base/lock.h"

#include <errno.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

dp_lock dp_lock_try(int fd)
{
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return DP_LOCK_OTHERS;
        if (errno != EINTR)
            return DP_LOCK_UNKNOWN;
    }
    return DP_LOCK_OURS;
}

long dp_lock_holder(int fd)
{
    /* "1: FLOCK  ADVISORY  WRITE 1234 08:01:567 0 EOF": process, device and inode; "->" marks a process that waits. */
    FILE *locks = fopen("/proc/locks", "re");
    struct stat file;
    char line[256];
    long holder = 0, alike = 0;
    if (fstat(fd, &file) != 0)
        file = (struct stat){0};
    while (locks && !holder && fgets(line, sizeof line, locks)) {
        long process;
        unsigned device[2];
        unsigned long long inode;
        /* NOLINTNEXTLINE(cert-err34-c): the kernel wrote these numbers */
        if (sscanf(line, "%*s FLOCK %*s WRITE %ld %x:%x:%llu", &process, &device[0], &device[1], &inode) != 4
            || inode != (unsigned long long)file.st_ino)
            continue;
        alike = process; /* on some file systems stat gives another device */
        if (device[0] == major(file.st_dev) && device[1] == minor(file.st_dev))
            holder = process;
    }
    if (locks)
        (void)fclose(locks);
    return holder > 0 ? holder : alike > 0 ? alike : 0;
}

bool dp_is_file_of(int fd, const char *path)
{
    struct stat open_file, named;
    return fstat(fd, &open_file) == 0 && stat(path, &named) == 0 && open_file.st_dev == named.st_dev
           && open_file.st_ino == named.st_ino;
}
