/* SPDX-License-Identifier: Apache-2.0 */
/* picture_names.c - what the name of a file says. */
#include "picture_names.h"

#include <glib.h>
#include <string.h>

bool cli_is_picture_name(const char *name)
{
    static const char *const suffixes[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif",  ".tiff", ".webp", ".bmp",
                                           ".dib", ".ppm",  ".pgm", ".pbm",  ".pnm", ".heic", ".heif", ".avif", NULL};
    const char *dot = strrchr(name, '.');
    for (int i = 0; dot && suffixes[i]; i++)
        if (!g_ascii_strcasecmp(dot, suffixes[i]))
            return true;
    return false;
}

bool cli_is_left_out(const char *name)
{
    static const char *const names[] = {"@eaDir",
                                        "__MACOSX",
                                        "thumbnails",
                                        "Thumbs.db",
                                        "ehthumbs.db",
                                        "desktop.ini",
                                        "lost+found",
                                        "$RECYCLE.BIN",
                                        "#recycle",
                                        "@Recycle",
                                        "System Volume Information"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (!g_ascii_strcasecmp(name, names[i]))
            return true;
    return name[0] == '.';
}

bool cli_is_tar_name(const char *name)
{
    static const char *const suffixes[] = {".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2"};
    const size_t length = strlen(name);
    for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        const size_t n = strlen(suffixes[i]);
        if (length > n && !g_ascii_strcasecmp(name + length - n, suffixes[i]))
            return true;
    }
    return false;
}
