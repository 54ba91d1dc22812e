/* SPDX-License-Identifier: Apache-2.0 */
/* settings.c - default settings, and the names of their values. */
#include "base/settings.h"
#include "base/error.h"

#include <math.h>
#include <string.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

const char *dp_version(void)
{
    return TEXT(DP_VERSION_MAJOR) "." TEXT(DP_VERSION_MINOR) "." TEXT(DP_VERSION_PATCH);
}

void dp_run_defaults(dp_run *run, size_t size)
{
    const dp_run defaults = {
        .size = size, .max_picture_pixels = (size_t)1 << 28, .max_tokens = 16384, .max_wait_seconds = INFINITY};
    memset(run, 0, size); /* a program of a later version has more */
    memcpy(run, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

dp_status dp_run_take(const dp_run *run, dp_run *own, dp_error *err)
{
    dp_run_init(own);
    if (run && run->size < sizeof run->size + sizeof run->threads)
        return dp_fail(err, DP_E_ARGUMENT, "a dp_run whose `size` is not set: dp_run_init sets it");
    if (run)
        memcpy(own, run, run->size < sizeof *own ? run->size : sizeof *own);
    own->size = sizeof *own;
    return DP_OK;
}

void dp_limits_init(dp_limits *limits)
{
    *limits = (dp_limits){.max_header_bytes = 100000000, .max_tensors = 16384};
}

void dp_post_init(dp_post *post)
{
    *post = (dp_post){0};
}

int dp_post_equal(const dp_post *a, const dp_post *b)
{
    return a->low == b->low && a->high == b->high && a->min_object == b->min_object && a->max_hole == b->max_hole
           && a->unit == b->unit && a->gaussian == b->gaussian && a->median == b->median;
}

const char *dp_align_status_name(dp_align_status status)
{
    switch (status) {
    case DP_ALIGN_OK: return "ok";
    case DP_ALIGN_OFF: return "off";
    case DP_ALIGN_FEW_EDGES: return "few_edges";
    case DP_ALIGN_ROUND: return "round";
    case DP_ALIGN_CUT: return "cut";
    case DP_ALIGN_UNLIKE: return "unlike";
    }
    return "unknown";
}

const char *dp_label_name(dp_label label)
{
    switch (label) {
    case DP_LABEL_GOOD: return "good";
    case DP_LABEL_ANOMALOUS: return "anomalous";
    case DP_LABEL_NOT_INSPECTED: return "not_inspected";
    case DP_LABEL_NONE: return "none";
    }
    return "none";
}
