#include "base/file.h"
#include "base/error.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

dp_status dp_mapping_open(const char *path, dp_mapping *mapping, dp_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
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
        }
    }
    close(fd);
    return status;
}

void dp_mapping_close(dp_mapping *mapping)
{
    if (mapping->data)
        munmap((void *)mapping->data, mapping->bytes);
    *mapping = (dp_mapping){0};
}
