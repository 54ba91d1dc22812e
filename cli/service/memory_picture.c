/* SPDX-License-Identifier: Apache-2.0 */
/* memory_picture.c - picture files that lie in memory. */
#include "memory_picture.h"
#include "fault.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void name_in_place_of(const char *path, const char *name, dp_error *err)
{
    if (!err)
        return;
    GString *text = g_string_new(err->message);
    g_string_replace(text, path, name, 0);
    g_strlcpy(err->message, text->str, sizeof err->message);
    char *end = NULL;
    if (!g_utf8_validate(err->message, -1, (const char **)&end)) /* cut within a character */
        *end = 0;
    g_string_free(text, TRUE);
}

dp_status named_picture_load(const char *path, const char *name, const dp_picture_options *options,
                             dp_picture **picture, dp_picture_notes *notes, dp_error *err)
{
    dp_status status = dp_picture_load_with(path, options, picture, notes, err);
    if (status)
        name_in_place_of(path, name, err);
    return status;
}

dp_status memory_picture_load(const void *data, size_t bytes, const char *name, const dp_picture_options *options,
                              dp_picture **picture, dp_picture_notes *notes, dp_error *err)
{
    int fd = memfd_create("picture", MFD_CLOEXEC);
    if (fd < 0)
        return service_fail(err, DP_E_MEMORY, "%s: no room to read it from: %s", name, g_strerror(errno));
    dp_status status = DP_OK;
    for (size_t done = 0; done < bytes && !status;) {
        ssize_t n = write(fd, (const char *)data + done, bytes - done);
        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR)
            status = service_fail(err, DP_E_MEMORY, "%s: no room to read it from: %s", name, g_strerror(errno));
    }
    char path[64];
    g_snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (!status)
        status = named_picture_load(path, name, options, picture, notes, err);
    close(fd);
    return status;
}

dp_status bytes_written(const char *folder, picture_writer write, const void *what, GBytes **bytes, dp_error *err)
{
    static gint number;
    g_autofree char *path = g_strdup_printf("%s/%d-%d", folder, (int)getpid(), g_atomic_int_add(&number, 1));
    dp_status status = write(what, path, err);
    if (status)
        return status;
    char *data;
    gsize length;
    g_autoptr(GError) error = NULL;
    if (g_file_get_contents(path, &data, &length, &error))
        *bytes = g_bytes_new_take(data, length);
    else
        status = service_fail(err, DP_E_IO, "%s", error->message);
    g_unlink(path);
    return status;
}

dp_status picture_shrink(const dp_picture *picture, size_t longest_px, dp_picture **small, dp_error *err)
{
    double scale = fmin(1, (double)longest_px / (double)MAX(picture->width_px, picture->height_px));
    size_t width = MAX(1, (size_t)lround((double)picture->width_px * scale));
    size_t height = MAX(1, (size_t)lround((double)picture->height_px * scale));
    dp_pose pose = {.status = DP_ALIGN_OFF};
    dp_picture *made = NULL;
    float *rgb = g_try_new(float, 3 * width * height); /* at most longest_px a side */
    dp_status status =
        rgb ? DP_OK : service_fail(err, DP_E_MEMORY, "not enough memory for a picture of %zux%zu", width, height);
    if (!status)
        status = dp_canvas_warp(picture, &pose, 1, 0, height, width, rgb, NULL, err);
    if (!status)
        status = dp_picture_new(width, height, &made, err);
    for (size_t i = 0; !status && i < 3 * width * height; i++)
        made->rgb[i] = (uint8_t)lroundf(fminf(fmaxf(rgb[i], 0), 255));
    g_free(rgb);
    if (!status)
        *small = made;
    return status;
}

const char *picture_media_type(const void *data, size_t bytes)
{
    const unsigned char *b = data;
    static const struct {
        const char *head, *type;
        size_t length;
    } kinds[] = {{"\xff\xd8\xff", "image/jpeg", 3}, {"\x89PNG", "image/png", 4}, {"II*", "image/tiff", 3},
                 {"MM\0*", "image/tiff", 4},        {"RIFF", "image/webp", 4},   {"BM", "image/bmp", 2}};
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (bytes >= kinds[i].length && !memcmp(b, kinds[i].head, kinds[i].length))
            return kinds[i].type;
    return "application/octet-stream";
}
