/* SPDX-License-Identifier: Apache-2.0 */
/* changes.c - the journal of what was done to the banks. */
#include "changes.h"
#include "store.h"

#include <string.h>

void ledger_change_free(gpointer data)
{
    ledger_change *change = data;
    if (!change)
        return;
    g_free(change->bank);
    g_free(change->kind);
    json_decref(change->detail);
    g_free(change);
}

static dp_status insert(const database *db, const char *bank, const char *kind, const char *detail, int64_t job,
                        dp_error *err)
{
    sqlite3_stmt *statement;
    dp_status status =
        database_prepare(db, db->writer, &statement, err, "DELETE FROM changes WHERE job = ? AND job != 0", "i", job);
    if (!status)
        status = database_finish(db, db->writer, statement, err);
    if (!status)
        status = database_prepare(db, db->writer, &statement, err,
                                  "INSERT INTO changes(time_ms, bank, kind, detail, job) VALUES(?, ?, ?, ?, ?)",
                                  "isssi", store_now_ms(), bank, kind, detail, job);
    return status ? status : database_finish(db, db->writer, statement, err);
}

dp_status changes_add(ledger *l, const char *bank, const char *kind, json_t *detail, int64_t job, dp_error *err)
{
    database *db = ledger_database(l);
    char *text = cli_json_dumped(detail, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(detail);
    g_mutex_lock(&db->write_lock);
    dp_status status = database_run(db, db->writer, "BEGIN IMMEDIATE", err);
    if (!status) {
        status = insert(db, bank, kind, text, job, err);
        if (!status)
            status = database_run(db, db->writer, "COMMIT", err);
        if (status)
            database_run(db, db->writer, "ROLLBACK", NULL);
    }
    g_mutex_unlock(&db->write_lock);
    free(text);
    return status;
}

#define CHANGE_COLUMNS "id, time_ms, bank, kind, detail, job, undone_ms FROM changes"

static ledger_change *change_of(sqlite3_stmt *s)
{
    ledger_change *change = g_new0(ledger_change, 1);
    json_t *detail = json_loads(database_text(s, 4), 0, NULL);
    *change = (ledger_change){.id = sqlite3_column_int64(s, 0),
                              .time_ms = sqlite3_column_int64(s, 1),
                              .bank = g_strdup(database_text(s, 2)),
                              .kind = g_strdup(database_text(s, 3)),
                              .detail = detail ? detail : json_object(),
                              .job = sqlite3_column_int64(s, 5),
                              .undone_ms = sqlite3_column_int64(s, 6)};
    return change;
}

static dp_status read_all(ledger *l, GPtrArray *changes, const char *sql, const char *bank, int64_t number,
                          dp_error *err)
{
    database *db = ledger_database(l);
    sqlite3_stmt *statement;
    g_mutex_lock(&db->read_lock);
    dp_status status = bank ? database_prepare(db, db->reader, &statement, err, sql, "si", bank, number)
                            : database_prepare(db, db->reader, &statement, err, sql, "i", number);
    if (!status) {
        while (sqlite3_step(statement) == SQLITE_ROW)
            g_ptr_array_add(changes, change_of(statement));
        sqlite3_finalize(statement);
    }
    g_mutex_unlock(&db->read_lock);
    return status;
}

dp_status changes_of(ledger *l, const char *bank, size_t most, GPtrArray **changes, dp_error *err)
{
    *changes = g_ptr_array_new_with_free_func(ledger_change_free);
    return read_all(l, *changes,
                    "SELECT " CHANGE_COLUMNS " WHERE bank = ?1 AND id >= ifnull((SELECT max(id) FROM changes WHERE "
                    "bank = ?1 AND kind = 'fit'), 0) ORDER BY id DESC LIMIT ?2",
                    bank, (int64_t)most, err);
}

dp_status changes_get(ledger *l, int64_t id, ledger_change **change, dp_error *err)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    dp_status status = read_all(l, found, "SELECT " CHANGE_COLUMNS " WHERE id = ?", NULL, id, err);
    *change = found->len ? found->pdata[0] : NULL;
    return status;
}

dp_status changes_set_undone(ledger *l, int64_t id, dp_error *err)
{
    database *db = ledger_database(l);
    sqlite3_stmt *statement;
    g_mutex_lock(&db->write_lock);
    dp_status status = database_prepare(db, db->writer, &statement, err,
                                        "UPDATE changes SET undone_ms = ? WHERE id = ?", "ii", store_now_ms(), id);
    if (!status)
        status = database_finish(db, db->writer, statement, err);
    g_mutex_unlock(&db->write_lock);
    return status;
}

int64_t changes_since_ms(ledger *l, const char *bank)
{
    database *db = ledger_database(l);
    sqlite3_stmt *statement;
    int64_t since = 0;
    g_mutex_lock(&db->read_lock);
    if (!database_prepare(db, db->reader, &statement, NULL,
                          "SELECT max(max(time_ms, ifnull(undone_ms, 0))) FROM changes WHERE bank = ? AND kind != "
                          "'threshold'",
                          "s", bank)) {
        if (sqlite3_step(statement) == SQLITE_ROW)
            since = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
    }
    g_mutex_unlock(&db->read_lock);
    return since;
}

bool change_can_be_undone(const ledger_change *change)
{
    return !change->undone_ms && strcmp(change->kind, "fit") != 0;
}

json_t *change_json(const ledger_change *change)
{
    g_autofree char *time = store_time_text(change->time_ms);
    g_autofree char *undone = change->undone_ms ? store_time_text(change->undone_ms) : NULL;
    json_t *detail = json_copy(change->detail);
    json_object_del(detail, "was"); /* how to undo it */
    return cli_json_pack("{s:I, s:s, s:o, s:s, s:o, s:o, s:b}", "id", (json_int_t)change->id, "time", time, "bank",
                         cli_json_text(change->bank), "kind", change->kind, "detail", detail, "undone",
                         cli_json_text(undone), "can_undo", change_can_be_undone(change));
}
