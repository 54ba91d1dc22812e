/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"
#include "file_digest.h"
#include "support.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONNECT_SECONDS 20L
#define MAX_REDIRECTS 10L
#define MAX_HEADER_BYTES ((size_t)1 << 18) /* of one answer, with its redirects */

typedef struct request {
    const char *url;
    char *shown; /* url as messages show it */
    const dp_run *run;
    const fetch_http_sink *sink; /* NULL: the body is not wanted */
    fetch_http_facts *facts;
    CURL *curl;
    uint64_t from, got; /* first byte asked for; bytes handed to the sink */
    size_t header_bytes;
    bool begun, linked, stopped;
    bool page; /* the body is the page of an error; skip it */
    dp_status sink_status;
    dp_error *err;
} request;

char *fetch_url_shown(const char *url)
{
    const char *scheme = strstr(url, "://"), *rest = scheme ? scheme + 3 : url, *query = strpbrk(rest, "?#");
    const char *end = query ? query : url + strlen(url), *host = rest;
    for (const char *at = rest; at < end; at++)
        host = *at == '@' ? at + 1 : host;
    /* If a password holds '?' or '#', the '@' comes after them: then remove everything up to that '@'. */
    const char *late = query ? strrchr(query, '@') : NULL;
    if (late) {
        host = late + 1;
        end = host + strcspn(host, "?#");
        query = *end ? end : NULL;
    }
    size_t bytes = strlen(url) + sizeof "***@?***";
    char *shown = malloc(bytes);
    if (shown)
        snprintf(shown, bytes, "%.*s%s%.*s%s", (int)(rest - url), url, host > rest ? "***@" : "", (int)(end - host),
                 host, query ? "?***" : "");
    return shown;
}

/* Returns the value of a header line with this name, without spaces, quotes and the weak mark. */
static bool header_value(const char *line, const char *name, char *value, size_t bytes)
{
    size_t n = strlen(name);
    if (strncasecmp(line, name, n) != 0 || line[n] != ':')
        return false;
    const char *from = line + n + 1;
    from += strspn(from, " \t");
    if (strncmp(from, "W/", 2) == 0)
        from += 2;
    from += *from == '"';
    size_t length = strcspn(from, "\"\r\n");
    while (length && (from[length - 1] == ' ' || from[length - 1] == '\t'))
        length--;
    if (length >= bytes)
        length = bytes - 1;
    memcpy(value, from, length);
    value[length] = 0;
    return true;
}

static bool parse_size(const char *text, uint64_t *bytes)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    unsigned long long value = strtoull(text, &end, 10);
    if (*end && *end != ' ')
        return false;
    *bytes = value;
    return true;
}

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
    request *r = user;
    fetch_http_facts *facts = r->facts;
    size_t bytes = size * count;
    char line[512], value[256];
    size_t length = bytes < sizeof line ? bytes : sizeof line - 1;
    memcpy(line, data, length);
    line[length] = 0;
    r->header_bytes += bytes;
    if (r->header_bytes > MAX_HEADER_BYTES)
        return 0;

    uint64_t number;
    if (strncmp(line, "HTTP/", 5) == 0) {
        facts->range_start = 0;
        facts->encoded = facts->gated = false;
        if (!r->linked)
            facts->file_bytes = FETCH_BYTES_UNKNOWN;
    } else if (header_value(line, "x-linked-etag", value, sizeof value)) {
        r->linked |= fetch_digest_parse(value, facts->sha256);
    } else if (header_value(line, "x-linked-size", value, sizeof value)) {
        if (parse_size(value, &number))
            facts->file_bytes = number;
    } else if (header_value(line, "etag", value, sizeof value)) {
        if (!r->linked)
            fetch_digest_parse(value, facts->sha256);
    } else if (header_value(line, "content-length", value, sizeof value)) {
        long status = 0;
        curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
        if (status == 200 && !r->linked && parse_size(value, &number))
            facts->file_bytes = number;
    } else if (header_value(line, "x-error-code", value, sizeof value)) {
        facts->gated = strcmp(value, "GatedRepo") == 0;
    } else if (header_value(line, "content-encoding", value, sizeof value)) {
        facts->encoded = value[0] && strcasecmp(value, "identity") != 0;
    } else if (header_value(line, "content-range", value, sizeof value)) {
        const char *dash = strchr(value, '-'), *slash = strchr(value, '/');
        if (strncasecmp(value, "bytes ", 6) == 0 && dash && slash) {
            facts->range_start = strtoull(value + 6, NULL, 10);
            if (parse_size(slash + 1, &number))
                facts->file_bytes = number;
        }
    }
    return bytes;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    request *r = user;
    size_t bytes = size * count;
    if (!r->begun) {
        curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &r->facts->status);
        r->page = r->facts->status != 200 && r->facts->status != 206;
        if (r->page)
            return CURL_WRITEFUNC_ERROR; /* whatever its length */
        r->begun = true;
        if (r->sink)
            r->sink_status = r->sink->begin(r->sink->user, r->facts, r->err);
    }
    if (!r->sink_status && r->sink)
        r->sink_status = r->sink->put(r->sink->user, data, bytes, r->err);
    r->got += bytes;
    return r->sink_status ? CURL_WRITEFUNC_ERROR : bytes;
}

