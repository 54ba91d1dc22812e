/* SPDX-License-Identifier: Apache-2.0 */
/* drifts.c - drift in a running service. */
#include "drifts.h"
#include "log.h"

struct watched {
    drift_alarm *drift;
    size_t n_alarms; /* since the start */
};

struct drifts {
    double bound;
    store *store;
    GMutex lock;
    GHashTable *by_bank; /* name -> struct watched */
};

static void free_watched(gpointer data)
{
    struct watched *watched = data;
    drift_alarm_close(&watched->drift);
    g_free(watched);
}

drifts *drifts_open(double bound, store *s)
{
    if (!(bound > 0))
        return NULL;
    drifts *d = g_new0(drifts, 1);
    d->bound = bound;
    d->store = s;
    g_mutex_init(&d->lock);
    d->by_bank = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_watched);
    return d;
}

void drifts_close(drifts **opened)
{
    drifts *d = *opened;
    *opened = NULL;
    if (!d)
        return;
    g_hash_table_unref(d->by_bank);
    g_mutex_clear(&d->lock);
    g_free(d);
}

/* NULL: no memory, which was logged.  *fresh: it was resumed from the store, which has this result already. */
static struct watched *find(drifts *d, const char *bank, bool *fresh)
{
    dp_error err;
    struct watched *watched = g_hash_table_lookup(d->by_bank, bank);
    *fresh = !watched;
    if (watched)
        return watched;
    watched = g_new0(struct watched, 1);
    dp_status status = drift_alarm_open(d->bound, STORE_STREAM_SERVE, &watched->drift, &err);
    if (!status)
        status = drift_alarm_resume(watched->drift, d->store, bank, &err);
    if (status) {
        log_line(LOG_LEVEL_WARNING, "drift of bank %s is not watched: %s", bank, err.message);
        free_watched(watched);
        return NULL;
    }
    g_hash_table_insert(d->by_bank, g_strdup(bank), watched);
    *fresh = drift_alarm_standing(watched->drift).n_pictures > 0;
    return watched;
}

void drifts_look(drifts *d, const store_row *row, int64_t id)
{
    dp_error err;
    bool fresh;
    if (!d || !(row->score >= 0))
        return;
    g_mutex_lock(&d->lock);
    struct watched *watched = find(d, row->bank, &fresh);
    json_t *alarm = watched && !fresh
                        ? drift_alarm_look(watched->drift, row->bank, row->bank_sha256, row->score, row->time_ms)
                        : NULL;
    dp_status status = watched ? drift_alarm_remember(watched->drift, d->store, row->bank, id, &err) : DP_OK;
    if (alarm) {
        watched->n_alarms++;
        log_line(LOG_LEVEL_WARNING, "bank %s: %s", row->bank, json_string_value(json_object_get(alarm, "text")));
        if (!status)
            status = drift_store_alarm(d->store, row->time_ms, row->bank, alarm, &err);
    }
    if (status)
        log_line(LOG_LEVEL_WARNING, "drift of bank %s was not kept: %s", row->bank, err.message);
    json_decref(alarm);
    g_mutex_unlock(&d->lock);
}

void drifts_each(drifts *d, drifts_fn on_bank, void *user)
{
    if (!d)
        return;
    g_mutex_lock(&d->lock);
    GList *names = g_list_sort(g_hash_table_get_keys(d->by_bank), (GCompareFunc)g_strcmp0);
    for (const GList *name = names; name; name = name->next) {
        const struct watched *watched = g_hash_table_lookup(d->by_bank, name->data);
        drift_standing standing = drift_alarm_standing(watched->drift);
        on_bank(user, name->data, &standing, watched->n_alarms);
    }
    g_list_free(names);
    g_mutex_unlock(&d->lock);
}
