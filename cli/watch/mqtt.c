/* SPDX-License-Identifier: Apache-2.0 */
/* mqtt.c - publishes messages at a broker, by libmosquitto and its thread. */
#include "mqtt.h"
#include "secret.h"
#include "../service/fault.h"
#include "../service/log.h"

#include <errno.h>
#include <mosquitto.h>
#include <string.h>
#include <unistd.h>

#define KEEPALIVE_S 30
#define PATIENCE_S 15 /* for a connection, and for an acknowledgement */
#define LEAVE_S 2
#define LOOK_US 200000 /* so often a wait looks whether it is to stop */

struct mqtt {
    struct mosquitto *client;
    char *shown, *topic, *status_topic, *alarm_topic;
    GMutex lock;
    GCond changed;
    bool connected;
    int acknowledged; /* the last number that was; 0: none since it was asked for */
    char *refusal;    /* of the last connection */
};

/* With the lock. */
static void take_refusal(mqtt *m, char *why)
{
    g_free(m->refusal);
    m->refusal = why;
}

static void on_connect(struct mosquitto *client, void *user, int code)
{
    mqtt *m = user;
    g_mutex_lock(&m->lock);
    m->connected = code == 0;
    take_refusal(m, code ? g_strdup(mosquitto_connack_string(code)) : NULL);
    g_cond_broadcast(&m->changed);
    g_mutex_unlock(&m->lock);
    if (!code)
        mosquitto_publish(client, NULL, m->status_topic, (int)strlen("online"), "online", 1, true);
}

static void on_disconnect(struct mosquitto *client, void *user, int code)
{
    mqtt *m = user;
    g_mutex_lock(&m->lock);
    m->connected = false;
    g_cond_broadcast(&m->changed);
    g_mutex_unlock(&m->lock);
}

/* Only the library's log tells why a connection by TLS did not come about. */
static void on_log(struct mosquitto *client, void *user, int level, const char *text)
{
    mqtt *m = user;
    const char *last = strrchr(text, ':');
    if (level != MOSQ_LOG_ERR)
        return;
    const char *said = last ? last + 1 + strspn(last + 1, " ") : text;
    g_mutex_lock(&m->lock);
    take_refusal(m, strstr(text, "certificate verify failed")
                        ? g_strdup("the broker's certificate is none of this host by an authority that is trusted; "
                                   "--mqtt-ca names the file of the authority that signed it")
                        : g_strdup_printf("the connection failed: %s", said));
    g_mutex_unlock(&m->lock);
}

static void on_publish(struct mosquitto *client, void *user, int number)
{
    mqtt *m = user;
    g_mutex_lock(&m->lock);
    m->acknowledged = number;
    g_cond_broadcast(&m->changed);
    g_mutex_unlock(&m->lock);
}

struct address {
    char *host, *user, *topic;
    int port;
    bool tls;
};

static dp_status read_url(const char *text, struct address *address, dp_error *err)
{
    g_autoptr(GUri) uri = g_uri_parse(text, G_URI_FLAGS_HAS_PASSWORD, NULL);
    const char *scheme = uri ? g_uri_get_scheme(uri) : "", *host = uri ? g_uri_get_host(uri) : NULL;
    address->tls = !strcmp(scheme, "mqtts");
    if ((!address->tls && strcmp(scheme, "mqtt") != 0) || !host || !*host)
        return service_fail(err, DP_E_ARGUMENT, "--mqtt: is no URL of the kind mqtt://user@host:1883/topic");
    if (g_uri_get_password(uri))
        return service_fail(
            err, DP_E_ARGUMENT,
            "--mqtt: a password in the URL is seen by all users of this machine; put it into a file and "
            "give --mqtt-password-file");
    const char *topic = g_uri_get_path(uri);
    topic += *topic == '/';
    if (!*topic || strpbrk(topic, "+#") || *topic == '$' || !g_utf8_validate(topic, -1, NULL))
        return service_fail(err, DP_E_ARGUMENT,
                            "--mqtt: names no topic; give one like mqtt://host/line1/part, without +, # and $");
    address->host = g_strdup(host);
    address->user = g_strdup(g_uri_get_user(uri));
    address->topic = g_strdup(topic);
    address->port = g_uri_get_port(uri) > 0 ? g_uri_get_port(uri) : address->tls ? 8883 : 1883;
    return DP_OK;
}

static dp_status failed(int code, dp_error *err)
{
    return service_fail(err, DP_E_IO, "%s", code == MOSQ_ERR_ERRNO ? g_strerror(errno) : mosquitto_strerror(code));
}

