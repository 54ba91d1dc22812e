/* SPDX-License-Identifier: Apache-2.0 */
/* done.c - where finished files go. */
#include "done.h"
#include "../service/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_TWINS 10000

dp_status done_begin(const char *in, const char *done, dp_error *err)
{
    struct stat from, to;
    if (g_mkdir_with_parents(done, 0777) != 0 || stat(done, &to) != 0)
        return service_fail(err, DP_E_IO, "%s: cannot make the folder: %s", done, g_strerror(errno));
    if (stat(in, &from) != 0)
        return service_fail(err, DP_E_IO, "%s: cannot be read: %s", in, g_strerror(errno));
    if (from.st_dev != to.st_dev)
        return service_fail(err, DP_E_ARGUMENT, "%s: lies on another file system than %s; name a folder beside it",
                            done, in);
    if (from.st_ino == to.st_ino)
        return service_fail(err, DP_E_ARGUMENT, "%s: is the folder that is watched; name another one for --done", done);
    return DP_OK;
}

/* Never over another file.  A link and a removal do what a file system without RENAME_NOREPLACE does not. */
static int move_to(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (link(from, to) == 0)
        return unlink(from);
    if (errno == EEXIST || g_file_test(to, G_FILE_TEST_EXISTS)) {
        errno = EEXIST;
        return -1;
    }
    return g_rename(from, to);
}

dp_status done_move(const char *path, const char *done, const char *below, dp_error *err)
{
    g_autofree char *first = g_build_filename(done, below, NULL), *folder = g_path_get_dirname(first);
    const char *dot = strrchr(first, '.');
    int stem = dot ? (int)(dot - first) : (int)strlen(first);
    if (g_mkdir_with_parents(folder, 0777) != 0)
        return service_fail(err, DP_E_IO, "%s: cannot make the folder: %s", folder, g_strerror(errno));
    for (int twin = 1; twin < MOST_TWINS; twin++) {
        g_autofree char *to =
            twin == 1 ? g_strdup(first) : g_strdup_printf("%.*s~%d%s", stem, first, twin, first + stem);
        if (move_to(path, to) == 0 || errno == ENOENT)
            return DP_OK;
        if (errno != EEXIST)
            return service_fail(err, DP_E_IO, "%s: cannot be moved to %s: %s; it was inspected and is not again", path,
                                to, g_strerror(errno));
    }
    return service_fail(err, DP_E_IO, "%s: cannot be moved: %s and %d like it are there", path, first, MOST_TWINS);
}
