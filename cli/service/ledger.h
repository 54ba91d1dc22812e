/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.h - what the service has promised: jobs, and the good pictures that it keeps.  DIR/service.db.
 *
 * A picture is accepted once its file and its row are on the disk; a job is, once its row is.  What a killed service left unfinished is
 * found here when it starts again. */
#ifndef DP_CLI_SERVICE_LEDGER_H
#define DP_CLI_SERVICE_LEDGER_H

#include "database.h"

typedef struct ledger ledger;

dp_status ledger_open(const char *path, ledger **opened, dp_error *err);
void ledger_close(ledger **opened);
/* The database below, for the tables that are not the ledger's. */
database *ledger_database(ledger *l);

typedef enum job_kind { JOB_FIT = 0, JOB_ADD, JOB_REMOVE, JOB_QUARANTINE, JOB_UNDO } job_kind;
const char *job_kind_name(job_kind kind);

/* A good picture that came with a job. */
typedef struct ledger_picture {
    char *name; /* what the bank calls it */
    char *file; /* below DIR/pictures/good */
    int64_t bytes;
} ledger_picture;
void ledger_picture_free(gpointer picture);

typedef struct ledger_job {
    int64_t id;
    job_kind kind;
    char *bank;
    char *settings;                      /* JSON: what was asked for */
    char *state;                         /* "queued", "running", "done", "failed", "cancelled" */
    char *error;                         /* why it failed; NULL */
    char *report;                        /* JSON; NULL */
    int64_t came_ms, begun_ms, ended_ms; /* 0: not yet */
} ledger_job;
void ledger_job_free(ledger_job *job);

/* Takes a job with its pictures (of ledger_picture; may be NULL), all or nothing. */
dp_status ledger_add_job(ledger *l, job_kind kind, const char *bank, const char *settings, const GPtrArray *pictures,
                         int64_t *id, dp_error *err);
/* NULL in *job: there is none. */
dp_status ledger_job_get(ledger *l, int64_t id, ledger_job **job, dp_error *err);
/* The newest first, at most `most`; elements are ledger_job. */
dp_status ledger_jobs(ledger *l, size_t most, GPtrArray **jobs, dp_error *err);
/* The job to be done next, as "running"; NULL: there is none. */
dp_status ledger_begin_next(ledger *l, ledger_job **job, dp_error *err);
/* "done", "failed", "cancelled", or "queued" to do it again later. */
dp_status ledger_end(ledger *l, int64_t id, const char *state, const char *error, const char *report, dp_error *err);
/* What ran when the service was killed is to be done again. */
dp_status ledger_recover(ledger *l, dp_error *err);
/* *busy: whether an unfinished job of this kind waits for this bank. */
dp_status ledger_waits(ledger *l, job_kind kind, const char *bank, bool *busy, dp_error *err);

/* Cancels a job that has not begun; *taken: whether it had not. */
dp_status ledger_cancel(ledger *l, int64_t id, bool *taken, dp_error *err);
/* How many jobs wait or run. */
size_t ledger_unfinished(ledger *l);

/* The pictures of a job, or of a bank (job 0) once their jobs are done; elements are ledger_picture. */
dp_status ledger_pictures(ledger *l, const char *bank, int64_t job, GPtrArray **pictures, dp_error *err);
/* The file of a bank's picture; NULL: none is kept; g_free. */
char *ledger_picture_file(ledger *l, const char *bank, const char *name);
/* A picture that was taken out of its bank: its file is kept until it makes room for others, so that it can come back. */
dp_status ledger_set_removed(ledger *l, const char *bank, const char *name, bool removed, dp_error *err);
/* The file of a picture that was taken out; NULL: it is kept no more. */
ledger_picture *ledger_removed_picture(ledger *l, const char *bank, const char *name);
/* Whether a bank has such a picture, or a job that waits. */
bool ledger_has_name(ledger *l, const char *bank, const char *name);
/* All pictures of a bank but those of the job (0: all) are forgotten. */
dp_status ledger_forget_others(ledger *l, const char *bank, int64_t job, dp_error *err);
dp_status ledger_forget(ledger *l, const char *bank, const char *name, dp_error *err);
/* Whether a file is that of a picture that is kept. */
bool ledger_knows_file(ledger *l, const char *file);
/* How many bytes all pictures of finished jobs have, and the file of the oldest of them; NULL: there is none; g_free. */
char *ledger_oldest(ledger *l, int64_t *all_bytes);
dp_status ledger_forget_file(ledger *l, const char *file, dp_error *err);

#endif
