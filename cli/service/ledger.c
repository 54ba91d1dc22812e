/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.c - what the service has promised, in SQLite. */
#include "ledger.h"
#include "fault.h"
#include "store.h"

#include <string.h>

struct ledger {
    database *db;
};

static const char *const steps[] = {
    "CREATE TABLE jobs(id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, bank TEXT NOT NULL,"
    " settings TEXT NOT NULL, state TEXT NOT NULL, error TEXT, report TEXT, came_ms INTEGER NOT NULL,"
    " begun_ms INTEGER, ended_ms INTEGER);"
    "CREATE INDEX jobs_state ON jobs(state, id);"
    "CREATE TABLE pictures(id INTEGER PRIMARY KEY AUTOINCREMENT, bank TEXT NOT NULL, name TEXT NOT NULL,"
    " file TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL, job INTEGER NOT NULL REFERENCES jobs(id));"
    "CREATE INDEX pictures_bank ON pictures(bank, name);"
    "CREATE INDEX pictures_job ON pictures(job);",
    /* what was done to the banks; pictures that were taken out and may come back */
    "CREATE TABLE changes(id INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL, bank TEXT NOT NULL,"
    " kind TEXT NOT NULL, detail TEXT NOT NULL, job INTEGER NOT NULL, undone_ms INTEGER);"
    "CREATE INDEX changes_bank ON changes(bank, id);"
    "ALTER TABLE pictures ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;",
};

static const database_schema schema = {0x44695076 /* "DiPv" */, "jobs", steps, G_N_ELEMENTS(steps)};

dp_status ledger_open(const char *path, ledger **opened, dp_error *err)
{
    database *db;
    dp_status status = database_open(path, &schema, DATABASE_WRITE, &db, err);
    if (status)
        return status;
    *opened = g_new0(ledger, 1);
    (*opened)->db = db;
    return DP_OK;
}

void ledger_close(ledger **opened)
{
    if (*opened)
        database_close(&(*opened)->db);
    g_free(*opened);
    *opened = NULL;
}

database *ledger_database(ledger *l)
{
    return l->db;
}

const char *job_kind_name(job_kind kind)
{
    static const char *const names[] = {"fit", "add", "remove", "quarantine", "undo"};
    return names[kind];
}

void ledger_picture_free(gpointer data)
{
    ledger_picture *picture = data;
    g_free(picture->name);
    g_free(picture->file);
    g_free(picture);
}

void ledger_job_free(ledger_job *job)
{
    if (!job)
        return;
    g_free(job->bank);
    g_free(job->settings);
    g_free(job->state);
    g_free(job->error);
    g_free(job->report);
    g_free(job);
}

static void free_job(gpointer job)
{
    ledger_job_free(job);
}

/* One statement that changes something; the lock is taken here. */
#define CHANGE(l, err, ...)                                                                                            \
    __extension__({                                                                                                    \
        sqlite3_stmt *statement_;                                                                                      \
        g_mutex_lock(&(l)->db->write_lock);                                                                            \
        dp_status status_ = database_prepare((l)->db, (l)->db->writer, &statement_, err, __VA_ARGS__);                 \
        if (!status_)                                                                                                  \
            status_ = database_finish((l)->db, (l)->db->writer, statement_, err);                                      \
        g_mutex_unlock(&(l)->db->write_lock);                                                                          \
        status_;                                                                                                       \
    })

/* -------------------------------------------------------------------------------------------------------------- jobs */

