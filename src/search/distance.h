/* SPDX-License-Identifier: Apache-2.0 */
/* distance.h - nearest neighbours of a picture's features in the bank. */
#ifndef DP_SEARCH_DISTANCE_H
#define DP_SEARCH_DISTANCE_H

#include "bank/rows.h"
#include "base/pool.h"
#include "dinopatch/experimental.h"
#include "simd/dispatch.h"

/* One neighbour: its distance, and where it is in the bank. */
typedef struct dp_neighbour {
    float distance;
    uint32_t cell; /* row-major index into the bank's grid; 0 in a flat bank */
    uint32_t row;  /* row of that cell; dp_rows_picture gives its picture */
} dp_neighbour;

#define DP_NO_ROW UINT32_MAX /* cell and row of a neighbour that does not exist; its distance is infinite */

typedef struct dp_search {
    dp_metric metric;
    size_t window;    /* DP_WINDOW_GLOBAL: all cells */
    size_t knn;       /* at least 1 */
    size_t leave_out; /* picture whose rows are not searched; DP_NO_PICTURE: search all */
    dp_isa isa;
    size_t rows, cols; /* the picture's grid; 0: that of the bank. Only a flat bank allows another size */
    size_t top, band;  /* only rows top .. top + band - 1 of that grid are given and computed; band 0: all */
    size_t order; /* pictures of a subset: the distance is the mean of order_statistics.h, over the distances to each
                        * picture; 0: over the knn nearest */
    const uint8_t
        *among; /* [n_pictures] 1: rows of this picture are searched; NULL: of all. dp_distance_leave_one_out has a
                           * line for each picture that is left out. Needs rows of single pictures */
} dp_search;

/* The result for each cell, in the caller's memory. */
typedef struct dp_distances {
    dp_neighbour *nearest; /* [cells, knn] the nearest rows, nearest first; equal ones in the bank's order */
    float *grid;           /* [cells] mean distance of the nearest; 0 if not valid */
    uint8_t *valid;        /* [cells] 1 if the picture's cell is valid and at least one valid row was found */
} dp_distances;

/* What has been found of a search that goes on: of some rows, before others. */
typedef struct dp_offers {
    dp_neighbour
        *nearest; /* [cells, knn] as in dp_distances, but Euclidean distances are squared; infinite: none yet */
    float *each;  /* [cells, n_pictures] the least distance to each picture, so too; NULL: without order */
} dp_offers;

/* Reports the progress of a search. report returns a value other than 0 to stop it. */
typedef struct dp_progress {
    int (*report)(void *user, size_t done, size_t total);
    void *user;
} dp_progress;

/* Computes the distance map of one picture.
 *   features [rows, cols, dim], valid [rows, cols] (NULL: all), of the picture's own grid; rows: those of the band
 *   out      also the workspace: nothing is allocated, but room for some rows where the bank's are not floats
 * Distance: Euclidean |x - y|, or 1 - cos(x, y) in 0..2, a zero vector having cosine 0 to everything.
 * It searches the bank's valid rows within `window` cells in both directions, clipped to the grid; in a flat bank all
 * rows. If there are fewer than knn, the mean is over these.
 * The same bytes for any number of threads.  pool NULL: on the calling thread.
 * Errors: DP_E_ARGUMENT (knn 0, a grid that is not the bank's), DP_E_UNSUPPORTED (isa), DP_E_NUMERIC (a distance that
 * is not finite). */
dp_status dp_distance_map(const dp_rows *bank, const float *features, const uint8_t *valid, const dp_search *search,
                          dp_pool *pool, const dp_distances *out, dp_error *err);

/* Offers the rows that are here (dp_rows.held) to the cells of the picture: a part of dp_distance_map, which asks
 * rows->elsewhere to do this with all rows, in any order of the shares, before it concludes. Errors: as dp_distance_map. */
dp_status dp_distance_offer(const dp_rows *bank, const float *features, const uint8_t *valid, const dp_search *search,
                            dp_pool *pool, const dp_offers *into, dp_error *err);

/* dp_distance_map for pictures first .. first + n - 1 of a grid bank itself, whose rows are those of its pictures: each one's
 * own row (augmentation 0) is searched in the bank without any row of that picture; search->leave_out is not used.
 *   out of n pictures, one behind the other
 * progress (may be NULL) hears of cells, from this thread; where it stops the search: DP_E_CANCELLED. */
dp_status dp_distance_leave_one_out(const dp_rows *bank, size_t first, size_t n, const dp_search *search, dp_pool *pool,
                                    const dp_progress *progress, const dp_distances *out, dp_error *err);

/* ------------------------------------------------------------------------------------------------------------- kernels
 *
 * A tile of queries against consecutive rows: out[q * stride + r] for q < n_queries, r < n_rows.
 * Each pair is summed in an order that depends on dim and the instruction set alone, never on the tile.
 * Rows of halves and of bytes are read back as they are stored (bank/rows.h) while they are compared: the same bytes
 * come out as from the float kernel of that instruction set on rows that were widened first. */
typedef void (*dp_tile_f32_fn)(const float *const *queries /* [n_queries] of [dim] */, size_t n_queries,
                               const float *rows /* [n_rows, dim] */, size_t n_rows, size_t dim, float *out,
                               size_t stride);
typedef void (*dp_tile_f16_fn)(const float *const *queries, size_t n_queries,
                               const uint16_t *rows /* [n_rows, dim] halves */, size_t n_rows, size_t dim, float *out,
                               size_t stride);
typedef void (*dp_tile_i8_fn)(const float *const *queries, size_t n_queries, const int8_t *rows /* [n_rows, dim] */,
                              const float *scales /* [n_rows] */, size_t n_rows, size_t dim, float *out, size_t stride);

typedef struct dp_distance_kernels {
    dp_tile_f32_fn l2;  /* squared Euclidean distance, sum of squared differences */
    dp_tile_f32_fn dot; /* inner product */
    dp_tile_f16_fn l2_f16, dot_f16;
    dp_tile_i8_fn l2_i8, dot_i8;
    void (*widen_f16)(const uint16_t *rows, size_t n_rows, size_t dim, float *out); /* out [n_rows, dim] */
    void (*widen_i8)(const int8_t *rows, const float *scales, size_t n_rows, size_t dim,
                     float *out); /* out [n_rows, dim] */
} dp_distance_kernels;

/* isa: a result of dp_isa_resolve. */
dp_distance_kernels dp_distance_kernels_get(dp_isa isa);

/* Reads rows begin .. begin + n - 1 of a bank, counted over all cells, as floats, like dp_rows_widen. */
void dp_kernels_widen(const dp_distance_kernels *kernels, const dp_rows *bank, size_t begin, size_t n, float *out);

DP_KERNELS_DECLARE(dp_distance_kernels, dp_distance_kernels);

#endif
