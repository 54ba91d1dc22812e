/* SPDX-License-Identifier: Apache-2.0 */
/* service.h - what a running service is made of; one for the process. */
#ifndef DP_CLI_SERVICE_SERVICE_H
#define DP_CLI_SERVICE_SERVICE_H

#include "banks.h"
#include "counters.h"
#include "drifts.h"
#include "guard.h"
#include "jobs.h"
#include "ledger.h"
#include "store.h"
#include "workers.h"

/* Which pictures of results are kept. */
typedef enum keep_pictures { KEEP_NONE = 0, KEEP_ANOMALOUS, KEEP_ALL } keep_pictures;

typedef struct service_settings {
    const char *data;         /* folder */
    char *const *hosts;       /* names that a Host header may have; NULL-ended, or NULL */
    const guard_token *token; /* NULL: none is asked for */
    dp_run run;               /* of an inspector: threads, limits */
    size_t n_workers, most_waiting;
    size_t most_body_bytes;   /* of one picture, or a list of tensors */
    size_t most_upload_bytes; /* of a request with many pictures */
    size_t most_connections;
    keep_pictures keep;
    double drift_bound;     /* 0: drift is not watched */
    size_t most_kept_bytes; /* of pictures of results */
    size_t most_good_bytes; /* of good pictures */
    const char *cert, *key; /* PEM; NULL: no TLS */
} service_settings;

typedef struct service {
    service_settings settings;
    int lock_fd;         /* of the data folder */
    char *folder;        /* for files that come and go */
    char *good_pictures; /* folders */
    char *kept_pictures;
    store *results;
    drifts *drifts; /* or NULL */
    ledger *ledger;
    banks *banks;
    workers *workers;
    jobs *jobs;
    counters counters;
    struct transport *transport;
    gint draining;     /* non-zero: no new work is taken */
    gint64 kept_bytes; /* of pictures of results; under the lock */
    GMutex keeping;
} service;

/* Opens all parts.  network: of new banks; the caller's, and outlives the service. */
dp_status service_open(const service_settings *settings, const dp_network *network, service **opened, dp_error *err);
void service_close(service **opened);

#endif
