/* SPDX-License-Identifier: Apache-2.0 */
/* explain.h - drawings that show the patch of a defect beside the nearest good one. */
#ifndef DP_CLI_EXPLAIN_H
#define DP_CLI_EXPLAIN_H

#include "cli.h"

enum { CLI_EXPLAINED = 5 }; /* at most so many defects of a picture, the largest peaks first */

typedef struct cli_explain cli_explain;

/* train: the folder with the training pictures, or NULL if they are where they were when the bank was made. Both are
 * borrowed. */
cli_explain *cli_explain_new(const dp_bank *bank, const char *train, size_t max_pixels);
void cli_explain_free(cli_explain *explain);
/* See dp_defect_draw. Reads the good picture and keeps the last few. If a good picture cannot be read, the drawing says
 * so; that is no error. */
dp_status cli_explain_draw(cli_explain *explain, const dp_picture *picture, const dp_result *result, size_t defect,
                           bool captions, dp_picture **drawn, dp_error *err);

#endif
