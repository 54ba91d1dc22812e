/* SPDX-License-Identifier: Apache-2.0 */
/* store_text.c - results as JSON and CSV, and the times in them. */
#include "store.h"

#include <math.h>
#include <string.h>

int64_t store_now_ms(void)
{
    return g_get_real_time() / 1000;
}

char *store_time_text(int64_t time_ms)
{
    g_autoptr(GDateTime) seconds = g_date_time_new_from_unix_utc(time_ms / 1000);
    if (!seconds)
        return g_strdup("");
    g_autofree char *text = g_date_time_format(seconds, "%Y-%m-%dT%H:%M:%S");
    return g_strdup_printf("%s.%03dZ", text, (int)(time_ms % 1000));
}

bool store_time_read(const char *text, bool end, int64_t *time_ms)
{
    g_autoptr(GTimeZone) local = g_time_zone_new_local();
    g_autoptr(GDateTime) now = g_date_time_new_now(local);
    bool day = strlen(text) == strlen("2026-11-30") || !strcmp(text, "today");
    g_autofree char *today = g_date_time_format(now, "%Y-%m-%d");
    bool minutes = strlen(text) == strlen("2026-11-30T14:00");
    g_autofree char *whole = g_strconcat(!strcmp(text, "today") ? today : text,
                                         day       ? "T00:00:00"
                                         : minutes ? ":00"
                                                   : "",
                                         NULL);
    g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(whole, local);
    if (!time)
        return false;
    g_autoptr(GDateTime) moved = day && end ? g_date_time_add_days(time, 1) : g_date_time_ref(time);
    if (!moved)
        return false;
    *time_ms = g_date_time_to_unix(moved) * 1000 + g_date_time_get_microsecond(moved) / 1000;
    return true;
}

/* ------------------------------------------------------------------------------------------------------------- JSON */

static const char *text_of(const json_t *line, const char *key)
{
    return json_string_value(json_object_get(line, key));
}

