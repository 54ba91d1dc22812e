/* SPDX-License-Identifier: Apache-2.0 */
/* per_picture.h - how far the cells of a grid bank's own pictures are from each of its pictures. */
#ifndef DP_SEARCH_PER_PICTURE_H
#define DP_SEARCH_PER_PICTURE_H

#include "search/distance.h"

#define DP_PER_PICTURE_QUERIES ((size_t)16) /* pictures searched for in one call */

/* distances [bank->n_pictures] of cell `cell` of picture pictures[query] to the nearest valid row of each picture within the window, itself
 * included; infinite where a picture has none.  The callee may change them.  Called by workers of the pool, for each valid cell once. */
typedef void (*dp_per_picture_fn)(void *user, size_t query, size_t cell, float *distances);

/* Of n pictures (at most DP_PER_PICTURE_QUERIES) of a bank of layout grid with all features of its pictures.  search: metric, window and isa
 * count.  Errors: DP_E_MEMORY, DP_E_UNSUPPORTED, DP_E_NUMERIC. */
dp_status dp_distance_per_picture(const dp_rows *bank, const size_t *pictures, size_t n, const dp_search *search,
                                  dp_pool *pool, dp_per_picture_fn found, void *user, dp_error *err);

#endif