static dp_status add_all(const database *db, job_kind kind, const char *bank, const char *settings,
                         const GPtrArray *pictures, int64_t *id, dp_error *err)
{
    sqlite3_stmt *statement;
    dp_status status = database_prepare(db, db->writer, &statement, err,
                                        "INSERT INTO jobs(kind, bank, settings, state, came_ms) "
                                        "VALUES(?, ?, ?, 'queued', ?)",
                                        "issi", (int64_t)kind, bank, settings, store_now_ms());
    if (!status)
        status = database_finish(db, db->writer, statement, err);
    int64_t job = sqlite3_last_insert_rowid(db->writer);
    for (guint i = 0; !status && pictures && i < pictures->len; i++) {
        const ledger_picture *picture = pictures->pdata[i];
        status = database_prepare(db, db->writer, &statement, err,
                                  "INSERT INTO pictures(bank, name, file, bytes, job) VALUES(?, ?, ?, ?, ?)", "sssii",
                                  bank, picture->name, picture->file, picture->bytes, job);
        if (!status)
            status = database_finish(db, db->writer, statement, err);
    }
    if (!status)
        *id = job;
    return status;
}

dp_status ledger_add_job(ledger *l, job_kind kind, const char *bank, const char *settings, const GPtrArray *pictures,
                         int64_t *id, dp_error *err)
{
    database *db = l->db;
    g_mutex_lock(&db->write_lock);
    dp_status status = database_run(db, db->writer, "BEGIN IMMEDIATE", err);
    if (!status) {
        status = add_all(db, kind, bank, settings, pictures, id, err);
        if (!status)
            status = database_run(db, db->writer, "COMMIT", err);
        if (status)
            database_run(db, db->writer, "ROLLBACK", NULL);
    }
    g_mutex_unlock(&db->write_lock);
    return status;
}

#define JOB_COLUMNS "id, kind, bank, settings, state, error, report, came_ms, begun_ms, ended_ms"

static ledger_job *job_of(sqlite3_stmt *s)
{
    ledger_job *job = g_new0(ledger_job, 1);
    *job = (ledger_job){.id = sqlite3_column_int64(s, 0),
                        .kind = (job_kind)sqlite3_column_int(s, 1),
                        .bank = g_strdup(database_text(s, 2)),
                        .settings = g_strdup(database_text(s, 3)),
                        .state = g_strdup(database_text(s, 4)),
                        .error = g_strdup(database_text(s, 5)),
                        .report = g_strdup(database_text(s, 6)),
                        .came_ms = sqlite3_column_int64(s, 7),
                        .begun_ms = sqlite3_column_int64(s, 8),
                        .ended_ms = sqlite3_column_int64(s, 9)};
    return job;
}

dp_status ledger_job_get(ledger *l, int64_t id, ledger_job **job, dp_error *err)
{
    database *db = l->db;
    sqlite3_stmt *statement;
    *job = NULL;
    g_mutex_lock(&db->read_lock);
    dp_status status =
        database_prepare(db, db->reader, &statement, err, "SELECT " JOB_COLUMNS " FROM jobs WHERE id = ?", "i", id);
    if (!status) {
        if (sqlite3_step(statement) == SQLITE_ROW)
            *job = job_of(statement);
        sqlite3_finalize(statement);
    }
    g_mutex_unlock(&db->read_lock);
    return status;
}

dp_status ledger_jobs(ledger *l, size_t most, GPtrArray **jobs, dp_error *err)
{
    database *db = l->db;
    sqlite3_stmt *statement;
    g_mutex_lock(&db->read_lock);
    dp_status status =
        database_prepare(db, db->reader, &statement, err, "SELECT " JOB_COLUMNS " FROM jobs ORDER BY id DESC LIMIT ?",
                         "i", (int64_t)most);
    if (!status) {
        *jobs = g_ptr_array_new_with_free_func(free_job);
        while (sqlite3_step(statement) == SQLITE_ROW)
            g_ptr_array_add(*jobs, job_of(statement));
        sqlite3_finalize(statement);
    }
    g_mutex_unlock(&db->read_lock);
    return status;
}

