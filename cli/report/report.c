/* SPDX-License-Identifier: Apache-2.0 */
/* report.c - writes the page from top to bottom: table, then figures, curves, wrong calls and gallery of each run,
 * settings last. */
#include "report.h"
#include "../marks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A picture of a run. */
struct shown {
    const json_t *value;
    double score;
    int label;
    bool wrong; /* the bank's threshold called it wrongly */
};

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static void cell(GString *html, double value, const char *format)
{
    char shown[64];
    g_ascii_formatd(shown, sizeof shown, format, value);
    html_add(html, "<td>%s</td>", isnan(value) ? "&ndash;" : shown);
}

static bool write_file(const char *path, const GString *text)
{
    dp_error err;
    bool good = dp_file_write(path, text->str, text->len, &err) == DP_OK;
    if (!good)
        cli_complain("%s", err.message);
    return good;
}

/* ------------------------------------------------------------------------------------------------------- the table */

/* Ends a row that has a reason in place of figures. False: it has figures. */
static bool not_possible(GString *html, const json_t *row, size_t columns)
{
    const char *reason = text(row, "not_possible");
    if (!*reason)
        return false;
    html_add(html, "<td class=\"words\" colspan=\"%zu\">not possible: ", columns);
    html_text(html, reason);
    g_string_append(html, "</td></tr>");
    return true;
}

static void table(GString *html, json_t *metrics)
{
    static const char *const keys[] = {"image_auroc", "image_ap",     "image_f1_max", "pixel_auroc",
                                       "pixel_ap",    "pixel_f1_max", "aupro_30",     "aupro_05"};
    g_string_append(html,
                    "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th>Category</th><th>AUROC</th><th>AP</th>"
                    "<th>F1-max</th><th>pixel AUROC</th><th>pixel AP</th><th>pixel F1</th><th>AU-PRO 0.30</th>"
                    "<th>AU-PRO 0.05</th></tr></thead><tbody>");
    const char *name;
    json_t *row;
    json_object_foreach(metrics, name, row)
    {
        g_string_append(html, "<tr><td>");
        html_text(html, name);
        json_int_t of = json_integer_value(json_object_get(row, "categories")); /* the mean over so many categories */
        if (of && (size_t)of + 1 < json_object_size(metrics))
            html_add(html, " of %d", (int)of);
        g_string_append(html, "</td>");
        if (not_possible(html, row, G_N_ELEMENTS(keys)))
            continue;
        for (size_t k = 0; k < G_N_ELEMENTS(keys); k++)
            cell(html, number(row, keys[k]), "%.4f");
        g_string_append(html, "</tr>");
        const json_t *deviation = json_object_get(row, "deviation");
        if (!deviation)
            continue;
        g_string_append(html, "<tr class=\"soft\"><td>&plusmn; over seeds</td>");
        for (size_t k = 0; k < G_N_ELEMENTS(keys); k++)
            cell(html, number(deviation, keys[k]), "%.4f");
        g_string_append(html, "</tr>");
    }
    g_string_append(html, "</tbody></table></div>");
}

/* --------------------------------------------------------------------------------------------------------- one run */

static int by_score(const void *a, const void *b)
{
    const struct shown *x = a, *y = b;
    return (x->score < y->score) - (x->score > y->score);
}

static void confusion(GString *html, const json_t *figures)
{
    static const char *const parts[] = {"at_bank_threshold", "at_f1_max"};
    static const char *const titles[] = {"from the good pictures alone", "best F1, found with the labels"};
    static const char *const keys[] = {"true_positives", "false_positives", "false_negatives", "true_negatives"};
    static const char *const shares[] = {"accuracy", "precision", "recall", "f1"};
    g_string_append(
        html, "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th>Threshold</th><th></th><th>found</th>"
              "<th>false alarms</th><th>missed</th><th>passed</th><th>accuracy</th><th>precision</th><th>recall</th>"
              "<th>F1</th></tr></thead><tbody>");
    for (size_t p = 0; p < G_N_ELEMENTS(parts); p++) {
        const json_t *part = json_object_get(figures, parts[p]);
        if (!part)
            continue;
        html_add(html, "<tr><td>%s</td>", titles[p]);
        cell(html, number(part, "threshold"), "%.4f");
        for (size_t k = 0; k < G_N_ELEMENTS(keys); k++)
            cell(html, number(part, keys[k]), "%.0f");
        for (size_t k = 0; k < G_N_ELEMENTS(shares); k++)
            cell(html, number(part, shares[k]), "%.4f");
        g_string_append(html, "</tr>");
    }
    g_string_append(html, "</tbody></table></div>");
}

