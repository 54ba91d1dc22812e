/* SPDX-License-Identifier: Apache-2.0 */
/* database.c - a SQLite file with a version. */
#include "database.h"
#include "fault.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#define PATIENCE_MS 10000   /* for another process that writes */
#define READ_CACHE_KB 16384 /* questions about many rows */
#define WRITE_CACHE_KB 1024 /* single rows: what it holds would only grow with the file */

dp_status database_failed(const database *db, sqlite3 *connection, dp_error *err)
{
    int code = sqlite3_errcode(connection);
    const char *remedy = code == SQLITE_FULL       ? "; make room on the disk"
                         : code == SQLITE_BUSY     ? "; another process holds it: end that one, or try again"
                         : code == SQLITE_READONLY ? "; give the right to write it"
                         : code == SQLITE_CANTOPEN
                             ? "; its folder must be one that can be written: give the right, or copy the "
                               "file with its -wal elsewhere"
                         : code == SQLITE_CORRUPT || code == SQLITE_NOTADB
                             ? "; move it away, or put a copy of it in its place (docs/operation.md, backup)"
                             : "";
    return service_fail(err, code == SQLITE_NOMEM ? DP_E_MEMORY : DP_E_IO, "%s: %s%s", db->path,
                        sqlite3_errmsg(connection), remedy);
}

dp_status database_run(const database *db, sqlite3 *connection, const char *sql, dp_error *err)
{
    return sqlite3_exec(connection, sql, NULL, NULL, NULL) == SQLITE_OK ? DP_OK : database_failed(db, connection, err);
}

dp_status database_prepare(const database *db, sqlite3 *connection, sqlite3_stmt **statement, dp_error *err,
                           const char *sql, const char *types, ...)
{
    if (sqlite3_prepare_v2(connection, sql, -1, statement, NULL) != SQLITE_OK)
        return database_failed(db, connection, err);
    va_list values;
    va_start(values, types);
    int code = SQLITE_OK;
    for (int i = 1; *types && code == SQLITE_OK; types++, i++) {
        switch (*types) {
        case 'i': code = sqlite3_bind_int64(*statement, i, va_arg(values, int64_t)); break;
        case 'd': code = sqlite3_bind_double(*statement, i, va_arg(values, double)); break;
        default: code = sqlite3_bind_text(*statement, i, va_arg(values, const char *), -1, SQLITE_TRANSIENT); break;
        }
    }
    va_end(values);
    if (code == SQLITE_OK)
        return DP_OK;
    database_failed(db, connection, err);
    sqlite3_finalize(*statement);
    return DP_E_IO;
}

dp_status database_finish(const database *db, sqlite3 *connection, sqlite3_stmt *statement, dp_error *err)
{
    dp_status status = sqlite3_step(statement) == SQLITE_DONE ? DP_OK : database_failed(db, connection, err);
    sqlite3_finalize(statement);
    return status;
}

const char *database_text(sqlite3_stmt *statement, int column)
{
    return (const char *)sqlite3_column_text(statement, column);
}

double database_real(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL ? NAN : sqlite3_column_double(statement, column);
}

static dp_status ask_number(const database *db, sqlite3 *connection, const char *sql, int64_t *value, dp_error *err)
{
    sqlite3_stmt *statement;
    dp_status status = database_prepare(db, connection, &statement, err, sql, "");
    if (status)
        return status;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *value = sqlite3_column_int64(statement, 0);
    else
        status = database_failed(db, connection, err);
    sqlite3_finalize(statement);
    return status;
}

/* All missing steps in one transaction: a file is of the old version or of the new one. */
static dp_status migrate(const database *db, const database_schema *schema, database_mode mode, dp_error *err)
{
    int64_t version = 0, application = 0, tables = 0;
    dp_status status = DP_OK;
    if (mode == DATABASE_WRITE)
        status = database_run(db, db->writer, "BEGIN IMMEDIATE", err);
    if (!status)
        status = ask_number(db, db->writer, "PRAGMA user_version", &version, err);
    if (!status)
        status = ask_number(db, db->writer, "PRAGMA application_id", &application, err);
    if (!status)
        status = ask_number(db, db->writer, "SELECT count(*) FROM sqlite_master", &tables, err);
    if (!status && tables && application != schema->application_id)
        status = service_fail(err, DP_E_IO, "%s: is a database, but none of dinopatch's %s; name another file",
                              db->path, schema->what);
    if (!status && version > schema->n_steps)
        status = service_fail(err, DP_E_IO,
                              "%s: is of version %d, this program knows versions up to %d; use the newer program that "
                              "wrote it",
                              db->path, (int)version, schema->n_steps);
    if (!status && mode == DATABASE_READ && version < schema->n_steps)
        status = service_fail(err, DP_E_IO,
                              "%s: is of version %d, this program reads version %d; 'dinopatch serve' brings it up to "
                              "date when it starts",
                              db->path, (int)version, schema->n_steps);
    for (int64_t i = version; !status && i < schema->n_steps; i++)
        status = database_run(db, db->writer, schema->steps[i], err);
    if (!status && version < schema->n_steps) {
        g_autofree char *mark = g_strdup_printf("PRAGMA application_id=%d; PRAGMA user_version=%d",
                                                (int)schema->application_id, schema->n_steps);
        status = database_run(db, db->writer, mark, err);
    }
    if (mode == DATABASE_WRITE && !status)
        status = database_run(db, db->writer, "COMMIT", err);
    if (mode == DATABASE_WRITE && status)
        database_run(db, db->writer, "ROLLBACK", NULL);
    return status;
}

static dp_status connect(database *db, sqlite3 **connection, int flags, int cache_kb, dp_error *err)
{
    g_autofree char *settings =
        g_strdup_printf("PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-%d", cache_kb);
    int code = sqlite3_open_v2(db->path, connection, flags | SQLITE_OPEN_FULLMUTEX, NULL);
    if (!*connection)
        return service_fail(err, DP_E_MEMORY, "%s: not enough memory to open it", db->path);
    if (code != SQLITE_OK)
        return service_fail(err, DP_E_IO, "%s: cannot be opened: %s", db->path, sqlite3_errmsg(*connection));
    sqlite3_busy_timeout(*connection, PATIENCE_MS);
    return database_run(db, *connection, settings, err);
}

dp_status database_open(const char *path, const database_schema *schema, database_mode mode, database **opened,
                        dp_error *err)
{
    database *db = g_new0(database, 1);
    db->path = g_strdup(path);
    g_mutex_init(&db->write_lock);
    g_mutex_init(&db->read_lock);
    int flags = mode == DATABASE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    dp_status status = connect(db, &db->writer, flags, WRITE_CACHE_KB, err);
    if (!status && mode == DATABASE_WRITE)
        status = database_run(db, db->writer, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", err);
    if (!status)
        status = migrate(db, schema, mode, err);
    if (!status)
        status = connect(db, &db->reader, SQLITE_OPEN_READONLY, READ_CACHE_KB, err);
    if (status)
        database_close(&db);
    else
        *opened = db;
    return status;
}

void database_close(database **opened)
{
    database *db = *opened;
    *opened = NULL;
    if (!db)
        return;
    sqlite3_close_v2(db->reader);
    sqlite3_close_v2(db->writer);
    g_mutex_clear(&db->write_lock);
    g_mutex_clear(&db->read_lock);
    g_free(db->path);
    g_free(db);
}
