/* SPDX-License-Identifier: Apache-2.0 */
/* reply.c - answers. */
#include "request.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void take(request *r, unsigned status, struct MHD_Response *response, const char *type, size_t bytes)
{
    if (r->response)
        MHD_destroy_response(r->response);
    r->response = response;
    r->status = status;
    r->answer_bytes = bytes;
    if (response && type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
}

void reply_header(request *r, const char *name, const char *value)
{
    if (r->response)
        MHD_add_response_header(r->response, name, value);
}

static void reply_dumped(request *r, unsigned status, json_t *value, const char *type)
{
    /* As the program prints it: the same bytes. */
    char *text = cli_json_dumped(value, JSON_COMPACT | JSON_REAL_PRECISION(12));
    json_decref(value);
    static char none[] = "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500,"
                         "\"detail\":\"not enough memory for the answer\"}";
    if (text)
        take(r, status, MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE), type, strlen(text));
    else
        take(r, 500, MHD_create_response_from_buffer(strlen(none), none, MHD_RESPMEM_PERSISTENT),
             "application/problem+json", strlen(none));
}

void reply_json(request *r, unsigned status, json_t *value)
{
    reply_dumped(r, status, value, "application/json");
}

void reply_text(request *r, unsigned status, GString *text, const char *type)
{
    size_t length = text->len;
    char *data = g_string_free(text, FALSE);
    take(r, status, MHD_create_response_from_buffer_with_free_callback(length, data, g_free), type, length);
}

void reply_bytes(request *r, unsigned status, GBytes *bytes, const char *type)
{
    gsize length;
    void *data = g_bytes_unref_to_data(bytes, &length);
    take(r, status, MHD_create_response_from_buffer_with_free_callback(length, data, g_free), type, length);
}

void reply_static(request *r, const void *data, size_t bytes, const char *type)
{
    take(r, 200, MHD_create_response_from_buffer(bytes, (void *)data, MHD_RESPMEM_PERSISTENT), type, bytes);
}

void reply_stream(request *r, MHD_ContentReaderCallback read, void *user, MHD_ContentReaderFreeCallback done,
                  const char *type)
{
    take(r, 200, MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read, user, done), type, 0);
}

void reply_empty(request *r, unsigned status)
{
    take(r, status, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT), NULL, 0);
}

/* ---------------------------------------------------------------------------------------------------------- problems */

void reply_problem_with(request *r, unsigned status, const char *detail, const char *key, json_t *value)
{
    const char *title = MHD_get_reason_phrase_for(status);
    json_t *object = cli_json_pack("{s:s, s:s, s:i, s:o}", "type", "about:blank", "title", title ? title : "Error",
                                   "status", (int)status, "detail", cli_json_text(detail));
    if (r->kserve)
        cli_json_set(object, "error", cli_json_text(detail));
    if (key)
        cli_json_set(object, key, value);
    reply_dumped(r, status, object, "application/problem+json");
}

void reply_problem(request *r, unsigned status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *detail = g_strdup_vprintf(format, args);
    va_end(args);
    reply_problem_with(r, status, detail, NULL, NULL);
}

unsigned status_of_fault(dp_status status)
{
    switch (status) {
    case DP_E_ARGUMENT: return 400;
    case DP_E_PICTURE: return 422;
    case DP_E_MISMATCH: return 409;
    case DP_E_MEMORY: return 503;
    case DP_E_CANCELLED: return 503;
    case DP_E_IO: return 503; /* a full disk, a lock of another process: not the fault of who asks, and it passes */
    default: return 500;
    }
}

void reply_fault(request *r, const dp_error *err)
{
    reply_problem(r, status_of_fault(err->status), "%s", err->message);
}
