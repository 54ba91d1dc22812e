/* SPDX-License-Identifier: Apache-2.0 */
/* job_parts.h - what the jobs share. */
#ifndef DP_CLI_SERVICE_JOB_PARTS_H
#define DP_CLI_SERVICE_JOB_PARTS_H

#include "changes.h"
#include "job_work.h"
#include "../feedback.h"

/* The files of the job's pictures, under the names that the bank knows them by. */
struct named_files {
    const GPtrArray *pictures; /* ledger_picture */
    const char **paths;        /* [n] */
    dp_source files;
};
void named_files_begin(struct named_files *named, const job_work *work, const GPtrArray *pictures);
void named_files_end(struct named_files *named);
/* The source of these; it borrows. */
dp_source named_files_source(struct named_files *named);

void job_report_counts(job_work *work, size_t given, size_t used, const dp_fit_counts *counts);
/* What became of the threshold. */
void job_report_threshold(job_work *work, const dp_bank *before, const dp_bank *after);

/* job_change.c: places in quarantine, and the undoing of a change. */
dp_status job_change(job_work *work, const json_t *settings, const char *path, dp_error *err);

#endif
