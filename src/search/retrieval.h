/* SPDX-License-Identifier: Apache-2.0 */
/* retrieval.h - the good pictures that are most like a picture, by the cosine of one vector a picture.
 *
 *     similarity(x, y) = x . y / (|x| |y|), 0 for a vector of zeros;  of equally similar pictures the first counts more. */
#ifndef DP_SEARCH_RETRIEVAL_H
#define DP_SEARCH_RETRIEVAL_H

#include "bank/rows.h"

/* What is known of a picture whose like were found. */
typedef struct dp_likeness {
    double similarity; /* to the most similar one; NaN: there is none */
    double distance;   /* mean Euclidean distance to those chosen; NaN: none was */
} dp_likeness;

/* Whether a search of these rows leaves pictures out. */
static inline bool dp_rows_retrieve(const dp_rows *rows)
{
    return rows->vectors && rows->retrieval && rows->retrieval < rows->n_pictures;
}

/* Finds the rows->retrieval pictures most similar to vector [n_vector], leave_out (or DP_NO_PICTURE) not among them.
 * among [n_pictures] (may be NULL): 1 for those chosen. scratch [n_pictures]. The same bits on every machine. */
dp_likeness dp_retrieve(const dp_rows *rows, const float *vector, size_t leave_out, double *scratch, uint8_t *among);

#endif
