/* SPDX-License-Identifier: Apache-2.0 */
/* drift_store.h - what the store remembers of drift: where the watching of a bank's scores began, the scores since, and the alarms. */
#ifndef DP_CLI_SERVICE_DRIFT_STORE_H
#define DP_CLI_SERVICE_DRIFT_STORE_H

#include "store.h"

/* The watching of a bank's scores in one stream begins anew after this result. */
dp_status drift_store_begin(store *s, const char *bank, const char *stream, int64_t after_id, dp_error *err);
/* The scores since then, in the order in which they came. */
typedef void (*drift_store_fn)(void *user, const char *bank_sha256, double score);
dp_status drift_store_scores(store *s, const char *bank, const char *stream, drift_store_fn on_score, void *user,
                             dp_error *err);

dp_status drift_store_alarm(store *s, int64_t time_ms, const char *bank, const json_t *alarm, dp_error *err);
/* The alarms of a time and a bank, the newest first; of the filter no more is looked at than these and the limit. *alarms: a list. */
dp_status drift_store_alarms(store *s, const store_filter *filter, json_t **alarms, dp_error *err);

#endif
