/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - the results of inspections, kept: DIR/results.db.  docs/operation.md documents the tables.
 *
 * One store serves any number of threads. */
#ifndef DP_CLI_SERVICE_STORE_H
#define DP_CLI_SERVICE_STORE_H

#include "database.h"

typedef struct store store;

/* Errors: as database_open. */
dp_status store_open(const char *path, database_mode mode, store **opened, dp_error *err);
void store_close(store **opened);

#define STORE_STREAM_SERVE "serve" /* what was posted to the service */

/* One result, as `inspect --json` says it, with what it was made by. */
typedef struct store_row {
    int64_t id;
    int64_t time_ms;            /* since 1970, UTC */
    const char *bank;           /* its name */
    const char *bank_sha256;    /* of its file */
    const char *network_sha256; /* of the checkpoint */
    const char *program;        /* dp_version() */
    const char *source;         /* what the picture is called: a file name, a camera */
    const char *label;          /* "good", "anomalous", "not_inspected"; NULL: the bank has no threshold */
    const char *reason, *error; /* or NULL */
    double score, p_value, threshold, cell_threshold; /* NaN: none */
    int64_t width_px, height_px;                      /* 0: not known */
    const char *defects;                              /* the JSON list; NULL: none */
    double ms;
    const char *verdict; /* of a person: "good", "defect"; NULL: none */
    int64_t verdict_ms;  /* since 1970; 0: none */
    const char *picture; /* file of the picture that was kept, below DIR/pictures; NULL: none */
    const char *stream;  /* by which way it came: STORE_STREAM_SERVE, a watched folder, a camera; NULL: not known */
} store_row;

/* A result as a row; its texts are borrowed from `line`, which is cli_row_json's, and from `row`.  *defects, g_free, holds the list. */
void store_row_fill(store_row *row, const json_t *line, char **defects);

/* Keeps a row; *id (may be NULL) is its number.  When this returns DP_OK, it outlives the process. */
dp_status store_add(store *s, const store_row *row, int64_t *id, dp_error *err);
/* The same, and what `also` writes with it: both are kept or none.  row NULL: only that, and then its id is 0. */
typedef dp_status (*store_also_fn)(void *user, const database *db, int64_t id, dp_error *err);
dp_status store_add_with(store *s, const store_row *row, store_also_fn also, void *user, int64_t *id, dp_error *err);
/* The database below, for the tables that are not the results'. */
database *store_database(store *s);

typedef struct store_filter {
    int64_t since_ms, until_ms;        /* since <= time < until; 0: no end */
    const char *bank, *label;          /* NULL: all; label "none": without one */
    const char *verdict;               /* "good", "defect", "none", "any"; NULL: all */
    int64_t before_time_ms, before_id; /* what comes after this row in the order of the answer; 0: from the newest */
    size_t limit;                      /* 0: none */
} store_filter;

/* The newest first.  The row is the callee's until it returns; a result other than 0 ends the query, which is no error. */
typedef int (*store_row_fn)(void *user, const store_row *row);
dp_status store_query(store *s, const store_filter *filter, store_row_fn on_row, void *user, dp_error *err);
/* *found: whether there is such a row; then on_row was called once. */
dp_status store_get(store *s, int64_t id, store_row_fn on_row, void *user, bool *found, dp_error *err);

typedef struct store_counts {
    int64_t good, anomalous, not_inspected, unlabelled;
} store_counts;

/* Of a filter's time and bank; the rest of it is not looked at. */
dp_status store_count(store *s, const store_filter *filter, store_counts *counts, dp_error *err);

/* A person's word on a result: "good", "defect", or NULL to take it back. */
dp_status store_set_verdict(store *s, int64_t id, const char *verdict, int64_t time_ms, bool *found, dp_error *err);
/* The pictures of these results are kept no longer: the oldest of those kept, its file name g_free; *id 0: there is none. */
dp_status store_oldest_picture(store *s, int64_t *id, char **picture, dp_error *err);
/* Each picture that is kept. */
dp_status store_each_picture(store *s, void (*on_picture)(void *user, const char *picture), void *user, dp_error *err);
dp_status store_forget_picture(store *s, int64_t id, dp_error *err);

/* ----- as text */
/* A row as the service and `dinopatch results --json` print it. */
json_t *store_row_json(const store_row *row);
json_t *store_counts_json(const store_counts *counts);
/* Appends the header, or a row, of a CSV table (RFC 4180). */
void store_csv_header(GString *text);
void store_csv_row(GString *text, const store_row *row);
/* "2026-11-30T22:15:02.123Z"; g_free. */
char *store_time_text(int64_t time_ms);
/* ISO 8601: a day, or a day and a time, local where no zone is given; "today"; end: a bare day means its end.  False: it is none. */
bool store_time_read(const char *text, bool end, int64_t *time_ms);
/* Now. */
int64_t store_now_ms(void);

#endif
