/* SPDX-License-Identifier: Apache-2.0 */
/* picture_file.h - a picture file before it is decoded: what its content is, and what its own headers say.
 *
 * The walkers read the structure of a file and decode nothing.  They find what the decoders do not tell: whether a file
 * is whole, which page is the picture, which channel is alpha, whether a codec may be trusted. */
#ifndef DP_PICTURE_FILE_H
#define DP_PICTURE_FILE_H

#include "dinopatch/experimental.h"

#include <stdbool.h>

/* Formats that are read, by their content.  DP_KIND_OTHER: known and refused. */
typedef enum dp_kind {
    DP_KIND_NONE = 0,
    DP_KIND_JPEG,
    DP_KIND_PNG,
    DP_KIND_TIFF,
    DP_KIND_WEBP,
    DP_KIND_HEIF,
    DP_KIND_BMP,
    DP_KIND_PNM,
    DP_KIND_OTHER
} dp_kind;

#define DP_FAULT_BYTES 160

/* What a file says of itself. */
typedef struct dp_facts {
    size_t width_px, height_px; /* 0: only the decoder knows */
    size_t bits;                /* of a sample; 0: only the decoder knows */
    size_t colours;             /* channels that are colour, the first ones; 0: as the decoder says */
    bool alpha;                 /* with `colours`: the channel after them is alpha */
    size_t white;               /* the sample that means white, where the file says so; 0: the largest of its type */
    bool lossy;                 /* values ring around edges */
    bool has_zero;              /* a palette: */
    uint8_t zero[3];            /*     the colour of its entry 0 */
    size_t page;                /* of a TIFF: the one to read */
    int subifd;                 /*     and which of its sub-directories; -1: the page itself */
    bool in_layers;             /* progressive or interlaced: all rows come from all of the file */
    bool no_end;                /* a JPEG or PNG without its end marker */
    size_t
        height_at; /* of a JPEG in one scan whose rows of blocks are 8 pixels high: where its height stands; else 0 */
    size_t entropy_end;         /* of a JPEG in one scan: where its entropy-coded data end; 0: not looked at */
    bool cut;                   /* the fault is an end too early */
    size_t rows;                /* with a fault: upright rows that are there, SIZE_MAX: not known */
    char fault[DP_FAULT_BYTES]; /* what is damaged; "": nothing seen */
    char note[DP_FAULT_BYTES];  /* what a user should know although the file is sound; "": nothing */
    bool has_profile;           /* there is an ICC profile in it, good or not */
    const uint8_t *profile;     /* ICC profile, where the decoder does not find it itself */
    size_t profile_bytes;
} dp_facts;

/* Samples as a file holds them, in the order of the picture: [height_px, width_px, bands] of 8 or 16 bits. */
typedef struct dp_raster {
    size_t width_px, height_px, bands, bits;
    void *samples; /* dp_memory_free */
} dp_raster;

/* The format of a file that begins with head [bytes]; *name: what to call it, static storage, NULL for DP_KIND_NONE. */
dp_kind dp_sniff(const uint8_t *head, size_t bytes, const char **name);

/* The structure of a file in memory.  dp_jpeg_walk evens out harmless oddities of the header in place: a version of
 * JFIF, a code of Adobe that no decoder knows.  dp_png_mend writes the checksums of all chunks anew. */
void dp_jpeg_walk(uint8_t *data, size_t bytes, dp_facts *facts);
void dp_png_walk(const uint8_t *data, size_t bytes, dp_facts *facts);
void dp_png_mend(uint8_t *data, size_t bytes);
void dp_riff_walk(const uint8_t *data, size_t bytes, dp_facts *facts);
/* Of a TIFF on disk, of which only the directories are read.  Errors: DP_E_PICTURE (no directory, a codec or a kind
 * that is not read); the message does not name the file. */
dp_status dp_tiff_walk(int fd, uint64_t bytes, dp_facts *facts, dp_error *err);

#define DP_MAX_SIDE 10000000 /* pixels, libvips' own limit */

/* BMP and PNM are decoded here.  A file that is cut short or damaged is decoded as far as it goes, the rest is zeros,
 * and facts->fault says so.  Errors: DP_E_PICTURE (no header, a kind that is not read, more than max_pixels),
 * DP_E_MEMORY; the message does not name the file. */
dp_status dp_bmp_read(const uint8_t *data, size_t bytes, size_t max_pixels, dp_facts *facts, dp_raster *raster,
                      dp_error *err);
dp_status dp_pnm_read(const uint8_t *data, size_t bytes, size_t max_pixels, dp_facts *facts, dp_raster *raster,
                      dp_error *err);

/* Whether an ICC profile describes sRGB, by its primaries and curves (of a grey one: its curve), whatever its name. */
bool dp_profile_is_srgb(const uint8_t *profile, size_t bytes);

/* An open picture file. */
typedef struct dp_picture_file {
    const char *path;
    dp_kind kind;
    int fd; /* of a TIFF, else -1 */
    uint64_t size;
    uint8_t *data; /* [bytes] all of the file but for a TIFF; two more bytes are there */
    size_t bytes, at;
    dp_facts facts;
} dp_picture_file;

/* Opens a file, knows its format, reads it whole where that is needed.  Errors: DP_E_IO, DP_E_PICTURE, DP_E_MEMORY. */
dp_status dp_picture_file_open(const char *path, size_t max_pixels, dp_picture_file *source, dp_error *err);
void dp_picture_file_close(dp_picture_file *source);

#endif
