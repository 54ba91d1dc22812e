/* SPDX-License-Identifier: Apache-2.0 */
/* used.h - counts how many of the given pictures could be used and why the others could not, and checks that the number
 * is enough. */
#ifndef DP_CLI_USED_H
#define DP_CLI_USED_H

#include "cli.h"

typedef struct cli_used {
    GPtrArray *reasons; /* one reason for each picture left out; g_free */
} cli_used;

#define CLI_ALLOW_FEW_ENTRY(allow_few)                                                                                 \
    {                                                                                                                  \
        "allow-few", 0, 0, CLI_FLAG, allow_few, "accept it if fewer than 90 % of the pictures could be used", NULL     \
    }

void cli_used_begin(cli_used *used);
void cli_used_end(cli_used *used);
/* Counts a picture that was left out. */
void cli_used_left_out(cli_used *used, const char *path, const char *message);
/* True if n pictures are enough: at least 90 % of those asked for. */
bool cli_used_enough(size_t n, size_t asked);
/* Prints how many were used, the reasons with their counts, what was not done (NULL: it is only a note), and one thing
 * to try. */
void cli_used_complain(const cli_used *used, size_t n, size_t asked, const char *not_done);

#endif
