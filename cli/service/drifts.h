/* SPDX-License-Identifier: Apache-2.0 */
/* drifts.h - drift in a running service: each bank's scores are watched, also over a restart. */
#ifndef DP_CLI_SERVICE_DRIFTS_H
#define DP_CLI_SERVICE_DRIFTS_H

#include "drift_alarm.h"

typedef struct drifts drifts;

/* bound: as --drift; 0: nothing is watched, and the result is NULL. */
drifts *drifts_open(double bound, store *s);
void drifts_close(drifts **opened);
/* A result was kept under this number; an alarm is kept and logged. d may be NULL. */
void drifts_look(drifts *d, const store_row *row, int64_t id);
/* Each bank that was looked at since the start; d may be NULL. */
typedef void (*drifts_fn)(void *user, const char *bank, const drift_standing *standing, size_t n_alarms);
void drifts_each(drifts *d, drifts_fn on_bank, void *user);

#endif
