/* depth.h - how many bits of 16-bit samples are used. */
#ifndef DP_PICTURE_DEPTH_H
#define DP_PICTURE_DEPTH_H

#include "picture/picture_file.h"

/* What the samples of 16-bit pictures have shown, alpha left out. */
typedef struct dp_depth {
    uint16_t largest, any; /* the largest sample; all samples, bit by bit or'ed */
    size_t n;              /* pictures */
} dp_depth;

/* Adds n pixels of `bands` samples. */
void dp_depth_add(dp_depth *depth, const uint16_t *samples, size_t n, size_t bands);
dp_depth dp_depth_of(const dp_raster *raster);
/* The sample that means white in such pictures: 65535 where nothing is known. */
size_t dp_depth_white(const dp_depth *depth);
/* Bits between the lowest and the highest that `white` has. */
size_t dp_depth_bits(size_t white);
/* Spreads samples so that `white` becomes the largest of the type; *over: samples that are above it, which become white
 * as well. */
void dp_depth_spread(dp_raster *raster, size_t white, size_t *over);

/* depth of a file; all zeros where it does not hold 16-bit samples, or states itself what white is.  Errors: as
 * dp_picture_load. */
dp_status dp_depth_survey(const char *path, const dp_picture_options *options, dp_depth *depth, dp_error *err);
/* Bits of a sample, from the first bytes of a file or its directory; 0: not known before it is decoded. */
dp_status dp_picture_file_bits(const char *path, size_t *bits, dp_error *err);

#endif
