/* SPDX-License-Identifier: Apache-2.0 */
/* service.c - opens and closes the parts of a service, in their order. */
#include "service.h"
#include "fault.h"
#include "kept.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <unistd.h>

static dp_status make_folder(char **made, const char *data, const char *name, dp_error *err)
{
    *made = g_build_filename(data, name, NULL);
    return g_mkdir_with_parents(*made, 0700) == 0
               ? DP_OK
               : service_fail(err, DP_E_IO, "%s: cannot be made: %s", *made, g_strerror(errno));
}

/* One service uses a folder: two would do the same jobs.  The lock goes with the process. */
static dp_status lock_folder(service *s, dp_error *err)
{
    g_autofree char *path = g_build_filename(s->settings.data, "lock", NULL);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        return service_fail(err, DP_E_IO, "%s: cannot be written: %s", path, g_strerror(errno));
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB))
        return service_fail(err, DP_E_IO, "%s: another service uses this folder; end that one, or give another --data",
                            s->settings.data);
    return DP_OK;
}

/* What a killed service left behind. */
static void empty_folder(const char *folder)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    for (const char *file; dir && (file = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(folder, file, NULL);
        g_unlink(path);
    }
    if (dir)
        g_dir_close(dir);
}

static char *good_picture(void *user, const char *bank, const char *name)
{
    const service *s = user;
    g_autofree char *file = ledger_picture_file(s->ledger, bank, name);
    return file ? g_build_filename(s->good_pictures, file, NULL) : NULL;
}

static dp_status open_databases(service *s, const char *data, dp_error *err)
{
    g_autofree char *results = g_build_filename(data, "results.db", NULL);
    g_autofree char *service_db = g_build_filename(data, "service.db", NULL);
    dp_status status = store_open(results, DATABASE_WRITE, &s->results, err);
    if (!status)
        status = ledger_open(service_db, &s->ledger, err);
    return status ? status : ledger_recover(s->ledger, err);
}

dp_status service_open(const service_settings *settings, const dp_network *network, service **opened, dp_error *err)
{
    service *s = g_new0(service, 1);
    s->settings = *settings;
    s->lock_fd = -1;
    counters_begin(&s->counters);
    g_mutex_init(&s->keeping);
    const char *data = settings->data;
    g_autofree char *banks_folder = NULL;
    dp_status status = make_folder(&banks_folder, data, "banks", err);
    if (!status)
        status = make_folder(&s->good_pictures, data, "pictures/good", err);
    if (!status)
        status = make_folder(&s->kept_pictures, data, "pictures/results", err);
    if (!status)
        status = make_folder(&s->folder, data, "tmp", err);
    if (!status)
        status = lock_folder(s, err);
    if (!status)
        status = open_databases(s, data, err);
    if (status) {
        service_close(&s);
        return status;
    }
    empty_folder(s->folder);
    kept_begin(s);
    s->drifts = drifts_open(settings->drift_bound, s->results);
    s->banks = banks_open(banks_folder, s->folder, &settings->run);
    jobs_sweep(s->ledger, s->good_pictures, settings->most_good_bytes);
    const workers_settings of_workers = {.n_workers = settings->n_workers,
                                         .most_waiting = settings->most_waiting,
                                         .run = settings->run,
                                         .folder = s->folder,
                                         .good_picture = good_picture,
                                         .user = s};
    s->workers = workers_open(&of_workers);
    const jobs_settings of_jobs = {.banks = s->banks,
                                   .ledger = s->ledger,
                                   .run = settings->run,
                                   .network = network,
                                   .pictures = s->good_pictures,
                                   .kept = s->kept_pictures,
                                   .most_good_bytes = settings->most_good_bytes};
    s->jobs = jobs_open(&of_jobs);
    *opened = s;
    return DP_OK;
}

void service_close(service **opened)
{
    service *s = *opened;
    *opened = NULL;
    if (!s)
        return;
    jobs_close(&s->jobs);
    workers_close(&s->workers);
    banks_close(&s->banks);
    ledger_close(&s->ledger);
    drifts_close(&s->drifts);
    store_close(&s->results);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    counters_end(&s->counters);
    g_mutex_clear(&s->keeping);
    g_free(s->good_pictures);
    g_free(s->kept_pictures);
    g_free(s->folder);
    g_free(s);
}