static void intervals(GString *html, const json_t *figures)
{
    static const char *const keys[] = {"image_auroc", "image_ap", "image_f1_max"};
    static const char *const names[] = {"AUROC", "average precision", "F1-max"};
    const json_t *all = json_object_get(figures, "intervals_95");
    g_string_append(html, "<p class=\"soft\">95&nbsp;% intervals (bootstrap):");
    for (size_t k = 0; k < G_N_ELEMENTS(keys); k++) {
        const json_t *pair = json_object_get(all, keys[k]), *low = json_array_get(pair, 0),
                     *high = json_array_get(pair, 1);
        if (json_is_number(low) && json_is_number(high))
            html_add(html, "%s %s %.4f to %.4f", k ? ";" : "", names[k], json_number_value(low),
                     json_number_value(high));
        else
            html_add(html, "%s %s &ndash;", k ? ";" : "", names[k]);
    }
    g_string_append(html, ".</p>");
}

static bool charts(GString *html, const double *scores, const uint8_t *labels, size_t n, double bank, double best)
{
    static const char *const captions[N_CHARTS] = {
        ("<span class=\"key g\"></span>good<span class=\"key b\"></span>anomalous. "
         "Line: the bank's threshold; dashed: best F1."),
        "ROC curve", "Precision and recall"};
    g_string_append(html, "<div class=\"charts\">");
    bool good = true;
    for (int kind = 0; kind < N_CHARTS && good; kind++) {
        GString *svg;
        good = chart_of(kind, scores, labels, n, bank, best, &svg);
        if (svg) {
            html_add(html, "<figure>%s<figcaption>%s</figcaption></figure>", svg->str, captions[kind]);
            g_string_free(svg, TRUE);
        }
    }
    g_string_append(html, "</div>");
    return good;
}

/* Adds a picture. Somebody may have edited run.json, so only a path below the folder is read. */
static void add_picture(GString *html, const char *folder, const char *place, const char *alt)
{
    bool outside;
    char *path = cli_path_inside(folder, place, &outside);
    html_jpeg(html, path, alt);
    g_free(path);
}

static void picture(GString *html, const char *folder, const struct shown *shown)
{
    const char *place = text(shown->value, "drawn"), *input = text(shown->value, "input"),
               *defect = text(shown->value, "defect");
    char *base = g_path_get_basename(input);
    char *alt = g_strdup_printf("Heat map of %s/%s, score %.4g, %s%s", defect, base, shown->score,
                                shown->label ? "anomalous" : "good", shown->wrong ? ", called wrongly" : "");
    html_add(html, "<figure%s>", shown->wrong ? " class=\"wrong\"" : "");
    if (*place)
        add_picture(html, folder, place, alt);
    g_string_append(html, "<figcaption>");
    if (shown->wrong)
        html_add(html, "<b>%s</b> ", shown->label ? "missed:" : "false alarm:");
    html_text(html, defect);
    g_string_append_c(html, '/');
    html_text(html, base);
    html_add(html, ", score&nbsp;%.4g</figcaption>", shown->score);
    if (*text(shown->value, "explained")) {
        char *words = g_strdup_printf("The largest defect of %s/%s beside the nearest good patch", defect, base);
        add_picture(html, folder, text(shown->value, "explained"), words);
        char *nearest = g_path_get_basename(text(shown->value, "nearest"));
        html_add(html, "<figcaption>largest defect, distance&nbsp;%.4g", number(shown->value, "peak"));
        if (*text(shown->value, "nearest")) {
            g_string_append(html, "; on the right the nearest good patch, from ");
            html_text(html, nearest);
        }
        g_string_append(html, "</figcaption>");
        g_free(nearest);
        g_free(words);
    }
    g_string_append(html, "</figure>");
    g_free(alt);
    g_free(base);
}

