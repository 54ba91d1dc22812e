/* SPDX-License-Identifier: Apache-2.0 */
/* global.h - the nearest rows of the whole bank for many queries at once. */
#ifndef DP_SEARCH_GLOBAL_H
#define DP_SEARCH_GLOBAL_H

#include "search/distance.h"

#include <math.h>
#include <stdatomic.h>

/* One vector to search for. */
typedef struct dp_query {
    const float *x;        /* [dim] */
    float inverse_norm;    /* for the cosine; 0 for a zero vector */
    size_t row, col;       /* its cell; a global search does not read it */
    size_t leave_out;      /* picture whose rows are not searched, or DP_NO_PICTURE */
    dp_neighbour *nearest; /* [knn]; distances are infinite where there is no neighbour yet; Euclidean ones are
                            * squared */
    float *each; /* [n_pictures] the same for each picture; NULL: not asked for. A global search does not read it */
    const uint8_t *among; /* [n_pictures] 1: its rows are searched; NULL: all */
} dp_query;

/* Offers every valid row of the bank to every query. Of search it uses metric, knn and isa (resolved). Distances equal
 * those of the kernels in distance.h bit by bit; the first of equal rows wins. The same bytes for any number of
 * threads. Sets not_finite if a distance is not finite. Errors: DP_E_MEMORY. */
dp_status dp_search_global(const dp_rows *bank, const dp_search *search, const dp_query *queries, size_t n,
                           dp_pool *pool, atomic_bool *not_finite, dp_error *err);

/* Returns the inverse norm of a query. It is NaN if the norm is not a number: the angle is then unknown, and no
 * distance is finite. */
static inline float dp_inverse_norm(dp_metric metric, const float *x, size_t dim)
{
    float norm = metric == DP_METRIC_COSINE ? dp_norm_f32(x, dim) : 0;
    return norm < INFINITY ? norm > 0 ? 1 / norm : 0 : NAN;
}

/* Marks nearest [knn] as empty. */
static inline void dp_neighbours_clear(dp_neighbour *nearest, size_t knn)
{
    for (size_t i = 0; i < knn; i++)
        nearest[i] = (dp_neighbour){INFINITY, DP_NO_ROW, DP_NO_ROW};
}

/* Turns squared distances into distances. Returns how many were found, and sets *mean to theirs (unchanged if none). */
static inline size_t dp_neighbours_conclude(dp_metric metric, dp_neighbour *nearest, size_t knn, float *mean)
{
    double sum = 0;
    size_t found = 0;
    for (; found < knn && nearest[found].cell != DP_NO_ROW; found++) {
        if (metric == DP_METRIC_L2)
            nearest[found].distance = sqrtf(nearest[found].distance);
        sum += nearest[found].distance;
    }
    if (found)
        *mean = (float)(sum / (double)found);
    return found;
}

/* Inserts a row into nearest [knn], behind equally near ones. */
static inline void dp_neighbour_insert(dp_neighbour *nearest, size_t knn, dp_neighbour found)
{
    size_t i = knn - 1;
    for (; i > 0 && found.distance < nearest[i - 1].distance; i--)
        nearest[i] = nearest[i - 1];
    nearest[i] = found;
}

/* Returns the distance, squared or 1 - cosine, of a kernel's value. */
static inline float dp_distance_of(dp_metric metric, float value, float inverse_norm_x, float inverse_norm_y)
{
    if (metric != DP_METRIC_COSINE)
        return value;
    float distance = 1 - value * inverse_norm_x * inverse_norm_y;
    return distance < 0 ? 0 : distance > 2 ? 2 : distance;
}

#endif
