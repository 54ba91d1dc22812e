/* SPDX-License-Identifier: Apache-2.0 */
/* exposition.h - the counters as OpenMetrics text. */
#ifndef DP_CLI_SERVICE_EXPOSITION_H
#define DP_CLI_SERVICE_EXPOSITION_H

#include "counters.h"

#include <glib.h>

extern const double counters_bounds_s[COUNTERS_BUCKETS];

struct service;
/* All of /metrics; g_string_free. */
GString *exposition(struct service *s);

#endif