static void pictures(GString *html, const char *folder, const struct shown *all, size_t n, size_t most, bool wrong_only)
{
    size_t n_all = 0, n_shown = 0;
    for (size_t i = 0; i < n; i++)
        n_all += !wrong_only || all[i].wrong;
    html_add(html, "<h3>%s</h3>", wrong_only ? "Called wrongly at the bank&rsquo;s threshold" : "Pictures by score");
    if (n_all > most)
        html_add(html, "<p class=\"soft\">%zu of %zu pictures, %s.</p>", most, n_all,
                 wrong_only ? "the highest scores first" : "evenly from the highest score to the lowest");
    else
        html_add(html, "<p class=\"soft\">%zu picture%s.</p>", n_all, n_all == 1 ? "" : "s");
    g_string_append(html, "<div class=\"gallery\">");
    for (size_t i = 0, seen = 0; i < n && n_shown < most; i++) {
        if (wrong_only && !all[i].wrong)
            continue;
        bool take = n_all <= most || wrong_only || seen * most / n_all != (seen + 1) * most / n_all;
        seen++;
        if (!take)
            continue;
        picture(html, folder, &all[i]);
        n_shown++;
    }
    g_string_append(html, "</div>");
}

/* Adds good pictures that the run drew, a list of {"input", "drawn"}. */
static void axes_drawn(GString *html, const char *folder, const json_t *list)
{
    if (!json_array_size(list))
        return;
    g_string_append(html, "<h3>Good pictures with their axes</h3><div class=\"gallery\">");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        if (!*text(one, "drawn"))
            continue;
        char *base = g_path_get_basename(text(one, "input"));
        char *alt = g_strdup_printf("%s with principal axes, centre and canvas", base);
        g_string_append(html, "<figure>");
        add_picture(html, folder, text(one, "drawn"), alt);
        g_string_append(html, "<figcaption>");
        html_text(html, base);
        g_string_append(html, "</figcaption></figure>");
        g_free(alt);
        g_free(base);
    }
    g_string_append(html, "</div>");
}

/* The scored pictures of a run, highest score first. */
struct scored {
    struct shown *all;
    double *scores, ms; /* ms: mean over all pictures; NaN if unknown */
    uint8_t *labels;
    size_t n;
    double bank, best; /* thresholds */
};

static bool not_inspected(const json_t *picture)
{
    return !strcmp(text(picture, "decision"), dp_label_name(DP_LABEL_NOT_INSPECTED));
}

static struct scored scored_of(const json_t *run)
{
    json_t *known = json_object_get(run, "pictures"), *value;
    const json_t *fit = json_object_get(run, "fit"), *figures = json_object_get(run, "figures");
    size_t room = json_object_size(known) + 1;
    struct scored s = {.all = g_new(struct shown, room),
                       .scores = g_new(double, room),
                       .labels = g_new(uint8_t, room),
                       .bank = number(fit, "threshold"),
                       .best = number(json_object_get(figures, "at_f1_max"), "threshold")};
    const char *key;
    json_object_foreach(known, key, value)
    {
        double score = number(value, "score");
        if (!isfinite(score))
            continue;
        int label = json_integer_value(json_object_get(value, "label")) != 0;
        s.all[s.n++] = (struct shown){value, score, label,
                                      !not_inspected(value) && !isnan(s.bank) && (score > s.bank) != (label != 0)};
        s.ms += number(value, "ms");
    }
    qsort(s.all, s.n, sizeof *s.all, by_score);
    for (size_t i = 0; i < s.n; i++) {
        s.scores[i] = s.all[i].score;
        s.labels[i] = (uint8_t)s.all[i].label;
    }
    return s;
}

static void scored_free(struct scored *s)
{
    g_free(s->all);
    g_free(s->scores);
    g_free(s->labels);
}

bool report_save_charts(const json_t *run, const char *folder)
{
    static const char *const names[N_CHARTS] = {"histogram.svg", "roc.svg", "precision-recall.svg"};
    struct scored s = scored_of(run);
    bool good = cli_make_folder(folder);
    for (int kind = 0; kind < N_CHARTS && good; kind++) {
        GString *svg;
        good = chart_of(kind, s.scores, s.labels, s.n, s.bank, s.best, &svg);
        if (!svg)
            continue;
        chart_make_file(svg);
        char *path = g_build_filename(folder, names[kind], NULL);
        good = write_file(path, svg);
        g_free(path);
        g_string_free(svg, TRUE);
    }
    scored_free(&s);
    return good;
}

