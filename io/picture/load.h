/* SPDX-License-Identifier: Apache-2.0 */
/* load.h - what loading pictures and loading masks share. */
#ifndef DP_PICTURE_LOAD_H
#define DP_PICTURE_LOAD_H

#include "picture/picture_file.h"

#include <vips/vips.h>

#define DP_WHY_BYTES 200
#define DP_ROWS 64 /* rows decoded at a time */

/* A file while it is decoded. */
struct dp_decoding {
    dp_picture_file source;
    VipsImage *image;
    VipsImage *tall;  /* for some JPEGs: image is all of it except the last 8 rows, which are not in the file */
    dp_raster raster; /* what image reads from, if it is not a decoder */
    size_t rows;      /* number of rows of the stored picture that came */
    char reason[DP_WHY_BYTES];
};

/* Takes the rows of a decoded file, in order. */
struct dp_sink {
    /* Called when the header is known and d->image exists; it may replace d->image. Called again if the file is read
     * again. */
    dp_status (*begin)(void *user, struct dp_decoding *d, dp_error *err);
    /* Takes n rows from row y on. */
    dp_status (*rows)(void *user, VipsRegion *region, size_t y, size_t n, dp_error *err);
    void *user;
    const char *tiff_only; /* not NULL: any file that is not a TIFF is refused with these words, before it is decoded */
};

/* Opens a picture, hands its rows to sink, and checks that the file is whole. A damaged file fails, or, with
 * options->tolerant, gives the rows that exist and a note. Close d with dp_decoding_close, also on failure. */
dp_status dp_decode(const dp_stored *stored, const dp_picture_options *options, const struct dp_sink *sink,
                    struct dp_decoding *d, dp_picture_notes *notes, dp_error *err);
void dp_decoding_close(struct dp_decoding *d);

/* Wraps samples in memory for libvips, borrowed; NULL: no memory. Free with g_object_unref. */
VipsImage *dp_raster_image(const dp_raster *raster);

/* Adds a sentence to notes->text. */
void dp_note(dp_picture_notes *notes, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Where the EXIF orientation puts the stored pixel (x, y): offsets in pixels of the upright picture. */
struct dp_placing {
    ptrdiff_t start, step_x, step_y;
    bool swapped; /* swaps width and height */
};

struct dp_placing dp_place(int orientation, size_t width, size_t height);

#endif
