/* SPDX-License-Identifier: Apache-2.0 */
/* rates.h - what the good pictures of a bank promise: the table of rates, for fit, calibrate and bank info. */
#ifndef DP_CLI_RATES_H
#define DP_CLI_RATES_H

#include "cli.h"

typedef struct cli_rates {
    size_t n_scores; /* scores that the table comes from */
    size_t n;        /* rows */
    double fpr[DP_MOST_RATES];
    dp_calibration rows[DP_MOST_RATES];
    size_t in_use;                /* the row with the bank's threshold; SIZE_MAX: none */
    size_t n_bad;                 /* scored pictures of defects; 0: none */
    size_t caught[DP_MOST_RATES]; /* how many of these lie above the row's threshold */
} cli_rates;

/* Makes the table from scores [n] of good pictures. threshold (NaN: none): the one in use, for the rate fpr. False:
 * *code, complained. */
bool cli_rates_make(const double *scores, size_t n, double fpr, double threshold, cli_rates *rates, int *code);
/* Makes the table from a bank's leave-one-out scores and its own threshold. */
bool cli_rates_of_bank(const dp_bank *bank, cli_rates *rates, int *code);
/* Prints the table, each line after indent; nothing if it has no rows. */
void cli_rates_print(const cli_rates *rates, const char *indent);
/* [{"fpr", "threshold", "expected", "low", "high", "in_use"}] */
json_t *cli_rates_json(const cli_rates *rates);
/* Prints which rate so few pictures cannot promise; nothing if they can promise fpr. */
void cli_rates_print_few(size_t n_scores, double fpr, const char *indent);

/* A good picture stands out from this many robust standard deviations on (dp_bank_suspects). */
#define CLI_OUTLIER 3.5

/* Prints the pictures that differ most from the others, at most `most`. outliers: only those that stand out, with the
 * command that removes one from the bank at `path`. False: *code, complained. */
bool cli_suspects_print(const dp_bank *bank, const char *path, size_t most, bool outliers, int *code);

/* Prints a warning if the good pictures drifted. */
void cli_drift_print(double drift, const char *indent);
/* What more pictures would bring: the whole curve, {"points": [{"pictures", "score"}], "n_sampled", "last_doubling", "drift"}. */
void cli_learning_print(const dp_learning_curve *curve);
json_t *cli_learning_json(const dp_learning_curve *curve);

/* What order statistics of so many pictures mean: subsets, and what a defect among the pictures can hide.  Nothing where they are off. */
void cli_order_print(const dp_recipe *recipe, size_t n_pictures, const char *indent);

/* Prints fit's advice on threshold and good pictures: how far to trust them. */
bool cli_print_trust(const dp_bank *bank, const char *path, int *code);

#endif
