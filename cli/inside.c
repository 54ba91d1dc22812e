/* SPDX-License-Identifier: Apache-2.0 */
/* inside.c - keeps names that come with a file inside a folder. */
#include "cli.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

char *cli_path_inside(const char *folder, const char *name, bool *outside)
{
    char **parts = g_strsplit(name, "/", -1);
    bool plain = *name && !g_path_is_absolute(name);
    for (char **part = parts; *part; part++)
        plain = plain && strcmp(*part, "..") != 0;
    g_strfreev(parts);
    char *path = plain ? g_build_filename(folder, name, NULL) : NULL;
    char *real = path ? realpath(path, NULL) : NULL, *root = real ? realpath(folder, NULL) : NULL;
    size_t n = root ? strlen(root) : 0;
    /* Everything is below "/". */
    bool inside = root && strncmp(real, root, n) == 0 && (real[n] == '/' || (n && root[n - 1] == '/'));
    *outside = !plain || (root && !inside);
    if (!inside || !g_file_test(path, G_FILE_TEST_IS_REGULAR))
        g_clear_pointer(&path, g_free);
    free(real);
    free(root);
    return path;
}
