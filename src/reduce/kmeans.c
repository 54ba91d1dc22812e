/* SPDX-License-Identifier: Apache-2.0 */
/* kmeans.c - k-means for one cell of a bank: some dozens of centres for some hundreds of vectors.
 *
 * Seeds by k-means++: each next seed is drawn with a probability proportional to the squared distance to the nearest
 * seed so far. Then each vector goes to its nearest centre (the first of equal ones), and each centre moves to the mean
 * of its vectors, until no vector changes its centre. A centre without vectors takes the vector that lies farthest from
 * its own centre. */
#include "reduce/kmeans.h"
#include "base/random.h"

#include <math.h>
#include <string.h>

#define ROUNDS 25
#define GROUP 64

size_t dp_kmeans_scratch(size_t n, size_t k, size_t dim)
{
    return n + GROUP * k + k + 2 * dim; /* nearest, distances, counts, one sum of doubles */
}

static void seed_centres(const dp_vectors *v, size_t k, uint64_t seed, dp_tile_f32_fn l2, float *nearest,
                         float *centres)
{
    const float *x = v->x;
    const size_t n = v->n, dim = v->dim;
    dp_random random = dp_random_at(seed, n);
    size_t chosen = (size_t)dp_random_below(&random, n);
    for (size_t i = 0; i < n; i++)
        nearest[i] = INFINITY;
    for (size_t c = 0;; c++) {
        const float *centre = centres + c * dim;
        memcpy(centres + c * dim, x + chosen * dim, dim * sizeof *x);
        if (c + 1 == k)
            return;
        double total = 0;
        for (size_t i = 0; i < n; i++) {
            float distance;
            l2(&centre, 1, x + i * dim, 1, dim, &distance, 1);
            nearest[i] = distance < nearest[i] ? distance : nearest[i];
            total += nearest[i];
        }
        double goal = dp_random_unit(&random) * total;
        if (total > 0) {
            for (size_t i = 0; i < n; i++) {
                if (nearest[i] > 0)
                    chosen = i;
                goal -= nearest[i];
                if (goal < 0)
                    break;
            }
        } else { /* all vectors are already among the centres */
            chosen = c + 1;
        }
    }
}

/* Returns whether any vector changed its centre. */
static bool assign(const dp_vectors *v, size_t k, dp_tile_f32_fn l2, const float *centres, float *distances,
                   float *nearest, uint32_t *members)
{
    const float *x = v->x;
    const size_t n = v->n, dim = v->dim;
    bool moved = false;
    for (size_t first = 0; first < n; first += GROUP) {
        const float *queries[GROUP];
        size_t m = n - first < GROUP ? n - first : GROUP;
        for (size_t i = 0; i < m; i++)
            queries[i] = x + (first + i) * dim;
        l2(queries, m, centres, k, dim, distances, k);
        for (size_t i = 0; i < m; i++) {
            uint32_t best = 0;
            for (size_t c = 1; c < k; c++)
                if (distances[i * k + c] < distances[i * k + best])
                    best = (uint32_t)c;
            moved = moved || members[first + i] != best;
            members[first + i] = best;
            nearest[first + i] = distances[i * k + best];
        }
    }
    return moved;
}

static void move_centres(const dp_vectors *v, size_t k, float *nearest, float *counts, double *sum, float *centres,
                         uint32_t *members)
{
    const float *x = v->x;
    const size_t n = v->n, dim = v->dim;
    memset(counts, 0, k * sizeof *counts);
    for (size_t i = 0; i < n; i++)
        counts[members[i]]++;
    for (size_t c = 0; c < k; c++) {
        if (counts[c] > 0)
            continue;
        size_t farthest = 0;
        for (size_t i = 1; i < n; i++)
            if (nearest[i] > nearest[farthest])
                farthest = i;
        if (!(nearest[farthest] > 0)) /* there are fewer different vectors than centres: it stays in place */
            continue;
        counts[members[farthest]]--;
        members[farthest] = (uint32_t)c;
        counts[c] = 1;
        nearest[farthest] = 0;
    }
    for (size_t c = 0; c < k; c++) {
        if (counts[c] == 0)
            continue;
        memset(sum, 0, dim * sizeof *sum);
        for (size_t i = 0; i < n; i++)
            for (size_t d = 0; members[i] == c && d < dim; d++)
                sum[d] += x[i * dim + d];
        for (size_t d = 0; d < dim; d++)
            centres[c * dim + d] = (float)(sum[d] / counts[c]);
    }
}

size_t dp_kmeans(const dp_vectors *v, size_t k, uint64_t seed, dp_tile_f32_fn l2, float *scratch, float *centres,
                 uint32_t *members)
{
    const float *x = v->x;
    const size_t n = v->n, dim = v->dim;
    if (n <= k) {
        memcpy(centres, x, n * dim * sizeof *x);
        for (size_t i = 0; i < n; i++)
            members[i] = (uint32_t)i;
        return n;
    }
    double *sum = (double *)(void *)scratch;
    float *nearest = scratch + 2 * dim, *distances = nearest + n, *counts = distances + GROUP * k;
    seed_centres(v, k, seed, l2, nearest, centres);
    memset(members, 0xff, n * sizeof *members);
    for (size_t round = 0; round < ROUNDS && assign(v, k, l2, centres, distances, nearest, members); round++)
        move_centres(v, k, nearest, counts, sum, centres, members);
    return k;
}
