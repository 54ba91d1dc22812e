/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - seconds for timing, from a clock that never runs backwards. */
#ifndef DP_BASE_CLOCK_H
#define DP_BASE_CLOCK_H

#include <time.h>

static inline double dp_now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
