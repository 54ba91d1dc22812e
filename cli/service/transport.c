/* SPDX-License-Identifier: Apache-2.0 */
/* transport.c - HTTP: one thread a connection, limits, who may ask, then the endpoint. */
#include "transport.h"
#include "body.h"
#include "connections.h"
#include "fault.h"
#include "listener.h"
#include "log.h"
#include "routes.h"

#include <string.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)1 << 20)
#define HEAD_BYTES ((size_t)32 << 10) /* of a request's line and headers */
#define IDLE_S 30U
#define CUT_CONNECTIONS 512U /* that are cut off and not gone yet */

struct transport {
    service *service;
    struct MHD_Daemon *daemon;
    connections *connections;
    int listen_fd;
    char *cert, *key;                           /* PEM */
    gint64 received_bytes, most_received_bytes; /* of all bodies on their way */
    GMutex lock;
};

/* One request of a connection, from its line to the end of its answer. */
struct exchange {
    transport *transport;
    const route *route;
    connection *connection;
    request request;
    body body;
    size_t reserved_bytes;
    gint64 came_us;
    bool begun, failed;
    bool hostile_path, hostile_query; /* a coded zero or slash: one name would look like another */
};

/* ------------------------------------------------------------------------------------------------------- connections */

static void on_connection(void *user, struct MHD_Connection *handle, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    transport *t = user;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);
        *socket_context = connections_add(t->connections, info->connect_fd);
    } else if (*socket_context) {
        connections_remove(t->connections, *socket_context);
        *socket_context = NULL;
    }
}

static void on_cut(void *user)
{
    counters_cut(&((transport *)user)->service->counters);
}

/* The beginning of a request; its line as it came, before anything is decoded. */
static void *on_line(void *user, const char *line, struct MHD_Connection *handle)
{
    struct exchange *x = g_new0(struct exchange, 1);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    x->transport = user;
    x->connection = info ? info->socket_context : NULL;
    x->request = (request){.service = x->transport->service, .connection = handle};
    x->came_us = g_get_monotonic_time();
    x->body.fd = -1;
    size_t path = strcspn(line, "?");
    g_autofree char *lower = g_ascii_strdown(line, (gssize)path);
    x->hostile_path = strstr(lower, "%00") || strstr(lower, "%2f") || strstr(lower, "%5c");
    x->hostile_query = strstr(line + path, "%00") != NULL;
    return x;
}

static bool reserve(transport *t, struct exchange *x, size_t bytes)
{
    g_mutex_lock(&t->lock);
    bool room = (gint64)bytes <= t->most_received_bytes - t->received_bytes;
    if (room) {
        t->received_bytes += (gint64)bytes;
        x->reserved_bytes = bytes;
    }
    g_mutex_unlock(&t->lock);
    return room;
}

static void on_completed(void *user, struct MHD_Connection *handle, void **context, enum MHD_RequestTerminationCode how)
{
    struct exchange *x = *context;
    *context = NULL;
    if (!x)
        return;
    transport *t = x->transport;
    if (x->connection)
        connections_set(t->connections, x->connection, CONNECTION_WAITING, 0);
    g_mutex_lock(&t->lock);
    t->received_bytes -= (gint64)x->reserved_bytes;
    g_mutex_unlock(&t->lock);
    body_end(&x->body);
    for (size_t i = 0; i < REQUEST_PARTS; i++)
        g_free(x->request.part[i]);
    g_free(x);
}

/* ---------------------------------------------------------------------------------------------------------- checking */

static enum MHD_Result check_query(void *user, enum MHD_ValueKind kind, const char *key, const char *value)
{
    struct exchange *x = user;
    const char *known = x->route->queries;
    bool valid = g_utf8_validate(key, -1, NULL) && (!value || g_utf8_validate(value, -1, NULL));
    if (valid && route_knows_query(x->route, key))
        return MHD_YES;
    if (!valid)
        reply_problem(&x->request, 400, "a query is no UTF-8");
    else if (known)
        reply_problem(&x->request, 400, "the query '%s' means nothing here; there are:%s", key, known);
    else
        reply_problem(&x->request, 400, "the query '%s' means nothing here; this takes none", key);
    return MHD_NO;
}

