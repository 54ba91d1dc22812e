/* SPDX-License-Identifier: Apache-2.0 */
/* request.c - reading a request. */
#include "request.h"

#include <string.h>

const char *request_query(const request *r, const char *name)
{
    const char *value = MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
    return value;
}

const char *request_header(const request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

bool request_number(request *r, const char *name, int64_t least, int64_t most, int64_t *value)
{
    const char *text = request_query(r, name);
    if (!text)
        return true;
    char *end;
    gint64 number = g_ascii_strtoll(text, &end, 10);
    if (!g_ascii_isdigit(*text) || *end || number < least || number > most) {
        reply_problem(r, 400, "%s=%s: give a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, name, text,
                      least, most);
        return false;
    }
    *value = number;
    return true;
}

bool request_accepts(const request *r, const char *type)
{
    const char *accept = request_header(r, MHD_HTTP_HEADER_ACCEPT);
    const char *wanted = accept ? strstr(accept, type) : NULL,
               *json = accept ? strstr(accept, "application/json") : NULL;
    return wanted && !(json && json < wanted);
}

json_t *request_json(request *r)
{
    const char *type = request_header(r, MHD_HTTP_HEADER_CONTENT_TYPE);
    if (type && g_ascii_strncasecmp(type, "application/json", 16) != 0) {
        reply_problem(r, 415, "the body is of type %s; send application/json", type);
        return NULL;
    }
    json_error_t error;
    json_t *value = json_loadb(r->body ? r->body : "", r->bytes, JSON_REJECT_DUPLICATES, &error);
    if (!value) {
        reply_problem(r, 400, "the body is no JSON: line %d: %s", error.line, error.text);
    } else if (!json_is_object(value)) {
        json_decref(value);
        value = NULL;
        reply_problem(r, 400, "the body is JSON, but no object; send {...}");
    }
    return value;
}

served_bank *request_bank(request *r)
{
    served_bank *bank = bank_name_is_valid(r->part[0]) ? banks_get(r->service->banks, r->part[0]) : NULL;
    if (!bank) {
        reply_problem(r, 404, "there is no bank of that name; GET /v1/banks lists those that there are");
    } else if (bank->broken) {
        reply_problem(r, 503, "bank %s cannot be used: %s", bank->name, bank->broken);
        g_clear_pointer(&bank, served_bank_drop);
    }
    return bank;
}

int64_t request_id(request *r, size_t part, const char *what)
{
    char *end;
    gint64 id = g_ascii_strtoll(r->part[part], &end, 10);
    if (g_ascii_isdigit(*r->part[part]) && !*end && id > 0)
        return id;
    reply_problem(r, 404, "there is no %s of that number", what);
    return 0;
}

bool request_only(request *r, const json_t *object, const char *known, const char *what)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        g_autofree char *word = g_strdup_printf(" %s ", key);
        if (!strchr(key, ' ') && strstr(known, word))
            continue;
        reply_problem(r, 400, "%s: '%s' is not known; it has%s", what, key, known);
        return false;
    }
    return true;
}
