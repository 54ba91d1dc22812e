/* SPDX-License-Identifier: Apache-2.0 */
/* webhook.c - posts messages to a URL. */
#include "webhook.h"
#include "secret.h"
#include "../service/fault.h"
#include "../service/log.h"

#include <curl/curl.h>
#include <string.h>

#define CONNECT_S 10L
#define ANSWER_S 30L

struct webhook {
    CURL *curl;
    struct curl_slist *headers; /* of all posts */
    char *url, *shown;
};

static size_t leave_body(char *bytes, size_t size, size_t n, void *user)
{
    return size * n;
}

static int look_at_stop(void *stop, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    return g_atomic_int_get((const gint *)stop) != 0;
}

static dp_status check_url(const char *text, char **shown, dp_error *err)
{
    g_autoptr(GUri) uri = g_uri_parse(text, G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED, NULL);
    const char *scheme = uri ? g_uri_get_scheme(uri) : NULL;
    if (!uri || !g_uri_get_host(uri) || !*g_uri_get_host(uri)
        || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        return service_fail(err, DP_E_ARGUMENT, "--webhook: is no URL of the kind https://host/path");
    if (g_uri_get_password(uri) || g_uri_get_user(uri))
        return service_fail(
            err, DP_E_ARGUMENT,
            "--webhook: a user or password in the URL is seen by all users of this machine; put a token "
            "into a file and give --webhook-token-file");
    *shown = g_strdup_printf("webhook %s://%s", scheme, g_uri_get_host(uri));
    return DP_OK;
}

dp_status webhook_open(const char *url, const char *token_file, webhook **opened, dp_error *err)
{
    char *shown = NULL, *token = NULL;
    dp_status status = check_url(url, &shown, err);
    if (!status && token_file)
        status = secret_read(token_file, &token, err);
    if (status) {
        g_free(shown);
        return status;
    }
    webhook *hook = g_new0(webhook, 1);
    hook->shown = shown;
    hook->url = g_strdup(url);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    hook->curl = curl_easy_init();
    hook->headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (token) {
        g_autofree char *header = g_strconcat("Authorization: Bearer ", token, NULL);
        hook->headers = curl_slist_append(hook->headers, header);
        secret_free(&token);
    }
    *opened = hook;
    if (hook->curl && hook->headers)
        return DP_OK;
    webhook_close(opened);
    return service_fail(err, DP_E_MEMORY, "not enough memory for a webhook");
}

void webhook_close(webhook **opened)
{
    webhook *hook = *opened;
    *opened = NULL;
    if (!hook)
        return;
    curl_slist_free_all(hook->headers);
    curl_easy_cleanup(hook->curl);
    g_free(hook->url);
    g_free(hook->shown);
    g_free(hook);
}

const char *webhook_shown(const webhook *hook)
{
    return hook->shown;
}

bool webhook_deliver(void *user, const journal_message *message, const gint *stop, dp_error *err)
{
    webhook *hook = user;
    char number[64], fault[CURL_ERROR_SIZE] = "";
    g_snprintf(number, sizeof number, "Dinopatch-Message: %" G_GINT64_FORMAT, message->id);
    struct curl_slist own = {.data = number, .next = hook->headers};
    CURL *curl = hook->curl;
    curl_easy_reset(curl); /* which keeps the connection */
    curl_easy_setopt(curl, CURLOPT_URL, hook->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, message->body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(message->body));
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, &own);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "dinopatch");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, ANSWER_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, leave_body);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_at_stop);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, (void *)stop);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, fault);
    CURLcode code = curl_easy_perform(curl);
    long answer = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer);
    if (code != CURLE_OK) {
        service_fail(err, DP_E_IO, "%s", *fault ? fault : curl_easy_strerror(code));
        return false;
    }
    if (answer == 400 || answer == 413 || answer == 422)
        log_line(LOG_LEVEL_ERROR, "%s: refused a message for good (%ld); it is not sent again", hook->shown, answer);
    else if (answer / 100 != 2)
        service_fail(err, DP_E_IO, "it answered %ld", answer);
    return answer / 100 == 2 || answer == 400 || answer == 413 || answer == 422;
}