static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
    request *r = user;
    (void)total, (void)now, (void)up_total, (void)up_now;
    if (!r->run || !r->run->progress)
        return 0;
    uint64_t all = r->facts->file_bytes == FETCH_BYTES_UNKNOWN ? 0 : r->facts->file_bytes;
    uint64_t before = r->begun ? r->facts->range_start : r->from;
    r->stopped = r->run->progress(r->run->user, "download", (size_t)(before + r->got), (size_t)all) != 0;
    return r->stopped;
}

/* Allow plain http only if the caller's own address is plain http: no redirect may lower that. */
static CURLcode allow_protocols(CURL *curl, const char *url)
{
    bool secure = strncasecmp(url, "https:", 6) == 0;
#if LIBCURL_VERSION_NUM >= 0x075500
    CURLcode code = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    return code ? code : curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
#else
    CURLcode code = curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
    return code ? code
                : curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS,
                                   (long)(secure ? CURLPROTO_HTTPS : CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static bool worth_another_try(CURLcode code, long status)
{
    switch (code) {
    case CURLE_OK: return status == 408 || status == 429 || status >= 500;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR: return true;
    default: return false;
    }
}

static dp_status explain(const request *r, CURLcode code, const char *text, dp_error *err)
{
    if (r->sink_status)
        return r->sink_status;
    if (r->stopped || code == CURLE_ABORTED_BY_CALLBACK)
        return fetch_fail(err, DP_E_CANCELLED, "%s: stopped", r->shown);
    if (code == CURLE_OUT_OF_MEMORY)
        return fetch_fail(err, DP_E_MEMORY, "%s: not enough memory", r->shown);
    if (r->header_bytes > MAX_HEADER_BYTES)
        return fetch_fail(err, DP_E_IO, "%s: the server's answer has more than %zu bytes of headers", r->shown,
                          MAX_HEADER_BYTES);
    if (code && !r->page)
        return fetch_fail(err, DP_E_IO, "%s: %s", r->shown, text[0] ? text : curl_easy_strerror(code));
    switch (r->facts->status) {
    case 401:
    case 403:
        return fetch_fail(err, DP_E_IO, "%s: the server refuses access (HTTP status %ld)", r->shown, r->facts->status);
    case 404:
    case 410:
        return fetch_fail(err, DP_E_IO, "%s: the server has no such file (HTTP status %ld)", r->shown,
                          r->facts->status);
    default: return fetch_fail(err, DP_E_IO, "%s: the server answers with HTTP status %ld", r->shown, r->facts->status);
    }
}

/* Scheme, host and port of an address, as "https huggingface.co 443"; free. NULL: this is no address, or no memory. */
static char *origin_of(const char *url)
{
    CURLU *parsed = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *text = NULL;
    if (parsed && !curl_url_set(parsed, CURLUPART_URL, url, 0) && !curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0)
        && !curl_url_get(parsed, CURLUPART_HOST, &host, 0)
        && !curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)) {
        size_t bytes = strlen(scheme) + strlen(host) + strlen(port) + 3;
        text = malloc(bytes);
        if (text)
            snprintf(text, bytes, "%s %s %s", scheme, host, port);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parsed);
    return text;
}

static bool same_origin(const char *a, const char *b)
{
    char *of_a = origin_of(a), *of_b = origin_of(b);
    bool same = of_a && of_b && strcasecmp(of_a, of_b) == 0;
    free(of_a);
    free(of_b);
    return same;
}

/* True if a secret may go to this address: nobody on the way can read it, and the address holds no other secret. */
static bool is_private(const char *url)
{
    static const char *const own[] = {"http 127.0.0.1 ", "http localhost ", "http [::1] "};
    char *origin = origin_of(url);
    bool may = origin && strncmp(origin, "https ", 6) == 0;
    for (size_t i = 0; origin && i < sizeof own / sizeof *own; i++)
        may |= strncasecmp(origin, own[i], strlen(own[i])) == 0;
    free(origin);
    size_t host = strcspn(url, "/");
    const char *begin = url + host + strspn(url + host, "/");
    return may && !memchr(begin, '@', strcspn(begin, "/?#"));
}

/* Sets the token if it may go there. libcurl does not send it to other hosts after a redirect. */
static CURLcode set_token(request *r, CURL *curl, const char *token)
{
    r->facts->token_sent = token && *token && is_private(r->url);
    if (!r->facts->token_sent)
        return CURLE_OK;
    CURLcode code = curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    return code ? code : curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, token);
}

