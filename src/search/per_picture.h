/* SPDX-License-Identifier: Apache-2.0 */
/* per_picture.h - how far the cells of a grid bank's own pictures are from each of its pictures. */
#ifndef DP_SEARCH_PER_PICTURE_H
#define DP_SEARCH_PER_PICTURE_H

#include "search/distance.h"

#define DP_PER_PICTURE_QUERIES ((size_t)16) /* most pictures of one call */

/* Receives distances [bank->n_pictures] of cell `cell` of picture pictures[query]: to the nearest valid row of each
 * picture within the window, its own included; infinite if a picture has none. It may change them. Workers of the pool
 * call it once for each valid cell. */
typedef void (*dp_per_picture_fn)(void *user, size_t query, size_t cell, float *distances);

/* Compares n pictures (at most DP_PER_PICTURE_QUERIES) of a bank of layout grid that holds all features of its
 * pictures. Of search it uses metric, window and isa. Errors: DP_E_MEMORY, DP_E_UNSUPPORTED, DP_E_NUMERIC. */
dp_status dp_distance_per_picture(const dp_rows *bank, const size_t *pictures, size_t n, const dp_search *search,
                                  dp_pool *pool, dp_per_picture_fn found, void *user, dp_error *err);

#endif
