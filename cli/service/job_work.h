/* SPDX-License-Identifier: Apache-2.0 */
/* job_work.h - one job: fit, add or remove on one bank. */
#ifndef DP_CLI_SERVICE_JOB_WORK_H
#define DP_CLI_SERVICE_JOB_WORK_H

#include "jobs.h"

typedef struct job_work {
    banks *banks;
    ledger *ledger;
    const dp_network *network; /* of new banks */
    const char *pictures;      /* folder */
    const char *kept;          /* folder of the pictures of results */
    dp_run run;                /* with callbacks, whose user is this struct */
    const ledger_job *job;
    void *user;     /* of the callbacks */
    json_t *report; /* out: {"given", "used", "twins", "failed", "left_out": [{"name", "reason"}], "warnings"} */
} job_work;

/* Errors: those of the library; *err says what to do. */
dp_status job_work_do(job_work *work, dp_error *err);

#endif
