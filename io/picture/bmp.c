/* SPDX-License-Identifier: Apache-2.0 */
/* bmp.c - reads Windows and OS/2 bitmaps.
 *
 * A file holds, in this order:
 *
 *     file header          14 bytes
 *     information header   12 (OS/2 1) to 124 bytes
 *     masks, palette
 *     rows                 from the bottom, or from the top where the height is negative; a multiple of 4 bytes each
 *
 * This reads 1, 2, 4 and 8 bits with a palette, plain and run-length encoded; 16 and 32 bits with masks; 24 bits.  A
 * fourth byte is alpha only if the header has a mask for it and the compression is "bit fields".  If it is zero
 * everywhere, the writer left it unset. */
#include "base/error.h"
#include "base/memory.h"
#include "picture/picture_file.h"

#include <stdio.h>
#include <string.h>

enum { PLAIN = 0, RLE8 = 1, RLE4 = 2, FIELDS = 3, ALPHA_FIELDS = 6 };

struct bmp {
    const uint8_t *data;
    size_t bytes, header, offset, bits, compression, n_colours;
    size_t width, height;
    bool from_top;
    uint8_t palette[256][3]; /* RGB */
    uint32_t masks[4];       /* red, green, blue, alpha */
    bool gray, alpha;        /* the palette is grey; the masks have alpha */
};

static uint32_t le(const uint8_t *p, size_t n)
{
    uint32_t value = 0;
    for (size_t i = 0; i < n; i++)
        value |= (uint32_t)p[i] << (8 * i);
    return value;
}

static dp_status read_header(struct bmp *b, dp_facts *facts, dp_error *err)
{
    if (b->bytes < 26)
        return dp_fail(err, DP_E_PICTURE, "cut short in its header; export it again");
    b->offset = le(b->data + 10, 4);
    b->header = le(b->data + 14, 4);
    bool core = b->header == 12;
    if (!core && (b->header < 16 || b->header > 124 || b->header % 4))
        return dp_fail(err, DP_E_PICTURE, "is a BMP with an unknown header of %zu bytes; export it as PNG", b->header);
    if (b->bytes - 14 < b->header)
        return dp_fail(err, DP_E_PICTURE, "cut short in its header; export it again");
    const uint8_t *h = b->data + 14;
    int64_t width = core ? (int64_t)le(h + 4, 2) : (int64_t)(int32_t)le(h + 4, 4);
    int64_t height = core ? (int64_t)le(h + 6, 2) : (int64_t)(int32_t)le(h + 8, 4);
    b->from_top = height < 0;
    height = b->from_top ? -height : height;
    if (width <= 0 || height == 0)
        return dp_fail(err, DP_E_PICTURE, "is a BMP with an impossible size of %lldx%lld pixels; export it again",
                       (long long)width, (long long)height);
    b->width = facts->width_px = (size_t)width;
    b->height = facts->height_px = (size_t)height;
    b->bits = core ? le(h + 10, 2) : le(h + 14, 2);
    b->compression = b->header >= 20 ? le(h + 16, 4) : PLAIN;
    b->n_colours = b->header >= 36 ? le(h + 32, 4) : 0;
    facts->bits = 8;
    bool known = b->compression == PLAIN ? b->bits == 1 || b->bits == 2 || b->bits == 4 || b->bits == 8 || b->bits == 16
                                               || b->bits == 24 || b->bits == 32
                 : b->compression == RLE8 ? b->bits == 8 && !b->from_top
                 : b->compression == RLE4 ? b->bits == 4 && !b->from_top
                 : b->compression == FIELDS || b->compression == ALPHA_FIELDS
                     ? (b->bits == 16 || b->bits == 32) && b->header != 64
                     : false;
    if (!known)
        return dp_fail(err, DP_E_PICTURE,
                       "is a BMP of %zu bits with compression %zu, which cannot be read; export it as PNG", b->bits,
                       b->compression);
    return DP_OK;
}

/* Reads the masks, which follow a short header or are part of a long one. *after: where the palette begins. */
static dp_status read_masks(struct bmp *b, size_t *after, dp_error *err)
{
    *after = 14 + b->header;
    if (b->bits == 32 || b->bits == 16) {
        const uint32_t five[3] = {0x7c00, 0x3e0, 0x1f}, eight[3] = {0xff0000, 0xff00, 0xff};
        memcpy(b->masks, b->bits == 16 ? five : eight, sizeof five);
    }
    if (b->compression != FIELDS && b->compression != ALPHA_FIELDS)
        return DP_OK;
    size_t n = b->header >= 56 || b->compression == ALPHA_FIELDS ? 4 : 3;
    if (b->bytes < 54 + 4 * n)
        return dp_fail(err, DP_E_PICTURE, "cut short in its header; export it again");
    for (size_t i = 0; i < n; i++)
        b->masks[i] = le(b->data + 54 + 4 * i, 4);
    if (b->header < 52)
        *after = 54 + 4 * n;
    uint32_t seen = 0;
    for (size_t i = 0; i < 4; i++) {
        uint32_t mask = b->masks[i], low = mask & -mask;
        bool joined = mask && ((mask + low) & mask) == 0;
        if ((i < 3 && !joined) || (mask && !joined) || (seen & mask) || (b->bits == 16 && mask >> 16))
            return dp_fail(err, DP_E_PICTURE,
                           "is a BMP with unknown colour masks %08x %08x %08x %08x; export it as PNG", b->masks[0],
                           b->masks[1], b->masks[2], b->masks[3]);
        seen |= mask;
    }
    b->alpha = b->masks[3] != 0;
    return DP_OK;
}

