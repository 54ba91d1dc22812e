/* SPDX-License-Identifier: Apache-2.0 */
/* walk_tiff.c - reads the directories of a TIFF (TIFF 6.0, BigTIFF): which page is the picture, what its channels are,
 * whether its data exist, and whether its codec can be trusted.
 *
 * A page marked as a reduced picture or a mask (NewSubfileType) is skipped. If all pages are, the first sub-directory
 * that is not marked is read. */
#include "base/error.h"
#include "picture/picture_file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_DIRECTORIES 4096
#define MAX_ENTRIES 4096
#define MAX_SUB 16

enum tag {
    NEW_SUBFILE = 254,
    OLD_SUBFILE = 255,
    WIDTH = 256,
    LENGTH = 257,
    BITS = 258,
    COMPRESSION = 259,
    PHOTOMETRIC = 262,
    STRIP_OFFSETS = 273,
    SAMPLES = 277,
    ROWS_PER_STRIP = 278,
    STRIP_COUNTS = 279,
    PLANAR = 284,
    COLOUR_MAP = 320,
    TILE_WIDTH = 322,
    TILE_LENGTH = 323,
    TILE_OFFSETS = 324,
    TILE_COUNTS = 325,
    SUB_IFDS = 330,
    EXTRA_SAMPLES = 338,
    ICC_PROFILE = 34675
};

struct file {
    int fd;
    uint64_t begin, bytes; /* of the TIFF in the file; places in it count from its begin */
    bool big, big_endian;
};

/* The values of an entry, in the file. */
struct values {
    uint64_t at, count;
    size_t bytes; /* bytes of one value; 0: none */
};

struct directory {
    uint64_t at, next;
    uint64_t width, length, bits, compression, photometric, samples, rows_per_strip, planar, tile_width, tile_length,
        subfile, old_subfile;
    struct values offsets, counts, sub, extra, map;
    bool tiled, profile;
};

static bool get(const struct file *file, uint64_t at, void *out, size_t n)
{
    return at <= file->bytes && n <= file->bytes - at
           && pread(file->fd, out, n, (off_t)(file->begin + at)) == (ssize_t)n;
}

static uint64_t number(const struct file *file, const uint8_t *p, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | p[file->big_endian ? i : n - 1 - i];
    return value;
}

static uint64_t value_at(const struct file *file, const struct values *values, uint64_t i)
{
    uint8_t bytes[8];
    if (!values->bytes || i >= values->count || !get(file, values->at + i * values->bytes, bytes, values->bytes))
        return 0;
    return number(file, bytes, values->bytes);
}

/* Returns the bytes of an unsigned whole number; 0 for other types, which are not needed here. */
static size_t type_bytes(unsigned type)
{
    switch (type) {
    case 1: return 1;
    case 3: return 2;
    case 4:
    case 13: return 4;
    case 16:
    case 18: return 8;
    default: return 0;
    }
}

static void take(const struct file *file, struct directory *d, unsigned tag, const struct values *values)
{
    uint64_t first = value_at(file, values, 0);
    switch (tag) {
    case NEW_SUBFILE: d->subfile = first; break;
    case OLD_SUBFILE: d->old_subfile = first; break;
    case WIDTH: d->width = first; break;
    case LENGTH: d->length = first; break;
    case BITS: d->bits = first; break;
    case COMPRESSION: d->compression = first; break;
    case PHOTOMETRIC: d->photometric = first; break;
    case SAMPLES: d->samples = first; break;
    case ROWS_PER_STRIP: d->rows_per_strip = first; break;
    case PLANAR: d->planar = first; break;
    case TILE_WIDTH: d->tile_width = first; break;
    case TILE_LENGTH: d->tile_length = first; break;
    case STRIP_OFFSETS:
    case TILE_OFFSETS:
        d->offsets = *values;
        d->tiled = tag == TILE_OFFSETS;
        break;
    case STRIP_COUNTS:
    case TILE_COUNTS: d->counts = *values; break;
    case SUB_IFDS: d->sub = *values; break;
    case EXTRA_SAMPLES: d->extra = *values; break;
    case COLOUR_MAP: d->map = *values; break;
    default: break;
    }
}

