/* SPDX-License-Identifier: Apache-2.0 */
/* drift_alarm.h - says when the scores of one bank's pictures drift. */
#ifndef DP_CLI_WATCH_DRIFT_ALARM_H
#define DP_CLI_WATCH_DRIFT_ALARM_H

#include "../cli.h"

typedef struct drift_alarm drift_alarm;

/* Errors: of dp_drift_open. */
dp_status drift_alarm_open(double bound, drift_alarm **opened, dp_error *err);
void drift_alarm_close(drift_alarm **opened);
/* The alarm that a score (NaN: there is none) raises, as JSON: alarm, time, bank, pictures, log10_capital, bound, direction, text.  NULL:
 * none.  After another bank it begins anew. */
json_t *drift_alarm_look(drift_alarm *d, const char *bank, const char *sha256, double score, int64_t time_ms);

#endif