dp_status ledger_begin_next(ledger *l, ledger_job **job, dp_error *err)
{
    database *db = l->db;
    sqlite3_stmt *statement;
    *job = NULL;
    g_mutex_lock(&db->write_lock);
    dp_status status = database_prepare(
        db, db->writer, &statement, err,
        "UPDATE jobs SET state = 'running', begun_ms = ? WHERE id = (SELECT id FROM jobs WHERE state = 'queued'"
        " ORDER BY id LIMIT 1) RETURNING " JOB_COLUMNS,
        "i", store_now_ms());
    if (!status) {
        int code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
            *job = job_of(statement);
        else if (code != SQLITE_DONE)
            status = database_failed(db, db->writer, err);
        sqlite3_finalize(statement);
    }
    g_mutex_unlock(&db->write_lock);
    return status;
}

dp_status ledger_end(ledger *l, int64_t id, const char *state, const char *error, const char *report, dp_error *err)
{
    return CHANGE(l, err, "UPDATE jobs SET state = ?, error = ?, report = ?, ended_ms = ? WHERE id = ?", "sssii", state,
                  error, report, store_now_ms(), id);
}

dp_status ledger_cancel(ledger *l, int64_t id, bool *taken, dp_error *err)
{
    sqlite3_stmt *statement;
    g_mutex_lock(&l->db->write_lock);
    dp_status status =
        database_prepare(l->db, l->db->writer, &statement, err,
                         "UPDATE jobs SET state = 'cancelled', ended_ms = ? WHERE id = ? AND state = 'queued'", "ii",
                         store_now_ms(), id);
    if (!status)
        status = database_finish(l->db, l->db->writer, statement, err);
    *taken = !status && sqlite3_changes(l->db->writer) > 0;
    g_mutex_unlock(&l->db->write_lock);
    return status;
}

dp_status ledger_recover(ledger *l, dp_error *err)
{
    return CHANGE(l, err, "UPDATE jobs SET state = 'queued' WHERE state = 'running'", "");
}

/* The first number of a question; 0: there is none. */
static int64_t ask(ledger *l, const char *sql, const char *a, const char *b)
{
    database *db = l->db;
    sqlite3_stmt *statement;
    int64_t n = 0;
    g_mutex_lock(&db->read_lock);
    if (!database_prepare(db, db->reader, &statement, NULL, sql, !a ? "" : !b ? "s" : "ss", a, b)) {
        if (sqlite3_step(statement) == SQLITE_ROW)
            n = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
    }
    g_mutex_unlock(&db->read_lock);
    return n;
}

dp_status ledger_waits(ledger *l, job_kind kind, const char *bank, bool *busy, dp_error *err)
{
    g_autofree char *sql = g_strdup_printf(
        "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running') AND kind = %d AND bank = ?", (int)kind);
    *busy = ask(l, sql, bank, NULL) > 0;
    return DP_OK;
}

size_t ledger_unfinished(ledger *l)
{
    return (size_t)ask(l, "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')", NULL, NULL);
}

/* ---------------------------------------------------------------------------------------------------------- pictures */

dp_status ledger_pictures(ledger *l, const char *bank, int64_t job, GPtrArray **pictures, dp_error *err)
{
    database *db = l->db;
    sqlite3_stmt *statement;
    g_mutex_lock(&db->read_lock);
    dp_status status =
        job ? database_prepare(
            db, db->reader, &statement, err,
            "SELECT name, file, bytes FROM pictures WHERE bank = ? AND job = ? AND removed = 0 ORDER BY name", "si",
            bank, job)
            : database_prepare(db, db->reader, &statement, err,
                               "SELECT p.name, p.file, p.bytes FROM pictures p JOIN jobs j ON j.id = p.job"
                               " WHERE p.bank = ? AND j.state = 'done' AND p.removed = 0 ORDER BY p.name",
                               "s", bank);
    if (!status) {
        *pictures = g_ptr_array_new_with_free_func(ledger_picture_free);
        while (sqlite3_step(statement) == SQLITE_ROW) {
            ledger_picture *picture = g_new0(ledger_picture, 1);
            picture->name = g_strdup(database_text(statement, 0));
            picture->file = g_strdup(database_text(statement, 1));
            picture->bytes = sqlite3_column_int64(statement, 2);
            g_ptr_array_add(*pictures, picture);
        }
        sqlite3_finalize(statement);
    }
    g_mutex_unlock(&db->read_lock);
    return status;
}

