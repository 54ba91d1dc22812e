/* SPDX-License-Identifier: Apache-2.0 */
/* nameless.c - files without a name, and banks opened from them.
 *
 * A bank is mapped.  Were its own file mapped, `cp other.bank this.bank` would change rows while they are compared, and
 * a file that is cut short would end the process by SIGBUS.  A process that runs for months has a copy instead; on file
 * systems that share blocks (btrfs, XFS) copy_file_range makes it without a second set of them. */
#include "nameless.h"
#include "log.h"
#include "memory_picture.h"
#include "../fetch/file_digest.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

int nameless_file(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    g_autofree char *path = g_build_filename(folder, "nameless-XXXXXX", NULL); /* NFS and others cannot do it */
    fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        unlink(path);
    return fd;
}

/* All bytes from the first one on.  False: errno says why. */
static bool copy(int from, int to)
{
    const size_t most = (size_t)1 << 30;
    bool by_range = true;
    for (;;) {
        ssize_t n = by_range ? copy_file_range(from, NULL, to, NULL, most, 0) : sendfile(to, from, NULL, most);
        if (n == 0)
            return true;
        if (n < 0 && by_range && errno != EINTR && errno != ENOSPC && errno != EIO)
            by_range = false; /* another file system; both go on at the descriptors' places */
        else if (n < 0 && errno != EINTR)
            return false;
    }
}

/* -1: errno says why. */
static int copy_of(const char *folder, const char *path)
{
    struct stat about;
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), to = -1;
    if (from >= 0 && fstat(from, &about) == 0 && S_ISREG(about.st_mode))
        to = nameless_file(folder);
    bool good = to >= 0 && copy(from, to);
    int why = errno;
    if (!good && to >= 0)
        close(to);
    if (from >= 0)
        close(from);
    errno = why;
    return good ? to : -1;
}

dp_status nameless_bank_open(const char *folder, const char *path, dp_bank **bank, char sha256[65], dp_error *err)
{
    char link[64];
    int fd = copy_of(folder, path);
    int why = errno;
    g_snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const char *from = fd < 0 ? path : link;
    dp_bank *opened = NULL;
    dp_status status = dp_bank_open(from, &opened, err);
    if (!status && sha256)
        status = fetch_digest_file(from, NULL, sha256, err);
    if (status) {
        name_in_place_of(link, path, err);
        dp_bank_close(&opened);
    } else {
        *bank = opened;
        if (fd < 0)
            log_line(LOG_LEVEL_WARNING,
                     "%s: there is no copy of it in %s (%s), so nothing may write into this file; replace it by 'mv'",
                     path, folder, g_strerror(why));
    }
    if (fd >= 0)
        close(fd);
    return status;
}
