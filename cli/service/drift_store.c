/* SPDX-License-Identifier: Apache-2.0 */
/* drift_store.c - what the store remembers of drift. */
#include "drift_store.h"

#include "dinopatch/eval.h"

#include <string.h>

/* Runs a statement that changes something; it was prepared under the lock, which is given back. */
static dp_status finish(const database *db, dp_status status, sqlite3_stmt *statement, dp_error *err)
{
    if (!status)
        status = database_finish(db, db->writer, statement, err);
    g_mutex_unlock((GMutex *)&db->write_lock);
    return status;
}

dp_status drift_store_begin(store *s, const char *bank, const char *stream, int64_t after_id, dp_error *err)
{
    database *db = store_database(s);
    sqlite3_stmt *statement = NULL;
    g_mutex_lock(&db->write_lock);
    dp_status status = database_prepare(db, db->writer, &statement, err,
                                        "INSERT OR REPLACE INTO drift(bank, stream, after_id) VALUES(?, ?, ?)", "ssi",
                                        bank, stream, after_id);
    return finish(db, status, statement, err);
}

dp_status drift_store_scores(store *s, const char *bank, const char *stream, drift_store_fn on_score, void *user,
                             dp_error *err)
{
    database *db = store_database(s);
    sqlite3_stmt *statement;
    int code;
    g_mutex_lock(&db->read_lock);
    dp_status status = database_prepare(
        db, db->reader, &statement, err,
        "SELECT o.bank_sha256, r.score FROM results r JOIN origins o ON o.id = r.origin WHERE r.score IS NOT NULL AND"
        " r.bank = (SELECT id FROM banks WHERE name = ?1) AND"
        " r.stream = (SELECT id FROM streams WHERE name = ?2) AND"
        " r.id > (SELECT after_id FROM drift WHERE bank = ?1 AND stream = ?2) ORDER BY r.id LIMIT ?3",
        "ssi", bank, stream, (int64_t)DP_DRIFT_SCORES);
    if (!status) {
        while ((code = sqlite3_step(statement)) == SQLITE_ROW)
            on_score(user, database_text(statement, 0), database_real(statement, 1));
        if (code != SQLITE_DONE)
            status = database_failed(db, db->reader, err);
        sqlite3_finalize(statement);
    }
    g_mutex_unlock(&db->read_lock);
    return status;
}

dp_status drift_store_alarm(store *s, int64_t time_ms, const char *bank, const json_t *alarm, dp_error *err)
{
    database *db = store_database(s);
    sqlite3_stmt *statement = NULL;
    char *text = cli_json_dumped(alarm, JSON_COMPACT | JSON_REAL_PRECISION(12));
    g_mutex_lock(&db->write_lock);
    dp_status status =
        database_prepare(db, db->writer, &statement, err, "INSERT INTO alarms(time_ms, bank, alarm) VALUES(?, ?, ?)",
                         "iss", time_ms, bank, text);
    status = finish(db, status, statement, err);
    free(text);
    return status;
}

dp_status drift_store_alarms(store *s, const store_filter *f, json_t **alarms, dp_error *err)
{
    database *db = store_database(s);
    sqlite3_stmt *statement;
    int code;
    json_t *list = json_array();
    g_mutex_lock(&db->read_lock);
    dp_status status =
        database_prepare(db, db->reader, &statement, err,
                         "SELECT alarm FROM alarms WHERE time_ms >= ?1 AND (?2 = 0 OR time_ms < ?2) AND"
                         " (?3 IS NULL OR bank = ?3) ORDER BY time_ms DESC, id DESC LIMIT ?4",
                         "iisi", f->since_ms, f->until_ms, f->bank, f->limit ? (int64_t)f->limit : (int64_t)-1);
    if (!status) {
        while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
            json_t *alarm = json_loads(database_text(statement, 0), 0, NULL);
            if (alarm)
                cli_json_append(list, alarm);
        }
        if (code != SQLITE_DONE)
            status = database_failed(db, db->reader, err);
        sqlite3_finalize(statement);
    }
    g_mutex_unlock(&db->read_lock);
    if (status)
        json_decref(list);
    else
        *alarms = list;
    return status;
}
