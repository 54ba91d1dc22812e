/* SPDX-License-Identifier: Apache-2.0 */
/* fit_replay.h - the shards of a fit, together as if its pictures were looked at anew: a fit that has them asks no network. */
#ifndef DP_PIPELINE_FIT_REPLAY_H
#define DP_PIPELINE_FIT_REPLAY_H

#include "extract/prefetch.h"
#include "pipeline/shard_pieces.h"
#include "pipeline/settled_file.h"

typedef struct dp_fit_replay dp_fit_replay;

/* The pieces of a shard: what was settled, dp_shard_head, records, dp_shard_end. */
enum { DP_SHARD_SETTLED, DP_SHARD_HEAD, DP_SHARD_RECORDS };

/* Opens all shards of one fit, in any order. Errors: DP_E_IO, DP_E_FORMAT, DP_E_MEMORY, DP_E_MISMATCH (one is missing, given
 * twice, not finished, or of another fit: the message names it). */
dp_status dp_fit_replay_open(const char *const *paths, size_t n, dp_fit_replay **replay, dp_error *err);
void dp_fit_replay_close(dp_fit_replay **replay);
/* What was settled for them, as dp_settled_read gives it. */
dp_status dp_fit_replay_settled(const dp_fit_replay *replay, dp_settled *settled, dp_error *err);
/* The level of the machine that they were computed at. */
dp_isa dp_fit_replay_isa(const dp_fit_replay *replay);
/* The pictures as a source that knows their names only. */
dp_source dp_fit_replay_source(dp_fit_replay *replay);
/* Goes to picture `index`, and fills what its record knows: dp_record_prepared. prepared->shape and index are set. */
dp_status dp_fit_replay_go(dp_fit_replay *replay, dp_prepared *prepared, dp_error *err);
/* A view of the picture that it went to last: dp_record_view_read. */
dp_status dp_fit_replay_view(const dp_fit_replay *replay, int turn, size_t version, float *tokens, size_t count,
                             uint8_t *cells, size_t n_cells, dp_error *err);
/* The vector of that view: dp_record_vector_read. */
dp_status dp_fit_replay_vector(const dp_fit_replay *replay, int turn, size_t version, float *vector, size_t n,
                               dp_error *err);

#endif
