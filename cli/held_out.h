/* SPDX-License-Identifier: Apache-2.0 */
/* held_out.h - scores labelled pictures that are not in the bank, for calibrate --good and --bad. */
#ifndef DP_CLI_HELD_OUT_H
#define DP_CLI_HELD_OUT_H

#include "outputs.h"
#include "used.h"

/* The pictures of one label: scores and peaks of those that could be inspected. */
typedef struct cli_scored {
    size_t given, not_inspected, failed; /* given counts those not inspected and failed too */
    GArray *scores, *peaks;              /* of double; a peak is the largest distance in a map */
} cli_scored;

typedef struct cli_held_out {
    GPtrArray *inputs; /* good ones first; empty: none were given */
    size_t n_good;
    size_t n_unread; /* folders and files that could not be read */
    cli_scored good, bad;
    cli_used used; /* why good pictures gave no score */
} cli_held_out;

/* good, bad: the arguments of --good and --bad, each NULL-ended or NULL. False: *code, complained. */
bool cli_held_out_begin(char **good, char **bad, cli_held_out *held, int *code);
void cli_held_out_end(cli_held_out *held);
/* Scores the pictures by the view; refuses pictures of the bank. model: the argument of --model, or NULL. False: *code,
 * complained. */
bool cli_held_out_score(cli_held_out *held, const dp_bank *bank, const char *bank_path, const dp_view *view,
                        const char *model, const dp_run *run, int *code);
/* {"given", "scored", "not_inspected", "failed"} */
json_t *cli_scored_json(const cli_scored *scored);
/* The number of scores above a threshold. */
size_t cli_scored_above(const cli_scored *scored, double threshold);

#endif
