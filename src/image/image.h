/* SPDX-License-Identifier: Apache-2.0 */
/* image.h - a picture that a caller hands over, and the same as the stages take it. */
#ifndef DP_IMAGE_IMAGE_H
#define DP_IMAGE_IMAGE_H

#include "base/white.h"
#include "dinopatch.h"

#include <stdbool.h>

/* Copies *image, which may be one of another version of the library, to *own, checks it, and fills in the stride.
 * max_pixels 0: no limit. Errors: DP_E_ARGUMENT, DP_E_PICTURE (too many pixels). */
dp_status dp_image_take(const dp_image *image, size_t max_pixels, dp_image *own, dp_error *err);
bool dp_image_is_deep(const dp_image *image);
size_t dp_image_row_bytes(const dp_image *image);
/* Returns the pixels where they are [height, width, 3] in RGB as they lie; else NULL. */
uint8_t *dp_image_as_rgb(const dp_image *image);
/* Adds the 16-bit samples to *depth. */
void dp_image_add_depth(const dp_image *image, dp_depth *depth);
/* Converts to rgb [height, width, 3]. white: of 16-bit samples; 0: the image's own samples decide. */
void dp_image_convert(const dp_image *image, size_t white, uint8_t *rgb);

#endif
