/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint_results.c - what was found, and what people say of it. */
#include "kept.h"
#include "memory_picture.h"
#include "routes.h"

#include <string.h>

#define MOST_ROWS 10000

/* ?since, ?until, ?bank.  False: answered. */
static bool read_span(request *r, store_filter *filter)
{
    const char *since = request_query(r, "since"), *until = request_query(r, "until");
    const char *wrong = since && !store_time_read(since, false, &filter->since_ms)  ? since
                        : until && !store_time_read(until, true, &filter->until_ms) ? until
                                                                                    : NULL;
    filter->bank = request_query(r, "bank");
    if (wrong)
        reply_problem(r, 400, "%s: is no time; give a day like 2026-11-30, a time like 2026-11-30T14:00:00Z, or today",
                      wrong);
    return !wrong;
}

/* One of the words; absent is one of them.  False: answered. */
static bool read_word(request *r, const char *name, const char *const *words, const char **value)
{
    const char *text = request_query(r, name);
    bool known = !text;
    for (size_t i = 0; !known && words[i]; i++)
        known = !strcmp(text, words[i]);
    if (known) {
        *value = text;
        return true;
    }
    g_autofree char *list = g_strjoinv(", ", (char **)words);
    reply_problem(r, 400, "%s=%s: give one of %s", name, text, list);
    return false;
}

/* "TIME-ID", which an earlier answer said. */
static bool read_before(request *r, store_filter *filter)
{
    const char *text = request_query(r, "before");
    char *end = NULL;
    if (!text)
        return true;
    filter->before_time_ms = g_ascii_strtoll(text, &end, 10);
    if (*end == '-' && g_ascii_isdigit(*text) && g_ascii_isdigit(end[1]))
        filter->before_id = g_ascii_strtoll(end + 1, &end, 10);
    if (*end || filter->before_id <= 0) {
        reply_problem(r, 400, "before=%s: give what 'next' of an earlier answer says", text);
        return false;
    }
    return true;
}

struct page {
    json_t *list;
    GString *csv;
    size_t n, most;
    int64_t last_time_ms, last_id;
    bool more;
};

static int on_row(void *user, const store_row *row)
{
    struct page *page = user;
    page->more = page->n == page->most;
    if (page->more)
        return 1;
    page->n++;
    page->last_time_ms = row->time_ms;
    page->last_id = row->id;
    if (page->csv)
        store_csv_row(page->csv, row);
    else
        cli_json_append(page->list, store_row_json(row));
    return 0;
}

void get_results(request *r)
{
    static const char *const labels[] = {"good", "anomalous", "not_inspected", "none", NULL};
    static const char *const verdicts[] = {"good", "defect", "none", "any", NULL};
    static const char *const formats[] = {"json", "csv", NULL};
    store_filter filter = {0};
    const char *format;
    int64_t limit = 100;
    dp_error err;
    if (!read_span(r, &filter) || !read_word(r, "label", labels, &filter.label)
        || !read_word(r, "verdict", verdicts, &filter.verdict) || !read_word(r, "format", formats, &format)
        || !read_before(r, &filter) || !request_number(r, "limit", 1, MOST_ROWS, &limit))
        return;
    bool csv = format ? !strcmp(format, "csv") : request_accepts(r, "text/csv");
    struct page page = {
        .list = csv ? NULL : json_array(), .csv = csv ? g_string_new(NULL) : NULL, .most = (size_t)limit};
    filter.limit = (size_t)limit + 1;
    if (csv)
        store_csv_header(page.csv);
    dp_status status = store_query(r->service->results, &filter, on_row, &page, &err);
    g_autofree char *next = g_strdup_printf("%" G_GINT64_FORMAT "-%" G_GINT64_FORMAT, page.last_time_ms, page.last_id);
    if (status) {
        reply_fault(r, &err);
        json_decref(page.list);
        if (csv)
            g_string_free(page.csv, TRUE);
    } else if (csv) {
        reply_text(r, 200, page.csv, "text/csv; charset=utf-8; header=present");
    } else {
        reply_json(
            r, 200,
            cli_json_pack("{s:o, s:o}", "results", page.list, "next", page.more ? json_string(next) : json_null()));
    }
}

void get_result_counts(request *r)
{
    store_filter filter = {0};
    store_counts counts;
    dp_error err;
    if (!read_span(r, &filter))
        return;
    if (store_count(r->service->results, &filter, &counts, &err))
        reply_fault(r, &err);
    else
        reply_json(r, 200, store_counts_json(&counts));
}

static int on_one(void *user, const store_row *row)
{
    *(json_t **)user = store_row_json(row);
    return 0;
}

/* The result of the route; NULL: answered. */
static json_t *result_of(request *r, int64_t *id)
{
    json_t *row = NULL;
    bool found;
    dp_error err;
    *id = request_id(r, 0, "result");
    if (!*id)
        return NULL;
    if (store_get(r->service->results, *id, on_one, &row, &found, &err))
        reply_fault(r, &err);
    else if (!found)
        reply_problem(r, 404, "there is no result of that number");
    return row;
}

void get_result(request *r)
{
    int64_t id;
    json_t *row = result_of(r, &id);
    if (row)
        reply_json(r, 200, row);
}

void get_result_picture(request *r)
{
    int64_t id;
    json_t *row = result_of(r, &id);
    if (!row)
        return;
    const char *file = json_string_value(json_object_get(row, "picture"));
    g_autofree char *path = file ? kept_path(r->service, file) : NULL;
    char *data;
    gsize bytes;
    if (path && g_file_get_contents(path, &data, &bytes, NULL))
        reply_bytes(r, 200, g_bytes_new_take(data, bytes), picture_media_type(data, bytes));
    else
        reply_problem(r, 404, "the picture of this result is not kept; --keep says which are");
    json_decref(row);
}

void post_verdict(request *r)
{
    int64_t id = request_id(r, 0, "result");
    json_t *body = id ? request_json(r) : NULL;
    if (!body)
        return;
    const json_t *value = json_object_get(body, "verdict");
    const char *verdict = json_string_value(value);
    bool valid = json_object_size(body) == 1 && value
                 && (json_is_null(value) || (verdict && (!strcmp(verdict, "good") || !strcmp(verdict, "defect"))));
    bool found = false;
    dp_error err;
    if (!valid)
        reply_problem(r, 400, "give {\"verdict\": \"good\"}, \"defect\", or null to take it back");
    else if (store_set_verdict(r->service->results, id, verdict, store_now_ms(), &found, &err))
        reply_fault(r, &err);
    else if (!found)
        reply_problem(r, 404, "there is no result of that number");
    else
        get_result(r);
    json_decref(body);
}

void get_alarms(request *r)
{
    store_filter filter = {0};
    int64_t limit = 100;
    json_t *alarms;
    dp_error err;
    if (!read_span(r, &filter) || !request_number(r, "limit", 1, MOST_ROWS, &limit))
        return;
    filter.limit = (size_t)limit;
    if (drift_store_alarms(r->service->results, &filter, &alarms, &err))
        reply_fault(r, &err);
    else
        reply_json(r, 200, cli_json_pack("{s:o}", "alarms", alarms));
}
