/* SPDX-License-Identifier: Apache-2.0 */
/* journal.c - what `watch` remembers beside the results. */
#include "journal.h"

#include <string.h>

struct journal {
    store *store;
    char *bank;
    GPtrArray *moved; /* paths to be forgotten */
};

/* Files that are no longer there are forgotten: one of that name that comes is another one. */
static void forget_missing(journal *j, const char *folder)
{
    database *db = store_database(j->store);
    g_autofree char *whole = g_canonicalize_filename(folder, NULL);
    g_autofree char *prefix = g_strconcat(whole, "/", NULL);
    sqlite3_stmt *statement;
    g_mutex_lock(&db->read_lock);
    if (!database_prepare(db, db->reader, &statement, NULL, "SELECT path FROM watched WHERE bank = ?", "s", j->bank)) {
        while (sqlite3_step(statement) == SQLITE_ROW) {
            const char *path = database_text(statement, 0);
            if (g_str_has_prefix(path, prefix) && !g_file_test(path, G_FILE_TEST_EXISTS))
                g_ptr_array_add(j->moved, g_strdup(path));
        }
        sqlite3_finalize(statement);
    }
    g_mutex_unlock(&db->read_lock);
}

journal *journal_new(store *s, const char *bank, const char *folder)
{
    journal *j = g_new0(journal, 1);
    j->store = s;
    j->bank = g_strdup(bank);
    j->moved = g_ptr_array_new_with_free_func(g_free);
    if (folder)
        forget_missing(j, folder);
    return j;
}

void journal_free(journal *j)
{
    if (!j)
        return;
    g_ptr_array_unref(j->moved);
    g_free(j->bank);
    g_free(j);
}

dp_status journal_has(journal *j, const char *path, const file_identity *identity, bool *has, dp_error *err)
{
    database *db = store_database(j->store);
    g_autofree char *whole = g_canonicalize_filename(path, NULL);
    sqlite3_stmt *statement;
    g_mutex_lock(&db->read_lock);
    dp_status status = database_prepare(
        db, db->reader, &statement, err,
        "SELECT 1 FROM watched WHERE bank = ? AND path = ? AND inode = ? AND bytes = ? AND changed_ns = ?", "ssiii",
        j->bank, whole, identity->inode, identity->bytes, identity->changed_ns);
    if (!status) {
        int code = sqlite3_step(statement);
        if (code != SQLITE_ROW && code != SQLITE_DONE)
            status = database_failed(db, db->reader, err);
        *has = code == SQLITE_ROW;
        sqlite3_finalize(statement);
    }
    g_mutex_unlock(&db->read_lock);
    return status;
}

void journal_moved(journal *j, const char *path)
{
    g_ptr_array_add(j->moved, g_canonicalize_filename(path, NULL));
}

/* ----------------------------------------------------------------------------------------------------------- a picture */

struct writing {
    const journal *journal;
    const journal_entry *entry;
};

static dp_status run(const database *db, dp_status prepared, sqlite3_stmt *statement, dp_error *err)
{
    return prepared ? prepared : database_finish(db, db->writer, statement, err);
}

/* A receiver tells twins by the number of the result. */
static dp_status add_message(const database *db, const journal_message *message, int64_t id, dp_error *err)
{
    sqlite3_stmt *statement;
    dp_status status = database_prepare(db, db->writer, &statement, err,
                                        "INSERT INTO outbox(target, kind, body) VALUES(?1, ?2, CASE WHEN ?4 > 0 THEN "
                                        "'{\"id\":' || ?4 || ',' || substr(?3, 2) ELSE ?3 END)",
                                        "sssi", message->target, message->kind, message->body, id);
    return run(db, status, statement, err);
}

