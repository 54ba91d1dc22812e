/* SPDX-License-Identifier: Apache-2.0 */
/* explain.h - pictures that show a defect's patch beside the nearest good one. */
#ifndef DP_CLI_EXPLAIN_H
#define DP_CLI_EXPLAIN_H

#include "cli.h"

enum { CLI_EXPLAINED = 5 }; /* defects of a picture, the largest peaks first */

typedef struct cli_explain cli_explain;

/* train: folder below which the training pictures lie now, or NULL: where they lay when the bank was made.  Both are borrowed. */
cli_explain *cli_explain_new(const dp_bank *bank, const char *train, size_t max_pixels);
void cli_explain_free(cli_explain *explain);
/* See dp_defect_draw; reads the good picture and keeps the last few. A good picture that cannot be read is not an error: its side of the drawing says so. */
dp_status cli_explain_draw(cli_explain *explain, const dp_picture *picture, const dp_result *result, size_t defect,
                           bool captions, dp_picture **drawn, dp_error *err);

#endif
