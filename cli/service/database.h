/* SPDX-License-Identifier: Apache-2.0 */
/* database.h - a SQLite file with a version: it is opened, created or brought up to date.
 *
 * Write-ahead log, every commit synced: what was committed outlives the process and the power.  A database holds one connection for
 * changes and one for questions, so that a long question keeps nobody from writing; each has a lock, and one thread uses it at a time. */
#ifndef DP_CLI_SERVICE_DATABASE_H
#define DP_CLI_SERVICE_DATABASE_H

#include "../cli.h"

#include <sqlite3.h>

/* What a kind of database looks like.  steps[i] brings version i to version i + 1, the first an empty file; they are never changed, new ones
 * are added. */
typedef struct database_schema {
    int32_t application_id;
    const char *what; /* "results" */
    const char *const *steps;
    int n_steps;
} database_schema;

typedef struct database {
    char *path;
    sqlite3 *writer, *reader;
    GMutex write_lock, read_lock;
} database;

typedef enum database_mode {
    DATABASE_READ = 0, /* an existing file, of the newest version */
    DATABASE_WRITE     /* created, or brought up to date */
} database_mode;

/* Errors: DP_E_IO (not to be opened, of a newer version, another kind of file). */
dp_status database_open(const char *path, const database_schema *schema, database_mode mode, database **opened,
                        dp_error *err);
void database_close(database **opened);

/* The fault of a call on a connection, in *err. */
dp_status database_failed(const database *db, sqlite3 *connection, dp_error *err);
/* Runs statements without values. */
dp_status database_run(const database *db, sqlite3 *connection, const char *sql, dp_error *err);
/* Prepares one statement; values are bound by position from 1 in the order of `types`: i int64_t, d double, s const char * (NULL: null),
 * copied.  The caller steps it and calls sqlite3_finalize. */
dp_status database_prepare(const database *db, sqlite3 *connection, sqlite3_stmt **statement, dp_error *err,
                           const char *sql, const char *types, ...);
/* Steps a statement that returns nothing, and finalizes it. */
dp_status database_finish(const database *db, sqlite3 *connection, sqlite3_stmt *statement, dp_error *err);
/* The text of a column, NULL where it is null; owned by the statement until its next step. */
const char *database_text(sqlite3_stmt *statement, int column);
/* The number of a column, NaN where it is null. */
double database_real(sqlite3_stmt *statement, int column);

#endif
