/* SPDX-License-Identifier: Apache-2.0 */
/* warp.h - makes a part of a canvas from the picture. */
#ifndef DP_GEOMETRY_WARP_H
#define DP_GEOMETRY_WARP_H

#include "base/area.h"
#include "dinopatch/experimental.h"

/* All that decides the pixels of a canvas, as in dp_canvas_warp. */
typedef struct dp_canvas {
    const dp_pose *pose;
    double fill;
    int turn;
    size_t height_px, width_px;
} dp_canvas;

/* Does the same as dp_canvas_warp for the pixels of part only; each has the same bits as in the whole canvas: rgb [part
 * height, part width, 3], valid [part height, part width]; either may be NULL. Memory grows with the part, not with the
 * canvas. Errors: as dp_canvas_warp. */
dp_status dp_canvas_warp_part(const dp_picture *picture, const dp_canvas *canvas, const dp_area *part, float *rgb,
                              uint8_t *valid, dp_error *err);

#endif
