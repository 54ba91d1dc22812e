/* SPDX-License-Identifier: Apache-2.0 */
/* keeper.c - what `watch` writes below --out. */
#include "keeper.h"
#include "../inputs.h"
#include "../marks.h"
#include "../service/fault.h"
#include "../service/log.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#define DAY_S 86400

/* A file that was written. */
struct kept {
    char *path;
    gint64 bytes, changed_s;
};

struct keeper {
    keeper_settings settings;
    GQueue kept; /* the oldest first */
    double bytes;
};

static void kept_free(gpointer data)
{
    struct kept *kept = data;
    g_free(kept->path);
    g_free(kept);
}

static void take(keeper *k, const char *path)
{
    GStatBuf about;
    if (g_stat(path, &about) != 0)
        return;
    struct kept *kept = g_new(struct kept, 1);
    *kept = (struct kept){g_strdup(path), about.st_size, about.st_mtim.tv_sec};
    g_queue_push_tail(&k->kept, kept);
    k->bytes += (double)kept->bytes;
}

static bool is_digits(const char *text, const char *pattern)
{
    for (; *pattern; text++, pattern++)
        if (*pattern == '0' ? !g_ascii_isdigit(*text) : *text != *pattern)
            return false;
    return true;
}

static int by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static GPtrArray *names_of_form(const char *folder, const char *pattern)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    GDir *dir = g_dir_open(folder, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));)
        if (is_digits(name, pattern))
            g_ptr_array_add(names, g_strdup(name));
    if (dir)
        g_dir_close(dir);
    g_ptr_array_sort(names, by_name);
    return names;
}

/* What an earlier run wrote: nothing else has such a name. */
static void take_over(keeper *k)
{
    GPtrArray *days = names_of_form(k->settings.out, "0000-00-00");
    for (guint d = 0; d < days->len; d++) {
        g_autofree char *folder = g_build_filename(k->settings.out, days->pdata[d], NULL);
        GPtrArray *files = names_of_form(folder, "000000.000_");
        for (guint i = 0; i < files->len; i++) {
            g_autofree char *path = g_build_filename(folder, files->pdata[i], NULL);
            take(k, path);
        }
        g_ptr_array_unref(files);
    }
    g_ptr_array_unref(days);
}

static void make_room(keeper *k)
{
    gint64 now_s = g_get_real_time() / 1000000;
    for (;;) {
        struct kept *oldest = g_queue_peek_head(&k->kept);
        bool old = oldest && k->settings.days > 0 && (double)(now_s - oldest->changed_s) > k->settings.days * DAY_S;
        bool much = oldest && k->settings.bytes > 0 && k->bytes > k->settings.bytes;
        if (!old && !much)
            return;
        if (g_unlink(oldest->path) != 0 && errno != ENOENT)
            log_line(LOG_LEVEL_WARNING, "%s: cannot be removed: %s", oldest->path, g_strerror(errno));
        g_autofree char *folder = g_path_get_dirname(oldest->path);
        k->bytes -= (double)oldest->bytes;
        kept_free(g_queue_pop_head(&k->kept));
        const struct kept *next = g_queue_peek_head(&k->kept);
        if (!next || !g_str_has_prefix(next->path, folder)) {
            g_autofree char *mark = g_build_filename(folder, CLI_MARK_FILE, NULL);
            g_unlink(mark);
            g_rmdir(folder); /* where it is not empty it stays */
        }
    }
}

dp_status keeper_open(const keeper_settings *settings, keeper **opened, dp_error *err)
{
    if (g_mkdir_with_parents(settings->out, 0777) != 0)
        return service_fail(err, DP_E_IO, "%s: cannot make the folder: %s", settings->out, g_strerror(errno));
    *opened = g_new0(keeper, 1);
    (*opened)->settings = *settings;
    g_queue_init(&(*opened)->kept);
    take_over(*opened);
    make_room(*opened);
    return DP_OK;
}

void keeper_close(keeper **opened)
{
    if (*opened)
        g_queue_clear_full(&(*opened)->kept, kept_free);
    g_free(*opened);
    *opened = NULL;
}

static bool wants(const keeper *k, dp_label label)
{
    return k->settings.which == KEEPER_ALL
           || (k->settings.which == KEEPER_ANOMALOUS
               && (label == DP_LABEL_ANOMALOUS || label == DP_LABEL_NOT_INSPECTED));
}

/* OUT/2026-11-30/221502.123_a_b.jpg; g_free. */
static char *stem_of(const keeper *k, const char *below, int64_t time_ms)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(time_ms / 1000);
    g_autofree char *day = g_date_time_format(time, "%Y-%m-%d"), *second = g_date_time_format(time, "%H%M%S");
    g_autofree char *name = g_strdelimit(cli_output_name(below), "/", '_');
    return g_strdup_printf("%s/%s/%s.%03d_%s", k->settings.out, day, second, (int)(time_ms % 1000), name);
}

dp_status keeper_add(keeper *k, const bank_inspector *b, const bank_inspection *made, const char *below,
                     int64_t time_ms, char **map_path, dp_error *err)
{
    const dp_result *result = made->row.result;
    *map_path = NULL;
    if (!result || !result->map || !wants(k, cli_row_label(&made->row)))
        return DP_OK;
    g_autofree char *stem = stem_of(k, below, time_ms), *heat_path = g_strconcat(stem, ".heat.png", NULL),
                    *frame_path = g_strconcat(stem, ".png", NULL), *map = g_strconcat(stem, ".map.tiff", NULL);
    dp_error own;
    if (!cli_make_marked(k->settings.out, stem + strlen(k->settings.out) + 1, &own))
        return service_fail(err, DP_E_IO, "%s", own.message);
    dp_interval heat = cli_heat_scale(&b->view.view, result);
    dp_picture *drawn = NULL;
    bool frame = !made->loaded;
    dp_status status = dp_map_save_tiff(result->map, result->height_px, result->width_px, map, err);
    if (!status)
        status = dp_result_draw(made->picture, result, heat.low, heat.high, &drawn, err);
    if (!status)
        status = dp_picture_save_png(drawn, heat_path, err);
    if (!status && frame)
        status = dp_picture_save_png(made->picture, frame_path, err);
    dp_picture_free(&drawn);
    take(k, map);
    take(k, heat_path);
    if (frame)
        take(k, frame_path);
    make_room(k);
    if (!status)
        *map_path = g_steal_pointer(&map);
    return status;
}
