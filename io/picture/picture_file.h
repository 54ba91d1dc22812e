/* SPDX-License-Identifier: Apache-2.0 */
/* picture_file.h - a picture file before it is decoded: its format, and what its headers say.
 *
 * The walkers read the structure of a file and decode nothing. They find what decoders do not report: whether a file is
 * whole, which page is the picture, which channel is alpha, whether the codec can be trusted. */
#ifndef DP_PICTURE_FILE_H
#define DP_PICTURE_FILE_H

#include "dinopatch/io.h"

#include <stdbool.h>
#include <sys/types.h>

/* Formats by content. DP_KIND_OTHER: known and refused. */
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

#define DP_TAR_NAME "tar file" /* the name of that DP_KIND_OTHER */

#define DP_FAULT_BYTES 160

/* What the headers of a file say. */
typedef struct dp_facts {
    size_t width_px, height_px; /* 0: only the decoder knows */
    size_t bits;                /* of a sample; 0: only the decoder knows */
    size_t colours;             /* the first so many channels are colour; 0: as the decoder says */
    bool alpha;                 /* with `colours`: the channel after them is alpha */
    size_t white;               /* the sample that means white, if the file states it; 0: the largest of its type */
    bool lossy;                 /* values ring around edges */
    bool has_zero;              /* has a palette: */
    uint8_t zero[3];            /*     the colour of its entry 0 */
    size_t page;                /* for a TIFF: the page to read */
    int subifd;                 /* and its sub-directory; -1: the page itself */
    bool in_layers;             /* progressive or interlaced: every row depends on the whole file */
    bool no_end;                /* a JPEG or PNG without its end marker */
    size_t height_at; /* for a JPEG in one scan whose rows of blocks are 8 pixels high: where its height is stored; else
                    * 0 */
    size_t entropy_end;          /* for a JPEG in one scan: where its entropy-coded data end; 0: unknown */
    bool cut;                    /* the fault: the file ends too early */
    size_t rows;                 /* with a fault: number of upright rows that exist; SIZE_MAX: unknown */
    char fault[DP_FAULT_BYTES];  /* what is damaged; "": nothing was found */
    char note[DP_FAULT_BYTES];   /* what the user should know although the file is not damaged; "": nothing */
    char others[DP_FAULT_BYTES]; /* which pictures it holds beside the one that is read; "": none */
    bool has_profile;            /* the file has an ICC profile, usable or not */
    const uint8_t *profile;      /* ICC profile, if the decoder does not find it itself */
    size_t profile_bytes;
} dp_facts;

/* Samples as the file holds them, upright: [height_px, width_px, bands] of 8 or 16 bits. */
typedef struct dp_raster {
    size_t width_px, height_px, bands, bits;
    void *samples; /* dp_memory_free */
} dp_raster;

/* Returns the format of a file that begins with head [bytes]. *name: its name for messages, static storage, NULL for
 * DP_KIND_NONE. */
dp_kind dp_sniff(const uint8_t *head, size_t bytes, const char **name);

/* Each reads the structure of a file in memory. dp_jpeg_walk corrects harmless oddities of the header in place: a
 * version of JFIF, an Adobe code that no decoder knows. dp_png_mend writes the checksums of all chunks again. */
void dp_jpeg_walk(uint8_t *data, size_t bytes, dp_facts *facts);
void dp_png_walk(const uint8_t *data, size_t bytes, dp_facts *facts);
void dp_png_mend(uint8_t *data, size_t bytes);
void dp_riff_walk(const uint8_t *data, size_t bytes, dp_facts *facts);
/* Reads the directories of a TIFF that begins somewhere in a file, and nothing else of it. Errors: DP_E_PICTURE (no directory, a codec or a
 * kind that cannot be read); the message does not name the file. */
dp_status dp_tiff_walk(int fd, uint64_t begin, uint64_t bytes, dp_facts *facts, dp_error *err);

#define DP_MAX_SIDE 10000000 /* pixels, libvips' own limit */

/* Decode BMP and PNM. A file that is cut short or damaged is decoded as far as possible, the rest is zeros, and
 * facts->fault describes the damage. Errors: DP_E_PICTURE (no header, a kind that cannot be read, more than
 * max_pixels), DP_E_MEMORY; the message does not name the file. */
dp_status dp_bmp_read(const uint8_t *data, size_t bytes, size_t max_pixels, dp_facts *facts, dp_raster *raster,
                      dp_error *err);
dp_status dp_pnm_read(const uint8_t *data, size_t bytes, size_t max_pixels, dp_facts *facts, dp_raster *raster,
                      dp_error *err);

/* Returns whether an ICC profile is that of sRGB, by its primaries and curves (for a grey one: its curve), whatever its
 * name. */
bool dp_profile_is_srgb(const uint8_t *profile, size_t bytes);

/* Where the bytes of a picture are stored. */
typedef struct dp_stored {
    const char *name;   /* of the picture, for messages; the path of its file, if fd is -1 */
    int fd;             /* the file that holds the picture among others, borrowed; -1: it has a file of its own */
    uint64_t at, bytes; /* with fd: where in that file */
} dp_stored;

static inline dp_stored dp_stored_file(const char *path)
{
    return (dp_stored){.name = path, .fd = -1};
}
/* A member of a tar file, which is not checked. */
dp_stored dp_tar_stored(const dp_tar *tar, size_t index, const char *name);

/* An open picture file. */
typedef struct dp_picture_file {
    const char *path;
    dp_kind kind;
    int fd; /* for a TIFF in a file of its own, else -1 */
    uint64_t size;
    uint8_t *data; /* [bytes] the whole file, except where fd is open; two more bytes are allocated */
    size_t bytes, at;
    dp_facts facts;
} dp_picture_file;

/* dp_picture_load_with of a stored picture. */
dp_status dp_picture_load_stored(const dp_stored *stored, const dp_picture_options *options, dp_picture **picture,
                                 dp_picture_notes *notes, dp_error *err);

/* Opens a file, finds its format, and reads it whole if that is needed. Errors: DP_E_IO, DP_E_PICTURE, DP_E_MEMORY. */
dp_status dp_picture_file_open(const dp_stored *stored, size_t max_pixels, dp_picture_file *source, dp_error *err);
void dp_picture_file_close(dp_picture_file *source);

/* Reads n bytes from `at` on; fewer where the file ends. -1: errno. */
ssize_t dp_read_at(int fd, void *out, size_t n, uint64_t at);

#endif
