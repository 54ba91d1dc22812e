/* SPDX-License-Identifier: Apache-2.0 */
/* jobs.h - long work on banks, one job after the other, in the order in which they came: fit, add, remove.
 *
 * A job lives in the ledger: a killed service does it again when it starts, and what it makes is then the same. */
#ifndef DP_CLI_SERVICE_JOBS_H
#define DP_CLI_SERVICE_JOBS_H

#include "banks.h"
#include "ledger.h"

typedef struct jobs jobs;

typedef struct jobs_settings {
    banks *banks;
    ledger *ledger;
    dp_run run;                /* threads, limits */
    const dp_network *network; /* of new banks */
    const char *pictures;      /* the folder of the good pictures */
    const char *kept;          /* that of the pictures of results */
    size_t most_good_bytes;    /* of them; the oldest make room */
} jobs_settings;

jobs *jobs_open(const jobs_settings *settings);
/* A job that runs is stopped, and done again at the next start. */
void jobs_close(jobs **opened);
/* A job was put into the ledger. */
void jobs_wake(jobs *j);
/* The job as the service tells it, and whether it has ended (may be NULL); NULL: there is none. */
json_t *jobs_json(jobs *j, int64_t id, bool *ended);
json_t *jobs_list(jobs *j, size_t most);
/* Stops a job that waits or runs.  False: it had ended, or there is none. */
bool jobs_cancel(jobs *j, int64_t id);
/* Waits until a job has come further than at `seen`, or the time is up; returns what to give the next time. */
guint64 jobs_wait(jobs *j, guint64 seen, gint64 most_us);
/* How many jobs wait or run. */
size_t jobs_unfinished(jobs *j);
/* Wakes all who wait in jobs_wait, from now on at once: the service ends. */
void jobs_release(jobs *j);

/* The network of new banks. */
const dp_network *jobs_network(const jobs *j);
/* Sets the options of a fit over the defaults.  Errors: DP_E_ARGUMENT. */
dp_status jobs_recipe(const json_t *options, const dp_network *network, dp_recipe *recipe, dp_error *err);
/* Forgets the oldest pictures beyond most_bytes, then removes the files that no row names. */
void jobs_sweep(ledger *l, const char *pictures, size_t most_bytes);

#endif
