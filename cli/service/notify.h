/* SPDX-License-Identifier: Apache-2.0 */
/* notify.h - word to the service manager: sd_notify(3)'s protocol, one datagram to NOTIFY_SOCKET. */
#ifndef DP_CLI_SERVICE_NOTIFY_H
#define DP_CLI_SERVICE_NOTIFY_H

#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=..."; nothing where there is no manager. */
void notify_manager(const char *state);
/* How often the manager wants to hear "WATCHDOG=1", in microseconds; 0: never. */
uint64_t notify_watchdog_us(void);

#endif
