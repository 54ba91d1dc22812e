/* SPDX-License-Identifier: Apache-2.0 */
/* depth.h - how many bits of 16-bit samples are used. */
#ifndef DP_PICTURE_DEPTH_H
#define DP_PICTURE_DEPTH_H

#include "base/white.h"
#include "picture/picture_file.h"

dp_depth dp_depth_of(const dp_raster *raster);
/* Spreads samples so that `white` becomes the largest value of the type. *over: number of samples above it, which
 * become white too. */
void dp_depth_spread(dp_raster *raster, size_t white, size_t *over);

/* Finds the depth of a file; all zeros if it has no 16-bit samples, or if the file itself states its white. Errors: as
 * dp_picture_load. */
dp_status dp_depth_survey(const dp_stored *stored, const dp_picture_options *options, dp_depth *depth, dp_error *err);
/* Returns the bits of a sample, from the first bytes of a file or its directory; 0: unknown before decoding. */
dp_status dp_picture_file_bits(const dp_stored *stored, size_t *bits, dp_error *err);

#endif
