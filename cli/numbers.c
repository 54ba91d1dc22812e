/* SPDX-License-Identifier: Apache-2.0 */
/* numbers.c - reads the numbers of the command line's own options as the library reads those of a recipe. */
#include "cli.h"

char *cli_number_read(const cli_option *option, const char *text, double *value)
{
    const dp_option_kind kinds[] = {[0] = DP_OPTION_WHOLE,
                                    [CLI_REAL - CLI_WHOLE] = DP_OPTION_REAL,
                                    [CLI_SHARE - CLI_WHOLE] = DP_OPTION_SHARE,
                                    [CLI_SIZE - CLI_WHOLE] = DP_OPTION_AMOUNT};
    const dp_option row = {.kind = kinds[option->arg - CLI_WHOLE],
                           .flags = (unsigned)option->flags & (CLI_ABOVE | CLI_BELOW | CLI_ODD),
                           .low = option->least,
                           .high = option->most};
    dp_error err;
    return dp_option_read(&row, text, value, &err) ? g_strdup(err.message) : NULL;
}
