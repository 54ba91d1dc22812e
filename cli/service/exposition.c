/* SPDX-License-Identifier: Apache-2.0 */
/* exposition.c - the counters as OpenMetrics text, version 1.0.0. */
#include "exposition.h"
#include "service.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void family(GString *text, const char *name, const char *type, const char *help)
{
    g_string_append_printf(text, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

static void one(GString *text, const char *name, const char *type, const char *help, double value)
{
    family(text, name, type, help);
    g_string_append_printf(text, "%s%s %.17g\n", name, !strcmp(type, "counter") ? "_total" : "", value);
}

/* Keys in order, so that two answers can be compared. */
static void each(GString *text, GHashTable *table, bool of_requests)
{
    GList *keys = g_list_sort(g_hash_table_get_keys(table), (GCompareFunc)strcmp);
    for (const GList *key = keys; key; key = key->next) {
        g_auto(GStrv) parts = g_strsplit(key->data, " ", 3);
        size_t n = GPOINTER_TO_SIZE(g_hash_table_lookup(table, key->data));
        if (of_requests)
            g_string_append_printf(text, "dinopatch_requests_total{method=\"%s\",route=\"%s\",status=\"%s\"} %zu\n",
                                   parts[0], parts[1], parts[2], n);
        else
            g_string_append_printf(text, "dinopatch_inspections_total{bank=\"%s\",label=\"%s\"} %zu\n", parts[0],
                                   parts[1], n);
    }
    g_list_free(keys);
}

static double resident_bytes(void)
{
    unsigned long all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        if (fscanf(file, "%lu %lu", &all, &resident) != 2)
            resident = 0;
        fclose(file);
    }
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void drift_capital(void *user, const char *bank, const drift_standing *standing, size_t n_alarms)
{
    g_string_append_printf(user, "dinopatch_drift_log10_capital{bank=\"%s\"} %.9g\n", bank, standing->log10_capital);
}

static void drift_alarms(void *user, const char *bank, const drift_standing *standing, size_t n_alarms)
{
    g_string_append_printf(user, "dinopatch_drift_alarms_total{bank=\"%s\"} %zu\n", bank, n_alarms);
}

GString *exposition(service *s)
{
    GString *text = g_string_new(NULL);
    counters *c = &s->counters;
    workers_state state = workers_look(s->workers);
    family(text, "dinopatch_build", "info", "The program.");
    g_string_append_printf(text, "dinopatch_build_info{version=\"%s\"} 1\n", dp_version());
    one(text, "dinopatch_workers", "gauge", "Threads that inspect.", (double)state.n_workers);
    one(text, "dinopatch_workers_busy", "gauge", "Of these, at work now.", (double)state.n_busy);
    one(text, "dinopatch_queue_length", "gauge", "Pictures that wait.", (double)state.n_waiting);
    one(text, "dinopatch_queue_limit", "gauge", "Pictures that may wait.", (double)state.most_waiting);
    one(text, "dinopatch_jobs_unfinished", "gauge", "Jobs that wait or run.", (double)jobs_unfinished(s->jobs));
    one(text, "dinopatch_resident_memory_bytes", "gauge", "Memory of the process.", resident_bytes());
    g_mutex_lock(&c->lock);
    one(text, "dinopatch_refused", "counter", "Pictures refused because the queue was full.", (double)c->refused);
    one(text, "dinopatch_slow_connections", "counter", "Connections closed because they were too slow.",
        (double)c->cut);
    family(text, "dinopatch_requests", "counter", "Answers by route and status.");
    each(text, c->requests, true);
    family(text, "dinopatch_inspections", "counter", "Inspected pictures by bank and label.");
    each(text, c->inspections, false);
    family(text, "dinopatch_inspection_seconds", "histogram", "Time from a picture's arrival to its result.");
    size_t below = 0;
    for (size_t i = 0; i < COUNTERS_BUCKETS; i++) {
        below += c->buckets[i];
        g_string_append_printf(text, "dinopatch_inspection_seconds_bucket{le=\"%g\"} %zu\n", counters_bounds_s[i],
                               below);
    }
    below += c->buckets[COUNTERS_BUCKETS];
    g_string_append_printf(text,
                           "dinopatch_inspection_seconds_bucket{le=\"+Inf\"} %zu\n"
                           "dinopatch_inspection_seconds_count %zu\ndinopatch_inspection_seconds_sum %.9g\n",
                           below, below, c->sum_s);
    g_mutex_unlock(&c->lock);
    family(text, "dinopatch_drift_log10_capital", "gauge",
           "Evidence that a bank's scores drift: an alarm at -log10 of --drift.");
    drifts_each(s->drifts, drift_capital, text);
    family(text, "dinopatch_drift_alarms", "counter", "Alarms for drift since the start.");
    drifts_each(s->drifts, drift_alarms, text);
    g_string_append(text, "# EOF\n");
    return text;
}
