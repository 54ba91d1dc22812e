/* SPDX-License-Identifier: Apache-2.0 */
/* mqtt.h - publishes messages at a broker, quality of service 1: results to TOPIC, alarms to TOPIC/alarm; TOPIC/status says "online" or
 * "offline", retained. */
#ifndef DP_CLI_WATCH_MQTT_H
#define DP_CLI_WATCH_MQTT_H

#include "sender.h"

typedef struct mqtt mqtt;

typedef struct mqtt_settings {
    const char *url;           /* mqtt[s]://[user@]host[:port]/topic */
    const char *password_file; /* or NULL */
    const char *ca_file;       /* certificates that the broker's is held against; NULL: the system's */
} mqtt_settings;

/* Connects by and by, and again whenever the connection is lost.  Errors: DP_E_ARGUMENT, DP_E_IO, DP_E_UNSUPPORTED (built without). */
dp_status mqtt_open(const mqtt_settings *settings, mqtt **opened, dp_error *err);
/* Says "offline" and leaves. */
void mqtt_close(mqtt **opened);
/* "mqtt host:port/topic" */
const char *mqtt_shown(const mqtt *m);
/* A sender_deliver_fn: arrived is what the broker has acknowledged. */
bool mqtt_deliver(void *m, const journal_message *message, const gint *stop, dp_error *err);

#endif