static double real_of(const json_t *line, const char *key)
{
    const json_t *value = json_object_get(line, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

void store_row_fill(store_row *row, const json_t *line, char **defects)
{
    const json_t *list = json_object_get(line, "defects");
    const json_t *shape = json_object_get(json_object_get(line, "map"), "shape");
    *defects = NULL;
    if (json_array_size(list)) {
        char *text = cli_json_dumped(list, JSON_COMPACT | JSON_REAL_PRECISION(12));
        *defects = g_strdup(text);
        free(text);
    }
    row->source = text_of(line, "input");
    row->label = text_of(line, "label");
    row->reason = text_of(line, "reason");
    row->error = text_of(line, "error");
    row->score = real_of(line, "score");
    row->p_value = real_of(line, "p_value");
    row->threshold = real_of(line, "threshold");
    row->cell_threshold = real_of(line, "cell_threshold");
    row->height_px = json_integer_value(json_array_get(shape, 0));
    row->width_px = json_integer_value(json_array_get(shape, 1));
    row->defects = *defects;
    row->ms = real_of(line, "ms");
}

static json_t *json_time(int64_t time_ms)
{
    g_autofree char *text = store_time_text(time_ms);
    return cli_json_text(text);
}

json_t *store_row_json(const store_row *row)
{
    json_t *object = json_object();
    json_t *defects = row->defects ? json_loads(row->defects, 0, NULL) : NULL;
    cli_json_set(object, "id", json_integer(row->id));
    cli_json_set(object, "time", json_time(row->time_ms));
    cli_json_set(object, "bank", cli_json_text(row->bank));
    cli_json_set(object, "bank_sha256", cli_json_text(row->bank_sha256));
    cli_json_set(object, "network_sha256", cli_json_text(row->network_sha256));
    cli_json_set(object, "program", cli_json_text(row->program));
    cli_json_set(object, "source", cli_json_text(row->source));
    cli_json_set(object, "label", cli_json_text(row->label));
    cli_json_set(object, "reason", cli_json_text(row->reason));
    cli_json_set(object, "error", cli_json_text(row->error));
    cli_json_set(object, "score", cli_json_real(row->score));
    cli_json_set(object, "p_value", cli_json_real(row->p_value));
    cli_json_set(object, "threshold", cli_json_real(row->threshold));
    cli_json_set(object, "cell_threshold", cli_json_real(row->cell_threshold));
    cli_json_set(object, "shape",
                 row->height_px ? cli_json_pack("[I,I]", (json_int_t)row->height_px, (json_int_t)row->width_px)
                                : json_null());
    cli_json_set(object, "defects", defects ? defects : json_array());
    cli_json_set(object, "ms", cli_json_real(row->ms));
    cli_json_set(object, "verdict", cli_json_text(row->verdict));
    cli_json_set(object, "verdict_time", row->verdict ? json_time(row->verdict_ms) : json_null());
    cli_json_set(object, "picture", cli_json_text(row->picture));
    cli_json_set(object, "stream", cli_json_text(row->stream));
    return object;
}

json_t *store_counts_json(const store_counts *c)
{
    return cli_json_pack("{s:I, s:I, s:I, s:I, s:I}", "pictures",
                         (json_int_t)(c->good + c->anomalous + c->not_inspected + c->unlabelled), "good",
                         (json_int_t)c->good, "anomalous", (json_int_t)c->anomalous, "not_inspected",
                         (json_int_t)c->not_inspected, "unlabelled", (json_int_t)c->unlabelled);
}

/* -------------------------------------------------------------------------------------------------------------- CSV */

/* Quoted where it must be.  A text that a spreadsheet would take for a formula gets an apostrophe in front. */
static void put_text(GString *text, const char *value)
{
    bool formula = value && strchr("=+-@\t\r", *value) && *value;
    g_string_append_c(text, ',');
    if (!value)
        return;
    bool quoted = strpbrk(value, ",\"\r\n") != NULL;
    if (quoted)
        g_string_append_c(text, '"');
    if (formula)
        g_string_append_c(text, '\'');
    for (; *value; value++) {
        if (*value == '"')
            g_string_append_c(text, '"');
        g_string_append_c(text, *value);
    }
    if (quoted)
        g_string_append_c(text, '"');
}

static void put_real(GString *text, double value)
{
    g_string_append_c(text, ',');
    if (isfinite(value))
        g_string_append_printf(text, "%.12g", value);
}

void store_csv_header(GString *text)
{
    g_string_append(text,
                    "id,time,bank,bank_sha256,network_sha256,program,source,label,reason,error,score,p_value,"
                    "threshold,cell_threshold,width_px,height_px,defects,ms,verdict,verdict_time,picture,stream\n");
}

void store_csv_row(GString *text, const store_row *row)
{
    g_autofree char *time = store_time_text(row->time_ms);
    g_autofree char *verdict_time = row->verdict ? store_time_text(row->verdict_ms) : NULL;
    g_string_append_printf(text, "%" G_GINT64_FORMAT, row->id);
    put_text(text, time);
    put_text(text, row->bank);
    put_text(text, row->bank_sha256);
    put_text(text, row->network_sha256);
    put_text(text, row->program);
    put_text(text, row->source);
    put_text(text, row->label);
    put_text(text, row->reason);
    put_text(text, row->error);
    put_real(text, row->score);
    put_real(text, row->p_value);
    put_real(text, row->threshold);
    put_real(text, row->cell_threshold);
    put_real(text, row->width_px ? (double)row->width_px : NAN);
    put_real(text, row->height_px ? (double)row->height_px : NAN);
    put_text(text, row->defects);
    put_real(text, row->ms);
    put_text(text, row->verdict);
    put_text(text, verdict_time);
    put_text(text, row->picture);
    put_text(text, row->stream);
    g_string_append_c(text, '\n');
}
