/* SPDX-License-Identifier: Apache-2.0 */
/* outlets.c - where messages go beside the results. */
#include "outlets.h"

#define DRAIN_S 5

static dp_status add(outlets *o, const sender_settings *settings, dp_error *err)
{
    dp_status status = sender_open(settings, &o->senders[o->n], err);
    if (!status)
        o->targets[o->n++] = settings->target;
    return status;
}

dp_status outlets_open(const outlets_settings *settings, journal *j, outlets *o, dp_error *err)
{
    dp_status status = settings->mqtt.url ? mqtt_open(&settings->mqtt, &o->mqtt, err) : DP_OK;
    if (!status && settings->webhook)
        status = webhook_open(settings->webhook, settings->webhook_token_file, &o->webhook, err);
    if (!status && o->mqtt) {
        const sender_settings to = {j, "mqtt", mqtt_shown(o->mqtt), settings->most, mqtt_deliver, o->mqtt};
        status = add(o, &to, err);
    }
    if (!status && o->webhook) {
        const sender_settings to = {j,         "webhook", webhook_shown(o->webhook), settings->most, webhook_deliver,
                                    o->webhook};
        status = add(o, &to, err);
    }
    return status;
}

void outlets_close(outlets *o)
{
    for (size_t i = 0; i < o->n; i++)
        sender_close(&o->senders[i], DRAIN_S);
    mqtt_close(&o->mqtt);
    webhook_close(&o->webhook);
    o->n = 0;
}

size_t outlets_address(const outlets *o, const char *kind, const char *body, journal_message *messages)
{
    for (size_t i = 0; i < o->n; i++)
        messages[i] = (journal_message){.target = o->targets[i], .kind = kind, .body = body};
    return o->n;
}

void outlets_came(outlets *o, size_t n)
{
    for (size_t i = 0; i < o->n; i++)
        sender_came(o->senders[i], n);
}