/* Adds one run. False: complained. */
static bool one_run(GString *html, const char *folder, const char *name, json_t *run, size_t gallery)
{
    const json_t *fit = json_object_get(run, "fit"), *figures = json_object_get(run, "figures");
    if (!figures) /* not evaluated: the table has the reason */
        return true;
    struct scored s = scored_of(run);
    g_string_append(html, "<section><h2>");
    html_text(html, name);
    g_string_append(html, "</h2>");
    html_add(html, "<p>Learned from %.0f good pictures", number(fit, "n_good"));
    if (number(fit, "n_failed") > 0)
        html_add(html, " (%.0f more could not be used)", number(fit, "n_failed"));
    if (isfinite(number(fit, "seconds")))
        html_add(html, " in %.1f s", number(fit, "seconds"));
    html_add(html, "; %zu tested", s.n);
    if (s.n && isfinite(s.ms))
        html_add(html, ", %.0f ms each on average", s.ms / (double)s.n);
    g_string_append(html, ".</p>");
    confusion(html, figures);
    intervals(html, figures);
    bool good = charts(html, s.scores, s.labels, s.n, s.bank, s.best);
    pictures(html, folder, s.all, s.n, gallery, true);
    pictures(html, folder, s.all, s.n, gallery, false);
    axes_drawn(html, folder, json_object_get(fit, "axes"));
    g_string_append(html, "<p class=\"soft\"><small>bank SHA-256 ");
    html_text(html, text(fit, "bank_sha256"));
    g_string_append(html, "</small></p></section>");
    scored_free(&s);
    return good;
}

/* ------------------------------------------------------------------------------------------------------------- all */

static void fact(GString *html, const char *name, const char *value)
{
    g_string_append(html, "<tr><th scope=\"row\">");
    html_text(html, name);
    g_string_append(html, "</th><td>");
    html_text(html, value);
    g_string_append(html, "</td></tr>");
}

static void settings(GString *html, json_t *page)
{
    g_string_append(html, "<section><h2>Settings</h2><table class=\"facts\"><tbody>");
    fact(html, "dinopatch", text(page, "dinopatch"));
    fact(html, "data", text(page, "data"));
    fact(html, "checkpoint", text(page, "model_path"));
    fact(html, "its SHA-256", text(page, "model"));
    fact(html, "pictures\xE2\x80\x99 digest", text(page, "files"));
    const char *key;
    json_t *value, *given = json_object_get(page, "settings");
    json_object_foreach(given, key, value)
    {
        char *option = g_strconcat("--", key, NULL);
        fact(html, option, json_string_value(value));
        g_free(option);
    }
    g_string_append(
        html, "</tbody></table><p class=\"soft\">All other settings are the defaults of this version.</p></section>");
}

static const char page_start[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>dinopatch: ";

bool report_is_page(const char *path)
{
    char start[sizeof page_start] = "";
    FILE *file = fopen(path, "rbe");
    size_t n = file ? fread(start, 1, sizeof start - 1, file) : 0;
    if (file)
        (void)fclose(file);
    return n == sizeof start - 1 && !strcmp(start, page_start);
}

bool report_write(const char *folder, const char *file, size_t gallery)
{
    char *path = g_build_filename(folder, "run.json", NULL);
    json_t *page = cli_json_load(path, 0), *runs = json_object_get(page, "runs");
    if (!json_is_object(runs)) {
        if (page)
            cli_complain("%s: is not what 'dinopatch eval --out' writes", path);
        json_decref(page);
        g_free(path);
        return false;
    }
    g_free(path);
    GString *html = g_string_new(page_start);
    html_text(html, text(page, "data"));
    g_string_append(html, "</title><style>");
    g_string_append(html, report_style);
    g_string_append(html, "</style></head><body><main><h1>Inspection report</h1><p class=\"soft\">");
    html_text(html, text(page, "data"));
    g_string_append(html, "</p>");
    if (json_is_true(json_object_get(page, "model_stand_in")))
        g_string_append(
            html, "<p><strong>The checkpoint is a stand-in of random weights: these figures say nothing.</strong></p>");
    table(html, json_object_get(page, "metrics"));
    const char *name;
    json_t *run;
    bool good = true;
    json_object_foreach(runs, name, run) good = one_run(html, folder, name, run, gallery) && good;
    settings(html, page);
    g_string_append(html, "</main></body></html>\n");
    good = good && write_file(file, html);
    g_string_free(html, TRUE);
    json_decref(page);
    return good;
}