/* The first text of a question; NULL: there is none; g_free. */
static char *ask_text(ledger *l, int64_t *number, const char *sql, const char *a, const char *b)
{
    database *db = l->db;
    sqlite3_stmt *statement;
    char *text = NULL;
    g_mutex_lock(&db->read_lock);
    if (!database_prepare(db, db->reader, &statement, NULL, sql, !a ? "" : "ss", a, b)) {
        if (sqlite3_step(statement) == SQLITE_ROW) {
            text = g_strdup(database_text(statement, 0));
            if (number)
                *number = sqlite3_column_int64(statement, 1);
        }
        sqlite3_finalize(statement);
    }
    g_mutex_unlock(&db->read_lock);
    return text;
}

char *ledger_picture_file(ledger *l, const char *bank, const char *name)
{
    return ask_text(
        l, NULL,
        "SELECT p.file FROM pictures p JOIN jobs j ON j.id = p.job"
        " WHERE p.bank = ? AND p.name = ? AND j.state = 'done' AND p.removed = 0 ORDER BY p.id DESC LIMIT 1",
        bank, name);
}

bool ledger_has_name(ledger *l, const char *bank, const char *name)
{
    return ask(l, "SELECT count(*) FROM pictures WHERE bank = ? AND name = ? AND removed = 0", bank, name) > 0;
}

dp_status ledger_forget_others(ledger *l, const char *bank, int64_t job, dp_error *err)
{
    return CHANGE(l, err,
                  "DELETE FROM pictures WHERE bank = ?1 AND job != ?2"
                  " AND job NOT IN (SELECT id FROM jobs WHERE bank = ?1 AND state IN ('queued', 'running'))",
                  "si", bank, job);
}

dp_status ledger_forget(ledger *l, const char *bank, const char *name, dp_error *err)
{
    return CHANGE(l, err, "DELETE FROM pictures WHERE bank = ? AND name = ?", "ss", bank, name);
}

dp_status ledger_set_removed(ledger *l, const char *bank, const char *name, bool removed, dp_error *err)
{
    return CHANGE(l, err,
                  "UPDATE pictures SET removed = ?1 WHERE id = (SELECT max(id) FROM pictures WHERE bank = ?2 AND name "
                  "= ?3 AND removed != ?1)",
                  "iss", (int64_t)removed, bank, name);
}

ledger_picture *ledger_removed_picture(ledger *l, const char *bank, const char *name)
{
    int64_t bytes = 0;
    char *file = ask_text(
        l, &bytes,
        "SELECT file, bytes FROM pictures WHERE bank = ? AND name = ? AND removed = 1 ORDER BY id DESC LIMIT 1", bank,
        name);
    if (!file)
        return NULL;
    ledger_picture *picture = g_new0(ledger_picture, 1);
    *picture = (ledger_picture){g_strdup(name), file, bytes};
    return picture;
}

bool ledger_knows_file(ledger *l, const char *file)
{
    return ask(l, "SELECT count(*) FROM pictures WHERE file = ?", file, NULL) > 0;
}

char *ledger_oldest(ledger *l, int64_t *all_bytes)
{
    *all_bytes = 0;
    return ask_text(l, all_bytes,
                    "SELECT p.file, (SELECT sum(p.bytes) FROM pictures p JOIN jobs j ON j.id = p.job"
                    " WHERE j.state NOT IN ('queued', 'running')) FROM pictures p JOIN jobs j ON j.id = p.job"
                    " WHERE j.state NOT IN ('queued', 'running') ORDER BY p.id LIMIT 1",
                    NULL, NULL);
}

dp_status ledger_forget_file(ledger *l, const char *file, dp_error *err)
{
    return CHANGE(l, err, "DELETE FROM pictures WHERE file = ?", "s", file);
}
