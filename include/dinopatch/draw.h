/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch/draw.h - pictures of results, for people to look at.
 *
 * Of the library libdinopatch-io, which stands on libdinopatch and on cairo.  The conventions of dinopatch.h hold. */
#ifndef DINOPATCH_DRAW_H
#define DINOPATCH_DRAW_H

#include "dinopatch/experimental.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Draws the principal axes, the centre and the canvas on the picture (the paper's Figure 4).
 * The caller frees *drawn. */
DP_API dp_status dp_pose_draw(const dp_picture *picture, const dp_pose *pose, double fill, size_t canvas_height,
                              size_t canvas_width, dp_picture **drawn, dp_error *err);

/* The picture with the heat map over it (red = anomalous; its cover grows with the distance, so that what is at `low`
 * or below stays as photographed), of an anomalous one the contour of result->cell_threshold, numbered defect boxes,
 * and a caption below with label, score, threshold and a legend whose scale runs from `low` to `high`.  The longest
 * side of the picture is drawn with at most 1600 pixels and at least 480, whatever its size; *drawn is the caption's
 * height taller.  What result->inspected leaves out is drawn darker.  The map must have the picture's size.  The caller
 * frees *drawn.
 * Errors: DP_E_ARGUMENT (high not above low, sizes that differ), DP_E_MEMORY. */
DP_API dp_status dp_result_draw(const dp_picture *picture, const dp_result *result, double low, double high,
                                dp_picture **drawn, dp_error *err);

/* A defect explained (dp_defect_compare): left the patch with its largest distance, right the patch of the good
 * pictures that comes nearest to it, both with what lies around them, in the bank's pose, the patches outlined; with
 * captions (non-zero) distance, threshold, places and the name of the picture stand below.  The caller frees *drawn.
 * Errors: as dp_defect_compare; DP_E_ARGUMENT (a grid without cells, a map without an inverse), DP_E_MEMORY. */
DP_API dp_status dp_defect_draw(const dp_bank *bank, const dp_picture *picture, const dp_result *result, size_t defect,
                                const dp_picture *nearest, const char *missing, int captions, dp_picture **drawn,
                                dp_error *err);

#ifdef __cplusplus
}
#endif
#endif
