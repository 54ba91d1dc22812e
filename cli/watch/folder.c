/* SPDX-License-Identifier: Apache-2.0 */
/* folder.c - a folder that pictures come into. */
#include "folder.h"
#include "../inputs.h"
#include "../marks.h"
#include "../service/fault.h"
#include "../service/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/statfs.h>
#include <unistd.h>

#define SETTLE_US 1000000 /* between two looks at a file that must see the same */
#define OLD_NS                                                                                                         \
    3000000000 /* a file that has not changed for so long is whole at the first look; one of the future is not */
#define POLL_S 2.0
#define EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_MOVED_FROM | IN_ONLYDIR)

/* A file that was seen. */
struct look {
    file_identity identity;
    gint64 at_us;   /* when it was last found changed */
    bool handed;    /* it has been handed out */
    unsigned round; /* of the last search that saw it */
};

struct watched_folder {
    char *path;
    const GPtrArray *apart;
    double poll_s;
    int fd;
    GHashTable *by_watch; /* watch -> path of a watched_folder */
    GQueue whole;         /* paths */
    GHashTable *looks;    /* path -> struct look */
    gint64 next_us;       /* when to look at files again; 0: no need */
    unsigned round;
    bool unreadable, gone;
};

file_identity file_identity_of(const struct stat *about)
{
    return (file_identity){(int64_t)about->st_ino, about->st_size,
                           (int64_t)about->st_mtim.tv_sec * 1000000000 + about->st_mtim.tv_nsec};
}

bool file_identity_equal(const file_identity *a, const file_identity *b)
{
    return a->inode == b->inode && a->bytes == b->bytes && a->changed_ns == b->changed_ns;
}

/* Inotify tells nothing of what other machines do on these. */
static bool is_shared(const char *path)
{
    static const unsigned long shared[] = {0x6969 /* NFS */,      0xFF534D42 /* CIFS */, 0xFE534D42 /* SMB2 */,
                                           0x517B /* SMB */,      0x65735546 /* FUSE */, 0x01021997 /* 9P */,
                                           0x00C36400 /* Ceph */, 0x5346414F /* AFS */,  0x6B414653 /* kAFS */};
    struct statfs about;
    if (statfs(path, &about) != 0)
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(shared); i++)
        if (((unsigned long)about.f_type & 0xFFFFFFFFUL) == shared[i])
            return true;
    return false;
}

static bool is_apart(const watched_folder *f, const char *path, const struct stat *about)
{
    struct stat own;
    for (guint i = 0; f->apart && i < f->apart->len; i++)
        if (stat(f->apart->pdata[i], &own) == 0 && own.st_dev == about->st_dev && own.st_ino == about->st_ino)
            return true;
    return cli_mark_of(path) == CLI_MARK_ALL;
}

static void hand_out(watched_folder *f, const char *path)
{
    g_queue_push_tail(&f->whole, g_strdup(path));
}

static void look_later(watched_folder *f)
{
    gint64 then_us = g_get_monotonic_time() + SETTLE_US;
    if (!f->next_us || f->next_us > then_us)
        f->next_us = then_us;
}

static gint64 now_ns(void)
{
    return g_get_real_time() * 1000;
}

