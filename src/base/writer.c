/* SPDX-License-Identifier: Apache-2.0 */
/* writer.c - files that appear whole or not at all, and leave nothing behind when their writer dies.
 *
 * The bytes go to TARGET.dinopatch-tmpN, which is synced and renamed over the target. N is the first of a few slots
 * that no running writer holds. The file of a slot is locked while its writer lives, and the kernel frees the lock of
 * a dead writer. So the next writer of the same target finds the file of a killed writer without searching the
 * folder, and removes it. The file of a running writer is never touched.
 *
 * A symbolic link is followed: TARGET is the file it points to, whether that exists or not. The new file takes the
 * permissions of the old one and, if the system allows it, its owner and group. A file that did not exist gets the
 * permissions that the umask leaves. */
#include "base/error.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES ((size_t)1 << 20)
#define SLOTS 16
#define SUFFIX ".dinopatch-tmp%x"
#define SUFFIX_BYTES (sizeof ".dinopatch-tmp0" - 1)
#define LINKS 40 /* as many as the system allows */

struct dp_writer {
    int fd;
    char *target, *temporary; /* temporary[0] is 0 if there is no file to remove */
    size_t used;
    unsigned char buffer[BUFFER_BYTES];
};

/* Says also what to do where that is known. */
static dp_status fail(const dp_writer *writer, const char *what, dp_error *err)
{
    const char *remedy = errno == ENOSPC || errno == EDQUOT  ? "; make room on the disk"
                         : errno == EACCES || errno == EPERM ? "; give the right to write in its folder"
                         : errno == EROFS                    ? "; name a place that can be written"
                                                             : "";
    dp_status status = dp_fail_errno(err, "%s: cannot %s", writer->target, what);
    if (err) {
        size_t used = strlen(err->message);
        snprintf(err->message + used, sizeof err->message - used, "%s", remedy);
    }
    return status;
}

static dp_status flush(dp_writer *writer, const unsigned char *data, size_t bytes, dp_error *err)
{
    while (bytes) {
        ssize_t done = write(writer->fd, data, bytes);
        if (done < 0) {
            if (errno == EINTR)
                continue;
            return fail(writer, "write", err);
        }
        data += done;
        bytes -= (size_t)done;
    }
    return DP_OK;
}

/* Returns room for the name of a slot; its suffix begins at *suffix_at. A long name is cut so that the suffix fits.
 * Two targets that are cut to the same name share their slots; the locks allow this. */
static char *slot_name(const char *path, size_t *suffix_at)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t folder = (size_t)(base - path), length = strlen(base);
    if (length > NAME_MAX - SUFFIX_BYTES)
        length = NAME_MAX - SUFFIX_BYTES;
    *suffix_at = folder + length;
    char *name = dp_malloc(*suffix_at + SUFFIX_BYTES + 1, 1);
    if (name)
        memcpy(name, path, *suffix_at);
    return name;
}

enum slot { SLOT_OURS, SLOT_TAKEN, SLOT_CHANGED, SLOT_FAILED };

/* Removes the file of a slot if its writer is dead. Only the holder of the lock unlinks or renames the file, so a
 * file that can be locked has no running writer. Returns SLOT_TAKEN if the writer lives or if this is unknown. */
static enum slot clear_slot(const char *name)
{
    int fd = open(name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT || errno == EINTR ? SLOT_CHANGED : SLOT_TAKEN;
    enum slot found = SLOT_TAKEN;
    if (dp_lock_try(fd) == DP_LOCK_OURS && (!dp_is_file_of(fd, name) || unlink(name) == 0))
        found = SLOT_CHANGED;
    close(fd);
    return found;
}

/* Creates and locks the file of a slot. Then checks that the name still belongs to this file, because another writer
 * may have removed it in between. */
static enum slot try_slot(const char *name, mode_t mode, int *out)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd >= 0) {
        if (dp_lock_try(fd) == DP_LOCK_OTHERS || !dp_is_file_of(fd, name)) {
            close(fd);
            return SLOT_CHANGED;
        }
        *out = fd;
        return SLOT_OURS;
    }
    if (errno == EEXIST)
        return clear_slot(name);
    return errno == EINTR ? SLOT_CHANGED : SLOT_FAILED;
}

static void name_slot(char *name, size_t suffix_at, int slot)
{
    snprintf(name + suffix_at, SUFFIX_BYTES + 1, SUFFIX, (unsigned)slot);
}

static dp_status open_slot(dp_writer *writer, size_t suffix_at, mode_t mode, dp_error *err)
{
    for (int slot = 0; slot < SLOTS; slot++) {
        name_slot(writer->temporary, suffix_at, slot);
        enum slot found = SLOT_CHANGED;
        for (int tries = 0; found == SLOT_CHANGED && tries < 1000; tries++)
            found = try_slot(writer->temporary, mode, &writer->fd);
        if (found == SLOT_OURS) {
            for (int other = slot + 1; other < SLOTS; other++) { /* left by a second writer that was killed */
                name_slot(writer->temporary, suffix_at, other);
                clear_slot(writer->temporary);
            }
            name_slot(writer->temporary, suffix_at, slot);
            return DP_OK;
        }
        if (found == SLOT_FAILED)
            return fail(writer, "create", err);
    }
    return dp_fail(err, DP_E_IO, "%s: cannot create: %d others are being written beside it (the last is %s)",
                   writer->target, SLOTS, writer->temporary);
}

