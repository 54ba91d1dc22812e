/* SPDX-License-Identifier: Apache-2.0 */
/* inspect_rows.h - what `inspect` prints about one picture: a line of text, a JSON object or a row of a CSV table. */
#ifndef DP_CLI_INSPECT_ROWS_H
#define DP_CLI_INSPECT_ROWS_H

#include "cli.h"

typedef struct cli_row {
    const dp_bank *bank;
    const char *path;
    const dp_result *result; /* NULL: the picture could not be read */
    const char *fault;       /* why the picture could not be read or an output could not be written; NULL: no fault */
    const char *map_path;    /* or NULL */
    const GPtrArray *explained; /* paths */
    double threshold;           /* picture threshold of the run; NaN: none */
    double cell_threshold;      /* cell threshold of the run; NaN: none */
    double ms;
} cli_row;

typedef struct cli_tally {
    size_t n_good, n_anomalous, n_not_inspected, n_unlabelled;
    size_t n_failed; /* of all of these: could not be read, or an output could not be written */
} cli_tally;

/* Works also for a picture that could not be read: it was not inspected. */
dp_label cli_row_label(const cli_row *row);
void cli_tally_add(cli_tally *tally, const cli_row *row);
/* "60 pictures: 20 good, 37 anomalous, 3 not inspected"; g_free.  unlabelled: the bank has no threshold. */
char *cli_tally_text(const cli_tally *tally, bool unlabelled);
json_t *cli_tally_json(const cli_tally *tally);

json_t *cli_row_json(const cli_row *row);
void cli_row_print_text(const cli_row *row);
void cli_row_print_csv(const cli_row *row);
void cli_row_print_csv_header(void);
/* The columns of the table, one a line, for --help; g_free. */
char *cli_row_csv_help(void);

#endif