/* False: answered. */
static bool check_sender(struct exchange *x, const char *method)
{
    request *r = &x->request;
    const service_settings *settings = &r->service->settings;
    const char *host = request_header(r, MHD_HTTP_HEADER_HOST), *origin = request_header(r, "Origin");
    const char *site = request_header(r, "Sec-Fetch-Site");
    bool changes = strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
    if (!host || !guard_host(host, settings->hosts)) {
        reply_problem(r, host ? 421 : 400,
                      "the Host header names no host of this service; ask by address or as localhost, or start it with "
                      "--host NAME");
        return false;
    }
    if (changes
        && ((origin && !guard_origin(origin, host))
            || (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0))) {
        reply_problem(r, 403,
                      "this request comes from a page of another site; only pages of this service may change "
                      "something");
        return false;
    }
    if (settings->token && !(x->route && x->route->flags & ROUTE_OPEN)
        && !guard_token_matches(settings->token, request_header(r, MHD_HTTP_HEADER_AUTHORIZATION))) {
        reply_problem(r, 401, "give the service's token: Authorization: Bearer TOKEN");
        reply_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
        return false;
    }
    return true;
}

/* The size of the body that is to come; SIZE_MAX: it is not said. False: it is no number. */
static bool announced(const request *r, size_t *bytes)
{
    const char *length = request_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
    const char *coding = request_header(r, MHD_HTTP_HEADER_TRANSFER_ENCODING);
    *bytes = coding ? SIZE_MAX : 0;
    if (!length)
        return true;
    char *end;
    guint64 value = g_ascii_strtoull(length, &end, 10);
    *bytes = coding ? SIZE_MAX : value;
    return g_ascii_isdigit(*length) && !*end;
}

static enum MHD_Result count_header(void *user, enum MHD_ValueKind kind, const char *key, const char *value)
{
    unsigned *n = user; /* [3] */
    n[0] += !g_ascii_strcasecmp(key, MHD_HTTP_HEADER_HOST);
    n[1] += !g_ascii_strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH);
    n[2] += !g_ascii_strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING);
    return MHD_YES;
}

/* A proxy in front might take the other one of two (RFC 9112, 3.2 and 6.3).  False: answered. */
static bool check_single(request *r)
{
    unsigned n[3] = {0};
    MHD_get_connection_values(r->connection, MHD_HEADER_KIND, count_header, n);
    if (n[0] <= 1 && n[1] + n[2] <= 1)
        return true;
    reply_problem(r, 400, "%s", n[0] > 1 ? "there are two Host headers" : "the length of the body is given twice");
    reply_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
    return false;
}

/* What can be said of a request before its body comes.  False: answered. */
static bool check_head(struct exchange *x, const char *path, const char *method)
{
    request *r = &x->request;
    const service_settings *settings = &r->service->settings;
    g_autofree char *allowed = NULL;
    size_t bytes;
    bool valid = !x->hostile_path && g_utf8_validate(path, -1, NULL);
    x->route = valid ? route_find(method, path, r->part, &allowed) : NULL;
    if (!check_single(r) || !check_sender(x, method))
        return false;
    if (!x->route && allowed) {
        reply_problem(r, 405, "%s is not possible here; %s is", method, allowed);
        reply_header(r, MHD_HTTP_HEADER_ALLOW, allowed);
        return false;
    }
    if (!x->route) {
        reply_problem(r, 404, "there is nothing of that name; GET /openapi.json describes what there is");
        return false;
    }
    if (x->hostile_query)
        reply_problem(r, 400, "a query has a zero in it");
    else
        MHD_get_connection_values(r->connection, MHD_GET_ARGUMENT_KIND, check_query, x);
    if (r->response)
        return false;
    size_t most = x->route->flags & ROUTE_UPLOAD ? settings->most_upload_bytes
                  : x->route->flags & ROUTE_BODY ? settings->most_body_bytes
                                                 : 65536;
    if (!announced(r, &bytes)) {
        reply_problem(r, 400, "Content-Length is no number");
    } else if (bytes != SIZE_MAX && bytes > most) {
        reply_problem(r, 413, "the body has %zu bytes; at most %zu are taken: %s", bytes, most,
                      x->route->flags & ROUTE_UPLOAD ? "send the pictures in several requests, or start the service "
                                                       "with a larger --max-upload"
                                                     : "start the service with a larger --max-body");
    } else if (!reserve(x->transport, x, MIN(bytes, most))) {
        reply_problem(r, 503, "too much is being uploaded at the same time; try again");
        reply_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "5");
    } else {
        body_begin(&x->body, most);
        if (x->connection)
            connections_set(x->transport->connections, x->connection, CONNECTION_RECEIVING,
                            bytes == SIZE_MAX ? 0 : bytes);
    }
    return !r->response;
}