static bool read_directory(const struct file *file, uint64_t at, struct directory *out)
{
    uint8_t bytes[20];
    size_t head = file->big ? 8 : 2, entry = file->big ? 20 : 12, word = file->big ? 8 : 4;
    *out = (struct directory){.at = at,
                              .bits = 1,
                              .compression = 1,
                              .photometric = UINT64_MAX,
                              .samples = 1,
                              .planar = 1,
                              .rows_per_strip = UINT64_MAX};
    if (!get(file, at, bytes, head))
        return false;
    uint64_t n = number(file, bytes, head);
    if (!n || n > MAX_ENTRIES)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t place = at + head + i * entry;
        if (!get(file, place, bytes, entry))
            return false;
        struct values values = {.bytes = type_bytes((unsigned)number(file, bytes + 2, 2)),
                                .count = number(file, bytes + 4, word)};
        out->profile = out->profile || number(file, bytes, 2) == ICC_PROFILE;
        if (!values.bytes || !values.count || values.count > file->bytes / values.bytes)
            continue;
        bool inside = values.count * values.bytes <= word;
        values.at = inside ? place + 4 + word : number(file, bytes + 4 + word, word);
        take(file, out, (unsigned)number(file, bytes, 2), &values);
    }
    if (get(file, at + head + n * entry, bytes, word))
        out->next = number(file, bytes, word);
    return true;
}

/* Returns whether the directory is a reduced picture or a mask. */
static bool is_beside(const struct directory *d)
{
    return (d->subfile & 5) || d->old_subfile == 2;
}

/* Returns NULL for a codec whose decoder is made for untrusted files, else its name. */
static const char *refused_codec(uint64_t compression)
{
    switch (compression) {
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 7:
    case 8:
    case 32773:
    case 32946:
    case 34925:
    case 50000:
    case 50001: return NULL;
    case 6: return "old-style JPEG";
    case 33003:
    case 33004:
    case 33005:
    case 34712: return "JPEG 2000";
    case 34887: return "LERC";
    case 34661: return "JBIG";
    case 34676:
    case 34677: return "LogLuv";
    case 32909: return "PixarLog";
    case 22610:
    case 34892: return "lossy JPEG of a camera's raw file";
    case 50002:
    case 52546: return "JPEG XL";
    default: return "an unsupported compression";
    }
}

/* Finds what the channels are. If colours are already multiplied by alpha (associated), libvips divides them. */
static dp_status channels(const struct file *file, const struct directory *d, dp_facts *facts, dp_error *err)
{
    if (d->photometric >= 32803 && d->photometric <= 34892)
        return dp_fail(err, DP_E_PICTURE, "is a camera's raw picture; develop it and export it as PNG or TIFF");
    if (d->photometric == 4)
        return dp_fail(err, DP_E_PICTURE, "is a TIFF that holds a transparency mask but no picture");
    size_t colours = d->photometric == 0 || d->photometric == 1 || d->photometric == 3 ? 1
                     : d->photometric == 5                                             ? 4
                                                                                       : 3;
    if (d->photometric == UINT64_MAX)
        colours = d->samples >= 3 ? 3 : 1;
    if (d->samples < colours)
        colours = (size_t)d->samples;
    uint64_t kind = value_at(file, &d->extra, 0);
    facts->colours =
        d->photometric == 3 && d->samples == 1 ? 0 : colours; /* the decoder makes one or three channels of a palette */
    facts->alpha = d->samples > colours && d->extra.count && (kind == 1 || kind == 2);
    if (d->samples > colours + 1 || (d->samples == colours + 1 && !(d->extra.count && (kind == 1 || kind == 2))))
        snprintf(facts->note, sizeof facts->note, "has %zu extra channel%s that %s not marked as alpha and ignored",
                 (size_t)d->samples - colours, d->samples - colours > 1 ? "s" : "",
                 d->samples - colours > 1 ? "are" : "is");
    if (d->photometric == 3 && d->map.count >= 3) {
        facts->has_zero = true;
        for (uint64_t c = 0; c < 3; c++)
            facts->zero[c] = (uint8_t)(value_at(file, &d->map, c * (d->map.count / 3)) >> 8);
    }
    return DP_OK;
}