/* Gives the new file the permissions of the old one. If the group cannot be kept, the new group must not get the old
 * group's right to read. */
static dp_status keep_permissions(const dp_writer *writer, const struct stat *old, dp_error *err)
{
    mode_t mode = old->st_mode & 0777;
    struct stat now;
    if (fstat(writer->fd, &now) != 0)
        return dp_fail_errno(err, "%s: cannot read its permissions", writer->target);
    if (now.st_gid != old->st_gid && fchown(writer->fd, (uid_t)-1, old->st_gid) != 0)
        mode &= ~(mode_t)070 | (mode & 07) << 3;
    if (now.st_uid != old->st_uid && fchown(writer->fd, old->st_uid, (gid_t)-1) != 0 && errno != EPERM
        && errno != EINVAL)
        return dp_fail_errno(err, "%s: cannot keep its owner", writer->target);
    if (fchmod(writer->fd, mode) != 0 && errno != EPERM && errno != ENOTSUP) /* some file systems have no permissions */
        return dp_fail_errno(err, "%s: cannot keep its permissions", writer->target);
    return DP_OK;
}

/* Returns the file that a path leads to through symbolic links, whether it exists or not. */
static dp_status follow_links(const char *path, char **out, dp_error *err)
{
    char *at = dp_strdup(path), to[PATH_MAX];
    for (int links = 0; at; links++) {
        ssize_t length = readlink(at, to, sizeof to - 1);
        if (length < 0) { /* not a link, or nothing exists there */
            *out = at;
            return DP_OK;
        }
        if (links == LINKS) {
            dp_memory_free(at);
            return dp_fail(err, DP_E_IO, "%s: is a symbolic link that leads to itself", path);
        }
        to[length] = 0;
        const char *slash = to[0] == '/' ? NULL : strrchr(at, '/');
        size_t folder = slash ? (size_t)(slash + 1 - at) : 0;
        char *next = dp_malloc(folder + (size_t)length + 1, 1);
        if (next) {
            memcpy(next, at, folder);
            memcpy(next + folder, to, (size_t)length + 1);
        }
        dp_memory_free(at);
        at = next;
    }
    return dp_fail_memory(err, path, 0);
}

dp_status dp_writer_open(const char *path, dp_writer **out, dp_error *err)
{
    struct stat old;
    bool replaces = stat(path, &old) == 0;
    if (replaces && S_ISDIR(old.st_mode))
        return dp_fail(err, DP_E_IO, "%s: is a folder, so it cannot be written as a file", path);
    if (replaces && !S_ISREG(old.st_mode)) /* a rename would replace a device by a file */
        return dp_fail(err, DP_E_IO, "%s: is not a regular file, so it cannot be replaced", path);
    char *target = NULL;
    dp_status status = follow_links(path, &target, err);
    if (status)
        return status;
    size_t suffix_at;
    dp_writer *writer = dp_malloc(1, sizeof *writer);
    char *temporary = slot_name(target, &suffix_at);
    if (!writer || !temporary) {
        dp_memory_free(writer);
        dp_memory_free(temporary);
        dp_memory_free(target);
        return dp_fail_memory(err, path, sizeof *writer);
    }
    writer->fd = -1;
    writer->target = target;
    writer->temporary = temporary;
    writer->used = 0;
    status = open_slot(writer, suffix_at, replaces ? 0600 : 0666, err);
    if (status)
        temporary[0] = 0;
    else if (replaces)
        status = keep_permissions(writer, &old, err);
    if (status) {
        dp_writer_abort(&writer);
        return status;
    }
    *out = writer;
    return DP_OK;
}

dp_status dp_writer_put(dp_writer *writer, const void *data, size_t bytes, dp_error *err)
{
    const unsigned char *from = data;
    if (!bytes)
        return DP_OK; /* data may be NULL */
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

static int sync_file(int fd)
{
    int result;
    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    return result;
}

/* Makes the new name survive a power cut. A file system that cannot sync a folder is not an error. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!folder)
        return;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        sync_file(fd);
        close(fd);
    }
    free(folder);
}

dp_status dp_writer_commit(dp_writer **writer_pointer, dp_error *err)
{
    dp_writer *writer = *writer_pointer;
    dp_status status = flush(writer, writer->buffer, writer->used, err);
    if (!status && sync_file(writer->fd) != 0)
        status = fail(writer, "write", err);
    /* Renames the file while it is still locked. After the sync, an error of close does not matter. */
    if (!status && rename(writer->temporary, writer->target) != 0)
        status = fail(writer, "rename the finished file to this name", err);
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
    if (writer->temporary[0])
        unlink(writer->temporary); /* before closing the descriptor frees its lock */
    if (writer->fd >= 0)
        close(writer->fd);
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