/* ---------------------------------------------------------------------------------------------------------- answering */

static enum MHD_Result answer(struct exchange *x, const char *method)
{
    request *r = &x->request;
    const char *pattern = x->route ? x->route->pattern : "none";
    if (!r->response)
        reply_problem(r, 500, "this request was not answered");
    reply_header(r, "X-Content-Type-Options", "nosniff");
    reply_header(r, "Referrer-Policy", "no-referrer");
    reply_header(r, "Cross-Origin-Resource-Policy", "same-origin");
    reply_header(r, "Content-Security-Policy",
                 "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; frame-ancestors 'none'; "
                 "base-uri 'none'");
    if (!MHD_get_response_header(r->response, MHD_HTTP_HEADER_CACHE_CONTROL))
        reply_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (g_atomic_int_get(&r->service->draining))
        reply_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
    counters_request(&r->service->counters, x->route ? method : "any", pattern, r->status);
    log_line(r->status >= 500 ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "%s %s %u, %.1f ms", method, pattern, r->status,
             (double)(g_get_monotonic_time() - x->came_us) / 1000);
    enum MHD_Result queued = MHD_queue_response(r->connection, r->status, r->response);
    MHD_destroy_response(r->response);
    r->response = NULL;
    return queued;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *handle, const char *path, const char *method,
                                  const char *version, const char *data, size_t *bytes, void **context)
{
    struct exchange *x = *context;
    transport *t = user;
    if (!x)
        return MHD_NO;
    if (!x->begun) {
        x->begun = true;
        return check_head(x, path, method) ? MHD_YES : answer(x, method);
    }
    if (*bytes) {
        x->failed = x->failed || !body_add(&x->body, t->service->folder, data, *bytes);
        *bytes = 0;
        return x->failed ? MHD_NO : MHD_YES; /* more than was announced: the connection ends */
    }
    if (x->connection)
        connections_set(t->connections, x->connection, CONNECTION_WORKING, 0);
    x->request.bytes = x->body.bytes;
    x->request.body = body_whole(&x->body);
    if (!x->request.body)
        reply_problem(&x->request, 503, "the body of this request could not be kept in %s: %s; make room and try again",
                      t->service->folder, g_strerror(x->body.error));
    else
        x->route->handle(&x->request);
    if (x->connection && x->request.streams)
        connections_set(t->connections, x->connection, CONNECTION_STREAMING, 0);
    else if (x->connection)
        connections_set(t->connections, x->connection, CONNECTION_SENDING, x->request.answer_bytes);
    return answer(x, method);
}

/* ------------------------------------------------------------------------------------------------ opening and closing */

static void on_fault(void *user, const char *format, va_list args)
{
    g_autofree char *text = g_strdup_vprintf(format, args);
    g_strchomp(text);
    log_line(LOG_LEVEL_DEBUG, "http: %s", text);
}

