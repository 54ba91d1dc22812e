/* rates.h - what a bank's good pictures promise: the table of rates, for fit, calibrate and bank info. */
#ifndef DP_CLI_RATES_H
#define DP_CLI_RATES_H

#include "cli.h"

typedef struct cli_rates {
    size_t n_scores; /* that the table rests on */
    size_t n;        /* rows */
    double fpr[DP_MOST_RATES];
    dp_calibration rows[DP_MOST_RATES];
    size_t in_use; /* the row whose threshold is the bank's; SIZE_MAX: none */
} cli_rates;

/* From scores [n] of good pictures; threshold (NaN: none): the one in use, for the rate fpr.  False: *code, complained. */
bool cli_rates_make(const double *scores, size_t n, double fpr, double threshold, cli_rates *rates, int *code);
/* The same from a bank's leave-one-out scores and its own threshold. */
bool cli_rates_of_bank(const dp_bank *bank, cli_rates *rates, int *code);
/* Each line begins with indent; nothing where there is no row. */
void cli_rates_print(const cli_rates *rates, const char *indent);
/* [{"fpr", "threshold", "expected", "low", "high", "in_use"}] */
json_t *cli_rates_json(const cli_rates *rates);
/* What so few pictures cannot promise; nothing where they can. */
void cli_rates_print_few(size_t n_scores, double fpr, const char *indent);

/* fit's words on threshold and good pictures: how far to trust them. */
bool cli_print_trust(const dp_bank *bank, const char *path, int *code);

#endif
