/* SPDX-License-Identifier: Apache-2.0 */
/* charts.c - draws curves and histograms as SVG. A plot has 300 x 220 units inside 360 x 280. */
#include "report.h"
#include "dinopatch/eval.h"

#include <math.h>
#include <string.h>

#define LEFT 46.0
#define TOP 12.0
#define WIDE 300.0
#define HIGH 220.0
#define BINS 30

static void begin(GString *html, const char *title)
{
    html_add(html, "<svg viewBox=\"0 0 360 280\" role=\"img\" aria-label=\"");
    html_text(html, title);
    html_add(html, "\">");
}

static void names(GString *html, const char *x_name, const char *y_name)
{
    html_add(html, "<text class=\"name\" x=\"%g\" y=\"272\" text-anchor=\"middle\">%s</text>", LEFT + WIDE / 2, x_name);
    html_add(html, "<text class=\"name\" transform=\"translate(12 %g) rotate(-90)\" text-anchor=\"middle\">%s</text>",
             TOP + HIGH / 2, y_name);
}

/* Draws a curve through points (x, y in [0, 1]). */
static void chart_curve(GString *html, const char *title, const char *x_name, const char *y_name, const double *x,
                        const double *y, size_t n, bool diagonal)
{
    begin(html, title);
    for (int i = 0; i <= 4; i++) {
        double at = i / 4.0, gx = LEFT + at * WIDE, gy = TOP + HIGH - at * HIGH;
        html_add(html, "<path class=\"grid\" d=\"M%g %gV%gM%g %gH%g\"/>", gx, TOP, TOP + HIGH, LEFT, gy, LEFT + WIDE);
        html_add(html, "<text x=\"%g\" y=\"%g\" text-anchor=\"middle\">%g</text>", gx, TOP + HIGH + 16, at);
        html_add(html, "<text x=\"%g\" y=\"%g\" text-anchor=\"end\">%g</text>", LEFT - 6, gy + 4, at);
    }
    if (diagonal)
        html_add(html, "<path class=\"chance\" d=\"M%g %gL%g %g\"/>", LEFT, TOP + HIGH, LEFT + WIDE, TOP);
    html_add(html, "<path class=\"curve\" d=\"");
    bool first = true;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]) || !isfinite(y[i]))
            continue;
        html_add(html, "%s%.1f %.1f", first ? "M" : "L", LEFT + x[i] * WIDE, TOP + HIGH - y[i] * HIGH);
        first = false;
    }
    html_add(html, "\"/>");
    names(html, x_name, y_name);
    html_add(html, "</svg>");
}

static void line_at(GString *html, double value, double low, double high, const char *kind)
{
    if (isfinite(value) && value >= low && value <= high) {
        double x = LEFT + (value - low) / (high - low) * WIDE;
        html_add(html, "<path class=\"%s\" d=\"M%.1f %gV%g\"/>", kind, x, TOP, TOP + HIGH);
    }
}

static void chart_histogram(GString *html, const double *scores, const uint8_t *labels, size_t n, double bank_threshold,
                            double f1_threshold)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        low = fmin(low, scores[i]);
        high = fmax(high, scores[i]);
    }
    if (isfinite(bank_threshold)) {
        low = fmin(low, bank_threshold);
        high = fmax(high, bank_threshold);
    }
    if (!(high > low)) {
        low = isfinite(low) ? low - 0.5 : 0;
        high = low + 1;
    }
    unsigned counts[2][BINS] = {{0}}, most = 1;
    for (size_t i = 0; i < n; i++) {
        int bin = (int)((scores[i] - low) / (high - low) * BINS), kind = labels[i] != 0;
        unsigned *count = &counts[kind][bin < BINS ? bin : BINS - 1];
        ++*count;
        most = MAX(most, *count);
    }
    begin(html, "Histogram of the scores of good and of anomalous pictures with the thresholds");
    html_add(html, "<path class=\"axis\" d=\"M%g %gH%g\"/>", LEFT, TOP + HIGH, LEFT + WIDE);
    for (int i = 0; i <= 4; i++)
        html_add(html, "<text x=\"%g\" y=\"%g\" text-anchor=\"middle\">%.3g</text>", LEFT + i / 4.0 * WIDE,
                 TOP + HIGH + 16, low + i / 4.0 * (high - low));
    html_add(
        html,
        "<text x=\"%g\" y=\"%g\" text-anchor=\"end\">%u</text><text x=\"%g\" y=\"%g\" text-anchor=\"end\">0</text>",
        LEFT - 6, TOP + 10, most, LEFT - 6, TOP + HIGH + 2);
    static const char *const kinds[] = {"good", "bad"};
    for (int kind = 0; kind < 2; kind++)
        for (int i = 0; i < BINS; i++) {
            double h = HIGH * counts[kind][i] / most;
            if (counts[kind][i])
                html_add(html, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", kinds[kind],
                         LEFT + i * WIDE / BINS + 0.5 + kind * (WIDE / BINS - 1) / 2, TOP + HIGH - h,
                         (WIDE / BINS - 1) / 2, h);
        }
    line_at(html, bank_threshold, low, high, "threshold");
    line_at(html, f1_threshold, low, high, "best");
    names(html, "score", "pictures");
    html_add(html, "</svg>");
}

bool chart_of(int kind, const double *scores, const uint8_t *labels, size_t n, double bank_threshold,
              double f1_threshold, GString **svg)
{
    *svg = NULL;
    if (kind == CHART_HISTOGRAM) {
        *svg = g_string_new(NULL);
        chart_histogram(*svg, scores, labels, n, bank_threshold, f1_threshold);
        return true;
    }
    dp_curve_point *points = NULL;
    size_t n_points = 0;
    dp_error err;
    dp_status status = dp_curve(scores, labels, n, &points, &n_points, &err);
    if (status == DP_E_MEMORY)
        cli_complain("%s", err.message);
    if (status)
        return status != DP_E_MEMORY;
    *svg = g_string_new(NULL);
    double *x = g_new(double, n_points), *y = g_new(double, n_points);
    for (size_t i = 0; i < n_points; i++) {
        x[i] = kind == CHART_ROC ? points[i].false_positive_rate : points[i].recall;
        y[i] = kind == CHART_ROC ? points[i].recall : points[i].precision;
    }
    if (kind == CHART_ROC)
        chart_curve(*svg, "ROC curve", "false-positive rate", "recall", x, y, n_points, true);
    else
        chart_curve(*svg, "Precision-recall curve", "recall", "precision", x, y, n_points, false);
    g_free(x);
    g_free(y);
    dp_memory_free(points);
    return true;
}

void chart_make_file(GString *svg)
{
    const char *inside = strchr(svg->str, '>') + 1;
    GString *style = g_string_new("<style>");
    g_string_append(style, chart_file_style);
    g_string_append(style, "</style><rect width=\"360\" height=\"280\" fill=\"#fff\"/>");
    g_string_insert(svg, inside - svg->str, style->str);
    g_string_insert(svg, (gssize)strlen("<svg "), "xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"560\" ");
    g_string_append_c(svg, '\n');
    g_string_free(style, TRUE);
}