/* Makes a handle with everything that both requests share. NULL: memory is short. */
static CURL *open_request(request *r, const fetch_http_how *how, char *text)
{
    CURL *curl = curl_easy_init();
    if (!curl)
        return NULL;
    char agent[64];
    snprintf(agent, sizeof agent, "dinopatch/%s", dp_version());
    if (curl_easy_setopt(curl, CURLOPT_URL, r->url) || allow_protocols(curl, r->url)
        || curl_easy_setopt(curl, CURLOPT_USERAGENT, agent) || curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L)
        || curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text) || curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L)
        || curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS)
        || curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L)
        || curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)(how->stall_s ? how->stall_s : 1))
        || set_token(r, curl, how->token) || curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header)
        || curl_easy_setopt(curl, CURLOPT_HEADERDATA, r) || curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body)
        || curl_easy_setopt(curl, CURLOPT_WRITEDATA, r) || curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress)
        || curl_easy_setopt(curl, CURLOPT_XFERINFODATA, r)) {
        curl_easy_cleanup(curl);
        return NULL;
    }
    r->curl = curl;
    return curl;
}

dp_status fetch_http_head(const char *url, const fetch_http_how *how, fetch_http_facts *facts, bool *again,
                          dp_error *err)
{
    char text[CURL_ERROR_SIZE] = "", *next = strdup(url);
    *facts = (fetch_http_facts){.file_bytes = FETCH_BYTES_UNKNOWN};
    *again = false;
    request r = {.url = url, .shown = fetch_url_shown(url), .run = how->run, .facts = facts, .err = err};
    CURL *curl = next && r.shown ? open_request(&r, how, text) : NULL;
    if (!curl || curl_easy_setopt(curl, CURLOPT_NOBODY, 1L)) {
        free(next);
        free(r.shown);
        curl_easy_cleanup(curl);
        return fetch_fail_memory(err, "a request", 1);
    }
    CURLcode code = CURLE_OK;
    for (long hops = 0; !code; hops++) {
        code = curl_easy_setopt(curl, CURLOPT_URL, next);
        if (!code)
            code = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &facts->status);
        char *location = NULL;
        curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &location);
        if (code || facts->status / 100 != 3 || !location || r.linked)
            break;
        if (hops == MAX_REDIRECTS || (strncasecmp(url, "https:", 6) == 0 && strncasecmp(location, "https:", 6) != 0)) {
            code = hops == MAX_REDIRECTS ? CURLE_TOO_MANY_REDIRECTS : CURLE_UNSUPPORTED_PROTOCOL;
            char *shown = fetch_url_shown(location);
            snprintf(text, sizeof text, "%sredirected to %.200s",
                     hops == MAX_REDIRECTS ? "too many redirects, the last one " : "", shown ? shown : "another place");
            free(shown);
            break;
        }
        char *copy = strdup(location);
        free(next);
        next = copy;
        code = next ? CURLE_OK : CURLE_OUT_OF_MEMORY;
        if (!code && !same_origin(url, next))
            code = curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, NULL);
    }
    *again = r.header_bytes <= MAX_HEADER_BYTES && worth_another_try(code, facts->status);
    dp_status status = DP_OK;
    /* Some servers refuse HEAD and some storage servers sign GET only; that does not mean that they refuse the file. */
    bool refused = facts->status / 100 != 2 && !r.linked
                   && (facts->gated || (facts->status != 403 && facts->status != 405 && facts->status != 501));
    if (code || refused)
        status = explain(&r, code, text, err);
    curl_easy_cleanup(curl);
    free(next);
    free(r.shown);
    return status;
}

dp_status fetch_http_get(const char *url, uint64_t from, const fetch_http_how *how, const fetch_http_sink *sink,
                         fetch_http_facts *facts, bool *again, dp_error *err)
{
    char text[CURL_ERROR_SIZE] = "", range[32];
    *facts = (fetch_http_facts){.file_bytes = FETCH_BYTES_UNKNOWN};
    *again = false;
    request r = {.url = url,
                 .shown = fetch_url_shown(url),
                 .run = how->run,
                 .sink = sink,
                 .facts = facts,
                 .from = from,
                 .err = err};
    CURL *curl = r.shown ? open_request(&r, how, text) : NULL;
    snprintf(range, sizeof range, "%llu-", (unsigned long long)from);
    if (!curl || curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L)
        || curl_easy_setopt(curl, CURLOPT_MAXREDIRS, MAX_REDIRECTS)
        || (from && curl_easy_setopt(curl, CURLOPT_RANGE, range))) {
        curl_easy_cleanup(curl);
        free(r.shown);
        return fetch_fail_memory(err, "a request", 1);
    }
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &facts->status);
    dp_status status = DP_OK;
    if (r.page)
        code = CURLE_OK; /* the status tells everything */
    if (!code && !r.begun && (facts->status == 200 || facts->status == 206))
        r.sink_status = sink->begin(sink->user, facts, err);
    if (code || r.sink_status || (facts->status != 200 && facts->status != 206 && facts->status != 416)) {
        status = explain(&r, code, text, err);
        *again = !r.sink_status && status != DP_E_CANCELLED && r.header_bytes <= MAX_HEADER_BYTES
                 && worth_another_try(code, facts->status);
    }
    curl_easy_cleanup(curl);
    free(r.shown);
    return status;
}
