/* SPDX-License-Identifier: Apache-2.0 */
/* wake.h - SIGINT, SIGTERM and SIGHUP as wishes that the loop of `watch` looks at; one for the process. */
#ifndef DP_CLI_WATCH_WAKE_H
#define DP_CLI_WATCH_WAKE_H

#include <stdbool.h>

/* Before other threads begin.  A second SIGINT or SIGTERM ends the process at once. */
void wake_begin(void);
/* Readable once somebody wished something. */
int wake_fd(void);
/* Wakes the loop, from any thread. */
void wake_up(void);
/* What was wished since: takes the wish to reload, the wish to stop stays. */
bool wake_stop(void);
bool wake_reload(void);
/* Empties wake_fd. */
void wake_clear(void);
/* Waits for fd (-1: none) or a wish; at most so long, -1: as long as it takes. */
void wake_wait(int fd, int most_ms);

#endif
