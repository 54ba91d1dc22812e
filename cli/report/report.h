/* SPDX-License-Identifier: Apache-2.0 */
/* report.h - one HTML file from what an evaluation wrote: no script, nothing loaded from elsewhere. */
#ifndef DP_CLI_REPORT_H
#define DP_CLI_REPORT_H

#include "../cli.h"

/* Reads DIR/run.json and the pictures it names, writes the file.  gallery: at most so many pictures for each run.
 * False: complained. */
bool report_write(const char *folder, const char *file, size_t gallery);
/* Whether a file is a page that report_write made. */
bool report_is_page(const char *file);

/* The charts of a run (see eval/eval.h) as histogram.svg, roc.svg, precision-recall.svg in a folder.  False: complained. */
bool report_save_charts(const json_t *run, const char *folder);

/* ---- html.c */
/* Text into HTML: the five special characters escaped, control characters and what is not UTF-8 become U+FFFD. */
void html_text(GString *html, const char *text);
/* printf with every %s given already safe. */
void html_add(GString *html, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* <figure> of a JPEG file as a data URI; nothing but the caption where it cannot be read. */
void html_jpeg(GString *html, const char *path, const char *alt);

/* ---- charts.c: inline SVG, coloured by the page's style sheet */
enum { CHART_HISTOGRAM, CHART_ROC, CHART_PRECISION_RECALL, N_CHARTS };
/* *svg: one <svg>, counts of good and anomalous scores in 30 bins with the thresholds (NaN: none), or a curve; NULL where there is none
 * (of one kind of pictures alone).  False: not enough memory, complained. */
bool chart_of(int kind, const double *scores, const uint8_t *labels, size_t n, double bank_threshold,
              double f1_threshold, GString **svg);
/* Turns such an <svg> into a file of its own, light, with its style inside. */
void chart_make_file(GString *svg);

/* ---- style.c */
extern const char report_style[];
extern const char chart_file_style[]; /* plain colours, for viewers that know no variables */

#endif
