/* SPDX-License-Identifier: Apache-2.0 */
/* kept.c - pictures of results. */
#include "kept.h"
#include "log.h"
#include "memory_picture.h"

#include <glib/gstdio.h>
#include <string.h>

static void know(void *user, const char *picture)
{
    g_hash_table_add(user, g_strdup(picture));
}

/* A picture without a result is of a service that was killed between the two. */
void kept_begin(service *s)
{
    GHashTable *known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    dp_error err;
    bool all = !store_each_picture(s->results, know, known, &err);
    if (!all)
        log_line(LOG_LEVEL_WARNING, "%s", err.message);
    GDir *dir = g_dir_open(s->kept_pictures, 0, NULL);
    for (const char *file; dir && (file = g_dir_read_name(dir));) {
        g_autofree char *path = kept_path(s, file);
        GStatBuf about;
        if (all && !g_hash_table_contains(known, file))
            g_unlink(path);
        else if (g_stat(path, &about) == 0)
            s->kept_bytes += about.st_size;
    }
    if (dir)
        g_dir_close(dir);
    g_hash_table_unref(known);
}

bool kept_wants(const service *s, dp_label label)
{
    keep_pictures keep = s->settings.keep;
    return keep == KEEP_ALL
           || (keep == KEEP_ANOMALOUS && (label == DP_LABEL_ANOMALOUS || label == DP_LABEL_NOT_INSPECTED));
}

char *kept_path(const service *s, const char *file)
{
    return g_build_filename(s->kept_pictures, file, NULL);
}

/* With the lock. */
static bool remove_oldest(service *s)
{
    int64_t id;
    char *file = NULL;
    GStatBuf about;
    if (store_oldest_picture(s->results, &id, &file, NULL) || !id)
        return false;
    g_autofree char *path = kept_path(s, file);
    if (g_stat(path, &about) == 0 && g_unlink(path) == 0)
        s->kept_bytes -= about.st_size;
    store_forget_picture(s->results, id, NULL);
    g_free(file);
    return true;
}

char *kept_add(service *s, const void *data, size_t bytes)
{
    if (bytes > s->settings.most_kept_bytes)
        return NULL;
    g_autofree char *name = g_uuid_string_random();
    const char *type = picture_media_type(data, bytes), *slash = strchr(type, '/');
    char *file = g_strdup_printf("%s.%s", name, strstr(type, "octet") ? "bin" : slash + 1);
    g_autofree char *path = kept_path(s, file);
    dp_error err;
    g_mutex_lock(&s->keeping);
    while (s->kept_bytes + (gint64)bytes > (gint64)s->settings.most_kept_bytes && remove_oldest(s))
        continue;
    s->kept_bytes += (gint64)bytes;
    g_mutex_unlock(&s->keeping);
    if (!dp_file_write(path, data, bytes, &err))
        return file;
    log_line(LOG_LEVEL_WARNING, "a result's picture was not kept: %s", err.message);
    kept_take_back(s, file, bytes);
    g_free(file);
    return NULL;
}

void kept_take_back(service *s, const char *file, size_t bytes)
{
    g_autofree char *path = kept_path(s, file);
    g_unlink(path);
    g_mutex_lock(&s->keeping);
    s->kept_bytes -= (gint64)bytes;
    g_mutex_unlock(&s->keeping);
}