/* Checks that strips and tiles end before the file does. */
static void check_data(const struct file *file, const struct directory *d, dp_facts *facts)
{
    uint64_t rows = d->tiled ? d->tile_length : d->rows_per_strip < d->length ? d->rows_per_strip : d->length;
    if (!rows || !d->width || !d->length || d->width > DP_MAX_SIDE || d->length > DP_MAX_SIDE || !d->offsets.bytes
        || !d->counts.bytes)
        return; /* the decoder refuses such sizes */
    uint64_t across = d->tiled && d->tile_width ? (d->width - 1) / d->tile_width + 1 : 1;
    uint64_t down = (d->length - 1) / rows + 1, pieces = across * down, present = d->length;
    uint64_t row_bytes = (d->width * d->bits * (d->planar == 2 ? 1 : d->samples) + 7) / 8;
    for (uint64_t i = 0; i < d->offsets.count && i < d->counts.count; i++) {
        uint64_t offset = value_at(file, &d->offsets, i), count = value_at(file, &d->counts, i),
                 first = i % pieces / across * rows;
        if (!d->tiled && d->compression == 1 && row_bytes) { /* some writers count more bytes than exist */
            uint64_t own = first < d->length ? (d->length - first < rows ? d->length - first : rows) * row_bytes : 0;
            count = count < own ? count : own;
        }
        if (offset > file->bytes || count > file->bytes - offset) {
            if (!d->tiled && d->compression == 1 && row_bytes && offset < file->bytes)
                first += (file->bytes - offset) / row_bytes;
            present = first < present ? first : present;
        }
    }
    if (present < d->length) {
        facts->cut = true;
        facts->rows = (size_t)present;
        snprintf(facts->fault, sizeof facts->fault, "its data end before its pixels do");
    }
}

static dp_status fill_facts(const struct file *file, const struct directory *d, dp_facts *facts, dp_error *err)
{
    const char *codec = refused_codec(d->compression);
    if (codec)
        return dp_fail(err, DP_E_PICTURE,
                       "is a TIFF compressed by %s (number %llu), which cannot be read; export it as PNG, or as TIFF "
                       "with LZW or no compression",
                       codec, (unsigned long long)d->compression);
    facts->lossy = d->compression == 7 || d->compression == 50001;
    facts->bits = d->bits <= 8 ? 8 : (size_t)d->bits;
    facts->width_px = (size_t)d->width;
    facts->height_px = (size_t)d->length;
    facts->has_profile = d->profile;
    dp_status status = channels(file, d, facts, err);
    if (!status)
        check_data(file, d, facts);
    return status;
}

dp_status dp_tiff_walk(int fd, uint64_t begin, uint64_t bytes, dp_facts *facts, dp_error *err)
{
    struct file file = {.fd = fd, .begin = begin, .bytes = bytes};
    uint8_t head[16];
    struct directory first = {0}, chosen = {0}, d;
    facts->subifd = -1;
    if (!get(&file, 0, head, 8))
        return dp_fail(err, DP_E_PICTURE, "cut short in its header; export it again");
    file.big_endian = head[0] == 'M';
    file.big = number(&file, head + 2, 2) == 43;
    if (file.big && !get(&file, 0, head, 16))
        return dp_fail(err, DP_E_PICTURE, "cut short in its header; export it again");
    uint64_t at = file.big ? number(&file, head + 8, 8) : number(&file, head + 4, 4);
    size_t n = 0, pictures = 0;
    for (; at && n < MAX_DIRECTORIES; n++, at = d.next) {
        if (!read_directory(&file, at, &d)) {
            if (n)
                break; /* the pages after these do not matter */
            return dp_fail(err, DP_E_PICTURE,
                           "cut short: its directory, which lists where the pixels are, is missing; export it again");
        }
        if (n && d.at == first.at)
            break;
        if (!n)
            first = d;
        if (is_beside(&d))
            continue;
        if (!pictures++) {
            chosen = d;
            facts->page = n;
        }
    }
    if (!n)
        return dp_fail(err, DP_E_PICTURE, "is a TIFF without a picture");
    if (!pictures) {
        chosen = first;
        for (uint64_t i = 0; i < first.sub.count && i < MAX_SUB; i++)
            if (read_directory(&file, value_at(&file, &first.sub, i), &d) && !is_beside(&d)) {
                chosen = d;
                facts->subifd = (int)i;
                break;
            }
    }
    dp_status status = fill_facts(&file, &chosen, facts, err);
    if (!status && pictures > 1)
        snprintf(facts->others, sizeof facts->others, "holds %zu%s pages", pictures,
                 n == MAX_DIRECTORIES ? " or more" : "");
    return status;
}
