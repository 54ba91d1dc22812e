/* SPDX-License-Identifier: Apache-2.0 */
/* inspect_rows.c - what `inspect` prints about one picture, and about all of them. */
#include "inspect_rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

dp_label cli_row_label(const cli_row *row)
{
    return row->result ? row->result->label : DP_LABEL_NOT_INSPECTED;
}

/* The reason, with the long options of this program; g_free. NULL: the label needs none. */
static char *reason_of(const cli_row *row)
{
    const char *reason = row->result ? row->result->reason : row->fault;
    return reason && *reason ? cli_spelled(reason) : NULL;
}

/* ------------------------------------------------------------------------------------------------------ all of them */

void cli_tally_add(cli_tally *tally, const cli_row *row)
{
    switch (cli_row_label(row)) {
    case DP_LABEL_GOOD: tally->n_good++; break;
    case DP_LABEL_ANOMALOUS: tally->n_anomalous++; break;
    case DP_LABEL_NOT_INSPECTED: tally->n_not_inspected++; break;
    case DP_LABEL_NONE: tally->n_unlabelled++; break;
    }
    tally->n_failed += row->fault != NULL;
}

static size_t n_pictures(const cli_tally *tally)
{
    return tally->n_good + tally->n_anomalous + tally->n_not_inspected + tally->n_unlabelled;
}

char *cli_tally_text(const cli_tally *tally, bool unlabelled)
{
    size_t n = n_pictures(tally);
    char *more = unlabelled ? g_strdup_printf(", %zu unlabelled", tally->n_unlabelled) : g_strdup("");
    char *text = g_strdup_printf("%zu picture%s: %zu good, %zu anomalous, %zu not inspected%s", n, n == 1 ? "" : "s",
                                 tally->n_good, tally->n_anomalous, tally->n_not_inspected, more);
    g_free(more);
    return text;
}

json_t *cli_tally_json(const cli_tally *tally)
{
    return cli_json_pack("{s:{s:I, s:I, s:I, s:I, s:I, s:I}}", "summary", "pictures", (json_int_t)n_pictures(tally),
                         "good", (json_int_t)tally->n_good, "anomalous", (json_int_t)tally->n_anomalous,
                         "not_inspected", (json_int_t)tally->n_not_inspected, "unlabelled",
                         (json_int_t)tally->n_unlabelled, "failed", (json_int_t)tally->n_failed);
}

/* ------------------------------------------------------------------------------------------------------------- JSON */

static json_t *json_label(const cli_row *row)
{
    dp_label label = cli_row_label(row);
    return label == DP_LABEL_NONE ? json_null() : json_string(dp_label_name(label));
}

static json_t *json_defects(const cli_row *row)
{
    json_t *list = json_array();
    for (size_t i = 0; row->result && i < row->result->n_defects; i++) {
        const dp_defect *d = &row->result->defects[i];
        const char *nearest = dp_bank_picture_name(row->bank, d->nearest_picture);
        cli_json_append(list,
                        cli_json_pack("{s:[o,o,o,o], s:o, s:o, s:o, s:o, s:o}", "bbox_xyxy", cli_json_real(d->x0_px),
                                      cli_json_real(d->y0_px), cli_json_real(d->x1_px), cli_json_real(d->y1_px),
                                      "area_px", cli_json_real(d->area_px), "peak", cli_json_real(d->peak), "nearest",
                                      cli_json_text(nearest), "nearest_at",
                                      isnan(d->nearest_x_px) ? json_null()
                                                             : cli_json_pack("[o,o]", cli_json_real(d->nearest_x_px),
                                                                             cli_json_real(d->nearest_y_px)),
                                      "explained",
                                      i < row->explained->len ? cli_json_text(row->explained->pdata[i]) : json_null()));
    }
    return list;
}

/* How much of the picture was inspected. */
static json_t *json_coverage(const dp_result *result)
{
    json_t *crop =
        isnan(result->crop_x0_px)
            ? json_null()
            : cli_json_pack("[o,o,o,o]", cli_json_real(result->crop_x0_px), cli_json_real(result->crop_y0_px),
                            cli_json_real(result->crop_x1_px), cli_json_real(result->crop_y1_px));
    return cli_json_pack("{s:o, s:o, s:o, s:o}", "inspected_fraction", cli_json_real(result->inspected_fraction),
                         "roi_fraction", cli_json_real(result->roi_fraction), "masked_fraction",
                         cli_json_real(result->masked_fraction), "crop_xyxy", crop);
}

