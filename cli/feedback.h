/* SPDX-License-Identifier: Apache-2.0 */
/* feedback.h - what a person's word on a result means for a bank: which good pictures excused a missed defect, and what a change costs. */
#ifndef DP_CLI_FEEDBACK_H
#define DP_CLI_FEEDBACK_H

#include "cli.h"
#include "dinopatch/edit.h"

/* A place of a good picture, whose rows lie nearest to a place of an inspected one. */
typedef struct cli_excuse {
    size_t picture;  /* of the bank */
    dp_box box;      /* in its pixels */
    size_t n_cells;  /* of the inspected picture, to which these rows are nearest */
    double distance; /* the largest of them */
} cli_excuse;

/* The places that excused the last picture of an inspector in a box (NULL: at the cell with the largest distance), those that excused
 * most cells first; places of one picture that overlap are one. *places: a GArray of cli_excuse, g_array_unref. */
dp_status cli_excuses_find(const dp_bank *bank, const dp_inspector *inspector, const dp_box *box, GArray **places,
                           dp_error *err);
/* {"picture", "x", "y", "width", "height", "cells", "distance"} */
json_t *cli_excuse_json(const dp_bank *bank, const cli_excuse *excuse);

/* {"x", "y", "width", "height"} in pixels; false: it is none. */
bool cli_box_read(const json_t *object, dp_box *box);
json_t *cli_box_json(const dp_box *box);
/* "X,Y,WIDTHxHEIGHT"; false: it is none. */
bool cli_box_parse(const char *text, dp_box *box);

/* How many of the good pictures that have a leave-one-out score lie above a threshold: false alarms, as far as they can tell. */
typedef struct cli_cost {
    size_t n_good, n_above;
    GPtrArray *above; /* their names, the highest score first; owned by the bank */
} cli_cost;
cli_cost cli_cost_of(const dp_bank *bank, double threshold);
void cli_cost_clear(cli_cost *cost);
/* {"good", "above", "pictures"} */
json_t *cli_cost_json(const cli_cost *cost);

/* A threshold by which a picture of this score is anomalous: half way to the next lower score of a good picture; NaN: there is none. */
double cli_threshold_below(const dp_bank *bank, double score);
/* What became of the picture threshold when a bank changed, in one sentence; g_free. */
char *cli_threshold_told(const dp_bank *before, const dp_bank *after);

/* The picture of the bank with this name; SIZE_MAX: none, or several. */
size_t cli_bank_find(const dp_bank *bank, const char *name);

#endif
