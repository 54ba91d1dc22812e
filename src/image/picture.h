/* SPDX-License-Identifier: Apache-2.0 */
/* picture.h - what the stages after loading need of pictures, beyond the public header. */
#ifndef DP_IMAGE_PICTURE_H
#define DP_IMAGE_PICTURE_H

#include "base/area.h"
#include "dinopatch/experimental.h"

/* Resizes the whole picture to height x width, bicubic with antialias, and fills rgb [area height, area width, 3] with the
 * pixels of area (NULL: all), held in 0..255 and not rounded. A pixel has the same bits whatever the area.
 * Errors: DP_E_ARGUMENT (a side of 0), DP_E_MEMORY. */
dp_status dp_picture_resize(const dp_picture *picture, size_t height, size_t width, const dp_area *area, float *rgb,
                            dp_error *err);

/* The same as Pillow does it on 8-bit pictures, each pass rounded: what AnomalyDINO's public code computes.  Sides of
 * at least 1. The caller frees *out.  Errors: DP_E_MEMORY. */
dp_status dp_picture_resize_8bit(const dp_picture *picture, size_t height, size_t width, dp_picture **out,
                                 dp_error *err);
/* Turned about its centre, counter-clockwise as seen, in its own size; what comes from outside is reflected at the
 * border.  As OpenCV's warpAffine.  The caller frees *out.  Errors: DP_E_MEMORY. */
dp_status dp_picture_rotate(const dp_picture *picture, double degrees, dp_picture **out, dp_error *err);

/* Every sample times the factor, rounded, at most white.  The caller frees *out.  Errors: DP_E_MEMORY. */
dp_status dp_picture_brighten(const dp_picture *picture, double factor, dp_picture **out, dp_error *err);

/* Two pictures are the same where these 32 bytes are: SHA-256 over size and pixels (docs/bank-format.md).
 * Errors: DP_E_MEMORY. */
dp_status dp_picture_digest(const dp_picture *picture, unsigned char digest[32], dp_error *err);

#endif