static dp_status begin(mqtt *m, const mqtt_settings *settings, const struct address *address, dp_error *err)
{
    char *password = NULL;
    dp_status status = settings->password_file ? secret_read(settings->password_file, &password, err) : DP_OK;
    if (status)
        return status;
    int code = MOSQ_ERR_SUCCESS;
    if (settings->ca_file && access(settings->ca_file, R_OK) != 0) {
        secret_free(&password);
        return service_fail(err, DP_E_IO, "--mqtt-ca %s: %s", settings->ca_file, g_strerror(errno));
    }
    mosquitto_lib_init();
    m->client = mosquitto_new(NULL, true, m);
    if (!m->client)
        code = MOSQ_ERR_NOMEM;
    if (!code && (address->user || password))
        code = mosquitto_username_pw_set(m->client, address->user ? address->user : "", password);
    secret_free(&password);
    if (!code && address->tls)
        code = mosquitto_tls_set(m->client, settings->ca_file, settings->ca_file ? NULL : "/etc/ssl/certs", NULL, NULL,
                                 NULL);
    if (!code)
        code = mosquitto_will_set(m->client, m->status_topic, (int)strlen("offline"), "offline", 1, true);
    if (!code) {
        mosquitto_log_callback_set(m->client, on_log);
        mosquitto_connect_callback_set(m->client, on_connect);
        mosquitto_disconnect_callback_set(m->client, on_disconnect);
        mosquitto_publish_callback_set(m->client, on_publish);
        mosquitto_reconnect_delay_set(m->client, 1, 30, true);
        code = mosquitto_connect_async(m->client, address->host, address->port, KEEPALIVE_S);
        if (code == MOSQ_ERR_ERRNO || code == MOSQ_ERR_EAI || code == MOSQ_ERR_TLS) /* its thread tries again */
            code = MOSQ_ERR_SUCCESS;
    }
    if (!code)
        code = mosquitto_loop_start(m->client);
    return code ? failed(code, err) : DP_OK;
}

dp_status mqtt_open(const mqtt_settings *settings, mqtt **opened, dp_error *err)
{
    struct address address = {0};
    dp_status status = read_url(settings->url, &address, err);
    if (!status) {
        mqtt *m = g_new0(mqtt, 1);
        g_mutex_init(&m->lock);
        g_cond_init(&m->changed);
        m->shown = g_strdup_printf("mqtt %s:%d/%s", address.host, address.port, address.topic);
        m->topic = g_strdup(address.topic);
        m->status_topic = g_strconcat(address.topic, "/status", NULL);
        m->alarm_topic = g_strconcat(address.topic, "/alarm", NULL);
        *opened = m;
        status = begin(m, settings, &address, err);
        if (status)
            mqtt_close(opened);
    }
    g_free(address.host);
    g_free(address.user);
    g_free(address.topic);
    return status;
}

const char *mqtt_shown(const mqtt *m)
{
    return m->shown;
}

/* With the lock: until it is connected, or `number` is acknowledged where it is not 0. */
static bool wait_for(mqtt *m, int number, int most_s, const gint *stop)
{
    gint64 end_us = g_get_monotonic_time() + most_s * G_TIME_SPAN_SECOND;
    while (number ? m->acknowledged != number : !m->connected) {
        gint64 now_us = g_get_monotonic_time();
        if (now_us >= end_us || (stop && g_atomic_int_get(stop)) || (number && !m->connected))
            return false;
        g_cond_wait_until(&m->changed, &m->lock, MIN(end_us, now_us + LOOK_US));
    }
    return true;
}

static bool publish(mqtt *m, const char *topic, const char *text, bool retained, int most_s, const gint *stop,
                    dp_error *err)
{
    int number = 0;
    g_mutex_lock(&m->lock);
    bool sent = wait_for(m, 0, most_s, stop);
    if (!sent)
        service_fail(err, DP_E_IO, "%s", m->refusal ? m->refusal : "there is no connection");
    m->acknowledged = 0;
    if (sent) {
        g_mutex_unlock(&m->lock); /* a callback may wait for it while the client's own lock is held */
        const int code = mosquitto_publish(m->client, &number, topic, (int)strlen(text), text, 1, retained);
        g_mutex_lock(&m->lock);
        sent = !code && wait_for(m, number, most_s, stop);
        if (code)
            failed(code, err);
        else if (!sent)
            service_fail(err, DP_E_IO, "the broker does not acknowledge");
    }
    g_mutex_unlock(&m->lock);
    return sent;
}

bool mqtt_deliver(void *user, const journal_message *message, const gint *stop, dp_error *err)
{
    mqtt *m = user;
    const char *topic = !strcmp(message->kind, "alarm") ? m->alarm_topic : m->topic;
    return publish(m, topic, message->body, false, PATIENCE_S, stop, err);
}

void mqtt_close(mqtt **opened)
{
    mqtt *m = *opened;
    *opened = NULL;
    if (!m)
        return;
    if (m->client) {
        g_mutex_lock(&m->lock);
        bool connected = m->connected;
        g_mutex_unlock(&m->lock);
        if (connected)
            publish(m, m->status_topic, "offline", true, LEAVE_S, NULL, NULL);
        mosquitto_disconnect(m->client);
        mosquitto_loop_stop(m->client, true);
        mosquitto_destroy(m->client);
    }
    mosquitto_lib_cleanup();
    g_mutex_clear(&m->lock);
    g_cond_clear(&m->changed);
    g_free(m->refusal);
    g_free(m->alarm_topic);
    g_free(m->status_topic);
    g_free(m->topic);
    g_free(m->shown);
    g_free(m);
}