/* A file that a search found, or one more look at it. */
static void look_at(watched_folder *f, const char *path, const struct stat *about)
{
    file_identity identity = file_identity_of(about);
    gint64 now_us = g_get_monotonic_time();
    struct look *look = g_hash_table_lookup(f->looks, path);
    bool new_file = !look;
    if (new_file) {
        look = g_new0(struct look, 1);
        g_hash_table_insert(f->looks, g_strdup(path), look);
    }
    look->round = f->round;
    if (new_file || !file_identity_equal(&look->identity, &identity)) {
        *look = (struct look){.identity = identity, .at_us = now_us, .round = f->round};
        if (f->poll_s > 0 || now_ns() - identity.changed_ns < OLD_NS) {
            look_later(f);
            return;
        }
    } else if (look->handed || now_us - look->at_us < SETTLE_US / 2) {
        if (!look->handed)
            look_later(f);
        return;
    }
    look->handed = true;
    hand_out(f, path);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names that are neither hidden nor the system's, sorted; NULL: errno. */
static GPtrArray *names_in(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return NULL;
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (const struct dirent *entry; (entry = readdir(dir));) /* NOLINT(concurrency-mt-unsafe): a folder of our own */
        if (!cli_is_left_out(entry->d_name))
            g_ptr_array_add(names, g_strdup(entry->d_name));
    closedir(dir);
    g_ptr_array_sort(names, compare_names);
    return names;
}

/* Links to files are followed, links to folders are not.  The watch comes first, so that nothing comes between. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the folders are, whose paths the system limits */
static bool search(watched_folder *f, const char *path)
{
    if (f->fd >= 0) {
        int watch = inotify_add_watch(f->fd, path, EVENTS | IN_DELETE_SELF | IN_MOVE_SELF);
        if (watch < 0 && errno != ENOENT && errno != ENOTDIR)
            log_line(LOG_LEVEL_WARNING, "%s: cannot be watched: %s%s", path, g_strerror(errno),
                     errno == ENOSPC ? "; raise fs.inotify.max_user_watches, or give --poll" : "");
        if (watch >= 0)
            g_hash_table_replace(f->by_watch, GINT_TO_POINTER(watch), g_strdup(path));
    }
    GPtrArray *names = names_in(path);
    for (guint i = 0; names && i < names->len; i++) {
        g_autofree char *below = g_build_filename(path, names->pdata[i], NULL);
        struct stat about;
        if (lstat(below, &about) != 0)
            continue;
        bool link = S_ISLNK(about.st_mode);
        if (link && stat(below, &about) != 0)
            continue;
        if (S_ISDIR(about.st_mode) && !link && !is_apart(f, below, &about))
            search(f, below);
        else if (S_ISREG(about.st_mode) && cli_is_picture_name(names->pdata[i]))
            look_at(f, below, &about);
    }
    bool read = names != NULL;
    if (names)
        g_ptr_array_unref(names);
    return read;
}

static gboolean not_seen(gpointer path, gpointer look, gpointer f)
{
    return ((struct look *)look)->round != ((watched_folder *)f)->round;
}

static void search_all(watched_folder *f)
{
    f->round++;
    bool read = search(f, f->path);
    if (!read && !f->unreadable)
        log_line(LOG_LEVEL_WARNING, "%s: cannot be read: %s; it is looked for again", f->path, g_strerror(errno));
    else if (read && f->unreadable)
        log_line(LOG_LEVEL_INFO, "%s: is there again", f->path);
    f->unreadable = !read;
    if (read)
        g_hash_table_foreach_remove(f->looks, not_seen, f);
}

/* Between searches: files that did not look whole. */
static void look_again(watched_folder *f)
{
    GList *paths = g_hash_table_get_keys(f->looks);
    paths = g_list_sort(paths, (GCompareFunc)strcmp);
    for (GList *p = paths; p; p = p->next) {
        g_autofree char *path = g_strdup(p->data);
        struct stat about;
        if (stat(path, &about) == 0 && S_ISREG(about.st_mode))
            look_at(f, path, &about);
        const struct look *look = g_hash_table_lookup(f->looks, path);
        if (look->handed || stat(path, &about) != 0) /* what changes it is told by inotify from now on */
            g_hash_table_remove(f->looks, path);
    }
    g_list_free(paths);
}

/* ----------------------------------------------------------------------------------------------------------- inotify */

static gboolean lies_below(gpointer watch, gpointer path, gpointer moved)
{
    size_t length = strlen(moved);
    return !strncmp(path, moved, length) && (((char *)path)[length] == '/' || !((char *)path)[length]);
}

/* A folder was moved away: what happens there is no longer our business. */
static void forget_folder(watched_folder *f, const char *path)
{
    GHashTableIter iter;
    gpointer watch, watched;
    g_hash_table_iter_init(&iter, f->by_watch);
    while (g_hash_table_iter_next(&iter, &watch, &watched))
        if (lies_below(watch, watched, (gpointer)path))
            inotify_rm_watch(f->fd, GPOINTER_TO_INT(watch)); /* IN_IGNORED takes it out of the table */
}

static void on_folder(watched_folder *f, const struct inotify_event *event, const char *path)
{
    struct stat about;
    if (event->mask & IN_MOVED_FROM)
        forget_folder(f, path);
    else if (event->mask & (IN_CREATE | IN_MOVED_TO) && lstat(path, &about) == 0 && !is_apart(f, path, &about))
        search(f, path);
}

static void on_event(watched_folder *f, const struct inotify_event *event)
{
    const char *in = g_hash_table_lookup(f->by_watch, GINT_TO_POINTER(event->wd));
    if (event->mask & IN_Q_OVERFLOW) {
        log_line(LOG_LEVEL_INFO, "%s: more came at once than the system tells of; the folder is searched", f->path);
        search_all(f);
    } else if (event->mask & IN_IGNORED) {
        g_hash_table_remove(f->by_watch, GINT_TO_POINTER(event->wd));
    } else if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF)) {
        f->gone = f->gone || (in && !strcmp(in, f->path));
    } else if (in && event->len && !cli_is_left_out(event->name)) {
        g_autofree char *path = g_build_filename(in, event->name, NULL);
        struct stat about;
        if (event->mask & IN_ISDIR)
            on_folder(f, event, path);
        else if (!cli_is_picture_name(event->name))
            return;
        else if (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)
                 || (event->mask & IN_CREATE && lstat(path, &about) == 0
                     && (S_ISLNK(about.st_mode) || about.st_nlink > 1))) { /* a link is whole when it is made */
            g_hash_table_remove(f->looks, path);
            hand_out(f, path);
        }
    }
}

