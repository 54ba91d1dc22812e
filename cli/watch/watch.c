/* SPDX-License-Identifier: Apache-2.0 */
/* watch.c - the loop: a picture comes, is inspected, kept, reported, and moved away.
 *
 * First all that is kept of a picture is committed in one transaction, then it is told and its file moved.  A kill before the commit
 * leaves the file as one that was never seen; a kill after it leaves a file that the journal knows, which is only moved. */
#include "watch.h"
#include "done.h"
#include "frames.h"
#include "wake.h"
#include "../service/drift_alarm.h"
#include "../service/log.h"
#include "../service/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define YOUNG_NS 3000000000 /* an empty file may be one that somebody is about to write */
#define LONGEST_WAIT_S 30   /* between two tries to keep a result */

typedef struct watch {
    watch_settings settings;
    bank_inspector *inspector;
    watched_folder *folder; /* or NULL */
    frames *frames;         /* or NULL */
    GPtrArray *apart;
    keeper *keeper; /* or NULL */
    store *store;
    journal *journal;
    outlets outlets;
    char *state;        /* folder of results, journal, lock */
    char *stream;       /* as in store_row */
    drift_alarm *drift; /* or NULL */
    int lock;           /* file */
    cli_tally tally;
    size_t n_pictures;
    bool anomaly, broken; /* one was seen; stdout takes no more */
} watch;

/* ------------------------------------------------------------------------------------------------------- one picture */

/* Until it is kept.  False: told to stop before that. */
static bool keep(watch *w, const journal_entry *entry, int64_t *id)
{
    dp_error err;
    for (int wait_s = 1; journal_write(w->journal, entry, id, &err); wait_s = MIN(2 * wait_s, LONGEST_WAIT_S)) {
        log_line(LOG_LEVEL_ERROR, "a result cannot be kept, so no more pictures are inspected; tried again in %d s: %s",
                 wait_s, err.message);
        wake_wait(-1, 1000 * wait_s);
        if (wake_stop())
            return false;
    }
    return true;
}

static void print_result(watch *w, const cli_row *row, const json_t *line, const json_t *alarm)
{
    if (w->settings.json) {
        w->broken =
            !cli_json_print(json_incref((json_t *)line)) || (alarm && !cli_json_print(json_incref((json_t *)alarm)));
    } else {
        cli_row_print_text(row);
        w->broken = !cli_output_good();
    }
    if (alarm)
        log_line(LOG_LEVEL_WARNING, "%s", json_string_value(json_object_get(alarm, "text")));
}

/* What is sent of a picture: its line with what a receiver elsewhere needs; free. */
static char *message_of(const watch *w, const json_t *line, int64_t time_ms)
{
    g_autofree char *time = store_time_text(time_ms);
    json_t *message = cli_json_pack("{s:s, s:s}", "time", time, "bank", w->inspector->name);
    json_object_update(message, (json_t *)line);
    char *text = cli_json_dumped(message, JSON_COMPACT | JSON_REAL_PRECISION(12));
    json_decref(message);
    return text;
}

