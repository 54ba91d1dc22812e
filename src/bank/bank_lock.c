/* SPDX-License-Identifier: Apache-2.0 */
/* bank_lock.c - only one process changes a bank at a time.
 *
 * The lock is on the bank's own file, so there is no extra file. Saving renames a new file over the old one. A process
 * that waited then holds the lock of a file that is no longer the bank; it sees that the path names another file, and
 * locks that one. */
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include "dinopatch/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct dp_bank_lock {
    int fd;
};

static const struct timespec pause_between = {.tv_nsec = 100000000};

/* NFS locks only files that are open for writing. */
static dp_lock try_lock(const char *path, int *fd)
{
    dp_lock lock = dp_lock_try(*fd);
    if (lock != DP_LOCK_UNKNOWN)
        return lock;
    int writable = open(path, O_RDWR | O_CLOEXEC);
    if (writable < 0)
        return lock;
    close(*fd);
    *fd = writable;
    return dp_lock_try(*fd);
}

/* Writes "process 1234 (dinopatch)", or as much as is known. */
static void name_holder(long holder, char *text, size_t bytes)
{
    char path[64], name[64] = "";
    snprintf(path, sizeof path, "/proc/%ld/comm", holder);
    FILE *file = holder ? fopen(path, "re") : NULL;
    if (file && fgets(name, sizeof name, file))
        name[strcspn(name, "\n")] = '\0';
    if (file)
        (void)fclose(file);
    if (!holder)
        snprintf(text, bytes, "another process");
    else
        snprintf(text, bytes, "process %ld%s%s%s", holder, *name ? " (" : "", name, *name ? ")" : "");
}

dp_status dp_bank_lock_take(const char *path, const dp_run *run, dp_bank_lock **out, dp_error *err)
{
    const double limit = run ? run->max_wait_seconds : INFINITY, begin = dp_now_seconds();
    if (!(limit >= 0))
        return dp_fail(err, DP_E_ARGUMENT, "max_wait_seconds is %g; give 0 or more", limit);
    for (size_t tries = 0;; tries++) {
        int fd = dp_open_to_read(path);
        if (fd < 0 && errno != ENOENT)
            return dp_fail_errno(err, "%s: cannot open", path);
        dp_lock lock = fd < 0 ? DP_LOCK_UNKNOWN : try_lock(path, &fd);
        bool current = lock == DP_LOCK_OURS && dp_is_file_of(fd, path);
        if (lock == DP_LOCK_UNKNOWN || current) {
            dp_bank_lock *held = current ? dp_malloc(1, sizeof *held) : NULL;
            if (current && !held) {
                close(fd);
                return dp_fail_memory(err, path, sizeof *held);
            }
            if (held)
                held->fd = fd;
            else if (fd >= 0)
                close(fd);
            *out = held;
            return DP_OK;
        }
        const bool over = dp_now_seconds() - begin >= limit;
        char holder[128] = "";
        if (lock != DP_LOCK_OURS && (tries == 0 || over))
            name_holder(dp_lock_holder(fd), holder, sizeof holder);
        close(fd);
        if (lock == DP_LOCK_OURS) /* another process replaced the bank meanwhile */
            continue;
        if (over)
            return dp_fail(err, DP_E_IO,
                           "%s: %s is still changing this bank after %g s of waiting; try again when it is done", path,
                           holder, limit);
        if (run && run->log && tries == 0) {
            dp_error line;
            dp_fail(&line, DP_OK, "%s: %s is changing this bank; waiting for it", path, holder);
            run->log(run->user, DP_LOG_INFO, line.message);
        }
        if (run && run->progress && run->progress(run->user, "waiting", 0, 0))
            return dp_fail(err, DP_E_CANCELLED, "%s: stopped while another process was changing the bank", path);
        nanosleep(&pause_between, NULL);
    }
}

void dp_bank_lock_release(dp_bank_lock **lock)
{
    if (!lock || !*lock)
        return;
    close((*lock)->fd);
    dp_memory_free(*lock);
    *lock = NULL;
}