static void read_events(watched_folder *f)
{
    _Alignas(struct inotify_event) char buffer[65536];
    ssize_t n;
    while ((n = read(f->fd, buffer, sizeof buffer)) > 0)
        for (const char *at = buffer; at < buffer + n;) {
            const struct inotify_event *event = (const void *)at;
            on_event(f, event);
            at += sizeof *event + event->len;
        }
}

/* ------------------------------------------------------------------------------------------------------------ outside */

dp_status folder_open(const folder_settings *settings, watched_folder **opened, dp_error *err)
{
    if (!g_file_test(settings->path, G_FILE_TEST_IS_DIR))
        return service_fail(err, DP_E_IO, "%s: is no folder; --in names the folder that pictures come into",
                            settings->path);
    watched_folder *f = g_new0(watched_folder, 1);
    f->path = g_strdup(settings->path);
    for (size_t n = strlen(f->path); n > 1 && f->path[n - 1] == '/'; n--)
        f->path[n - 1] = '\0';
    f->apart = settings->apart;
    f->poll_s = settings->poll_s < 0 ? (is_shared(f->path) ? POLL_S : 0) : settings->poll_s;
    f->by_watch = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    f->looks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_queue_init(&f->whole);
    f->fd = f->poll_s > 0 ? -1 : inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (f->poll_s <= 0 && f->fd < 0) {
        log_line(LOG_LEVEL_WARNING, "inotify: %s; the folder is looked at every %g s", g_strerror(errno), POLL_S);
        f->poll_s = POLL_S;
    }
    search_all(f);
    dp_status status =
        f->unreadable ? service_fail(err, DP_E_IO, "%s: cannot be read; give the right to read it", f->path) : DP_OK;
    *opened = f;
    if (status)
        folder_close(opened);
    return status;
}

void folder_close(watched_folder **opened)
{
    watched_folder *f = *opened;
    *opened = NULL;
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    g_hash_table_unref(f->by_watch);
    g_hash_table_unref(f->looks);
    g_queue_clear_full(&f->whole, g_free);
    g_free(f->path);
    g_free(f);
}

int folder_fd(const watched_folder *f)
{
    return f->fd;
}

double folder_poll_s(const watched_folder *f)
{
    return f->poll_s;
}

dp_status folder_next(watched_folder *f, char **path, int *wait_ms, dp_error *err)
{
    gint64 now_us = g_get_monotonic_time();
    if (f->fd >= 0)
        read_events(f);
    if (f->gone)
        return service_fail(err, DP_E_IO, "%s: the folder was removed or moved while it was watched", f->path);
    if (f->next_us && now_us >= f->next_us) {
        f->next_us = 0;
        if (f->fd < 0)
            search_all(f);
        else
            look_again(f);
    }
    if (f->fd < 0 && !f->next_us)
        f->next_us = now_us + (gint64)(f->poll_s * 1e6);
    *path = g_queue_pop_head(&f->whole);
    *wait_ms = f->next_us ? (int)MAX(0, (f->next_us - now_us) / 1000 + 1) : -1;
    return DP_OK;
}

void folder_give_back(watched_folder *f, const char *path)
{
    struct look *look = g_hash_table_lookup(f->looks, path);
    if (look)
        look->handed = false;
    else
        g_hash_table_insert(f->looks, g_strdup(path), g_new0(struct look, 1));
    look_later(f);
}
