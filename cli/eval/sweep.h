/* sweep.h - which block of the transformer sees the defects. */
#ifndef DP_CLI_SWEEP_H
#define DP_CLI_SWEEP_H

#include "../dataset.h"

/* Prints one row for each of the depth blocks of the transformer, for each data set; with out also out/layers.json.  Labels are
 * used.  Returns the exit code. */
int sweep_do(dp_session *session, const dp_recipe *recipe, size_t depth, const cli_run *run, const GPtrArray *sets, const char *out);

#endif
