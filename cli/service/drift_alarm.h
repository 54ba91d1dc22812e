/* SPDX-License-Identifier: Apache-2.0 */
/* drift_alarm.h - says when the scores of one bank's pictures in one stream drift. */
#ifndef DP_CLI_SERVICE_DRIFT_ALARM_H
#define DP_CLI_SERVICE_DRIFT_ALARM_H

#include "drift_store.h"

typedef struct drift_alarm drift_alarm;

/* stream: as in store_row.  Errors: of dp_drift_open. */
dp_status drift_alarm_open(double bound, const char *stream, drift_alarm **opened, dp_error *err);
void drift_alarm_close(drift_alarm **opened);
/* Goes on where the scores in the store left it. */
dp_status drift_alarm_resume(drift_alarm *d, store *s, const char *bank, dp_error *err);
/* The alarm that a score (NaN: there is none) raises, as JSON: alarm, time, bank, stream, pictures, log10_capital, bound, direction, text.  NULL:
 * none.  After another bank it begins anew. */
json_t *drift_alarm_look(drift_alarm *d, const char *bank, const char *sha256, double score, int64_t time_ms);
/* Remembers in the store where it began, if that was with the last score, which is that of result `id`. */
dp_status drift_alarm_remember(drift_alarm *d, store *s, const char *bank, int64_t id, dp_error *err);

/* How it stands: pictures since it began, capital (its decimal logarithm), from -1 falling to 1 rising. */
typedef struct drift_standing {
    size_t n_pictures;
    double log10_capital, rising;
} drift_standing;
drift_standing drift_alarm_standing(const drift_alarm *d);

#endif
