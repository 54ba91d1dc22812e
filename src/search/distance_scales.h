/* SPDX-License-Identifier: Apache-2.0 */
/* distance_scales.h - the typical distance between the features of one good picture and those of the others. */
#ifndef DP_SEARCH_DISTANCE_SCALES_H
#define DP_SEARCH_DISTANCE_SCALES_H

#include "bank/rows.h"
#include "base/pool.h"

#include <stdint.h>

/* Finds the unknown scales of the blocks whose bit is set (dp_bank_blocks; 0: all): local ones, and global ones if
 * `global`. They come from leave-one-out distances of a sample of cells. The bank determines the sample, so the result
 * is the same for any number of threads. pool may be NULL. Errors: DP_E_MISMATCH (fewer than two pictures, centres of
 * k-means, a coreset, no valid cell, or all pictures equal), DP_E_MEMORY, DP_E_NUMERIC. */
dp_status dp_distance_scales_find(const dp_rows *bank, uint64_t blocks, bool global, dp_isa isa, dp_pool *pool,
                                  dp_distance_scales *scales, dp_error *err);

#endif
