/* SPDX-License-Identifier: Apache-2.0 */
/* store_page.c - results as one HTML page: no script, nothing loaded from elsewhere. */
#include "store_page.h"
#include "memory_picture.h"
#include "../report/report.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define MOST_ROWS 5000
#define MOST_PICTURES 200
#define PICTURE_PX 240

struct page {
    GString *pictures, *table;
    const char *data;
    char *folder; /* for the small pictures; made when the first is needed */
    size_t n, n_pictures;
};

static dp_status write_jpeg(const void *what, const char *path, dp_error *err)
{
    return dp_picture_save_jpeg(what, path, err);
}

/* A small copy of a kept picture as a data URI; nothing where it is not there. */
static void put_picture(struct page *page, const store_row *row)
{
    const dp_picture_options options = {.max_pixels = (size_t)1 << 28};
    g_autofree char *path = g_build_filename(page->data, "pictures", "results", row->picture, NULL);
    dp_picture *whole = NULL, *small = NULL;
    GBytes *jpeg = NULL;
    if (!page->folder)
        page->folder = g_dir_make_tmp("dinopatch-XXXXXX", NULL);
    if (page->folder && !named_picture_load(path, row->source, &options, &whole, NULL, NULL)
        && !picture_shrink(whole, PICTURE_PX, &small, NULL)
        && !bytes_written(page->folder, write_jpeg, small, &jpeg, NULL)) {
        gsize bytes;
        const void *data = g_bytes_get_data(jpeg, &bytes);
        g_autofree char *text = g_base64_encode(data, bytes);
        html_add(page->pictures, "<img loading=\"lazy\" alt=\"\" src=\"data:image/jpeg;base64,%s\">", text);
        g_bytes_unref(jpeg);
    }
    dp_picture_free(&small);
    dp_picture_free(&whole);
}

static void put_cell(GString *html, const char *text)
{
    g_string_append(html, "<td>");
    html_text(html, text);
    g_string_append(html, "</td>");
}

static void put_number(GString *html, double value)
{
    if (isfinite(value))
        html_add(html, "<td class=\"number\">%.4g</td>", value);
    else
        g_string_append(html, "<td></td>");
}

static int on_row(void *user, const store_row *row)
{
    struct page *page = user;
    g_autofree char *time = store_time_text(row->time_ms);
    page->n++;
    html_add(page->table, "<tr><td>%" G_GINT64_FORMAT "</td>", row->id);
    put_cell(page->table, time);
    put_cell(page->table, row->bank);
    put_cell(page->table, row->source);
    put_cell(page->table, row->label ? row->label : "no threshold");
    put_number(page->table, row->score);
    put_number(page->table, row->threshold);
    put_cell(page->table, row->reason);
    put_cell(page->table, row->verdict);
    g_string_append(page->table, "</tr>\n");
    if (row->picture && page->n_pictures < MOST_PICTURES && g_strcmp0(row->label, "good") != 0) {
        page->n_pictures++;
        g_string_append(page->pictures, "<figure>");
        put_picture(page, row);
        html_add(page->pictures, "<figcaption>%" G_GINT64_FORMAT ", ", row->id);
        html_text(page->pictures, row->source);
        html_add(page->pictures, "<br>%s", row->label ? row->label : "no threshold");
        if (isfinite(row->score))
            html_add(page->pictures, ", score %.4g", row->score);
        g_string_append(page->pictures, "</figcaption></figure>\n");
    }
    return 0;
}

static const char style[] =
    "body{font:16px/1.5 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 "
    "1em;color:#1a1a1a;background:#fff}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25em .6em;border-bottom:1px solid #ddd}"
    ".number{text-align:right}.pictures{display:flex;flex-wrap:wrap;gap:1em}figure{margin:0;max-width:15em}"
    "figcaption{font-size:.85em;overflow-wrap:anywhere}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#16181b}th,td{border-color:#444}}";

dp_status store_page(store *s, const store_filter *filter, const char *data, GString **html, dp_error *err)
{
    struct page page = {.pictures = g_string_new(NULL), .table = g_string_new(NULL), .data = data};
    store_filter shown = *filter;
    store_counts c;
    shown.limit = filter->limit ? MIN(filter->limit, MOST_ROWS) : MOST_ROWS;
    dp_status status = store_count(s, filter, &c, err);
    if (!status)
        status = store_query(s, &shown, on_row, &page, err);
    if (!status) {
        g_autofree char *now = store_time_text(store_now_ms());
        *html =
            g_string_new("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                         "<meta name=\"viewport\" content=\"width=device-width\"><title>dinopatch: results</title>");
        html_add(*html, "<style>%s</style></head>\n<body><h1>Results</h1>\n<p>%s, dinopatch %s.", style, now,
                 dp_version());
        html_add(*html,
                 " In this time%s: %" G_GINT64_FORMAT " good, %" G_GINT64_FORMAT " anomalous, %" G_GINT64_FORMAT
                 " not inspected, %" G_GINT64_FORMAT " without a threshold.</p>\n",
                 filter->bank ? " and of this bank" : "", c.good, c.anomalous, c.not_inspected, c.unlabelled);
        if (page.n_pictures)
            html_add(*html, "<h2>Not good</h2>\n<div class=\"pictures\">\n%s</div>\n", page.pictures->str);
        html_add(*html,
                 "<h2>The newest %zu</h2>\n<table><thead><tr><th>Number</th><th>Time</th><th>Bank</th><th>Source</th>"
                 "<th>Label</th><th>Score</th><th>Threshold</th><th>Reason</th><th>Verdict</th></tr></thead>\n"
                 "<tbody>\n%s</tbody></table>\n</body></html>\n",
                 page.n, page.table->str);
    }
    if (page.folder)
        g_rmdir(page.folder);
    g_free(page.folder);
    g_string_free(page.pictures, TRUE);
    g_string_free(page.table, TRUE);
    return status;
}