static json_t *json_align(const dp_result *result)
{
    if (!result)
        return json_null();
    json_t *align = cli_json_pose(&result->pose);
    cli_json_set(align, "polarity", json_integer(result->polarity));
    cli_json_set(align, "valid_fraction", cli_json_real(result->valid_fraction));
    return align;
}

static json_t *json_map(const cli_row *row)
{
    json_t *map = json_object();
    cli_json_set(map, "path", row->map_path ? cli_json_text(row->map_path) : json_null());
    if (row->map_path)
        cli_json_bytes(map, "path", row->map_path);
    cli_json_set(map, "shape",
                 !row->result
                     ? json_null()
                     : cli_json_pack("[I,I]", (json_int_t)row->result->height_px, (json_int_t)row->result->width_px));
    return map;
}

/* The drawing is beside the map. */
static json_t *json_heat(const cli_row *row)
{
    json_t *heat = json_object();
    char *stem = row->map_path ? g_strndup(row->map_path, strlen(row->map_path) - strlen(".map.tiff")) : NULL;
    char *path = stem ? g_strconcat(stem, ".heat.png", NULL) : NULL;
    cli_json_set(heat, "path", path ? cli_json_text(path) : json_null());
    if (path)
        cli_json_bytes(heat, "path", path);
    g_free(path);
    g_free(stem);
    return heat;
}

json_t *cli_row_json(const cli_row *row)
{
    const dp_result *result = row->result;
    g_autofree char *reason = reason_of(row);
    json_t *line = json_object();
    cli_json_set(line, "input", cli_json_text(row->path));
    cli_json_set(line, "status", json_string(row->fault ? "error" : "ok"));
    cli_json_set(line, "label", json_label(row));
    cli_json_set(line, "reason", reason ? cli_json_text(reason) : json_null());
    cli_json_set(line, "score", result ? cli_json_real(result->score) : json_null());
    cli_json_set(line, "threshold", cli_json_real(row->threshold));
    cli_json_set(line, "p_value", result ? cli_json_real(result->p_value) : json_null());
    cli_json_set(line, "cell_threshold", cli_json_real(row->cell_threshold));
    cli_json_set(line, "align", json_align(result));
    cli_json_set(line, "map", json_map(row));
    cli_json_set(line, "heat", json_heat(row));
    cli_json_set(line, "defects", json_defects(row));
    cli_json_set(line, "ms", cli_json_ms(row->ms));
    cli_json_set(line, "embed_ms", result ? cli_json_ms(result->embed_ms) : json_null());
    cli_json_set(line, "search_ms", result ? cli_json_ms(result->search_ms) : json_null());
    cli_json_set(line, "coverage", result ? json_coverage(result) : json_null());
    cli_json_set(line, "nearest_similarity", result ? cli_json_real(result->nearest_similarity) : json_null());
    if (row->fault)
        cli_json_set(line, "error", cli_json_text(row->fault));
    cli_json_bytes(line, "input", row->path);
    return line;
}

/* -------------------------------------------------------------------------------------------------------------- CSV */

static void put_real(GString *out, double value, const char *format)
{
    if (isfinite(value))
        g_string_append_printf(out, format, value);
}

static void put_input(GString *out, const cli_row *row)
{
    g_string_append(out, row->path);
}

static void put_status(GString *out, const cli_row *row)
{
    g_string_append(out, row->fault ? "error" : "ok");
}

static void put_label(GString *out, const cli_row *row)
{
    dp_label label = cli_row_label(row);
    g_string_append(out, label == DP_LABEL_NONE ? "" : dp_label_name(label));
}

static void put_reason(GString *out, const cli_row *row)
{
    g_autofree char *reason = reason_of(row);
    g_string_append(out, reason ? reason : "");
}

static void put_score(GString *out, const cli_row *row)
{
    put_real(out, row->result ? row->result->score : NAN, "%.9g");
}

static void put_threshold(GString *out, const cli_row *row)
{
    put_real(out, row->threshold, "%.9g");
}

static void put_p_value(GString *out, const cli_row *row)
{
    put_real(out, row->result ? row->result->p_value : NAN, "%.6g");
}

static void put_cell_threshold(GString *out, const cli_row *row)
{
    put_real(out, row->cell_threshold, "%.9g");
}

static void put_align_status(GString *out, const cli_row *row)
{
    g_string_append(out, row->result ? dp_align_status_name(row->result->pose.status) : "");
}