/* What was found goes where it is wanted.  False: nothing was kept, for it was told to stop. */
static bool finish(watch *w, bank_inspection *made, const char *below, const char *path, const file_identity *identity)
{
    dp_error err;
    int64_t id, time_ms = store_now_ms();
    char *map_path = NULL, *defects = NULL, *file_fault = NULL;
    if (w->keeper && keeper_add(w->keeper, w->inspector, made, below, time_ms, &map_path, &err)) {
        log_line(LOG_LEVEL_WARNING, "%s", err.message); /* the figures stand all the same */
        made->row.fault = file_fault = cli_spelled(err.message);
    }
    made->row.map_path = map_path;
    json_t *line = cli_row_json(&made->row);
    store_row row = {.time_ms = time_ms,
                     .bank = w->inspector->name,
                     .bank_sha256 = w->inspector->sha256,
                     .network_sha256 = w->inspector->details.model_sha256,
                     .program = dp_version(),
                     .stream = w->stream};
    store_row_fill(&row, line, &defects);
    json_t *alarm =
        w->drift ? drift_alarm_look(w->drift, w->inspector->name, w->inspector->sha256, row.score, time_ms) : NULL;
    char *text = w->outlets.n ? message_of(w, line, time_ms) : NULL;
    char *alarm_text = alarm ? cli_json_dumped(alarm, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
    journal_message messages[2 * OUTLETS];
    size_t n_messages = text ? outlets_address(&w->outlets, "result", text, messages) : 0;
    if (alarm_text)
        n_messages += outlets_address(&w->outlets, "alarm", alarm_text, messages + n_messages);
    const journal_entry entry = {.row = w->settings.data ? &row : NULL,
                                 .time_ms = time_ms,
                                 .alarm = w->settings.data ? alarm_text : NULL,
                                 .path = path,
                                 .identity = identity,
                                 .messages = messages,
                                 .n_messages = n_messages};
    bool kept = keep(w, &entry, &id);
    if (kept) {
        dp_label label = cli_row_label(&made->row);
        cli_tally_add(&w->tally, &made->row);
        w->n_pictures++;
        w->anomaly = w->anomaly || label != DP_LABEL_GOOD;
        if (made->fault)
            log_line(LOG_LEVEL_WARNING, "%s", made->fault);
        if (w->drift && w->settings.data && drift_alarm_remember(w->drift, w->store, w->inspector->name, id, &err))
            log_line(LOG_LEVEL_WARNING, "%s", err.message);
        outlets_came(&w->outlets, alarm ? 2 : 1);
        print_result(w, &made->row, line, alarm);
    }
    json_decref(alarm);
    free(text);
    free(alarm_text);
    json_decref(line);
    g_free(defects);
    g_free(map_path);
    g_free(file_fault);
    return kept;
}

static void move_away(watch *w, const char *path, const char *below)
{
    dp_error err;
    if (!w->settings.done)
        return;
    if (!done_move(path, w->settings.done, below, &err))
        journal_moved(w->journal, path);
    else
        log_line(LOG_LEVEL_WARNING, "%s", err.message);
}

static bool is_unchanged(const char *path, const file_identity *before, bool *gone)
{
    struct stat about;
    *gone = stat(path, &about) != 0;
    if (*gone)
        return false;
    file_identity now = file_identity_of(&about);
    return file_identity_equal(&now, before);
}

/* False: nothing more can be done. */
static bool take_file(watch *w, const char *path)
{
    struct stat about;
    dp_error err;
    bool has, gone;
    const char *below = path + strlen(w->settings.in);
    below += strspn(below, "/");
    if (stat(path, &about) != 0 || !S_ISREG(about.st_mode))
        return true; /* it came and went */
    file_identity identity = file_identity_of(&about);
    if (!identity.bytes && ABS(g_get_real_time() * 1000 - identity.changed_ns) < YOUNG_NS) {
        folder_give_back(w->folder, path);
        return true;
    }
    if (journal_has(w->journal, path, &identity, &has, &err)) {
        log_line(LOG_LEVEL_ERROR, "%s", err.message);
        return false;
    }
    if (has) {
        move_away(w, path, below);
        return true;
    }
    bank_inspection made;
    bank_inspector_run(w->inspector, path, NULL, &made);
    bool good = true;
    if (is_unchanged(path, &identity, &gone) || (gone && !made.fault)) {
        if (finish(w, &made, below, path, &identity))
            move_away(w, path, below);
    } else if (!gone) {
        folder_give_back(w->folder, path); /* somebody writes to it */
    } else {
        log_line(LOG_LEVEL_INFO, "%s: was taken away before it could be read", path);
    }
    bank_inspection_clear(&made);
    return good;
}

/* -------------------------------------------------------------------------------------------------------------- loop */

static void reload(watch *w)
{
    int code;
    notify_manager("RELOADING=1");
    bank_inspector *fresh = bank_inspector_open(&w->settings.inspector, &code);
    if (fresh) {
        bank_inspector_close(&w->inspector);
        w->inspector = fresh;
        log_line(LOG_LEVEL_INFO, "SIGHUP: %s is read anew", w->settings.inspector.bank);
    } else {
        log_line(LOG_LEVEL_ERROR, "SIGHUP: the bank cannot be read; the one that was read before stays in use");
    }
    notify_manager("READY=1");
}

static bool is_over(const watch *w)
{
    return w->broken || wake_stop() || (w->settings.exit_after && w->n_pictures >= w->settings.exit_after)
           || (w->settings.stop_on_anomaly && w->anomaly);
}

/* False: *code, complained. */
static bool step_folder(watch *w, int *code)
{
    dp_error err;
    char *path;
    int wait_ms;
    if (folder_next(w->folder, &path, &wait_ms, &err)) {
        *code = cli_failed(&err);
        return false;
    }
    if (!path) {
        wake_wait(folder_fd(w->folder), wait_ms);
        return true;
    }
    bool good = take_file(w, path);
    g_free(path);
    *code = EXIT_JOB_FAILED;
    return good;
}

static bool step_source(watch *w, bool *ended, int *code)
{
    dp_error err;
    frames_state state;
    dp_picture *picture;
    if (frames_next(w->frames, &state, &picture, &err)) {
        *code = cli_failed(&err);
        return false;
    }
    *ended = state == FRAMES_ENDED;
    if (state != FRAMES_CAME)
        return true;
    bank_inspection made;
    g_autofree char *name = g_strdup_printf("%s-%06zu", w->settings.camera, w->n_pictures + 1);
    bank_inspector_run(w->inspector, name, picture, &made);
    finish(w, &made, name, NULL, NULL);
    bank_inspection_clear(&made);
    return true;
}

static int loop(watch *w)
{
    int code;
    bool ended = false;
    while (!ended && !is_over(w)) {
        if (wake_reload())
            reload(w);
        if (w->frames ? !step_source(w, &ended, &code) : !step_folder(w, &code))
            return code;
    }
    if (w->broken)
        return EXIT_JOB_FAILED;
    if (w->settings.stop_on_anomaly && w->anomaly)
        return EXIT_ANOMALY;
    return w->tally.n_failed ? EXIT_SOME_FAILED : EXIT_DONE;
}

/* ------------------------------------------------------------------------------------------------------ opening, closing */

/* What is watched, as one name; g_free. */
static char *watched(const watch_settings *settings)
{
    return settings->in ? g_canonicalize_filename(settings->in, NULL) : g_strdup(settings->source);
}

/* The folder of the journal where results are not kept; g_free. */
static char *own_state(const watch_settings *settings)
{
    g_autofree char *whole = watched(settings);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, whole, -1);
    digest[16] = '\0';
    g_autofree char *name = g_strconcat("watch-", digest, NULL);
    return g_build_filename(g_get_user_state_dir(), "dinopatch", name, NULL);
}