static dp_status read_palette(struct bmp *b, size_t at, dp_facts *facts, dp_error *err)
{
    size_t entry = b->header == 12 ? 3 : 4, most = b->bits <= 8 ? (size_t)1 << b->bits : 0;
    size_t n = b->n_colours && b->n_colours < most ? b->n_colours : most;
    if (b->offset < at || b->offset > b->bytes) {
        if (b->offset > b->bytes || b->offset)
            return dp_fail(err, DP_E_PICTURE,
                           "is a BMP whose header puts the pixels at byte %zu of %zu; export it again", b->offset,
                           b->bytes);
        b->offset = at + n * entry; /* the writer left the offset out */
    }
    size_t room =
        b->offset > at ? (b->offset - at) / entry : 0; /* an OS/2 palette may have fewer entries than its bits allow */
    n = n < room ? n : room;
    if (most && !n)
        return dp_fail(err, DP_E_PICTURE, "is a BMP without its palette; export it again");
    if (b->offset > b->bytes)
        return dp_fail(err, DP_E_PICTURE, "cut short in its palette; export it again");
    b->gray = most != 0;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = b->data + at + i * entry;
        for (size_t c = 0; c < 3; c++)
            b->palette[i][c] = p[2 - c];
        b->gray = b->gray && p[0] == p[1] && p[1] == p[2];
    }
    b->n_colours = n;
    facts->has_zero = most != 0;
    memcpy(facts->zero, b->palette[0], 3);
    return DP_OK;
}

static void fault(dp_facts *facts, bool cut, size_t rows, const char *text)
{
    if (facts->fault[0])
        return;
    facts->cut = cut;
    facts->rows = rows;
    snprintf(facts->fault, sizeof facts->fault, "%s", text);
}

/* Maps (x & mask) to 0 .. 255. */
static inline uint8_t field(uint32_t x, uint32_t mask)
{
    if (!mask)
        return 255;
    unsigned shift = (unsigned)__builtin_ctz(mask);
    uint64_t most = mask >> shift, value = (x & mask) >> shift;
    return (uint8_t)((value * 255 + most / 2) / most);
}

static void put_index(const struct bmp *b, size_t index, uint8_t *out, bool *beyond)
{
    *beyond = *beyond || index >= b->n_colours;
    if (b->gray)
        *out = b->palette[index][0];
    else
        memcpy(out, b->palette[index], 3);
}

static void put_row(const struct bmp *b, const uint8_t *in, uint8_t *out, size_t bands, bool *beyond)
{
    for (size_t x = 0; x < b->width; x++, out += bands) {
        if (b->bits <= 8) {
            size_t per = 8 / b->bits, shift = (per - 1 - x % per) * b->bits;
            put_index(b, in[x / per] >> shift & (((size_t)1 << b->bits) - 1), out, beyond);
        } else if (b->bits == 24) {
            out[0] = in[3 * x + 2], out[1] = in[3 * x + 1], out[2] = in[3 * x];
        } else {
            uint32_t pixel = le(in + x * b->bits / 8, b->bits / 8);
            for (size_t c = 0; c < bands; c++)
                out[c] = field(pixel, b->masks[c]);
        }
    }
}

static size_t upright(const struct bmp *b, size_t row)
{
    return b->from_top ? row : b->height - 1 - row;
}

static void read_plain(const struct bmp *b, dp_facts *facts, dp_raster *raster)
{
    size_t used = (b->width * b->bits + 7) / 8, stride = (b->width * b->bits + 31) / 32 * 4; /* width below 2^31 */
    bool beyond = false;
    for (size_t row = 0; row < b->height; row++) {
        size_t at;
        if (!dp_mul_size(row, stride, &at) || at > b->bytes - b->offset || used > b->bytes - b->offset - at) {
            fault(facts, true, row, "its data end before its pixels do");
            break;
        }
        put_row(b, b->data + b->offset + at, (uint8_t *)raster->samples + upright(b, row) * b->width * raster->bands,
                raster->bands, &beyond);
    }
    if (beyond)
        fault(facts, false, SIZE_MAX, "its pixels use colours that its palette does not have");
}

