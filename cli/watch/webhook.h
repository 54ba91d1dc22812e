/* SPDX-License-Identifier: Apache-2.0 */
/* webhook.h - posts messages to a URL. */
#ifndef DP_CLI_WATCH_WEBHOOK_H
#define DP_CLI_WATCH_WEBHOOK_H

#include "sender.h"

typedef struct webhook webhook;

/* token_file: its first line goes as "Authorization: Bearer"; NULL: none.  Errors: DP_E_ARGUMENT, DP_E_IO. */
dp_status webhook_open(const char *url, const char *token_file, webhook **opened, dp_error *err);
void webhook_close(webhook **opened);
/* "webhook https://host", without what may be secret in the rest. */
const char *webhook_shown(const webhook *hook);
/* A sender_deliver_fn.  Arrived is what was answered by 2xx, and what the receiver refuses for good: 400, 413, 422. */
bool webhook_deliver(void *hook, const journal_message *message, const gint *stop, dp_error *err);

#endif
