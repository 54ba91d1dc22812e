/* SPDX-License-Identifier: Apache-2.0 */
/* shard_lines.h - the JSON lines of one shard of an inspection, and one file of all of them.
 *
 *      {"shard":{"index":3,"of":8,"pictures":1000,"list":SHA-256,"work":SHA-256}}     first line
 *      {"input":...,"file_sha256":SHA-256,"number":17}                                a picture: the line of a run
 *                                                                                     without --shard, and two more keys
 *      {"shard_end":{"index":3,"of":8,"lines":125}}                                   last line
 *
 * `number` is the place of the picture in the whole list; the lines, ordered by it and without these keys, are those of
 * one run. A file without its last line is of a shard that was stopped; --resume takes its lines over. */
#ifndef DP_CLI_SHARD_LINES_H
#define DP_CLI_SHARD_LINES_H

#include "inspect_rows.h"
#include "picture_list.h"

typedef struct cli_shard_lines cli_shard_lines;

/* work: a digest of all that the lines depend on beside the pictures. resume: a file of earlier lines, or NULL.
 * NULL: complained. */
cli_shard_lines *cli_shard_lines_open(const cli_list *list, const char *work, const char *resume, int *code);
void cli_shard_lines_free(cli_shard_lines *lines);
/* The pictures of the shard that have no line yet, [*n] indices of list->inputs, owned by lines. */
const size_t *cli_shard_lines_pending(const cli_shard_lines *lines, size_t *n);

/* Prints the first line, the line of the next pending picture (before it those that were taken over), the rest. False:
 * stdout is broken. The tally counts lines that were taken over. */
bool cli_shard_lines_begin(cli_shard_lines *lines);
bool cli_shard_lines_put(cli_shard_lines *lines, json_t *line, cli_tally *tally);
bool cli_shard_lines_end(cli_shard_lines *lines, cli_tally *tally);

/* `results merge`: argv names the files of all shards. */
int cli_results_merge(int argc, char **argv);

#endif
