/* SPDX-License-Identifier: Apache-2.0 */
/* jobs.c - the thread that does the jobs, and what is told of them. */
#include "jobs.h"
#include "fault.h"
#include "job_work.h"
#include "log.h"
#include "store.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>

struct jobs {
    jobs_settings settings;
    GMutex lock;
    GCond moved;     /* a job came, went on or ended */
    guint64 version; /* counts these */
    bool closing, released;
    int64_t running; /* its id; 0: none */
    bool cancelled;  /* the one that runs is to stop */
    char stage[64];
    size_t done, total;
    GThread *thread;
};

static void moved(jobs *j) /* with the lock */
{
    j->version++;
    g_cond_broadcast(&j->moved);
}

/* dp_run callbacks. */
static int on_progress(void *user, const char *stage, size_t done, size_t total)
{
    jobs *j = ((job_work *)user)->user;
    g_mutex_lock(&j->lock);
    g_strlcpy(j->stage, stage, sizeof j->stage);
    j->done = done;
    j->total = total;
    moved(j);
    bool stop = j->cancelled || j->closing;
    g_mutex_unlock(&j->lock);
    return stop;
}

static int on_stop(void *user)
{
    jobs *j = ((job_work *)user)->user;
    g_mutex_lock(&j->lock);
    bool stop = j->cancelled || j->closing;
    g_mutex_unlock(&j->lock);
    return stop;
}

static void do_job(jobs *j, const ledger_job *job)
{
    job_work work = {.banks = j->settings.banks,
                     .ledger = j->settings.ledger,
                     .network = j->settings.network,
                     .pictures = j->settings.pictures,
                     .kept = j->settings.kept,
                     .run = j->settings.run,
                     .job = job,
                     .user = j};
    work.run.progress = on_progress;
    work.run.stop = on_stop;
    work.run.user = &work;
    dp_error err;
    log_line(LOG_LEVEL_INFO, "job %" G_GINT64_FORMAT ": %s %s begins", job->id, job_kind_name(job->kind), job->bank);
    dp_status status = job_work_do(&work, &err);
    g_mutex_lock(&j->lock);
    bool again = status && j->closing && !j->cancelled;
    const char *state = !status ? "done" : again ? "queued" : j->cancelled ? "cancelled" : "failed";
    g_mutex_unlock(&j->lock);
    g_autofree char *message = status && !again ? cli_spelled(err.message) : NULL;
    char *report = cli_json_dumped(work.report, JSON_COMPACT | JSON_REAL_PRECISION(12));
    dp_error ledger_err;
    if (ledger_end(j->settings.ledger, job->id, state, message, report, &ledger_err))
        log_line(LOG_LEVEL_ERROR, "job %" G_GINT64_FORMAT ": its end was not recorded: %s", job->id,
                 ledger_err.message);
    log_line(status && !again ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "job %" G_GINT64_FORMAT ": %s %s %s%s%s", job->id,
             job_kind_name(job->kind), job->bank, state, message ? ": " : "", message ? message : "");
    free(report);
    json_decref(work.report);
    jobs_sweep(j->settings.ledger, j->settings.pictures, j->settings.most_good_bytes);
}

static void *run_jobs(void *user)
{
    jobs *j = user;
    setpriority(PRIO_PROCESS, 0, 10); /* of this thread and those it starts: pictures from the line go first */
    for (;;) {
        ledger_job *job = NULL;
        dp_error err;
        g_mutex_lock(&j->lock);
        bool closing = j->closing;
        guint64 seen = j->version; /* what comes from here on is not overslept */
        g_mutex_unlock(&j->lock);
        if (closing)
            break;
        if (ledger_begin_next(j->settings.ledger, &job, &err))
            log_line(LOG_LEVEL_ERROR, "jobs cannot be looked up: %s", err.message);
        g_mutex_lock(&j->lock);
        j->running = job ? job->id : 0;
        j->cancelled = false;
        j->done = j->total = 0;
        g_strlcpy(j->stage, "begin", sizeof j->stage);
        if (job)
            moved(j);
        while (!job && !j->closing && j->version == seen) /* once a minute, should a look-up have failed */
            if (!g_cond_wait_until(&j->moved, &j->lock, g_get_monotonic_time() + 60 * G_TIME_SPAN_SECOND))
                break;
        g_mutex_unlock(&j->lock);
        if (!job)
            continue;
        do_job(j, job);
        g_mutex_lock(&j->lock);
        j->running = 0;
        moved(j);
        g_mutex_unlock(&j->lock);
        ledger_job_free(job);
    }
    return NULL;
}

jobs *jobs_open(const jobs_settings *settings)
{
    jobs *j = g_new0(jobs, 1);
    j->settings = *settings;
    g_mutex_init(&j->lock);
    g_cond_init(&j->moved);
    j->thread = g_thread_new("jobs", run_jobs, j);
    return j;
}

