/* SPDX-License-Identifier: Apache-2.0 */
/* report.h - makes one HTML file of an evaluation, without scripts and without anything from elsewhere. */
#ifndef DP_CLI_REPORT_H
#define DP_CLI_REPORT_H

#include "../cli.h"

/* Reads DIR/run.json and the pictures it names, and writes the file. gallery: most pictures shown for each run. False:
 * complained. */
bool report_write(const char *folder, const char *file, size_t gallery);
/* True if report_write made the file. */
bool report_is_page(const char *file);

/* Writes the charts of a run (see eval/eval.h) to a folder: histogram.svg, roc.svg, precision-recall.svg. False:
 * complained. */
bool report_save_charts(const json_t *run, const char *folder);

/* ---- html.c */
/* Adds text to HTML: escapes the five special characters; control characters and bytes that are not UTF-8 become
 * U+FFFD. */
void html_text(GString *html, const char *text);
/* Like printf. Every %s must be safe HTML already. */
void html_add(GString *html, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Adds a JPEG file as data URI; only its caption if it cannot be read. */
void html_jpeg(GString *html, const char *path, const char *alt);

/* ---- charts.c: inline SVG, coloured by the page's style sheet */
enum { CHART_HISTOGRAM, CHART_ROC, CHART_PRECISION_RECALL, N_CHARTS };
/* Makes one <svg>: the numbers of good and anomalous scores in 30 bins with the thresholds (NaN: none), or a curve.
 * *svg is NULL if there is no such chart, because all pictures have the same label. False: not enough memory;
 * complained. */
bool chart_of(int kind, const double *scores, const uint8_t *labels, size_t n, double bank_threshold,
              double f1_threshold, GString **svg);
/* Makes such an <svg> a file of its own, with light colours and its style inside. */
void chart_make_file(GString *svg);

/* ---- style.c */
extern const char report_style[];
extern const char chart_file_style[]; /* plain colours, for viewers without CSS variables */

#endif