static dp_status read_pem(const char *path, char **text, dp_error *err)
{
    g_autoptr(GError) error = NULL;
    if (path && !g_file_get_contents(path, text, NULL, &error))
        return service_fail(err, DP_E_IO, "%s", error->message);
    return DP_OK;
}

static dp_status start(transport *t, dp_error *err)
{
    const service_settings *settings = &t->service->settings;
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC
                     | MHD_USE_ERROR_LOG | (settings->cert ? MHD_USE_TLS : 0U);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, t->cert}, {MHD_OPTION_HTTPS_MEM_KEY, 0, t->key}, {MHD_OPTION_END, 0, NULL}};
    t->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, t, MHD_OPTION_EXTERNAL_LOGGER, on_fault, t,
                                 MHD_OPTION_LISTEN_SOCKET, t->listen_fd, MHD_OPTION_CONNECTION_LIMIT,
                                 (unsigned)settings->most_connections + CUT_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
                                 IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEAD_BYTES, MHD_OPTION_THREAD_STACK_SIZE,
                                 STACK_BYTES, MHD_OPTION_NOTIFY_CONNECTION, on_connection, t,
                                 MHD_OPTION_NOTIFY_COMPLETED, on_completed, t, MHD_OPTION_URI_LOG_CALLBACK, on_line, t,
                                 MHD_OPTION_ARRAY, settings->cert ? tls : tls + 2, MHD_OPTION_END);
    if (t->daemon)
        return DP_OK;
    return settings->cert ? service_fail(
               err, DP_E_ARGUMENT,
               "HTTPS cannot begin: %s and %s must hold a certificate and its key in PEM, without a password",
               settings->cert, settings->key)
                          : service_fail(err, DP_E_IO, "the HTTP server cannot begin");
}

dp_status transport_open(service *s, const char *listen, transport **opened, char **where, dp_error *err)
{
    transport *t = g_new0(transport, 1);
    listener l = {.fd = -1};
    t->service = s;
    t->listen_fd = -1;
    t->most_received_bytes = (gint64)(2 * s->settings.most_upload_bytes + 16 * s->settings.most_body_bytes);
    g_mutex_init(&t->lock);
    t->connections = connections_new(s->settings.most_connections, on_cut, t);
    dp_status status = listener_open(listen, &l, err);
    if (!status && !l.loopback && !s->settings.token)
        status = service_fail(err, DP_E_ARGUMENT,
                              "%s can be reached from other machines: give --token-file FILE, or listen on 127.0.0.1",
                              listen);
    if (!status)
        status = read_pem(s->settings.cert, &t->cert, err);
    if (!status)
        status = read_pem(s->settings.key, &t->key, err);
    t->listen_fd = l.fd;
    s->transport = t;
    if (!status)
        status = start(t, err);
    if (!status)
        *where = g_strdup_printf("http%s://%s", s->settings.cert ? "s" : "", l.name);
    g_free(l.name);
    if (status)
        transport_close(&t);
    else
        *opened = t;
    return status;
}

void transport_tick(transport *t)
{
    connections_check(t->connections);
}

void transport_drain(transport *t, unsigned most_seconds)
{
    g_atomic_int_set(&t->service->draining, 1);
    MHD_socket fd = MHD_quiesce_daemon(t->daemon);
    if (fd != MHD_INVALID_SOCKET)
        close(fd);
    t->listen_fd = -1;
    jobs_release(t->service->jobs);
    for (unsigned i = 0; i < 20 * most_seconds && connections_drain(t->connections); i++)
        g_usleep(50000);
}

void transport_close(transport **opened)
{
    transport *t = *opened;
    *opened = NULL;
    if (!t)
        return;
    if (t->daemon)
        MHD_stop_daemon(t->daemon);
    else if (t->listen_fd >= 0)
        close(t->listen_fd);
    connections_free(&t->connections);
    g_free(t->cert);
    g_free(t->key);
    g_mutex_clear(&t->lock);
    g_free(t);
}