void jobs_release(jobs *j)
{
    g_mutex_lock(&j->lock);
    j->released = true;
    moved(j);
    g_mutex_unlock(&j->lock);
}

void jobs_close(jobs **opened)
{
    jobs *j = *opened;
    *opened = NULL;
    if (!j)
        return;
    g_mutex_lock(&j->lock);
    j->closing = true;
    moved(j);
    g_mutex_unlock(&j->lock);
    g_thread_join(j->thread);
    g_mutex_clear(&j->lock);
    g_cond_clear(&j->moved);
    g_free(j);
}

void jobs_wake(jobs *j)
{
    g_mutex_lock(&j->lock);
    moved(j);
    g_mutex_unlock(&j->lock);
}

guint64 jobs_wait(jobs *j, guint64 seen, gint64 most_us)
{
    gint64 end = g_get_monotonic_time() + most_us;
    g_mutex_lock(&j->lock);
    while (j->version == seen && !j->released && g_cond_wait_until(&j->moved, &j->lock, end))
        continue;
    guint64 version = j->version;
    g_mutex_unlock(&j->lock);
    return version;
}

static json_t *json_time(int64_t time_ms)
{
    g_autofree char *text = time_ms ? store_time_text(time_ms) : NULL;
    return cli_json_text(text);
}

static json_t *json_of(jobs *j, const ledger_job *job)
{
    g_mutex_lock(&j->lock);
    bool running = j->running == job->id;
    size_t done = j->done, total = j->total;
    g_autofree char *stage = g_strdup(j->stage);
    g_mutex_unlock(&j->lock);
    json_t *report = job->report ? json_loads(job->report, 0, NULL) : NULL;
    json_t *object = json_object();
    cli_json_set(object, "id", json_integer(job->id));
    cli_json_set(object, "kind", json_string(job_kind_name(job->kind)));
    cli_json_set(object, "bank", cli_json_text(job->bank));
    cli_json_set(object, "state", cli_json_text(job->state));
    cli_json_set(object, "stage", running ? cli_json_text(stage) : json_null());
    cli_json_set(object, "done", running ? json_integer((json_int_t)done) : json_null());
    cli_json_set(object, "total", running && total ? json_integer((json_int_t)total) : json_null());
    cli_json_set(object, "error", cli_json_text(job->error));
    cli_json_set(object, "report", report ? report : json_null());
    cli_json_set(object, "created", json_time(job->came_ms));
    cli_json_set(object, "started", json_time(job->begun_ms));
    cli_json_set(object, "ended", json_time(job->ended_ms));
    return object;
}

json_t *jobs_json(jobs *j, int64_t id, bool *ended)
{
    ledger_job *job;
    if (ledger_job_get(j->settings.ledger, id, &job, NULL) || !job)
        return NULL;
    json_t *object = json_of(j, job);
    if (ended)
        *ended = strcmp(job->state, "queued") != 0 && strcmp(job->state, "running") != 0;
    ledger_job_free(job);
    return object;
}

json_t *jobs_list(jobs *j, size_t most)
{
    GPtrArray *all;
    json_t *list = json_array();
    if (ledger_jobs(j->settings.ledger, most, &all, NULL))
        return list;
    for (guint i = 0; i < all->len; i++)
        cli_json_append(list, json_of(j, all->pdata[i]));
    g_ptr_array_unref(all);
    return list;
}

const dp_network *jobs_network(const jobs *j)
{
    return j->settings.network;
}

size_t jobs_unfinished(jobs *j)
{
    return ledger_unfinished(j->settings.ledger);
}

bool jobs_cancel(jobs *j, int64_t id)
{
    bool taken = false;
    g_mutex_lock(&j->lock);
    if (j->running == id && id) {
        j->cancelled = true;
        taken = true;
    }
    g_mutex_unlock(&j->lock);
    if (!taken && !ledger_cancel(j->settings.ledger, id, &taken, NULL) && taken)
        jobs_wake(j);
    return taken;
}

void jobs_sweep(ledger *l, const char *pictures, size_t most_bytes)
{
    int64_t all_bytes;
    for (char *oldest; (oldest = ledger_oldest(l, &all_bytes)) != NULL; g_free(oldest)) {
        if (all_bytes <= (int64_t)most_bytes || ledger_forget_file(l, oldest, NULL)) {
            g_free(oldest);
            break;
        }
        g_autofree char *path = g_build_filename(pictures, oldest, NULL);
        g_unlink(path);
    }
    GDir *dir = g_dir_open(pictures, 0, NULL);
    gint64 now_s = g_get_real_time() / G_USEC_PER_SEC;
    for (const char *file; dir && (file = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(pictures, file, NULL);
        GStatBuf about;
        /* What is being received has no row yet. */
        if (!ledger_knows_file(l, file) && g_stat(path, &about) == 0 && now_s - about.st_mtime > 3600)
            g_unlink(path);
    }
    if (dir)
        g_dir_close(dir);
}
