/* SPDX-License-Identifier: Apache-2.0 */
/* picture_list.h - the pictures of a command: named one by one, by folders or by a list, all of them or one shard.
 *
 * A shard is a property of this list and of nothing else: a picture belongs to the shard that the hash of its name below
 * the given folder says, so other pictures may come and go. */
#ifndef DP_CLI_PICTURE_LIST_H
#define DP_CLI_PICTURE_LIST_H

#include "tars.h"

typedef struct cli_shard {
    size_t index, n; /* n 0: all pictures */
} cli_shard;

typedef struct cli_list {
    /* asked for */
    char *files_from, *shard_text;
    gboolean null;
    /* found */
    cli_shard shard;
    GPtrArray *all, *all_names; /* every picture, and the names of its outputs: cli_inputs_named */
    GPtrArray *inputs, *names;  /* those of the shard */
    GArray *numbers;            /* of size_t: where each of these is in `all` */
    size_t n_failed;
    cli_tars *tars;
    dp_kept_picture *kept; /* of the last cli_list_source */
} cli_list;

#define CLI_LIST_ENTRIES(list)                                                                                         \
    {"files-from", 0, 0, CLI_FILE, &(list)->files_from, "also take the pictures named in FILE, one a line (-: stdin)", \
     "FILE"},                                                                                                          \
    {                                                                                                                  \
        "null", '0', 0, CLI_FLAG, &(list)->null, "with --files-from: a zero byte ends each name, not a line end", NULL \
    }
#define CLI_SHARD_ENTRY(list)                                                                                          \
    {                                                                                                                  \
        "shard", 0, 0, CLI_TEXT, &(list)->shard_text,                                                                  \
            "work on shard I of N only, I from 0 to N-1 (docs/scale.md); N runs do all", "I/N"                         \
    }

/* Checks the options before anything is read. False: *code, complained. */
bool cli_list_check(cli_list *list, int n_arguments, const char *nothing, int *code);
/* Finds the pictures. False: *code, complained; cli_list_close in any case. */
bool cli_list_open(cli_list *list, char **arguments, int n, int *code);
void cli_list_close(cli_list *list);

/* Some pictures of the list as a source, until the next call or cli_list_close. */
dp_source cli_list_source(cli_list *list, const GPtrArray *pictures);
/* SHA-256 of a picture's file, or of its bytes in a tar file, in hexadecimal; g_free. NULL: it cannot be read. */
char *cli_list_sha256(const cli_list *list, const char *picture);

/* The shard of n that a name belongs to: the first 8 bytes of its SHA-256, big end first, modulo n. */
size_t cli_shard_of(const char *name, size_t n);
/* SHA-256 of all names in their order, in hexadecimal; g_free. Two runs with the same value cut the same list. */
char *cli_list_digest(const cli_list *list);

#endif
