#include "base/file.h"
#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
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
        if (data == MAP_FAILED)
            status = dp_fail_errno(err, "%s: cannot map %lld bytes", path, (long long)st.st_size);
        else
            *mapping = (dp_mapping){data, (size_t)st.st_size};
    }
    close(fd);
    return status;
}

void dp_mapping_close(dp_mapping *mapping)
{
    if (mapping->data)
        munmap((void *)(uintptr_t)mapping->data, mapping->bytes);
    *mapping = (dp_mapping){0};
}

#define BUFFER_BYTES ((size_t)1 << 20)

struct dp_writer {
    int fd;
    char *target, *temporary;
    size_t used;
    unsigned char buffer[BUFFER_BYTES];
};

static dp_status flush(dp_writer *writer, const unsigned char *data, size_t bytes, dp_error *err)
{
    while (bytes) {
        ssize_t done = write(writer->fd, data, bytes);
        if (done < 0) {
            if (errno == EINTR)
                continue;
            return dp_fail_errno(err, "%s: cannot write", writer->target);
        }
        data += done;
        bytes -= (size_t)done;
    }
    return DP_OK;
}

dp_status dp_writer_open(const char *path, dp_writer **out, dp_error *err)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return dp_fail(err, DP_E_IO, "%s: is a folder, cannot be written as a file", path);
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) /* a rename would put a file in the place of a device */
        return dp_fail(err, DP_E_IO, "%s: is not a regular file, cannot be replaced", path);
    dp_writer *writer = dp_malloc(1, sizeof *writer);
    size_t bytes = strlen(path) + sizeof ".tmp-00000000";
    char *temporary = dp_malloc(bytes, 1), *target = dp_strdup(path);
    if (!writer || !temporary || !target) {
        dp_memory_free(writer);
        dp_memory_free(temporary);
        dp_memory_free(target);
        return dp_fail_memory(err, path, sizeof *writer);
    }
    *writer = (dp_writer){.fd = -1, .target = target, .temporary = temporary};
    for (int tries = 0; tries < 100 && writer->fd < 0; tries++) {
        uint32_t suffix = 0;
        if (getrandom(&suffix, sizeof suffix, 0) < 0)
            suffix = (uint32_t)getpid() + (uint32_t)tries;
        snprintf(temporary, bytes, "%s.tmp-%08x", path, (unsigned)suffix);
        writer->fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (writer->fd < 0 && errno != EEXIST)
            break;
    }
    if (writer->fd < 0) {
        dp_status status = dp_fail_errno(err, "%s: cannot create", path);
        temporary[0] = 0;
        dp_writer_abort(&writer);
        return status;
    }
    *out = writer;
    return DP_OK;
}

dp_status dp_writer_put(dp_writer *writer, const void *data, size_t bytes, dp_error *err)
{
    const unsigned char *from = data;
    if (writer->used + bytes > BUFFER_BYTES) {
        dp_status status = flush(writer, writer->buffer, writer->used, err);
        if (status)
            return status;
        writer->used = 0;
        if (bytes >= BUFFER_BYTES)
            return flush(writer, from, bytes, err);
    }
    memcpy(writer->buffer + writer->used, from, bytes);
    writer->used += bytes;
    return DP_OK;
}

/* So that the new name survives a power cut.  A file system that cannot sync a folder is no reason to fail. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!folder)
        return;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

dp_status dp_writer_commit(dp_writer **writer_pointer, dp_error *err)
{
    dp_writer *writer = *writer_pointer;
    dp_status status = flush(writer, writer->buffer, writer->used, err);
    if (!status && fsync(writer->fd) != 0)
        status = dp_fail_errno(err, "%s: cannot write", writer->target);
    int closed = close(writer->fd);
    writer->fd = -1;
    if (!status && closed != 0)
        status = dp_fail_errno(err, "%s: cannot write", writer->target);
    if (!status && rename(writer->temporary, writer->target) != 0)
        status = dp_fail_errno(err, "%s: cannot put in place", writer->target);
    if (!status) {
        writer->temporary[0] = 0;
        sync_folder(writer->target);
    }
    dp_writer_abort(writer_pointer);
    return status;
}

void dp_writer_abort(dp_writer **writer_pointer)
{
    if (!writer_pointer || !*writer_pointer)
        return;
    dp_writer *writer = *writer_pointer;
    if (writer->fd >= 0)
        close(writer->fd);
    if (writer->temporary[0])
        unlink(writer->temporary);
    dp_memory_free(writer->temporary);
    dp_memory_free(writer->target);
    dp_memory_free(writer);
    *writer_pointer = NULL;
}

dp_status dp_file_write(const char *path, const void *data, size_t bytes, dp_error *err)
{
    dp_writer *writer;
    dp_status status = dp_writer_open(path, &writer, err);
    if (status)
        return status;
    status = dp_writer_put(writer, data, bytes, err);
    if (status) {
        dp_writer_abort(&writer);
        return status;
    }
    return dp_writer_commit(&writer, err);
}
