/* SPDX-License-Identifier: Apache-2.0 */
/* orientation.h - finds which end of the object is which. PCA leaves a turn by 180 degrees open; the features decide
 * it. */
#ifndef DP_EXTRACT_ORIENTATION_H
#define DP_EXTRACT_ORIENTATION_H

#include "dinopatch/experimental.h"

/* Sums over the valid cells left and right of the middle; the middle column of an odd grid belongs to neither. */
typedef struct dp_halves {
    size_t dim, n[2]; /* cells */
    double *sums;     /* [2, dim] left, right */
} dp_halves;

void dp_halves_close(dp_halves *halves);
void dp_halves_clear(dp_halves *halves);
/* Adds rows of a grid, features [rows, cols, dim], valid [rows, cols] (NULL: all). All rows of a grid, from the first to
 * the last, give the same bits in one call as in several. */
void dp_halves_add(dp_halves *halves, const float *features, const uint8_t *valid, size_t rows, size_t cols);
/* Computes the orientation vector of the added rows, as dp_orientation. */
dp_status dp_halves_orientation(const dp_halves *halves, float *orientation, dp_error *err);

/* Computes the orientation vector of a feature grid: the mean of the valid cells right of the middle minus the mean
 * of those left of it (the middle column of an odd grid belongs to neither), L2-normalised. features [rows, cols,
 * dim], valid [rows, cols] (NULL: all), orientation [dim]. The result is zero (polarity not decided) if a half has no
 * valid cell or if both halves have the same mean to the precision of float. Errors: DP_E_MEMORY, DP_E_NUMERIC (a
 * valid cell holds a feature that is not finite). */
dp_status dp_orientation(const float *features, const uint8_t *valid, size_t rows, size_t cols, size_t dim,
                         float *orientation, dp_error *err);

/* Computes the part of an orientation vector that depends only on the object: own [dim] = (as_found - turned) / |.|.
 * The two are the orientation vectors of an object and of the same object turned by 180 degrees. Features of a
 * transformer also contain their position on the grid (more so in early blocks). This contribution is the same for
 * both ways round: it is half the sum of the two, bias [dim] (may be NULL), and cancels in the difference. own is
 * zero if the two are equal. */
void dp_orientation_own(const float *as_found, const float *turned, size_t dim, float *own, float *bias);

/* Sets out [dim] to the orientation vector that the same features have once feature d is multiplied by factor[d]:
 * (factor orientation) / |.|. What is subtracted from all features alike does not change it. out may be orientation. */
void dp_orientation_scale(const float *orientation, const float *factor, size_t dim, float *out);

/* Sets orientation [dim] to (orientation - bias) / |.|. A zero vector, and one equal to the bias, become zero. */
void dp_orientation_unbias(float *orientation, const float *bias, size_t dim);

/* Finds the direction on which n orientation vectors agree best, and the sign that each needs for it. orientations
 * [n, dim] are results of dp_orientation; reference [dim] has unit length; signs [n] are +1, -1, or 0 for a zero
 * vector. At least half of the signs that are not 0 are +1, so that as few pictures as possible are turned. reference
 * is zero if every vector is. Errors: DP_E_MEMORY. */
dp_status dp_orientation_consensus(const float *orientations, size_t n, size_t dim, float *reference, int *signs,
                                   dp_error *err);

/* Returns the polarity of a vector against a reference, both [dim]: +1, -1, or 0 if the dot product is zero.
 * confidence (may be NULL): |cosine|, in 0..1. */
int dp_orientation_sign(const float *orientation, const float *reference, size_t dim, double *confidence);

/* Mirrors a grid along its columns, in place: swaps cell (r, c) with cell (r, cols-1-c). features [rows, cols, dim],
 * valid [rows, cols]; either may be NULL. */
void dp_grid_mirror(float *features, uint8_t *valid, size_t rows, size_t cols, size_t dim);

#endif
