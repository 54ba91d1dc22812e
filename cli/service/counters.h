/* SPDX-License-Identifier: Apache-2.0 */
/* counters.h - what the service counts of itself, for /metrics. */
#ifndef DP_CLI_SERVICE_COUNTERS_H
#define DP_CLI_SERVICE_COUNTERS_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#define COUNTERS_BUCKETS 12

typedef struct counters {
    GMutex lock;
    GHashTable *requests;                 /* "GET /v1/banks 200" -> count */
    GHashTable *inspections;              /* "BANK LABEL" -> count */
    size_t buckets[COUNTERS_BUCKETS + 1]; /* of inspection times; the last: above all bounds */
    double sum_s;
    size_t refused; /* inspections that found the queue full */
    size_t cut;     /* connections that were closed because they were too slow */
} counters;

void counters_begin(counters *c);
void counters_end(counters *c);
/* route: the pattern, not what a client sent. */
void counters_request(counters *c, const char *method, const char *route, unsigned status);
void counters_inspection(counters *c, const char *bank, const char *label, double seconds);
void counters_refused(counters *c);
void counters_cut(counters *c);

#endif
