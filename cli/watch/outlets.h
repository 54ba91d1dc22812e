/* SPDX-License-Identifier: Apache-2.0 */
/* outlets.h - where messages go beside the results: MQTT, a webhook, both or neither. */
#ifndef DP_CLI_WATCH_OUTLETS_H
#define DP_CLI_WATCH_OUTLETS_H

#include "mqtt.h"
#include "webhook.h"

typedef struct outlets_settings {
    mqtt_settings mqtt;  /* url NULL: none */
    const char *webhook; /* URL; NULL: none */
    const char *webhook_token_file;
    int64_t most; /* messages that wait for each */
} outlets_settings;

enum { OUTLETS = 2 };

typedef struct outlets {
    mqtt *mqtt;
    webhook *webhook;
    sender *senders[OUTLETS];
    const char *targets[OUTLETS]; /* of their messages */
    size_t n;
} outlets;

/* Errors: of mqtt_open, webhook_open, sender_open. */
dp_status outlets_open(const outlets_settings *settings, journal *j, outlets *o, dp_error *err);
/* Sends on for a few seconds. */
void outlets_close(outlets *o);
/* One message to each: their number, at most OUTLETS. */
size_t outlets_address(const outlets *o, const char *kind, const char *body, journal_message *messages);
/* So many were written for each. */
void outlets_came(outlets *o, size_t n);

#endif