static void put_polarity(GString *out, const cli_row *row)
{
    if (row->result)
        g_string_append_printf(out, "%d", row->result->polarity);
}

static void put_valid_fraction(GString *out, const cli_row *row)
{
    put_real(out, row->result ? row->result->valid_fraction : NAN, "%.6g");
}

static void put_defects(GString *out, const cli_row *row)
{
    if (row->result)
        g_string_append_printf(out, "%zu", row->result->n_defects);
}

static void put_map_path(GString *out, const cli_row *row)
{
    g_string_append(out, row->map_path ? row->map_path : "");
}

static void put_ms(GString *out, const cli_row *row)
{
    if (!cli_times_hidden())
        g_string_append_printf(out, "%.3f", row->ms);
}

static void put_error(GString *out, const cli_row *row)
{
    g_string_append(out, row->fault ? row->fault : "");
}

static void put_similarity(GString *out, const cli_row *row)
{
    put_real(out, row->result ? row->result->nearest_similarity : NAN, "%.9g");
}

/* The columns: header, rows and help come from this table. */
static const struct {
    const char *name;
    void (*put)(GString *out, const cli_row *row);
    const char *what;
} columns[] = {
    {"input", put_input, "the picture, as given"},
    {"status", put_status, "ok, or error if the picture could not be read or its outputs not written"},
    {"label", put_label, "good, anomalous, not_inspected; empty if there is no threshold"},
    {"reason", put_reason, "why the picture was not inspected, or what makes an anomalous one unlike the part"},
    {"score", put_score, "score of the picture, after post-processing"},
    {"threshold", put_threshold, "picture threshold: a score above it is anomalous"},
    {"p_value", put_p_value, "p-value of the score among those of the good pictures"},
    {"cell_threshold", put_cell_threshold, "cell threshold: cells above it are drawn as defects"},
    {"align_status", put_align_status, "ok, off, few_edges, round, cut, unlike"},
    {"polarity", put_polarity, "1; -1 turned or mirrored; 0 unknown"},
    {"valid_fraction", put_valid_fraction, "share of the canvas that lies inside the picture"},
    {"defects", put_defects, "number of defects"},
    {"map_path", put_map_path, "the TIFF of distances that --out wrote"},
    {"ms", put_ms, "milliseconds from the file to the result"},
    {"error", put_error, "what failed, if status is error"},
    {"nearest_similarity", put_similarity, "cosine to the good picture most like it, of a bank with retrieval"},
};

/* RFC 4180: quotes only a text that needs it. */
static void print_csv_text(const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

void cli_row_print_csv(const cli_row *row)
{
    GString *field = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(columns); i++) {
        g_string_truncate(field, 0);
        columns[i].put(field, row);
        if (i)
            putchar(',');
        print_csv_text(field->str);
    }
    putchar('\n');
    g_string_free(field, TRUE);
}

void cli_row_print_csv_header(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(columns); i++)
        printf("%s%s", i ? "," : "", columns[i].name);
    putchar('\n');
}

char *cli_row_csv_help(void)
{
    GString *help = g_string_new("Columns of --csv, in this order:");
    for (size_t i = 0; i < G_N_ELEMENTS(columns); i++)
        g_string_append_printf(help, "\n  %-18s %s", columns[i].name, columns[i].what);
    return g_string_free(help, FALSE);
}

/* ------------------------------------------------------------------------------------------------------------- text */

void cli_row_print_text(const cli_row *row)
{
    const dp_result *result = row->result;
    dp_label label = cli_row_label(row);
    g_autofree char *reason = reason_of(row);
    printf("%s: %s", cli_shown(row->path), label == DP_LABEL_NONE ? "no threshold" : dp_label_name(label));
    if (!result) /* stderr has the reason */
        fputs(" (cannot be read)", stdout);
    else if (reason)
        printf(" (%s)", reason);
    if (result && isfinite(result->score))
        printf(", score %.4f", result->score);
    if (result && isfinite(row->threshold))
        printf(" (threshold %.4f)", row->threshold);
    if (result && result->n_defects)
        printf(", %zu defect%s, largest at (%.0f, %.0f)", result->n_defects, result->n_defects > 1 ? "s" : "",
               (result->defects[0].x0_px + result->defects[0].x1_px) / 2,
               (result->defects[0].y0_px + result->defects[0].y1_px) / 2);
    if (result && !cli_times_hidden())
        printf(", %.0f ms", row->ms);
    putchar('\n');
}
