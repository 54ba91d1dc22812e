/* SPDX-License-Identifier: Apache-2.0 */
/* journal.h - what `watch` remembers beside the results, in their database: which files it has inspected, and messages that wait to be
 * sent.  All that belongs to a picture is written in one transaction: after a kill it is there, or the picture is inspected again. */
#ifndef DP_CLI_WATCH_JOURNAL_H
#define DP_CLI_WATCH_JOURNAL_H

#include "folder.h"
#include "../service/store.h"

typedef struct journal journal;

/* bank: its name; another bank inspects the same files anew.  folder: whose files these are; NULL: frames of a source. */
journal *journal_new(store *s, const char *bank, const char *folder);
void journal_free(journal *j);

/* Whether a file has been inspected as it lies there.  Errors: DP_E_IO. */
dp_status journal_has(journal *j, const char *path, const file_identity *identity, bool *has, dp_error *err);
/* A file was moved away: with the next picture it is forgotten. */
void journal_moved(journal *j, const char *path);

/* A message to be sent: kind "result" or "alarm". */
typedef struct journal_message {
    int64_t id;
    const char *target, *kind;
    const char *body; /* JSON */
} journal_message;

/* What is kept of one picture. */
typedef struct journal_entry {
    const store_row *row; /* or NULL: results are not kept */
    int64_t time_ms;
    const char *alarm;             /* JSON of an alarm that it raised; NULL: none, or it is not kept */
    const char *path;              /* of its file; NULL: a frame */
    const file_identity *identity; /* of the file */
    const journal_message *messages;
    size_t n_messages;
} journal_entry;

/* *id: the result's; 0: none is kept.  When it returns DP_OK, this outlives the process.  Errors: DP_E_IO. */
dp_status journal_write(journal *j, const journal_entry *entry, int64_t *id, dp_error *err);

/* Of the messages to a target: how many wait, and the oldest.  on_message is called at most once. */
dp_status journal_count(journal *j, const char *target, int64_t *n, dp_error *err);
typedef void (*journal_message_fn)(void *user, const journal_message *message);
dp_status journal_oldest(journal *j, const char *target, journal_message_fn on_message, void *user, dp_error *err);
/* It has been sent. */
dp_status journal_sent(journal *j, int64_t id, dp_error *err);
/* All of a target but the newest `most`; *n: so many were dropped. */
dp_status journal_drop(journal *j, const char *target, int64_t most, int64_t *n, dp_error *err);

#endif