/* Reads runs of one or two indices, and plain indices. Pixels that are not drawn have entry 0. */
static void read_runs(const struct bmp *b, dp_facts *facts, dp_raster *raster)
{
    const uint8_t *p = b->data + b->offset, *end = b->data + b->bytes;
    size_t x = 0, row = 0, bands = raster->bands;
    bool beyond = false, outside = false, ended = false;
    uint8_t *samples = raster->samples;
    for (size_t i = 0; i < b->width * b->height; i++)
        put_index(b, 0, samples + i * bands, &beyond);
    while (!ended && end - p >= 2) {
        size_t count = p[0], code = p[1], bytes = 0;
        p += 2;
        bool run = count > 0;
        if (!run && code == 0) {
            x = 0;
            row++;
            continue;
        }
        if (!run && code == 1) {
            ended = true;
            continue;
        }
        if (!run && code == 2) {
            if (end - p < 2)
                break;
            x += p[0];
            row += p[1];
            p += 2;
            continue;
        }
        if (!run) {
            count = code;
            bytes = b->compression == RLE8 ? count : (count + 1) / 2;
            if ((size_t)(end - p) < bytes)
                break;
        }
        for (size_t i = 0; i < count; i++, x++) {
            size_t packed = run ? code : p[b->compression == RLE8 ? i : i / 2];
            size_t index = b->compression == RLE8 ? packed : i % 2 ? packed & 15 : packed >> 4;
            if (x < b->width && row < b->height)
                put_index(b, index, samples + (upright(b, row) * b->width + x) * bands, &beyond);
            else
                outside = true;
        }
        p += bytes + (bytes & 1);
        if (p > end)
            p = end;
    }
    if (!ended && !(row + 1 >= b->height && x >= b->width) && row < b->height)
        fault(facts, true, row, "its data end before its pixels do");
    if (outside)
        fault(facts, false, SIZE_MAX, "it draws outside its frame");
    if (beyond)
        fault(facts, false, SIZE_MAX, "its pixels use colours that its palette does not have");
}

/* Drops an alpha that is zero everywhere: its writer left the byte unset, and it would hide the whole picture. */
static void drop_empty_alpha(dp_facts *facts, dp_raster *raster)
{
    uint8_t *samples = raster->samples;
    size_t n = raster->width_px * raster->height_px;
    for (size_t i = 0; i < n; i++)
        if (samples[4 * i + 3])
            return;
    for (size_t i = 0; i < n; i++)
        samples[4 * i + 3] = 255;
    snprintf(facts->note, sizeof facts->note, "its alpha channel is zero everywhere and is ignored");
}

/* Finds the embedded profile of a BITMAPV5HEADER. */
static void find_profile(const struct bmp *b, dp_facts *facts)
{
    if (b->header != 124 || le(b->data + 14 + 56, 4) != 0x4d424544) /* 'MBED' */
        return;
    size_t at = 14 + (size_t)le(b->data + 14 + 112, 4), n = le(b->data + 14 + 116, 4);
    if (at <= b->bytes && n <= b->bytes - at && n) {
        facts->profile = b->data + at;
        facts->profile_bytes = n;
    }
}

dp_status dp_bmp_read(const uint8_t *data, size_t bytes, size_t max_pixels, dp_facts *facts, dp_raster *raster,
                      dp_error *err)
{
    struct bmp b = {.data = data, .bytes = bytes};
    size_t palette_at, pixels;
    dp_status status = read_header(&b, facts, err);
    if (!status && (!dp_mul_size(b.width, b.height, &pixels) || (max_pixels && pixels > max_pixels)))
        status = dp_fail(err, DP_E_PICTURE, "is %zux%zu pixels; the limit is %zu pixels in all", b.width, b.height,
                         max_pixels);
    if (!status && (b.width > DP_MAX_SIDE || b.height > DP_MAX_SIDE))
        status = dp_fail(err, DP_E_PICTURE, "is %zux%zu pixels; a side has at most %d", b.width, b.height, DP_MAX_SIDE);
    if (!status)
        status = read_masks(&b, &palette_at, err);
    if (!status)
        status = read_palette(&b, palette_at, facts, err);
    if (status)
        return status;
    size_t bands = b.bits <= 8 && b.gray ? 1 : b.alpha ? 4 : 3;
    void *samples = dp_calloc_2d(b.width, b.height, bands);
    if (!samples)
        return dp_fail_memory(err, "a picture", pixels * bands);
    *raster = (dp_raster){.width_px = b.width, .height_px = b.height, .bands = bands, .bits = 8, .samples = samples};
    find_profile(&b, facts);
    if (b.compression == RLE8 || b.compression == RLE4)
        read_runs(&b, facts, raster);
    else
        read_plain(&b, facts, raster);
    if (bands == 4)
        drop_empty_alpha(facts, raster);
    return DP_OK;
}
