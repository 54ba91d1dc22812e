/* SPDX-License-Identifier: Apache-2.0 */
/* store.c - the results of inspections, in SQLite. */
#include "store.h"
#include "fault.h"

#include <math.h>
#include <string.h>

struct store {
    database *db;
};

/* Names and digests stand once, so that a row is small.  An index names all columns that a question about counts looks at, and then the
 * table itself is not read. */
static const char *const steps[] = {
    "CREATE TABLE banks(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE origins(id INTEGER PRIMARY KEY, bank_sha256 TEXT NOT NULL, network_sha256 TEXT NOT NULL,"
    " program TEXT NOT NULL, UNIQUE(bank_sha256, network_sha256, program));"
    "CREATE TABLE results(id INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL,"
    " bank INTEGER NOT NULL REFERENCES banks(id), origin INTEGER NOT NULL REFERENCES origins(id),"
    " source TEXT NOT NULL, label TEXT CHECK (label IN ('good', 'anomalous', 'not_inspected')), reason TEXT, error "
    "TEXT,"
    " score REAL, p_value REAL, threshold REAL, cell_threshold REAL, width_px INTEGER, height_px INTEGER,"
    " defects TEXT, ms REAL, verdict TEXT CHECK (verdict IN ('good', 'defect')), verdict_ms INTEGER, picture TEXT);"
    "CREATE INDEX results_time ON results(time_ms, label);"
    "CREATE INDEX results_bank ON results(bank, time_ms, label);"
    "CREATE INDEX results_label ON results(label, time_ms);"
    "CREATE INDEX results_verdict ON results(verdict, time_ms) WHERE verdict IS NOT NULL;"
    "CREATE INDEX results_picture ON results(id) WHERE picture IS NOT NULL;"
    "CREATE TABLE day_counts(bank INTEGER NOT NULL, day INTEGER NOT NULL, label TEXT NOT NULL, n INTEGER NOT NULL,"
    " PRIMARY KEY(bank, day, label)) WITHOUT ROWID;"
    "CREATE TRIGGER results_added AFTER INSERT ON results BEGIN"
    " INSERT INTO day_counts VALUES(new.bank, new.time_ms / 86400000, ifnull(new.label, ''), 1)"
    " ON CONFLICT DO UPDATE SET n = n + 1; END;"
    "CREATE TRIGGER results_removed AFTER DELETE ON results BEGIN"
    " UPDATE day_counts SET n = n - 1 WHERE bank = old.bank AND day = old.time_ms / 86400000"
    " AND label = ifnull(old.label, ''); END;"
    "CREATE VIEW result_rows AS SELECT r.id, strftime('%Y-%m-%dT%H:%M:%fZ', r.time_ms / 1000.0, 'unixepoch') AS time,"
    " b.name AS bank, o.bank_sha256, o.network_sha256, o.program, r.source, r.label, r.reason, r.error, r.score,"
    " r.p_value, r.threshold, r.cell_threshold, r.width_px, r.height_px, r.defects, r.ms, r.verdict,"
    " strftime('%Y-%m-%dT%H:%M:%fZ', r.verdict_ms / 1000.0, 'unixepoch') AS verdict_time, r.picture"
    " FROM results r JOIN banks b ON b.id = r.bank JOIN origins o ON o.id = r.origin;",
    /* of `dinopatch watch`: the files that it has inspected, and messages that wait to be sent */
    "CREATE TABLE watched(bank TEXT NOT NULL, path TEXT NOT NULL, inode INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " changed_ns INTEGER NOT NULL, PRIMARY KEY(bank, path)) WITHOUT ROWID;"
    "CREATE TABLE outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, kind TEXT NOT NULL,"
    " body TEXT NOT NULL);"
    "CREATE INDEX outbox_target ON outbox(target, id);",
    /* alarms for drift, as JSON */
    "CREATE TABLE alarms(id INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL, bank TEXT NOT NULL,"
    " alarm TEXT NOT NULL);"
    "CREATE INDEX alarms_time ON alarms(time_ms);",
    /* after which result the watching for drift began */
    "CREATE TABLE drift(bank TEXT PRIMARY KEY, after_id INTEGER NOT NULL) WITHOUT ROWID;",
    /* by which way a picture came: each way drifts by itself */
    "CREATE TABLE streams(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "ALTER TABLE results ADD COLUMN stream INTEGER REFERENCES streams(id);"
    "DROP TABLE drift;"
    "CREATE TABLE drift(bank TEXT NOT NULL, stream TEXT NOT NULL, after_id INTEGER NOT NULL,"
    " PRIMARY KEY(bank, stream)) WITHOUT ROWID;"
    "DROP VIEW result_rows;"
    "CREATE VIEW result_rows AS SELECT r.id, strftime('%Y-%m-%dT%H:%M:%fZ', r.time_ms / 1000.0, 'unixepoch') AS time,"
    " b.name AS bank, o.bank_sha256, o.network_sha256, o.program, r.source, r.label, r.reason, r.error, r.score,"
    " r.p_value, r.threshold, r.cell_threshold, r.width_px, r.height_px, r.defects, r.ms, r.verdict,"
    " strftime('%Y-%m-%dT%H:%M:%fZ', r.verdict_ms / 1000.0, 'unixepoch') AS verdict_time, r.picture,"
    " s.name AS stream FROM results r JOIN banks b ON b.id = r.bank JOIN origins o ON o.id = r.origin"
    " LEFT JOIN streams s ON s.id = r.stream;",
};

