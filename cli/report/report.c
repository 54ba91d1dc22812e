/* report.c - the page, from top to bottom: table, then for each run its figures, curves, wrong calls, gallery; settings last. */
#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A picture of a run. */
struct shown {
    const json_t *value;
    double score;
    int label;
    bool wrong; /* against the bank's threshold */
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

/* ------------------------------------------------------------------------------------------------------- the table */

static void table(GString *html, json_t *metrics)
{
    static const char *const keys[] = {"image_auroc", "image_ap", "image_f1_max", "pixel_auroc",
                                       "pixel_ap",    "pixel_f1_max", "aupro_30",   "aupro_05"};
    g_string_append(html, "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th>Category</th><th>AUROC</th><th>AP</th>"
                          "<th>F1-max</th><th>pixel AUROC</th><th>pixel AP</th><th>pixel F1</th><th>AU-PRO 0.30</th>"
                          "<th>AU-PRO 0.05</th></tr></thead><tbody>");
    const char *name;
    json_t *row;
    json_object_foreach(metrics, name, row) {
        g_string_append(html, "<tr><td>");
        html_text(html, name);
        g_string_append(html, "</td>");
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
    g_string_append(html, "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th>Threshold</th><th></th><th>found</th>"
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
        const json_t *pair = json_object_get(all, keys[k]), *low = json_array_get(pair, 0), *high = json_array_get(pair, 1);
        if (json_is_number(low) && json_is_number(high))
            html_add(html, "%s %s %.4f to %.4f", k ? ";" : "", names[k], json_number_value(low), json_number_value(high));
        else
            html_add(html, "%s %s &ndash;", k ? ";" : "", names[k]);
    }
    g_string_append(html, ".</p>");
}

static void charts(GString *html, const double *scores, const uint8_t *labels, size_t n, double bank, double best)
{
    dp_curve_point *points = NULL;
    size_t n_points = 0;
    g_string_append(html, "<div class=\"charts\"><figure>");
    chart_histogram(html, scores, labels, n, bank, best);
    g_string_append(html, "<figcaption><span class=\"key g\"></span>good<span class=\"key b\"></span>anomalous. Line: the bank's "
                          "threshold; dashed: best F1.</figcaption></figure>");
    if (!dp_curve(scores, labels, n, &points, &n_points, NULL)) {
        double *x = g_new(double, n_points), *y = g_new(double, n_points);
        for (size_t i = 0; i < n_points; i++) {
            x[i] = points[i].false_positive_rate;
            y[i] = points[i].recall;
        }
        g_string_append(html, "<figure>");
        chart_curve(html, "ROC curve", "false-positive rate", "recall", x, y, n_points, true);
        g_string_append(html, "<figcaption>ROC curve</figcaption></figure><figure>");
        for (size_t i = 0; i < n_points; i++) {
            x[i] = points[i].recall;
            y[i] = points[i].precision;
        }
        chart_curve(html, "Precision-recall curve", "recall", "precision", x, y, n_points, false);
        g_string_append(html, "<figcaption>Precision and recall</figcaption></figure>");
        g_free(x);
        g_free(y);
        dp_memory_free(points);
    }
    g_string_append(html, "</div>");
}

/* run.json may have been edited: a picture is taken from below the folder only. */
static bool is_inside(const char *place)
{
    if (!*place || g_path_is_absolute(place))
        return false;
    char **parts = g_strsplit(place, "/", -1);
    bool inside = true;
    for (char **part = parts; *part; part++)
        inside &= strcmp(*part, "..") != 0;
    g_strfreev(parts);
    return inside;
}

static void picture(GString *html, const char *folder, const struct shown *shown)
{
    const char *place = text(shown->value, "drawn"), *input = text(shown->value, "input"), *defect = text(shown->value, "defect");
    char *base = g_path_get_basename(input);
    char *alt = g_strdup_printf("Heat map of %s/%s, score %.4g, %s%s", defect, base, shown->score,
                                shown->label ? "anomalous" : "good", shown->wrong ? ", called wrongly" : "");
    html_add(html, "<figure%s>", shown->wrong ? " class=\"wrong\"" : "");
    if (is_inside(place)) {
        char *path = g_build_filename(folder, place, NULL);
        html_jpeg(html, path, alt);
        g_free(path);
    }
    g_string_append(html, "<figcaption>");
    if (shown->wrong)
        html_add(html, "<b>%s</b> ", shown->label ? "missed:" : "false alarm:");
    html_text(html, defect);
    g_string_append_c(html, '/');
    html_text(html, base);
    html_add(html, ", score %.4g</figcaption></figure>", shown->score);
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

/* Pictures that the run drew, a list of {"input", "drawn"}, with "defect" where they are test pictures. */
static void figures_drawn(GString *html, const char *folder, const json_t *list, const char *title, const char *words,
                          const char *alt_words)
{
    if (!json_array_size(list))
        return;
    html_add(html, "<h3>%s</h3>", title);
    if (words)
        html_add(html, "<p class=\"soft\">%s</p>", words);
    g_string_append(html, "<div class=\"gallery\">");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        if (!is_inside(text(one, "drawn")))
            continue;
        char *path = g_build_filename(folder, text(one, "drawn"), NULL), *base = g_path_get_basename(text(one, "input"));
        char *alt = g_strdup_printf("%s %s", base, alt_words);
        g_string_append(html, "<figure>");
        html_jpeg(html, path, alt);
        g_string_append(html, "<figcaption>");
        if (*text(one, "defect")) {
            html_text(html, text(one, "defect"));
            g_string_append_c(html, '/');
        }
        html_text(html, base);
        g_string_append(html, "</figcaption></figure>");
        g_free(alt);
        g_free(base);
        g_free(path);
    }
    g_string_append(html, "</div>");
}

static void one_run(GString *html, const char *folder, const char *name, json_t *run, size_t gallery)
{
    json_t *known = json_object_get(run, "pictures"), *value;
    const json_t *fit = json_object_get(run, "fit"), *figures = json_object_get(run, "figures");
    double bank = number(fit, "threshold"), best = number(json_object_get(figures, "at_f1_max"), "threshold"), ms = 0;
    size_t n = 0, room = json_object_size(known) + 1;
    struct shown *all = g_new(struct shown, room);
    double *scores = g_new(double, room);
    uint8_t *labels = g_new(uint8_t, room);
    const char *key;
    json_object_foreach(known, key, value) {
        double score = number(value, "score");
        if (!isfinite(score))
            continue;
        int label = json_integer_value(json_object_get(value, "label")) != 0;
        all[n++] = (struct shown){value, score, label, !isnan(bank) && (score > bank) != (label != 0)};
        ms += isfinite(number(value, "ms")) ? number(value, "ms") : 0;
    }
    qsort(all, n, sizeof *all, by_score);
    for (size_t i = 0; i < n; i++) {
        scores[i] = all[i].score;
        labels[i] = (uint8_t)all[i].label;
    }
    g_string_append(html, "<section><h2>");
    html_text(html, name);
    g_string_append(html, "</h2>");
    html_add(html, "<p>Learned from %.0f good pictures in %.1f s; %zu tested, %.0f ms each on average.</p>",
             number(fit, "n_good"), number(fit, "seconds"), n, n ? ms / (double)n : 0);
    confusion(html, figures);
    intervals(html, figures);
    charts(html, scores, labels, n, bank, best);
    pictures(html, folder, all, n, gallery, true);
    pictures(html, folder, all, n, gallery, false);
    figures_drawn(html, folder, json_object_get(run, "clusters"), "What the features tell apart",
                  "Each patch in the colour of its k-means cluster; a colour means the same in all of these pictures.",
                  "with the clusters of its features");
    figures_drawn(html, folder, json_object_get(fit, "axes"), "Good pictures with their axes", NULL,
                  "with principal axes, centre and canvas");
    g_string_append(html, "<p class=\"soft\"><small>bank SHA-256 ");
    html_text(html, text(fit, "bank_sha256"));
    g_string_append(html, "</small></p></section>");
    g_free(all);
    g_free(scores);
    g_free(labels);
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
    json_object_foreach(given, key, value) {
        char *option = g_strconcat("--", key, NULL);
        fact(html, option, json_string_value(value));
        g_free(option);
    }
    g_string_append(html, "</tbody></table><p class=\"soft\">All other settings are the defaults of this version.</p></section>");
}

bool report_write(const char *folder, const char *file, size_t gallery)
{
    char *path = g_build_filename(folder, "run.json", NULL);
    json_error_t reason;
    json_t *page = json_load_file(path, 0, &reason), *runs = json_object_get(page, "runs");
    if (!json_is_object(runs)) {
        cli_complain("%s: %s", path, page ? "is not what 'dinopatch eval --out' writes" : reason.text);
        json_decref(page);
        g_free(path);
        return false;
    }
    g_free(path);
    GString *html = g_string_new("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                                 "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>dinopatch: ");
    html_text(html, text(page, "data"));
    g_string_append(html, "</title><style>");
    g_string_append(html, report_style);
    g_string_append(html, "</style></head><body><main><h1>Inspection report</h1><p class=\"soft\">");
    html_text(html, text(page, "data"));
    g_string_append(html, "</p>");
    if (json_is_true(json_object_get(page, "model_stand_in")))
        g_string_append(html, "<p><strong>The checkpoint is a stand-in of random weights: these figures say nothing.</strong></p>");
    table(html, json_object_get(page, "metrics"));
    const char *name;
    json_t *run;
    json_object_foreach(runs, name, run)
        one_run(html, folder, name, run, gallery);
    settings(html, page);
    g_string_append(html, "</main></body></html>\n");
    GError *error = NULL;
    bool good = g_file_set_contents_full(file, html->str, (gssize)html->len, G_FILE_SET_CONTENTS_CONSISTENT, 0666, &error);
    if (!good) {
        cli_complain("%s: cannot write: %s", file, error->message);
        g_error_free(error);
    }
    g_string_free(html, TRUE);
    json_decref(page);
    return good;
}
