/* ablation.h - the paper's Table 1: with and without alignment, with and without post-processing. */
#ifndef DP_CLI_ABLATION_H
#define DP_CLI_ABLATION_H

#include "../dataset.h"

typedef struct ablation_settings {
    size_t trials;
    size_t folds;     /* 0: the paper's way, tuned and reported on the same pictures */
    guint64 seed;
    bool allow_few;   /* banks of fewer than 90 % of the good pictures count */
} ablation_settings;

/* Prints four rows for each data set; with out also out/ablation.json and, for some anomalous pictures, the map without and with
 * alignment side by side (the paper's Figure 12).  Returns the exit code. */
int ablation_do(dp_session *session, const dp_recipe *recipe, const cli_run *run, const GPtrArray *sets,
                const ablation_settings *settings, const char *out);

#endif
