/* distance_scales.h - how far the good pictures' features typically lie from those of the others. */
#ifndef DP_SEARCH_DISTANCE_SCALES_H
#define DP_SEARCH_DISTANCE_SCALES_H

#include "bank/rows.h"
#include "base/pool.h"

#include <stdint.h>

/* Those of the blocks whose bit is set (dp_bank_blocks; 0: all) that are not known yet, local and where `global` says
 * so global ones as well.  Leave-one-out distances of a sample of the cells, fixed by the bank; the same for any number
 * of threads.  pool may be NULL.
 * Errors: DP_E_MISMATCH (fewer than two pictures, centres of k-means, a coreset, no valid cell, pictures that are all
 * the same), DP_E_MEMORY, DP_E_NUMERIC. */
dp_status dp_distance_scales_find(const dp_rows *bank, uint64_t blocks, bool global, dp_isa isa, dp_pool *pool,
                                  dp_distance_scales *scales, dp_error *err);

#endif
