/* edges.h - the stages between a picture and its pose, each on planes [height, width] of 8 bits.
 *
 * picture -> dp_gray_u8 -> dp_blur_u8 -> dp_canny_u8 -> dp_borders_follow -> dp_pose_find */
#ifndef DP_ALIGN_EDGES_H
#define DP_ALIGN_EDGES_H

#include "dinopatch.h"

/* rgb [n, 3] -> gray [n]. */
void dp_gray_u8(const uint8_t *rgb, size_t n, uint8_t *gray);

/* The largest Gaussian kernel; odd. */
#define DP_MAX_BLUR_PX 127

/* The weights of a Gaussian kernel of `side` taps (odd, at most DP_MAX_BLUR_PX) in 1/256; they add up to 256.
 * weights [side]. */
void dp_blur_weights(size_t side, unsigned *weights);

/* Gaussian blur, in [height, width] -> out [height, width]; they must not overlap. */
dp_status dp_blur_u8(const uint8_t *in, size_t height, size_t width, size_t side, uint8_t *out, dp_error *err);

/* Canny edges of a blurred plane; edges [height, width] become 255 or 0; low <= high, on the L1 gradient. */
dp_status dp_canny_u8(const uint8_t *in, size_t height, size_t width, int low, int high, uint8_t *edges, dp_error *err);

/* Thresholds from the median of a plane: 0.67 and 1.33 times the median. */
void dp_canny_thresholds(const uint8_t *in, size_t n, int *low, int *high);

typedef struct dp_borders {
    size_t n_points;   /* border points, each counted as often as the contours visit it */
    size_t n_contours;
    size_t n_touching; /* points of the contours that come within the rim of the picture's border */
} dp_borders;

/* Follows every outer and hole border of the non-zero pixels of edges [height, width].  visits [height + 2, width + 2]
 * receives how often a pixel was visited, with a frame of zeros around the picture.  rim_px: see n_touching. */
void dp_borders_follow(const uint8_t *edges, size_t height, size_t width, size_t rim_px, uint8_t *visits,
                       dp_borders *borders);

/* The checks of the settings the stages above use; DP_E_ARGUMENT names the setting. */
dp_status dp_align_check(const dp_recipe *recipe, dp_error *err);

#endif
