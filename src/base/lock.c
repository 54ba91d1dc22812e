#include "base/lock.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

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

bool dp_is_file_of(int fd, const char *path)
{
    struct stat open_file, named;
    return fstat(fd, &open_file) == 0 && stat(path, &named) == 0 && open_file.st_dev == named.st_dev
           && open_file.st_ino == named.st_ino;
}