static dp_status write_beside(void *user, const database *db, int64_t id, dp_error *err)
{
    const struct writing *w = user;
    const journal_entry *entry = w->entry;
    sqlite3_stmt *statement;
    dp_status status = DP_OK;
    for (guint i = 0; i < w->journal->moved->len && !status; i++) {
        status = database_prepare(db, db->writer, &statement, err, "DELETE FROM watched WHERE bank = ? AND path = ?",
                                  "ss", w->journal->bank, (const char *)w->journal->moved->pdata[i]);
        status = run(db, status, statement, err);
    }
    if (entry->path && !status) {
        g_autofree char *whole = g_canonicalize_filename(entry->path, NULL);
        status = database_prepare(db, db->writer, &statement, err,
                                  "INSERT OR REPLACE INTO watched(bank, path, inode, bytes, changed_ns)"
                                  " VALUES(?, ?, ?, ?, ?)",
                                  "ssiii", w->journal->bank, whole, entry->identity->inode, entry->identity->bytes,
                                  entry->identity->changed_ns);
        status = run(db, status, statement, err);
    }
    if (entry->alarm && !status) {
        status = database_prepare(db, db->writer, &statement, err,
                                  "INSERT INTO alarms(time_ms, bank, alarm) VALUES(?, ?, ?)", "iss", entry->time_ms,
                                  w->journal->bank, entry->alarm);
        status = run(db, status, statement, err);
    }
    for (size_t i = 0; i < entry->n_messages && !status; i++)
        status = add_message(db, &entry->messages[i], id, err);
    return status;
}

dp_status journal_write(journal *j, const journal_entry *entry, int64_t *id, dp_error *err)
{
    struct writing writing = {j, entry};
    dp_status status = store_add_with(j->store, entry->row, write_beside, &writing, id, err);
    if (!status)
        g_ptr_array_set_size(j->moved, 0);
    return status;
}

/* ------------------------------------------------------------------------------------------------------------ messages */

dp_status journal_count(journal *j, const char *target, int64_t *n, dp_error *err)
{
    database *db = store_database(j->store);
    sqlite3_stmt *statement;
    g_mutex_lock(&db->read_lock);
    dp_status status =
        database_prepare(db, db->reader, &statement, err, "SELECT count(*) FROM outbox WHERE target = ?", "s", target);
    if (!status) {
        if (sqlite3_step(statement) == SQLITE_ROW)
            *n = sqlite3_column_int64(statement, 0);
        else
            status = database_failed(db, db->reader, err);
        sqlite3_finalize(statement);
    }
    g_mutex_unlock(&db->read_lock);
    return status;
}

dp_status journal_oldest(journal *j, const char *target, journal_message_fn on_message, void *user, dp_error *err)
{
    database *db = store_database(j->store);
    sqlite3_stmt *statement;
    g_mutex_lock(&db->read_lock);
    dp_status status =
        database_prepare(db, db->reader, &statement, err,
                         "SELECT id, kind, body FROM outbox WHERE target = ? ORDER BY id LIMIT 1", "s", target);
    if (!status) {
        int code = sqlite3_step(statement);
        if (code == SQLITE_ROW) {
            const journal_message message = {sqlite3_column_int64(statement, 0), target, database_text(statement, 1),
                                             database_text(statement, 2)};
            on_message(user, &message);
        } else if (code != SQLITE_DONE) {
            status = database_failed(db, db->reader, err);
        }
        sqlite3_finalize(statement);
    }
    g_mutex_unlock(&db->read_lock);
    return status;
}

dp_status journal_sent(journal *j, int64_t id, dp_error *err)
{
    database *db = store_database(j->store);
    sqlite3_stmt *statement;
    g_mutex_lock(&db->write_lock);
    dp_status status = database_prepare(db, db->writer, &statement, err, "DELETE FROM outbox WHERE id = ?", "i", id);
    status = run(db, status, statement, err);
    g_mutex_unlock(&db->write_lock);
    return status;
}

dp_status journal_drop(journal *j, const char *target, int64_t most, int64_t *n, dp_error *err)
{
    database *db = store_database(j->store);
    sqlite3_stmt *statement;
    g_mutex_lock(&db->write_lock);
    dp_status status = database_prepare(db, db->writer, &statement, err,
                                        "DELETE FROM outbox WHERE target = ?1 AND id <= (SELECT id FROM outbox"
                                        " WHERE target = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                                        "si", target, most);
    status = run(db, status, statement, err);
    *n = status ? 0 : sqlite3_changes(db->writer);
    g_mutex_unlock(&db->write_lock);
    return status;
}
