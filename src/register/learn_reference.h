/* SPDX-License-Identifier: Apache-2.0 */
/* learn_reference.h - a reference from good pictures: all of them brought into one pose. */
#ifndef DP_REGISTER_LEARN_REFERENCE_H
#define DP_REGISTER_LEARN_REFERENCE_H

#include "register/finder.h"

#define DP_MOST_LEARNED 12 /* pictures that a reference is worth learning from */

/* The pictures as they are and roughly in one pose, after the first step of learning, which takes a fraction of the whole. */
typedef struct dp_rough {
    size_t n, side, dim;                              /* side x side cells of a picture */
    const float *const *as_they_are, *const *posed;   /* [n] of [side, side, dim] */
    const uint8_t *const *valid, *const *posed_valid; /* [n] of [side, side] */
} dp_rough;

/* Asked after that step, and again when the poses are a little better: false ends the learning. */
typedef struct dp_rough_look {
    dp_status (*worth)(void *user, const dp_rough *rough, bool *worth, dp_error *err); /* NULL: not asked */
    void *user;
} dp_rough_look;

/* smalls [n], 2 <= n <= DP_MOST_LEARNED; one that shows something else than the others does not count.  *reference is NULL where it was
 * not worth learning.  Errors: DP_E_MEMORY, DP_E_NUMERIC, DP_E_CANCELLED, those of the network. */
dp_status dp_reference_learn(dp_finder *finder, const dp_small *smalls, size_t n, const dp_rough_look *look,
                             dp_reference **reference, dp_error *err);

#endif
