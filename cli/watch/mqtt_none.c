/* SPDX-License-Identifier: Apache-2.0 */
/* mqtt_none.c - what a build without libmosquitto says. */
#include "mqtt.h"
#include "../service/fault.h"

dp_status mqtt_open(const mqtt_settings *settings, mqtt **opened, dp_error *err)
{
    return service_fail(err, DP_E_UNSUPPORTED, "--mqtt: this program was built without libmosquitto");
}

void mqtt_close(mqtt **opened)
{
    *opened = NULL;
}

const char *mqtt_shown(const mqtt *m)
{
    return "mqtt";
}

bool mqtt_deliver(void *m, const journal_message *message, const gint *stop, dp_error *err)
{
    return false;
}