static const database_schema schema = {0x44695061 /* "DiPa" */, "results", steps, G_N_ELEMENTS(steps)};

dp_status store_open(const char *path, database_mode mode, store **opened, dp_error *err)
{
    database *db;
    dp_status status = database_open(path, &schema, mode, &db, err);
    if (status)
        return status;
    *opened = g_new0(store, 1);
    (*opened)->db = db;
    return DP_OK;
}

void store_close(store **opened)
{
    if (*opened)
        database_close(&(*opened)->db);
    g_free(*opened);
    *opened = NULL;
}

/* ------------------------------------------------------------------------------------------------------------ adding */

static dp_status add_names(const database *db, const store_row *row, dp_error *err)
{
    sqlite3_stmt *statement;
    dp_status status = database_prepare(db, db->writer, &statement, err, "INSERT OR IGNORE INTO banks(name) VALUES(?)",
                                        "s", row->bank);
    if (!status)
        status = database_finish(db, db->writer, statement, err);
    if (!status)
        status = database_prepare(db, db->writer, &statement, err,
                                  "INSERT OR IGNORE INTO origins(bank_sha256, network_sha256, program) VALUES(?, ?, ?)",
                                  "sss", row->bank_sha256, row->network_sha256, row->program);
    if (!status)
        status = database_finish(db, db->writer, statement, err);
    if (!status && row->stream) {
        status = database_prepare(db, db->writer, &statement, err, "INSERT OR IGNORE INTO streams(name) VALUES(?)", "s",
                                  row->stream);
        if (!status)
            status = database_finish(db, db->writer, statement, err);
    }
    return status;
}

static dp_status add_row(const database *db, const store_row *row, dp_error *err)
{
    sqlite3_stmt *statement;
    dp_status status = database_prepare(
        db, db->writer, &statement, err,
        "INSERT INTO results(time_ms, bank, origin, source, label, reason, error, score, p_value, threshold,"
        " cell_threshold, width_px, height_px, defects, ms, picture, stream)"
        " VALUES(?1, (SELECT id FROM banks WHERE name = ?2), (SELECT id FROM origins WHERE bank_sha256 = ?3"
        " AND network_sha256 = ?4 AND program = ?5), ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,"
        " (SELECT id FROM streams WHERE name = ?19))",
        "issssssssddddiisdss", row->time_ms, row->bank, row->bank_sha256, row->network_sha256, row->program,
        row->source, row->label, row->reason, row->error, row->score, row->p_value, row->threshold, row->cell_threshold,
        row->width_px, row->height_px, row->defects, row->ms, row->picture, row->stream);
    return status ? status : database_finish(db, db->writer, statement, err);
}

