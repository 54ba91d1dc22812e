/* report.h - one HTML file from what an evaluation wrote: no script, nothing loaded from elsewhere. */
#ifndef DP_CLI_REPORT_H
#define DP_CLI_REPORT_H

#include "../cli.h"

/* Reads DIR/run.json and the pictures it names, writes the file.  gallery: at most so many pictures for each run.
 * False: complained. */
bool report_write(const char *folder, const char *file, size_t gallery);

/* ---- html.c */
/* Text into HTML: the five special characters escaped, control characters and what is not UTF-8 become U+FFFD. */
void html_text(GString *html, const char *text);
/* printf with every %s given already safe. */
void html_add(GString *html, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* <figure> of a JPEG file as a data URI; nothing but the caption where it cannot be read. */
void html_jpeg(GString *html, const char *path, const char *alt);

/* ---- charts.c: inline SVG, coloured by the page's style sheet */
/* One curve of points (x, y in [0,1]); steps: as a staircase does, not slanted. */
void chart_curve(GString *html, const char *title, const char *x_name, const char *y_name, const double *x, const double *y,
                 size_t n, bool diagonal);
/* Counts of good and anomalous scores in 30 bins, and the thresholds (NaN: none). */
void chart_histogram(GString *html, const double *scores, const uint8_t *labels, size_t n, double bank_threshold,
                     double f1_threshold);

/* ---- style.c */
extern const char report_style[];

#endif
