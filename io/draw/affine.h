/* SPDX-License-Identifier: Apache-2.0 */
/* affine.h - applies an affine map between two planes. */
#ifndef DP_DRAW_AFFINE_H
#define DP_DRAW_AFFINE_H

#include "dinopatch/experimental.h"

static inline void dp_draw_apply(const dp_affine *map, double u, double v, double *x, double *y)
{
    *x = map->xu * u + map->xv * v + map->x0;
    *y = map->yu * u + map->yv * v + map->y0;
}

#endif
