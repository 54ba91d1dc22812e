/* orientation.h - which end of the object is which: PCA leaves a half turn open, the features settle it. */
#ifndef DP_POLARITY_ORIENTATION_H
#define DP_POLARITY_ORIENTATION_H

#include "dinopatch.h"

/* Orientation vector of a feature grid: mean of the valid cells right of the middle minus the mean of those left of it
 * (the middle column of an odd grid belongs to neither), L2-normalised.
 * features [rows, cols, dim], valid [rows, cols] (NULL: all), orientation [dim].
 * Zeros where a half has no valid cell or both halves have the same mean to the precision of float: not settled.
 * Errors: DP_E_MEMORY, DP_E_NUMERIC (a valid cell holds a feature that is not finite). */
dp_status dp_orientation(const float *features, const uint8_t *valid, size_t rows, size_t cols, size_t dim,
                         float *orientation, dp_error *err);

/* What an orientation vector says of the object alone: own [dim] = (as_found - turned) / |.|, where the two are the orientation
 * vectors of an object and of the same object turned by 180 degrees.  A transformer's features also tell where on the grid they
 * stand (more so in early blocks), which gives every picture the same contribution whichever way its object lies; it is the
 * half sum of the two, bias [dim] (may be NULL), and falls out of the difference.  own is zero where the two are equal. */
void dp_orientation_own(const float *as_found, const float *turned, size_t dim, float *own, float *bias);

/* orientation [dim] := (orientation - bias) / |.|; a zero vector, and one equal to the bias, become zero. */
void dp_orientation_unbias(float *orientation, const float *bias, size_t dim);

/* The direction on which n orientation vectors agree best, and the sign each needs for it.
 * orientations [n, dim] as dp_orientation gives them; reference [dim], unit length; signs [n]: +1, -1, or 0 where the
 * vector is zero.  At least half of the signs that are not 0 are +1, so that as few pictures as possible are turned.
 * reference is zero where every vector is.  Errors: DP_E_MEMORY. */
dp_status dp_orientation_consensus(const float *orientations, size_t n, size_t dim, float *reference, int *signs,
                                   dp_error *err);

/* Polarity of a new vector against a reference, both [dim]: +1, -1, or 0 where the dot product is zero.
 * confidence (may be NULL): |cosine|, in 0..1. */
int dp_orientation_sign(const float *orientation, const float *reference, size_t dim, double *confidence);

/* Mirrors a grid along its columns, in place: cell (r, c) and cell (r, cols-1-c) change places.
 * features [rows, cols, dim], valid [rows, cols]; either may be NULL. */
void dp_grid_mirror(float *features, uint8_t *valid, size_t rows, size_t cols, size_t dim);

#endif