dp_status store_add(store *s, const store_row *row, int64_t *id, dp_error *err)
{
    return store_add_with(s, row, NULL, NULL, id, err);
}

database *store_database(store *s)
{
    return s->db;
}

dp_status store_add_with(store *s, const store_row *row, store_also_fn also, void *user, int64_t *id, dp_error *err)
{
    database *db = s->db;
    g_mutex_lock(&db->write_lock);
    dp_status status = database_run(db, db->writer, "BEGIN IMMEDIATE", err);
    if (!status) {
        if (row)
            status = add_names(db, row, err);
        if (row && !status)
            status = add_row(db, row, err);
        int64_t number = row ? sqlite3_last_insert_rowid(db->writer) : 0;
        if (also && !status)
            status = also(user, db, number, err);
        if (!status)
            status = database_run(db, db->writer, "COMMIT", err);
        if (status)
            database_run(db, db->writer, "ROLLBACK", NULL);
        else if (id)
            *id = number;
    }
    g_mutex_unlock(&db->write_lock);
    return status;
}

/* ------------------------------------------------------------------------------------------------------------ asking */

#define COLUMNS                                                                                                        \
    "r.id, r.time_ms, b.name, o.bank_sha256, o.network_sha256, o.program, r.source, r.label, r.reason, r.error,"       \
    " r.score, r.p_value, r.threshold, r.cell_threshold, r.width_px, r.height_px, r.defects, r.ms, r.verdict,"         \
    " r.verdict_ms, r.picture, s.name FROM results r JOIN banks b ON b.id = r.bank JOIN origins o ON o.id = r.origin"  \
    " LEFT JOIN streams s ON s.id = r.stream"

static store_row row_of(sqlite3_stmt *s)
{
    return (store_row){.id = sqlite3_column_int64(s, 0),
                       .time_ms = sqlite3_column_int64(s, 1),
                       .bank = database_text(s, 2),
                       .bank_sha256 = database_text(s, 3),
                       .network_sha256 = database_text(s, 4),
                       .program = database_text(s, 5),
                       .source = database_text(s, 6),
                       .label = database_text(s, 7),
                       .reason = database_text(s, 8),
                       .error = database_text(s, 9),
                       .score = database_real(s, 10),
                       .p_value = database_real(s, 11),
                       .threshold = database_real(s, 12),
                       .cell_threshold = database_real(s, 13),
                       .width_px = sqlite3_column_int64(s, 14),
                       .height_px = sqlite3_column_int64(s, 15),
                       .defects = database_text(s, 16),
                       .ms = database_real(s, 17),
                       .verdict = database_text(s, 18),
                       .verdict_ms = sqlite3_column_int64(s, 19),
                       .picture = database_text(s, 20),
                       .stream = database_text(s, 21)};
}

/* Steps to the end, or until on_row has enough; finalizes. */
static dp_status walk(const database *db, sqlite3_stmt *statement, store_row_fn on_row, void *user, size_t *n,
                      dp_error *err)
{
    int code;
    dp_status status = DP_OK;
    bool enough = false;
    *n = 0;
    while (!enough && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        store_row row = row_of(statement);
        ++*n;
        enough = on_row(user, &row) != 0;
    }
    if (!enough && code != SQLITE_DONE)
        status = database_failed(db, db->reader, err);
    sqlite3_finalize(statement);
    return status;
}

