/* nearest.h - where in its picture a row of the bank comes from. */
#ifndef DP_RUN_NEAREST_H
#define DP_RUN_NEAREST_H

#include "bank/distance.h"

/* Centre of the patch in pixels of the picture it was cut from.  false, and both NaN, where that is not known: the row is of no
 * single picture, it may be of the picture or of its mirror, it is of the picture turned (rotations), or pictures have
 * their own sizes (edge_px). */
bool dp_nearest_place(const dp_bank *bank, const dp_neighbour *found, double *x_px, double *y_px);

#endif
