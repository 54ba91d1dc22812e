/* SPDX-License-Identifier: Apache-2.0 */
/* inspectors.h - the inspectors of one thread: one a bank, made when the bank is first asked for, and again when it has changed. */
#ifndef DP_CLI_SERVICE_INSPECTORS_H
#define DP_CLI_SERVICE_INSPECTORS_H

#include "banks.h"

typedef struct inspectors inspectors;

inspectors *inspectors_new(const dp_run *run);
void inspectors_free(inspectors *own);
/* dp_inspector_run_picture by the bank's own view; *result holds until the next run. */
dp_status inspectors_run(inspectors *own, served_bank *bank, const dp_picture *picture, const dp_result **result,
                         dp_error *err);

/* The inspector of the last run. */
const dp_inspector *inspectors_last(const inspectors *own);

#endif
