/* SPDX-License-Identifier: Apache-2.0 */
/* counters.c - what the service counts of itself. */
#include "counters.h"
#include "exposition.h"

const double counters_bounds_s[COUNTERS_BUCKETS] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30};

void counters_begin(counters *c)
{
    g_mutex_init(&c->lock);
    c->requests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    c->inspections = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void counters_end(counters *c)
{
    g_hash_table_unref(c->requests);
    g_hash_table_unref(c->inspections);
    g_mutex_clear(&c->lock);
}

static void count(GHashTable *table, char *key)
{
    size_t n = GPOINTER_TO_SIZE(g_hash_table_lookup(table, key)) + 1;
    g_hash_table_insert(table, key,
                        GSIZE_TO_POINTER(n)); /* NOLINT(performance-no-int-to-ptr): how GLib keeps a number */
}

void counters_request(counters *c, const char *method, const char *route, unsigned status)
{
    g_mutex_lock(&c->lock);
    count(c->requests, g_strdup_printf("%s %s %u", method, route, status));
    g_mutex_unlock(&c->lock);
}

void counters_inspection(counters *c, const char *bank, const char *label, double seconds)
{
    size_t bucket = 0;
    while (bucket < COUNTERS_BUCKETS && seconds > counters_bounds_s[bucket])
        bucket++;
    g_mutex_lock(&c->lock);
    count(c->inspections, g_strdup_printf("%s %s", bank, label));
    c->buckets[bucket]++;
    c->sum_s += seconds;
    g_mutex_unlock(&c->lock);
}

void counters_refused(counters *c)
{
    g_mutex_lock(&c->lock);
    c->refused++;
    g_mutex_unlock(&c->lock);
}

void counters_cut(counters *c)
{
    g_mutex_lock(&c->lock);
    c->cut++;
    g_mutex_unlock(&c->lock);
}
