/* SPDX-License-Identifier: Apache-2.0 */
/* edges.h - the stages from a picture to its pose, each on 8-bit planes [height, width].
 *
 * picture -> dp_gray_u8 -> dp_blur_u8 -> dp_canny_u8 -> dp_borders_follow -> dp_pose_find */
#ifndef DP_ALIGN_EDGES_H
#define DP_ALIGN_EDGES_H

#include "dinopatch/experimental.h"

/* Converts rgb [n, 3] -> gray [n]. */
void dp_gray_u8(const uint8_t *rgb, size_t n, uint8_t *gray);

/* The largest Gaussian kernel; odd. */
#define DP_MAX_BLUR_PX 127

/* Blurs with a Gaussian: in [height, width] -> out [height, width], which must not overlap. */
dp_status dp_blur_u8(const uint8_t *in, size_t height, size_t width, size_t side, uint8_t *out, dp_error *err);

/* Finds the Canny edges of a blurred plane; edges [height, width] become 255 or 0. low <= high are thresholds on the
 * L1 gradient. */
dp_status dp_canny_u8(const uint8_t *in, size_t height, size_t width, int low, int high, uint8_t *edges, dp_error *err);

typedef struct dp_borders {
    size_t n_points; /* border points, each counted as often as the borders visit it */
    size_t n_contours;
    size_t n_touching; /* points of the borders that come within rim_px of the picture's border */
} dp_borders;

/* Follows every outer and hole border of the non-zero pixels of edges [height, width]. Writes to visits [height + 2,
 * width + 2] how often each pixel was visited, with a frame of zeros around the picture. rim_px: see n_touching. */
void dp_borders_follow(const uint8_t *edges, size_t height, size_t width, size_t rim_px, uint8_t *visits,
                       dp_borders *borders);

#endif