/* Only the conditions that are asked for: then SQLite finds the index that serves them. */
static GString *conditions(const store_filter *f)
{
    GString *sql = g_string_new(" WHERE 1");
    if (f->bank)
        g_string_append(sql, " AND r.bank = (SELECT id FROM banks WHERE name = ?1)");
    if (f->since_ms)
        g_string_append(sql, " AND r.time_ms >= ?2");
    if (f->until_ms)
        g_string_append(sql, " AND r.time_ms < ?3");
    return sql;
}

dp_status store_query(store *s, const store_filter *f, store_row_fn on_row, void *user, dp_error *err)
{
    database *db = s->db;
    GString *sql = conditions(f);
    g_string_prepend(sql, "SELECT " COLUMNS);
    bool no_label = f->label && !strcmp(f->label, "none");
    if (f->label)
        g_string_append(sql, no_label ? " AND r.label IS NULL" : " AND r.label = ?4");
    if (f->verdict && !strcmp(f->verdict, "any"))
        g_string_append(sql, " AND r.verdict IS NOT NULL");
    else if (f->verdict && !strcmp(f->verdict, "none"))
        g_string_append(sql, " AND r.verdict IS NULL");
    else if (f->verdict)
        g_string_append(sql, " AND r.verdict = ?5");
    if (f->before_id)
        g_string_append(sql, " AND (r.time_ms, r.id) < (?6, ?7)");
    g_string_append(sql, " ORDER BY r.time_ms DESC, r.id DESC LIMIT ?8");
    sqlite3_stmt *statement;
    size_t n;
    g_mutex_lock(&db->read_lock);
    dp_status status = database_prepare(db, db->reader, &statement, err, sql->str, "siissiii", f->bank, f->since_ms,
                                        f->until_ms, f->label, f->verdict, f->before_time_ms, f->before_id,
                                        f->limit ? (int64_t)MIN(f->limit, (size_t)INT64_MAX) : (int64_t)-1);
    if (!status)
        status = walk(db, statement, on_row, user, &n, err);
    g_mutex_unlock(&db->read_lock);
    g_string_free(sql, TRUE);
    return status;
}

dp_status store_get(store *s, int64_t id, store_row_fn on_row, void *user, bool *found, dp_error *err)
{
    database *db = s->db;
    sqlite3_stmt *statement;
    size_t n = 0;
    g_mutex_lock(&db->read_lock);
    dp_status status = database_prepare(db, db->reader, &statement, err, "SELECT " COLUMNS " WHERE r.id = ?", "i", id);
    if (!status)
        status = walk(db, statement, on_row, user, &n, err);
    g_mutex_unlock(&db->read_lock);
    *found = n > 0;
    return status;
}

#define DAY_MS 86400000

/* Whole days (of UTC) stand in day_counts; of the days at both ends the rows are counted. */
dp_status store_count(store *s, const store_filter *f, store_counts *counts, dp_error *err)
{
    database *db = s->db;
    int64_t since = f->since_ms, until = f->until_ms ? f->until_ms : INT64_MAX;
    int64_t first = (since + DAY_MS - 1) / DAY_MS, end = until / DAY_MS; /* days that lie wholly between */
    if (first >= end)
        first = end = 0;
    int64_t before = first < end ? first * DAY_MS : until, after = first < end && f->until_ms ? end * DAY_MS : until;
    g_autofree char *sql = g_strdup_printf(
        "SELECT label, sum(n) FROM (SELECT label, n FROM day_counts WHERE day >= ?2 AND day < ?3 %s"
        " UNION ALL SELECT ifnull(label, ''), 1 FROM results WHERE time_ms >= ?4 AND time_ms < ?5 %s"
        " UNION ALL SELECT ifnull(label, ''), 1 FROM results WHERE time_ms >= ?6 AND time_ms < ?7 %s) GROUP BY label",
        f->bank ? "AND bank = (SELECT id FROM banks WHERE name = ?1)" : "",
        f->bank ? "AND bank = (SELECT id FROM banks WHERE name = ?1)" : "",
        f->bank ? "AND bank = (SELECT id FROM banks WHERE name = ?1)" : "");
    sqlite3_stmt *statement;
    int code;
    *counts = (store_counts){0};
    g_mutex_lock(&db->read_lock);
    dp_status status = database_prepare(db, db->reader, &statement, err, sql, "siiiiii", f->bank, first, end, since,
                                        before, after, until);
    if (!status) {
        while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
            const char *label = database_text(statement, 0);
            int64_t *of = !*label                       ? &counts->unlabelled
                          : !strcmp(label, "good")      ? &counts->good
                          : !strcmp(label, "anomalous") ? &counts->anomalous
                                                        : &counts->not_inspected;
            *of = sqlite3_column_int64(statement, 1);
        }
        if (code != SQLITE_DONE)
            status = database_failed(db, db->reader, err);
        sqlite3_finalize(statement);
    }
    g_mutex_unlock(&db->read_lock);
    return status;
}

