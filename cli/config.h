/* SPDX-License-Identifier: Apache-2.0 */
/* config.h - reads options of a recipe from a file. */
#ifndef DP_CLI_CONFIG_H
#define DP_CLI_CONFIG_H

#include "cli.h"

/* Calls take for each option of the file with its key and the text that sets it; take complains itself and returns
 * false. False: complained. */
typedef bool (*cli_config_fn)(void *user, const char *path, const char *key, const char *text);
bool cli_config_read(const char *path, cli_config_fn take, void *user);

/* Index of the row with this key, for dp_option_at. -1: complained, with a suggestion. where begins the message:
 * "--set", or a file. */
int cli_option_index(const char *where, const char *key);

#endif