/* Two that watch one folder would each inspect its pictures. */
static bool take_lock(watch *w, const char *state, int *code)
{
    g_autofree char *whole = watched(&w->settings);
    g_autofree char *key = g_strconcat(whole, "\n", w->inspector->name, NULL);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, key, -1);
    g_autofree char *name = g_strdup_printf("watch-%.16s.lock", digest), *path = g_build_filename(state, name, NULL);
    w->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (w->lock >= 0 && flock(w->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (w->lock >= 0 && errno == EWOULDBLOCK)
        cli_complain("%s: another 'dinopatch watch' inspects it by the bank %s and keeps its journal in %s; end that "
                     "one first",
                     whole, w->inspector->name, state);
    else
        cli_complain("%s: cannot be made: %s", path, g_strerror(errno));
    *code = EXIT_JOB_FAILED;
    return false;
}

static bool make_state(watch *w, int *code)
{
    w->state = w->settings.data ? g_strdup(w->settings.data) : own_state(&w->settings);
    w->settings.inspector.folder = w->state;
    if (g_mkdir_with_parents(w->state, 0700) == 0)
        return true;
    cli_complain("%s: cannot make the folder: %s", w->state, g_strerror(errno));
    *code = EXIT_JOB_FAILED;
    return false;
}

static bool open_state(watch *w, int *code)
{
    g_autofree char *path = g_build_filename(w->state, "results.db", NULL);
    dp_error err;
    if (!take_lock(w, w->state, code))
        return false;
    if (store_open(path, DATABASE_WRITE, &w->store, &err)) {
        *code = cli_failed(&err);
        return false;
    }
    w->journal = journal_new(w->store, w->inspector->name, w->settings.in);
    if (!w->settings.data)
        log_line(LOG_LEVEL_INFO,
                 "results are not kept without --data; what was inspected and what waits is noted in %s", w->state);
    return true;
}

static bool open_all(watch *w, int *code)
{
    const watch_settings *s = &w->settings;
    dp_error err;
    w->apart = g_ptr_array_new();
    w->stream = s->in ? watched(s) : g_strconcat("camera:", s->camera, NULL);
    const char *const own[] = {s->done, s->data, s->out.out};
    for (size_t i = 0; i < G_N_ELEMENTS(own); i++)
        if (own[i])
            g_ptr_array_add(w->apart, (gpointer)own[i]);
    if (!make_state(w, code) || !(w->inspector = bank_inspector_open(&s->inspector, code)) || !open_state(w, code))
        return false;
    dp_status status = s->done ? done_begin(s->in, s->done, &err) : DP_OK;
    if (!status && s->out.out)
        status = keeper_open(&s->out, &w->keeper, &err);
    if (!status)
        status = outlets_open(&s->outlets, w->journal, &w->outlets, &err);
    if (!status && s->drift_bound > 0)
        status = drift_alarm_open(s->drift_bound, w->stream, &w->drift, &err);
    if (!status && w->drift && s->data)
        status = drift_alarm_resume(w->drift, w->store, w->inspector->name, &err);
    const folder_settings folder = {s->in, s->poll_s, w->apart};
    if (!status)
        status = s->in ? folder_open(&folder, &w->folder, &err) : frames_open(s->source, &w->frames, &err);
    if (status)
        *code = cli_failed(&err);
    return !status;
}

static void close_all(watch *w)
{
    folder_close(&w->folder);
    frames_close(&w->frames);
    outlets_close(&w->outlets);
    drift_alarm_close(&w->drift);
    g_free(w->stream);
    g_free(w->state);
    keeper_close(&w->keeper);
    journal_free(w->journal);
    store_close(&w->store);
    bank_inspector_close(&w->inspector);
    g_ptr_array_unref(w->apart);
    if (w->lock >= 0)
        close(w->lock);
}

int watch_run(const watch_settings *settings)
{
    watch w = {.settings = *settings, .lock = -1};
    int code = EXIT_DONE;
    wake_begin();
    if (open_all(&w, &code)) {
        double poll_s = w.folder ? folder_poll_s(w.folder) : 0;
        const char *what = settings->in ? settings->in : "the source";
        if (poll_s > 0)
            log_line(LOG_LEVEL_INFO, "%s is watched by %s, looked at every %g s", what, w.inspector->name, poll_s);
        else
            log_line(LOG_LEVEL_INFO, "%s is watched by %s", what, w.inspector->name);
        notify_manager("READY=1");
        code = loop(&w);
        notify_manager("STOPPING=1");
        char *text = cli_tally_text(&w.tally, isnan(w.inspector->view.view.threshold));
        uint64_t n_dropped = w.frames ? frames_dropped(w.frames) : 0;
        log_line(LOG_LEVEL_INFO, "%s", text);
        if (n_dropped)
            log_line(LOG_LEVEL_WARNING, "%" G_GUINT64_FORMAT " frames were left out for newer ones", n_dropped);
        g_free(text);
    }
    close_all(&w);
    return code;
}