/* ---------------------------------------------------------------------------------------------------------- changing */

static dp_status change(store *s, sqlite3_stmt *statement, dp_status status, bool *found, dp_error *err)
{
    database *db = s->db;
    if (!status)
        status = database_finish(db, db->writer, statement, err);
    if (found)
        *found = sqlite3_changes(db->writer) > 0;
    g_mutex_unlock(&db->write_lock);
    return status;
}

dp_status store_set_verdict(store *s, int64_t id, const char *verdict, int64_t time_ms, bool *found, dp_error *err)
{
    sqlite3_stmt *statement = NULL;
    g_mutex_lock(&s->db->write_lock);
    dp_status status = database_prepare(s->db, s->db->writer, &statement, err,
                                        "UPDATE results SET verdict = ?1, verdict_ms = iif(?1 IS NULL, NULL, ?2) "
                                        "WHERE id = ?3",
                                        "sii", verdict, time_ms, id);
    return change(s, statement, status, found, err);
}

dp_status store_forget_picture(store *s, int64_t id, dp_error *err)
{
    sqlite3_stmt *statement = NULL;
    g_mutex_lock(&s->db->write_lock);
    dp_status status = database_prepare(s->db, s->db->writer, &statement, err,
                                        "UPDATE results SET picture = NULL WHERE id = ?", "i", id);
    return change(s, statement, status, NULL, err);
}

dp_status store_oldest_picture(store *s, int64_t *id, char **picture, dp_error *err)
{
    database *db = s->db;
    sqlite3_stmt *statement;
    *id = 0;
    g_mutex_lock(&db->read_lock);
    dp_status status =
        database_prepare(db, db->reader, &statement, err,
                         "SELECT id, picture FROM results WHERE picture IS NOT NULL ORDER BY id LIMIT 1", "");
    if (!status) {
        if (sqlite3_step(statement) == SQLITE_ROW) {
            *id = sqlite3_column_int64(statement, 0);
            *picture = g_strdup(database_text(statement, 1));
        }
        sqlite3_finalize(statement);
    }
    g_mutex_unlock(&db->read_lock);
    return status;
}

dp_status store_each_picture(store *s, void (*on_picture)(void *user, const char *picture), void *user, dp_error *err)
{
    database *db = s->db;
    sqlite3_stmt *statement;
    int code;
    g_mutex_lock(&db->read_lock);
    dp_status status =
        database_prepare(db, db->reader, &statement, err, "SELECT picture FROM results WHERE picture IS NOT NULL", "");
    if (!status) {
        while ((code = sqlite3_step(statement)) == SQLITE_ROW)
            on_picture(user, database_text(statement, 0));
        if (code != SQLITE_DONE)
            status = database_failed(db, db->reader, err);
        sqlite3_finalize(statement);
    }
    g_mutex_unlock(&db->read_lock);
    return status;
}
