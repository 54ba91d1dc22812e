/* SPDX-License-Identifier: Apache-2.0 */
/* retrieval.c - compares the vectors of whole pictures. */
#include "search/retrieval.h"

#include <math.h>
#include <string.h>

static double dot(const float *x, const float *y, size_t n)
{
    double sum = 0;
    for (size_t d = 0; d < n; d++)
        sum += (double)x[d] * (double)y[d];
    return sum;
}

static double apart(const float *x, const float *y, size_t n)
{
    double sum = 0;
    for (size_t d = 0; d < n; d++)
        sum += ((double)x[d] - (double)y[d]) * ((double)x[d] - (double)y[d]);
    return sqrt(sum);
}

dp_likeness dp_retrieve(const dp_rows *rows, const float *vector, size_t leave_out, double *scratch, uint8_t *among)
{
    const size_t n = rows->n_pictures, dim = rows->n_vector;
    dp_likeness found = {NAN, NAN};
    double own = sqrt(dot(vector, vector, dim)), sum = 0;
    size_t chosen = 0;
    for (size_t p = 0; p < n; p++) {
        const float *other = rows->vectors + p * dim;
        double norm = sqrt(dot(other, other, dim));
        scratch[p] = p == leave_out        ? (double)-INFINITY
                     : own > 0 && norm > 0 ? dot(vector, other, dim) / (own * norm)
                                           : 0;
    }
    if (among)
        memset(among, 0, n);
    for (; chosen < rows->retrieval; chosen++) {
        size_t best = 0;
        for (size_t p = 1; p < n; p++)
            best = scratch[p] > scratch[best] ? p : best;
        if (!n || scratch[best] == (double)-INFINITY)
            break;
        if (!chosen)
            found.similarity = scratch[best];
        scratch[best] = (double)-INFINITY;
        sum += apart(vector, rows->vectors + best * dim, dim);
        if (among)
            among[best] = 1;
    }
    if (chosen)
        found.distance = sum / (double)chosen;
    return found;
}
