/* SPDX-License-Identifier: Apache-2.0 */
/* wake.h - SIGINT, SIGTERM and SIGHUP as requests to the loop of `watch`; one for the process. */
#ifndef DP_CLI_WATCH_WAKE_H
#define DP_CLI_WATCH_WAKE_H

#include <stdbool.h>

/* Before other threads begin.  A second SIGINT or SIGTERM ends the process at once. */
void wake_begin(void);
/* What was asked since: a request to reload is taken, a request to stop stays. */
bool wake_stop(void);
bool wake_reload(void);
/* Waits until fd (-1: none) is readable or a signal came; at most so long, -1: as long as it takes. */
void wake_wait(int fd, int most_ms);

#endif
