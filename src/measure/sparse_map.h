/* sparse_map.h - post-processing and score of one map many times over, at a cost of the cells that stay. */
#ifndef DP_MEASURE_SPARSE_MAP_H
#define DP_MEASURE_SPARSE_MAP_H

#include "dinopatch.h"

/* The valid cells of a map, largest distance first. */
typedef struct dp_sorted_map {
    uint32_t *cells; /* [n] */
    float *values;   /* [n] falling */
    size_t n, rows, cols;
} dp_sorted_map;

typedef struct dp_sparse_work {
    uint32_t *slot;                   /* [rows + 2, cols + 2] rank + 1 of a cell that stays, else 0; zero between two calls */
    uint32_t *parent, *sizes;         /* [rows * cols] */
    float *kept;                      /* [rows * cols] */
} dp_sparse_work;

/* map, valid (NULL: all) [rows, cols]. */
dp_status dp_sorted_map_open(const float *map, const uint8_t *valid, size_t rows, size_t cols, dp_sorted_map *sorted, dp_error *err);
void dp_sorted_map_close(dp_sorted_map *sorted);
dp_status dp_sparse_work_open(size_t rows, size_t cols, dp_sparse_work *work, dp_error *err);
void dp_sparse_work_close(dp_sparse_work *work);

/* What dp_post_run (thresholds, objects and holes in cells; no filters) and dp_score_cells give, where few cells stay and no hole
 * is to be filled; 0: not such a case, *score is untouched. */
int dp_sparse_score(const dp_post *post, dp_score how, const dp_sorted_map *map, dp_sparse_work *work, double *score);

#endif
