/* SPDX-License-Identifier: Apache-2.0 */
/* settle_lines.h - says what was chosen for a bank's recipe, and why: a line for each choice. */
#ifndef DP_PIPELINE_SETTLE_LINES_H
#define DP_PIPELINE_SETTLE_LINES_H

#include "options/choices.h"
#include "pipeline/canvas.h"

#define DP_REASON_MOST 512

/* Which settings the user left open, and the reason for the pose. */
typedef struct dp_settled_story {
    bool pose, tile, window, score; /* left open */
    char why_pose[DP_REASON_MOST];  /* of a pose that was left open */
} dp_settled_story;

/* The canvas as it was settled, and what it shows. */
typedef struct dp_settled_canvas {
    dp_canvas_shape shape;
    dp_typical typical;
} dp_settled_canvas;

/* Adds the lines of a settled recipe to choices. Errors: DP_E_MEMORY. */
dp_status dp_settled_lines(const dp_recipe *recipe, const dp_settled_story *story, const dp_settled_canvas *canvas,
                           dp_choices *choices, dp_error *err);

#endif
