/* SPDX-License-Identifier: Apache-2.0 */
/* changes.h - the journal of what was done to the banks, so that it can be undone; in DIR/service.db. */
#ifndef DP_CLI_SERVICE_CHANGES_H
#define DP_CLI_SERVICE_CHANGES_H

#include "ledger.h"

typedef struct ledger_change {
    int64_t id, time_ms, undone_ms; /* undone_ms 0: it stands */
    int64_t job;                    /* that did it; 0: none */
    char *bank;
    char *kind;     /* "fit", "add", "remove", "quarantine", "threshold" */
    json_t *detail; /* an object */
} ledger_change;
void ledger_change_free(gpointer change);

/* Writes down a change; detail is taken over. One of the same job (0: of none) is replaced: a job that a kill ended is done again. */
dp_status changes_add(ledger *l, const char *bank, const char *kind, json_t *detail, int64_t job, dp_error *err);
/* Those of a bank since it was last learned anew, the newest first; elements are ledger_change. */
dp_status changes_of(ledger *l, const char *bank, size_t most, GPtrArray **changes, dp_error *err);
/* *change NULL: there is none of this id. */
dp_status changes_get(ledger *l, int64_t id, ledger_change **change, dp_error *err);
dp_status changes_set_undone(ledger *l, int64_t id, dp_error *err);
/* When the good pictures of a bank last changed, so that earlier scores are of another bank; 0: not known. */
int64_t changes_since_ms(ledger *l, const char *bank);
json_t *change_json(const ledger_change *change);
bool change_can_be_undone(const ledger_change *change);

#endif
