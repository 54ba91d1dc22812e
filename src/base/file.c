/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int dp_open_to_read(const char *path)
{
    int fd;
    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    while (fd < 0 && errno == EINTR);
    return fd;
}

dp_status dp_mapping_open(const char *path, dp_mapping *mapping, dp_error *err)
{
    int fd = dp_open_to_read(path);
    if (fd < 0)
        return dp_fail_errno(err, "%s: cannot open", path);
    dp_status status = DP_OK;
    struct stat st;
    if (fstat(fd, &st) != 0) {
        status = dp_fail_errno(err, "%s: cannot read its size", path);
    } else if (S_ISDIR(st.st_mode)) {
        status = dp_fail(err, DP_E_IO, "%s: is a folder, not a file", path);
    } else if (!S_ISREG(st.st_mode)) {
        status = dp_fail(err, DP_E_IO, "%s: is not a regular file", path);
    } else if (st.st_size == 0) {
        *mapping = (dp_mapping){0};
    } else {
        void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            status = dp_fail_errno(err, "%s: cannot map %lld bytes", path, (long long)st.st_size);
        } else {
            mapping->data = data;
            mapping->bytes = (size_t)st.st_size;
            mapping->fd = fd;
            mapping->changed = st.st_mtim;
        }
    }
    if (status || !mapping->data)
        close(fd);
    return status;
}

dp_status dp_mapping_check(const dp_mapping *mapping, const char *path, dp_error *err)
{
    struct stat st;
    if (!mapping->data)
        return DP_OK;
    if (fstat(mapping->fd, &st) != 0)
        return dp_fail_errno(err, "%s: cannot read its time", path);
    if ((size_t)st.st_size == mapping->bytes && st.st_mtim.tv_sec == mapping->changed.tv_sec
        && st.st_mtim.tv_nsec == mapping->changed.tv_nsec)
        return DP_OK;
    return dp_fail(err, DP_E_CORRUPT, "%s: was changed while it was in use, so its data cannot be trusted; try again",
                   path);
}

void dp_mapping_close(dp_mapping *mapping)
{
    if (mapping->data) {
        munmap((void *)mapping->data, mapping->bytes);
        close(mapping->fd);
    }
    *mapping = (dp_mapping){0};
}
