/* SPDX-License-Identifier: Apache-2.0 */
/* cluster.c - k-means: Lloyd's algorithm from k-means++ seeds (Arthur and Vassilvitskii 2007), Euclidean, at most 25
 * rounds.
 *
 * Each next seed is drawn with a probability proportional to the squared distance to the nearest seed so far. Then each
 * token goes to its nearest centre (the first of equal ones), and each centre moves to the mean of its tokens, until no
 * token changes its centre. A centre without tokens takes the token that lies farthest from its own centre. */
#include "cluster.h"

#include <glib.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 25

struct tokens {
    const float *x; /* [n, dim] */
    size_t n, dim, k;
    double *centres; /* [k, dim] */
    double *nearest; /* [n] squared distance from the nearest centre */
    uint32_t *label; /* [n] */
};

static double distance(const struct tokens *t, size_t token, size_t centre)
{
    const float *x = t->x + token * t->dim;
    const double *c = t->centres + centre * t->dim;
    double sum = 0;
    for (size_t d = 0; d < t->dim; d++)
        sum += (x[d] - c[d]) * (x[d] - c[d]);
    return sum;
}

static void take_as_centre(struct tokens *t, size_t token, size_t centre)
{
    for (size_t d = 0; d < t->dim; d++)
        t->centres[centre * t->dim + d] = t->x[token * t->dim + d];
}

static void seed_centres(struct tokens *t, uint32_t seed)
{
    GRand *random = g_rand_new_with_seed(seed);
    size_t chosen = (size_t)(g_rand_double(random) * (double)t->n);
    for (size_t i = 0; i < t->n; i++)
        t->nearest[i] = INFINITY;
    for (size_t c = 0; c < t->k; c++) {
        double total = 0;
        take_as_centre(t, chosen, c);
        for (size_t i = 0; i < t->n; i++) {
            t->nearest[i] = MIN(t->nearest[i], distance(t, i, c));
            total += t->nearest[i];
        }
        double goal = g_rand_double(random) * total;
        for (size_t i = 0; i < t->n; i++) {
            if (t->nearest[i] > 0)
                chosen = i;
            goal -= t->nearest[i];
            if (goal < 0)
                break;
        }
    }
    g_rand_free(random);
}

/* Returns whether any token changed its centre. */
static bool assign(struct tokens *t)
{
    bool moved = false;
    for (size_t i = 0; i < t->n; i++) {
        uint32_t best = 0;
        t->nearest[i] = INFINITY;
        for (size_t c = 0; c < t->k; c++) {
            double here = distance(t, i, c);
            if (here < t->nearest[i]) {
                t->nearest[i] = here;
                best = (uint32_t)c;
            }
        }
        moved |= t->label[i] != best;
        t->label[i] = best;
    }
    return moved;
}

static void move_centres(struct tokens *t, size_t *counts)
{
    memset(counts, 0, t->k * sizeof *counts);
    for (size_t i = 0; i < t->n; i++)
        counts[t->label[i]]++;
    for (size_t c = 0; c < t->k; c++) {
        size_t farthest = 0;
        for (size_t i = 1; i < t->n && !counts[c]; i++)
            if (t->nearest[i] > t->nearest[farthest])
                farthest = i;
        /* there are fewer different tokens than centres: it stays in place */
        if (counts[c] || !(t->nearest[farthest] > 0))
            continue;
        counts[t->label[farthest]]--;
        t->label[farthest] = (uint32_t)c;
        counts[c] = 1;
        t->nearest[farthest] = 0;
    }
    for (size_t c = 0; c < t->k; c++)
        if (counts[c])
            memset(t->centres + c * t->dim, 0, t->dim * sizeof *t->centres);
    for (size_t i = 0; i < t->n; i++)
        for (size_t d = 0; d < t->dim; d++)
            t->centres[t->label[i] * t->dim + d] += t->x[i * t->dim + d] / (double)counts[t->label[i]];
}

struct group {
    size_t size, first; /* number of tokens in it; index of the first */
    uint32_t label;
};

static int larger_first(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return x->first < y->first ? -1 : x->first > y->first;
}

static void renumber(struct tokens *t)
{
    struct group *groups = g_new(struct group, t->k);
    uint32_t *number = g_new(uint32_t, t->k);
    for (size_t c = 0; c < t->k; c++)
        groups[c] = (struct group){.first = t->n, .label = (uint32_t)c};
    for (size_t i = t->n; i-- > 0;) {
        groups[t->label[i]].size++;
        groups[t->label[i]].first = i;
    }
    qsort(groups, t->k, sizeof *groups, larger_first);
    for (size_t c = 0; c < t->k; c++)
        number[groups[c].label] = (uint32_t)c;
    for (size_t i = 0; i < t->n; i++)
        t->label[i] = number[t->label[i]];
    g_free(groups);
    g_free(number);
}

void cluster_tokens(const float *tokens, size_t n, size_t dim, size_t k, uint32_t seed, uint32_t *labels)
{
    if (n <= k) {
        for (size_t i = 0; i < n; i++)
            labels[i] = (uint32_t)i;
        return;
    }
    struct tokens t = {.x = tokens,
                       .n = n,
                       .dim = dim,
                       .k = k,
                       .centres = g_new(double, k *dim),
                       .nearest = g_new(double, n),
                       .label = labels};
    size_t *counts = g_new(size_t, k);
    seed_centres(&t, seed);
    memset(labels, 0xff, n * sizeof *labels);
    for (int round = 0; round < ROUNDS && assign(&t); round++)
        move_centres(&t, counts);
    renumber(&t);
    g_free(counts);
    g_free(t.centres);
    g_free(t.nearest);
}
