/* SPDX-License-Identifier: Apache-2.0 */
/* kmeans.h - k-means: replaces many vectors by few. */
#ifndef DP_REDUCE_KMEANS_H
#define DP_REDUCE_KMEANS_H

#include "search/distance.h"

/* Returns the floats of scratch that dp_kmeans needs for n vectors and k centres. */
size_t dp_kmeans_scratch(size_t n, size_t k, size_t dim);

typedef struct dp_vectors {
    const float *x; /* [n, dim] */
    size_t n, dim;
} dp_vectors;

/* Lloyd's algorithm from k-means++ seeds (Arthur and Vassilvitskii 2007), Euclidean, at most 25 rounds.
 *   k at least 1; centres [k, dim]; members [n]: the centre each vector belongs to.
 *   l2: the kernel of squared distances; scratch as above.
 * Returns the number of centres: k, or n if that is less; then each vector is its own centre, in the same order.
 * Equal seeds give equal results. */
size_t dp_kmeans(const dp_vectors *vectors, size_t k, uint64_t seed, dp_tile_f32_fn l2, float *scratch, float *centres,
                 uint32_t *members);

#endif
