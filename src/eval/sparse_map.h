/* SPDX-License-Identifier: Apache-2.0 */
/* sparse_map.h - post-processes and scores one map many times; the cost depends on the number of cells that are kept. */
#ifndef DP_EVAL_SPARSE_MAP_H
#define DP_EVAL_SPARSE_MAP_H

#include "dinopatch/experimental.h"

/* The valid cells of a map, largest distance first. */
typedef struct dp_sorted_map {
    uint32_t *cells; /* [n] */
    float *values;   /* [n] falling */
    size_t n, rows, cols;
} dp_sorted_map;

typedef struct dp_sparse_work {
    uint32_t *slot;           /* [rows + 2, cols + 2] rank + 1 of a kept cell, else 0; zero between two calls */
    uint32_t *parent, *sizes; /* [rows * cols] */
    float *kept;              /* [rows * cols] */
} dp_sparse_work;

/* Opens the sorted map of map and valid (NULL: all), both [rows, cols]. */
dp_status dp_sorted_map_open(const float *map, const uint8_t *valid, size_t rows, size_t cols, dp_sorted_map *sorted,
                             dp_error *err);
void dp_sorted_map_close(dp_sorted_map *sorted);
dp_status dp_sparse_work_open(size_t rows, size_t cols, dp_sparse_work *work, dp_error *err);
void dp_sparse_work_close(dp_sparse_work *work);

/* Gives the result of dp_post_run (thresholds, objects and holes in cells; no filters) and dp_score_cells if few
 * cells are kept and there is no hole to fill. Otherwise returns 0 and leaves *score untouched. */
int dp_sparse_score(const dp_post *post, dp_score how, const dp_sorted_map *map, dp_sparse_work *work, double *score);

#endif
